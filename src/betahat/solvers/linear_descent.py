"""An iterative method in the place of a factorisation: each correction of a linear fit is descended to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from betahat.solvers.descent.base import Limits, Solver, State
from betahat.solvers.descent.quadratic import Quadratic, largest_eigenvalue
from betahat.solvers.factor import EPS, Factor
from betahat.solvers.named import STOCHASTIC, named
from betahat.solvers.trace import Trace

ENDINGS = ("budget spent", "diverged", "interrupted", "early stopping")
"""Why a descent ends for good, wherever it is."""
MOST_ITERATIONS = 100_000
_TOLERANCE = (
    1e-12  # relative gradient up to which the quadratic, known in double precision, is worth descending on
)
_LOOSEST = 1e-2
_NONSENSE = 1e-6  # of J below zero: rounding of a nearly singular H, not a minimum
_OBSERVED = 4  # fewest iterations from which a rate is told
_MATRICES_UP_TO = 3000  # numbers for which a method may keep a matrix
_MATRIX = ("newton", "trust_region", "dogleg", "bfgs")


@final
@dataclass(frozen=True)
class Method:
    """What a user asks for: a solver or its name ("auto": what suits the size), iterations in all (None: 100,000), and
    how small |∂J/∂βⱼ| must become beside mean |wᵢ xᵢⱼ rᵢ| (None: as small as double precision lets it). For stochastic
    solvers iterations are passes over the rows, taken in batches of so many, in an order that the seed decides."""

    solver: Solver | str
    max_iter: int | None = None
    tolerance: float | None = None
    batch_size: int = 32
    seed: int = 0

    @property
    def named(self) -> Solver | str | None:
        """The solver that was asked for, None for "auto"."""
        return None if isinstance(self.solver, str) and self.solver == "auto" else self.solver

    @property
    def is_stochastic(self) -> bool:
        """Whether steps see a few rows at a time."""
        if isinstance(self.solver, str):
            return self.solver in STOCHASTIC
        from betahat.solvers.stochastic.chain import ChainSolver

        return isinstance(self.solver, ChainSolver)


@final
@dataclass(frozen=True)
class Descended:
    """How a descent on the normal equations' quadratic went, in columns of unit variance.

    solver : its name; iterations; largest, smallest : eigenvalues of the Hessian, the smallest of the directions that
    the data determine; learning_rate, momentum : where they were fixed, else NaN; rate : the factor by which the
    gradient shrank an iteration in the second half of the first descent, NaN where there were too few; tolerance : that
    was asked for, NaN where rounding was; remark : what the solver said at its end; batch_size : rows a step, 0 for
    all; then iterations are passes over them.
    """

    solver: str
    iterations: int
    largest: float
    smallest: float
    learning_rate: float
    momentum: float
    rate: float
    tolerance: float
    remark: str
    batch_size: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Way(ABC):
    """An iterative method for the corrections of a linear fit."""

    @abstractmethod
    def solve(
        self, z: np.ndarray, accuracy: float, loss: float, at: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, str]:
        """H⁻¹z (k, t) to a relative `accuracy`, if the budget lasts, and why it ended.

        loss : J where nothing is corrected; at : coefficients (t, p) and intercepts (t,) there.
        """

    @abstractmethod
    def report(self) -> Descended:
        """How it went so far."""


@final
class LinearDescent(Way):
    """H⁻¹z for the scaled Hessian H of a linear model, again and again, by a descent from 0 with one budget for all."""

    def __init__(self, method: Method, factor: Factor, weight: float, trace: Trace) -> None:
        self._H, self._basis = factor.quadratic()
        self._weight, self._trace = weight, trace
        self._largest = largest_eigenvalue(self._H)
        self._smallest = self._largest / factor.condition_number**2
        solver = method.solver
        self._solver = self._named(solver) if isinstance(solver, str) else solver
        self._name = solver if isinstance(solver, str) else solver_name(solver)
        self._tolerance = np.nan if method.tolerance is None else method.tolerance
        self._left = MOST_ITERATIONS if method.max_iter is None else method.max_iter
        self._spent, self._rate, self._remark, self._ended = 0, np.nan, "", ""

    def _named(self, name: str) -> Solver:
        """Methods whose best parameters are known where H is."""
        from betahat.solvers.descent.gradient_descent import GradientDescent
        from betahat.solvers.descent.linear_cg import LinearConjugateGradient

        if name == "momentum":
            # critical damping of the flattest direction; Polyak's larger learning rate would be twice as quick in the
            # end, but lets J rise far above its start before
            share = 1 - float(np.sqrt(self._smallest / self._largest))
            return GradientDescent(1 / self._largest, momentum=min(share**2, 1 - EPS))
        return LinearConjugateGradient() if name == "conjugate_gradient" else named(name)

    def solve(
        self, z: np.ndarray, accuracy: float, loss: float, at: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, str]:
        inside = z if self._basis is None else self._basis.T @ z
        size = float(np.linalg.norm(inside))
        if self._ended in ENDINGS:
            return np.zeros_like(z), self._ended
        if not size > 0 or not np.isfinite(size):
            if not len(self._trace):
                self._trace.add(loss, 0.0, 0.0)  # where it begins is where it ends
            return np.zeros_like(z), "converged"
        problem = Quadratic(self._H, inside / size, self._largest)
        if self._solver.name in _MATRIX and problem.n > _MATRICES_UP_TO:
            raise ValueError(
                f"solver={self._name!r} keeps a matrix of {problem.n} × {problem.n} ({len(z)} columns, {z.shape[1]} "
                'targets); use "conjugate_gradient" or "lbfgs"'
            )
        limits = Limits(float(np.clip(accuracy, _TOLERANCE, _LOOSEST)), max(self._left, 0))
        inner = Trace()
        state = self._run(problem, limits, inner)
        self._take(inner, loss, size)
        self._remark, self._ended = state.remark, state.stop_reason
        deepest = -(1 + _NONSENSE) * loss * self._weight / size**2  # J is nowhere negative
        if not (np.isfinite(state.x).all() and deepest <= state.value <= 0):
            return np.zeros_like(z), self._ended
        x = state.x.reshape(z.shape[1], -1).T * size
        return (x if self._basis is None else self._basis @ x), state.stop_reason

    def _run(self, problem: Quadratic, limits: Limits, inner: Trace) -> State:
        best = [problem.start, 0.0]

        def each(x: np.ndarray, value: float) -> None:
            if value <= best[1]:
                best[:] = [x.copy(), value]

        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return self._solver.run(problem, limits, inner, each)
        except KeyboardInterrupt:
            return State(best[0], best[1], np.zeros(problem.n), "interrupted")

    def _take(self, inner: Trace, loss: float, size: float) -> None:
        """The iterations of one descent, in units of J, into the trace of the fit."""
        taken = max(len(inner) - 1, 0)
        self._left -= taken
        if not self._spent:
            self._rate = observed_rate(inner)
        first = 1 if self._spent else 0  # where the last descent ended is told already
        self._spent += taken
        self._trace.extend(inner, first, loss, size**2 / self._weight, size / np.sqrt(self._weight))

    def report(self) -> Descended:
        from betahat.solvers.descent.gradient_descent import GradientDescent

        method = self._solver
        rate, momentum = np.nan, np.nan
        if isinstance(method, GradientDescent):
            momentum = np.nan if method.nesterov and not method.momentum else float(method.momentum)
            if method.learning_rate == "auto":
                rate = 1 / self._largest
            elif isinstance(method.learning_rate, (int, float)):
                rate = float(method.learning_rate)
        return Descended(
            self._name, self._spent, self._largest, self._smallest, rate, momentum, self._rate, self._tolerance,
            self._remark,
        )  # fmt: skip


def observed_rate(trace: Trace) -> float:
    """By which factor the gradient shrank an iteration in the second half of a descent; NaN where it was short."""
    norms, taken = trace.gradient_norm, len(trace) - 1
    middle = taken // 2
    if taken < _OBSERVED or not (norms[middle] > 0 and norms[taken] > 0):
        return np.nan
    return float((norms[taken] / norms[middle]) ** (1 / (taken - middle)))


def solver_name(solver: Solver) -> str:
    """What it is called in words: momentum makes gradient descent another method."""
    if solver.name != "gradient_descent":
        return solver.name
    given = vars(solver)
    return "nesterov" if given["nesterov"] else "momentum" if given["momentum"] else solver.name


def unfinished(solver: str, iterations: int, stop_reason: str, remark: str) -> str:
    """What a certificate says of a descent that ended for a reason other than reaching the minimum."""
    if stop_reason == "at the edge":
        return remark
    after = f"the descent ({solver}) ended after {iterations:,} iterations"
    advice = {
        "budget spent": 'the budget was spent before the derivatives vanished: raise max_iter, or choose "lbfgs", '
        '"conjugate_gradient" or "direct"',
        "diverged": remark or "the steps grew instead of shrinking: the learning rate is too large",
        "interrupted": "it was interrupted",
    }.get(
        stop_reason, remark or "it made no more progress: double precision cannot tell points so close apart"
    )
    return f"{after}; {advice}"
