"""The maximum of a multinomial likelihood: Newton's method, or, with many coefficients, a preconditioned descent."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.data.passes import fold
from betahat.data.source import Source
from betahat.objective.linear import LinearObjective
from betahat.objective.smooth import EVERYTHING, GRADIENT, VALUE
from betahat.objective.softmax import JUDGED, SoftmaxObjective
from betahat.objective.softmax_blocks import BlockSums
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.descent.base import Limits
from betahat.solvers.descent.problem import Problem
from betahat.solvers.likelihood.by_newton import LikelihoodFit, Look, by_newton
from betahat.solvers.likelihood.solve import (
    NEWTON_UP_TO,
    begin,
    few_of,
    least_squares,
    refuse_not_finite,
)
from betahat.solvers.linear_descent import MOST_ITERATIONS, Method
from betahat.solvers.named import named
from betahat.solvers.smooth import coordinates_of, descend
from betahat.solvers.trace import Trace

_ROUGH = 1e-2  # relative gradient at which the blocks of the Hessian are worth their cost


@final
class SoftmaxProblem(Problem):
    """J at θ = origin + B x, where B brings the Hessian near the identity.

    factors (t, k, k) : Cholesky factors L, a matrix for each predictor, with θₖ = originₖ + L⁻ᵀ xₖ.
    """

    def __init__(self, objective: SoftmaxObjective, origin: np.ndarray, factors: np.ndarray) -> None:
        self.objective, self.origin, self._factors = objective, origin, factors
        self.start = np.zeros(len(origin))

    def theta(self, x: np.ndarray) -> np.ndarray:
        """θ at x."""
        from scipy.linalg import solve_triangular

        parts = x.reshape(self.objective.t, -1)
        moved = [
            solve_triangular(L, part, lower=True, trans=1)
            for L, part in zip(self._factors, parts, strict=True)
        ]
        return self.origin + np.concatenate(moved)

    def _back(self, g: np.ndarray) -> np.ndarray:
        """A derivative by θ as one by x."""
        from scipy.linalg import solve_triangular

        parts = g.reshape(self.objective.t, -1)
        return np.concatenate([
            solve_triangular(L, part, lower=True) for L, part in zip(self._factors, parts, strict=True)
        ])  # fmt: skip

    def value(self, x: np.ndarray) -> float:
        self.evaluations += 1
        theta = self.theta(x)
        value = self.objective.whole_value(self.objective.sums(theta, VALUE), theta)
        return value if np.isfinite(value) else np.inf

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        theta = self.theta(x)
        sums = self.objective.sums(theta, GRADIENT)
        value = self.objective.whole_value(sums, theta)
        g = self.objective.pulled(self.objective.whole_gradient(sums, theta))
        return value if np.isfinite(value) else np.inf, self._back(g)

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        self.products += 1
        direction = self.theta(v) - self.origin
        return self._back(self.objective.product(self.theta(x), direction))


def bound_factors(objective: SoftmaxObjective) -> np.ndarray:
    """Of ½ M + R'', which bounds the Hessian everywhere since ∂²L/∂η² ≤ ½ I (Böhning 1992); M the columns' moments."""
    H = 0.5 * _moments(objective)
    return np.repeat(_factor(objective, H)[None], objective.t, axis=0)


def block_factors(objective: SoftmaxObjective, theta: np.ndarray) -> np.ndarray:
    """Of the Hessian's own diagonal blocks at θ."""
    sums = fold(objective.source, BlockSums(objective.at, theta, objective.t, objective.reference))
    return np.array([_factor(objective, objective.at.pulled_twice(H / sums.weight)) for H in sums.blocks])


def _factor(objective: SoftmaxObjective, H: np.ndarray) -> np.ndarray:
    first, at = int(objective.at.intercept), objective.at
    H = H.copy()
    if at.basis is None:
        inner = H[first:, first:]
        inner[np.diag_indices_from(inner)] += objective.penalty.curvature / at.scale**2
    if first and not objective.reference:
        H[0, 0] += 1.0 / objective.t
    H[np.diag_indices_from(H)] += 1e-9 * np.maximum(H.diagonal(), H.diagonal().max(initial=0) * 1e-6)
    return np.linalg.cholesky(H)


def solve_softmax(
    source: Source, classes: int, penalty: Penalty, intercept: bool, collinear: str, levels: np.ndarray,
    method: Method | None, look: Look | None = None, warm: tuple[np.ndarray, np.ndarray] | None = None,
) -> LikelihoodFit:  # fmt: skip
    """β̂ minimising the mean of log Σ exp ηₖ − η_y + Σ R(βₖ).

    Without a penalty class 0 is the reference, and predictors are of the others. levels (K,) : log shares of the
    classes, where steps begin; warm : slopes (K, p) and intercepts (K,).
    """
    free, p = isinstance(penalty, NoPenalty), len(source.names)
    few = None if warm is not None else few_of(source)
    objective = SoftmaxObjective(source, classes, penalty, begin(source, intercept, few), reference=free)
    size = objective.t * objective.at.size
    how = None if method is None else method.named
    if how not in (None, "newton") or (how is None and size > NEWTON_UP_TO):
        return _descend(objective, p, penalty, levels, method, collinear, warm)
    theta = _theta(objective, levels, warm)
    return by_newton(
        objective, theta, few, collinear, method, look,
        lambda: least_squares(source, penalty, intercept, collinear), lambda: refuse_not_finite(source, "multinomial"),
    )  # fmt: skip


def _theta(
    objective: SoftmaxObjective, levels: np.ndarray, warm: tuple[np.ndarray, np.ndarray] | None
) -> np.ndarray:
    """Where to begin: at the classes' shares, or where an earlier fit ended."""
    lost = int(objective.reference)
    if warm is not None:
        beta, intercept = warm
        return objective.theta(beta[lost:] - lost * beta[:1], intercept[lost:] - lost * intercept[:1])
    theta = np.zeros((objective.t, objective.at.size))
    if objective.at.intercept:
        theta[:, 0] = levels[lost:] - (levels[0] if lost else levels.mean())
    return theta.ravel()


def _descend(
    objective: SoftmaxObjective, p: int, penalty: Penalty, levels: np.ndarray, method: Method | None, collinear: str,
    warm: tuple[np.ndarray, np.ndarray] | None,
) -> LikelihoodFit:  # fmt: skip
    source, start = objective.source, None
    if isinstance(penalty, NoPenalty) or collinear == "error":
        start = least_squares(source, penalty, objective.at.intercept, collinear)
        objective = objective.within(coordinates_of(start, penalty, objective.at.intercept, collinear))
    problem = SoftmaxProblem(objective, _theta(objective, levels, warm), bound_factors(objective))
    size = len(problem.origin)
    asked = None if method is None else method.named
    way = "lbfgs" if asked is None else asked
    solver = named(way) if isinstance(way, str) else way
    much = EVERYTHING if size <= NEWTON_UP_TO else JUDGED
    with np.errstate(all="ignore"):
        if way == "lbfgs" and (method is None or method.max_iter is None):
            state = solver.run(problem, Limits(_ROUGH, MOST_ITERATIONS), Trace(), None)
            theta = problem.theta(state.x)
            problem = SoftmaxProblem(objective, theta, block_factors(objective, theta))
        found = descend(problem, solver, method, much)
    found.why = (
        f"with {size} coefficients Newton's equations would cost more than many gradients, and the Hessian's "
        "diagonal blocks make these few"
        if asked is None
        else "it was asked for"
    )
    return LikelihoodFit(found, start, np.zeros(size))


def _moments(objective: SoftmaxObjective) -> np.ndarray:
    """Moments of the standardised columns, the 1-column first where there is one, in the directions kept."""
    from betahat.losses import SquaredError

    at, first = objective.at, int(objective.at.intercept)
    linear = LinearObjective(objective.source, SquaredError(), lambda weight: NoPenalty(), at.intercept)
    p = len(at.mean)
    second = linear.second_order(np.append(at.mean, 0.0))
    H = (second.high + second.low) / second.counts.weight
    inner = H[:p, :p] / np.outer(at.scale, at.scale)
    whole = np.zeros((first + p, first + p))
    whole[first:, first:] = inner
    whole[:first, :first] = 1.0
    return at.pulled_twice(whole)
