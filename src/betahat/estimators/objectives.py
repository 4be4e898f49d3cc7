"""J of a fitted model on rows, for those who want to look at it or descend on it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.missing import unmasked
from betahat.data.passes import dense
from betahat.errors import DataError
from betahat.estimators.inputs import check_weight, numbers
from betahat.losses import Loss, as_loss
from betahat.penalties import Penalty, Sum, as_penalty
from betahat.solvers.descent.problem import Problem
from betahat.solvers.nonlinear import NonlinearObjective


@final
@dataclass(frozen=True, eq=False)
class ObjectiveOnRows:
    """J(β) on the rows given, for β (m,) float64; call it with β.

    names : of the m coefficients, the intercept first where there is one; estimate : β̂ of the fit.
    """

    problem: Problem
    names: tuple[str, ...]
    estimate: np.ndarray

    def __call__(self, beta: Any) -> float:
        """J(β)."""
        return self.problem.value(self._checked(beta))

    def gradient(self, beta: Any) -> np.ndarray:
        """∂J/∂β (m,)."""
        return self.problem.both(self._checked(beta))[1]

    def _checked(self, beta: Any) -> np.ndarray:
        values = np.asarray(beta, np.float64)
        if values.shape != self.estimate.shape:
            raise ValueError(
                f"β has shape {values.shape}; expected {self.estimate.shape}: {', '.join(self.names[:20])}"
            )
        return values


@final
class LinearOnRows(Problem):
    """J(β) = Σ sᵢ L(yᵢ, zᵢᵀβ) + R(β without the intercept), sᵢ = wᵢ/Σw, for Z (n, m) with the column of ones in it."""

    def __init__(
        self, Z: np.ndarray, y: np.ndarray, share: np.ndarray, loss: Loss, penalty: Penalty, first: int,
        start: np.ndarray,
    ) -> None:  # fmt: skip
        self._Z, self._y, self._share = Z, y, share
        self._loss, self._penalty, self._first, self.start = loss, penalty, first, start

    def value(self, x: np.ndarray) -> float:
        self.evaluations += 1
        loss = self._share @ self._loss.value(self._y, self._Z @ x)
        return float(loss + self._penalty.value(x[self._first :]))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.gradients += 1
        gradient = self._Z.T @ (self._share * self._loss.first_derivative(self._y, self._Z @ x))
        gradient[self._first :] += self._penalty.gradient(x[self._first :])
        return self.value(x), gradient

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        self.products += 1
        bend = self._share * self._loss.second_derivative(self._y, self._Z @ x)
        found = self._Z.T @ (bend * (self._Z @ v))
        found[self._first :] += self._penalty.hessian(x[self._first :]) @ v[self._first :]
        return found


def linear_objective(model: Any, X: Any, y: Any, sample_weight: Any) -> ObjectiveOnRows:
    """J of a fitted linear model with one target."""
    matrix = model._objective_matrix(X)
    matrix = dense(matrix)
    target = np.asarray(numbers(np.asarray(unmasked(y)), "y"), np.float64)
    if target.shape != (len(matrix),) or np.ndim(model.coef_) != 1:
        raise ValueError(
            f"y has shape {target.shape} for {len(matrix)} rows; J is given for one target: ({len(matrix)},)"
        )
    if not (np.isfinite(target).all() and np.isfinite(matrix).all()):
        raise DataError("X or y holds missing or infinite values; leave those rows out")
    weight = check_weight("sample_weight", sample_weight, len(target))
    weight = np.ones(len(target)) if weight is None else weight
    statistics = model._statistics()
    first = int(statistics.has_intercept)
    Z = np.column_stack([np.ones(len(target)), matrix]) if first else matrix
    estimate = np.concatenate([[model.intercept_] * first, model.coef_])
    own, quadratic = as_penalty(getattr(model, "penalty", None)), model._penalty(float(weight.sum()))
    penalty = quadratic if own.quadratic else Sum((own, quadratic))
    loss = as_loss(getattr(model, "loss", "squared_error"))
    problem = LinearOnRows(Z, target, weight / weight.sum(), loss, penalty, first, estimate)
    return ObjectiveOnRows(problem, tuple(statistics.names), estimate)


def nonlinear_objective(model: Any, X: Any, y: Any, sample_weight: Any) -> ObjectiveOnRows:
    """J of a fitted nonlinear model."""
    from betahat.estimators.nonlinear_inputs import read_rows

    rows = read_rows(model, X, y, sample_weight, None, None, again=True).counting()
    problem = NonlinearObjective(
        model._model, rows.X, rows.y, rows.total, model.coef_, None, as_loss(model.loss), as_penalty(model.penalty)
    )  # fmt: skip
    return ObjectiveOnRows(problem, tuple(model.parameter_names_), model.coef_)
