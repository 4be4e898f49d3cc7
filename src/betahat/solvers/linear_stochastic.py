"""Stochastic steps on a linear model: mini-batches of its rows, in columns of unit variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np

from betahat.data.passes import combined_weight, dense
from betahat.data.source import Block, Source
from betahat.solvers.descent.quadratic import largest_eigenvalue
from betahat.solvers.factor import Factor
from betahat.solvers.linear_descent import ENDINGS, Descended, Method, Way, observed_rate
from betahat.solvers.schedules import Constant, Cosine, Schedule
from betahat.solvers.stochastic.chain import ChainSolver
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from betahat.solvers.stochastic.run import Epochs, MeanGradient, Trained, train
from betahat.solvers.trace import Trace

MOST_EPOCHS, FEWER_EPOCHS = 1000, 100  # where noise is taken away, and where it is not
_PATIENCE = 30  # epochs without a smaller gradient
_SHORTER, _ATTEMPTS = 0.25, 4  # for a learning rate that was chosen here and diverges
_SCALED: dict[str, Callable[[int], ChainSolver]] = {
    "adagrad": lambda steps: AdaGrad(0.5),
    "rmsprop": lambda steps: RMSProp(Cosine(0.02, steps)),
    "adam": lambda steps: Adam(Cosine(0.05, steps)),
    "adamw": lambda steps: AdamW(Cosine(0.05, steps), weight_decay=0.0),
}
"""By name, for so many steps in all: their learning rates fall to zero, and with them the noise."""


@final
class StochasticDescent(Way):
    """H⁻¹z by passes over the rows: SGD with its noise taken away (SVRG; Johnson & Zhang 2013), or another chain.

    Steps are taken in the residuals of the current β, in units of their size, with the prediction at the columns' means
    held: in centred columns the level of a linear model needs no search.
    """

    def __init__(
        self, method: Method, factor: Factor, source: Source, active: np.ndarray, mean: np.ndarray, scale: np.ndarray,
        weight: float, curvature: float, trace: Trace,
    ) -> None:  # fmt: skip
        H, self._basis = factor.quadratic()
        self._method, self._source, self._trace = method, source, trace
        self._active, self._mean, self._sd = active, mean[active], scale / np.sqrt(weight)
        self._root, self._curvature = float(np.sqrt(weight)), curvature
        self._largest = largest_eigenvalue(H)
        self._smallest = self._largest / factor.condition_number**2
        self._asked = method.solver if isinstance(method.solver, ChainSolver) else None
        self._name = method.solver if isinstance(method.solver, str) else method.solver.name
        self._reduces = self._name == "sgd" if self._asked is None else _is_reducible(self._asked)
        self._left = method.max_iter or (MOST_EPOCHS if self._reduces else FEWER_EPOCHS)
        rows, reach = self._rows_and_reach()
        self._steps = max(1, -(-rows // method.batch_size)) * self._left
        self._learning_rate = 1 / (2 * _smoothness(self._largest, reach, rows, method.batch_size))
        self._spent, self._rate, self._remark, self._ended = 0, np.nan, "", ""

    def solve(
        self, z: np.ndarray, accuracy: float, loss: float, at: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, str]:
        unit = float(np.sqrt(2 * loss))
        steep = float(np.abs(z).max(initial=0)) / self._root
        if self._ended in ENDINGS:
            return np.zeros_like(z), self._ended
        if not (unit > 0 and steep > 0):
            if not len(self._trace):
                self._trace.add(loss, 0.0, 0.0)  # where it begins is where it ends
            return np.zeros_like(z), "converged"
        tolerance = float(np.clip(accuracy * steep / unit, 1e-13, 1e-2))
        found, trace = self._train(self._gradient(at, unit, z.shape[1]), z.size, tolerance)
        first = 1 if self._spent and self._reduces else 0  # where the last round ended is told already
        if not self._spent:
            self._rate = observed_rate(trace)
        self._spent, self._left = self._spent + found.epochs, self._left - found.epochs
        self._trace.extend(trace, first, 0.0, unit**2, unit)
        self._remark, self._ended = found.remark, found.stop_reason
        if self._left <= 0 and self._ended not in ENDINGS:
            self._ended = "budget spent"
        x = found.x.reshape(z.shape[1], -1).T
        if self._basis is not None:
            x = self._basis @ (self._basis.T @ x)
        return x * (unit * self._root), self._ended

    def _train(self, gradient: MeanGradient, size: int, tolerance: float) -> tuple[Trained, Trace]:
        """From zero; again with shorter steps where those chosen here were too long."""
        settings = Epochs(
            epochs=self._left, batch_size=self._method.batch_size, seed=self._method.seed, first_epoch=self._spent,
            n_iter_no_change=_PATIENCE if self._reduces else None, variance_reduction=self._reduces,
            gradient_tol=tolerance,
        )  # fmt: skip
        for left in reversed(range(_ATTEMPTS)):
            trace = Trace()
            found = train(gradient, np.zeros(size), self._source, self._solver(), settings, trace=trace)
            if found.stop_reason != "diverged" or self._asked is not None or not self._reduces or not left:
                return found, trace
            self._learning_rate *= _SHORTER
        raise AssertionError("unreachable")

    def _solver(self) -> ChainSolver:
        if self._asked is not None:
            return self._asked
        return SGD(self._learning_rate) if self._reduces else _SCALED[self._name](self._steps)

    def _gradient(self, at: tuple[np.ndarray, np.ndarray], unit: float, t: int) -> MeanGradient:
        """Mean loss of a batch and its derivative, at a change x of the coefficients of columns of unit variance."""
        beta, intercept = at
        inside, mean, sd = self._active, self._mean, self._sd
        curvature, here = self._curvature, beta[:, inside] / unit

        def gradient(x: np.ndarray, block: Block) -> tuple[float, np.ndarray]:
            change = x.reshape(t, -1)
            slopes = change / sd
            X, y, w = block.X, block.y, combined_weight(block)
            assert y is not None
            X = X if hasattr(X, "tocsr") else np.asarray(X, np.float64)
            rest = (y - intercept - X @ beta.T) / unit
            if hasattr(X, "tocsr"):
                some = X[:, inside]
                miss = some @ slopes.T - slopes @ mean - rest
            else:
                some = (X[:, inside] - mean) / sd
                miss = some @ change.T - rest
            pull = miss if w is None else miss * w[:, None]
            total = len(miss) if w is None else float(w.sum())
            loss = 0.5 * float(np.vdot(miss, pull)) / total
            g = (some.T @ pull).T
            if hasattr(X, "tocsr"):
                g = (g - pull.sum(axis=0)[:, None] * mean) / sd
            g = g / total
            if curvature:
                whole = here + slopes
                loss += 0.5 * curvature * float(np.vdot(whole, whole))
                g += curvature * whole / sd
            return loss, g.ravel()

        return gradient

    def _rows_and_reach(self) -> tuple[int, float]:
        """How many rows there are, and the largest w ‖(x − mean)/sd‖², beside the mean weight."""
        rows, total, reach = 0, 0.0, 0.0
        for block in self._source.blocks():
            n, w = block.X.shape[0], combined_weight(block)
            for start in range(0, n, 4096):
                X = dense(block.X[start : start + 4096])
                lengths = (((X[:, self._active] - self._mean) / self._sd) ** 2).sum(axis=1)
                part = lengths if w is None else lengths * w[start : start + 4096]
                reach = max(reach, float(part.max(initial=0)))
            rows, total = rows + n, total + (n if w is None else float(w.sum()))
        return rows, reach * rows / total

    def report(self) -> Descended:
        chosen = self._reduces and self._asked is None
        rate = self._learning_rate if chosen else getattr(self._asked, "learning_rate", np.nan)
        return Descended(
            self._name, self._spent, self._largest, self._smallest,
            float(rate) if isinstance(rate, (int, float)) else np.nan, np.nan, self._rate,
            np.nan if self._method.tolerance is None else self._method.tolerance, self._remark,
            self._method.batch_size,
        )  # fmt: skip


def _is_reducible(solver: ChainSolver) -> bool:
    """Whether a constant learning rate leads to the minimum once noise is taken away."""
    constant = isinstance(solver.learning_rate, Constant) or not isinstance(solver.learning_rate, Schedule)
    return isinstance(solver, (SGD, Momentum, Nesterov)) and constant and solver.average is None


def _smoothness(largest: float, reach: float, rows: int, size: int) -> float:
    """How curved J is as batches of `size` rows see it, between the whole's and one row's (Gower et al. 2019)."""
    if size >= rows or rows < 2:
        return max(largest, np.finfo(float).tiny)
    share = (rows - size) / (size * (rows - 1))
    return (1 - share) * largest + share * max(reach, largest)
