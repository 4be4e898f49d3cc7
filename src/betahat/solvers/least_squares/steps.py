"""The linearised sum of squares at one point, factorised once for every damping that is tried there."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from scipy.linalg import lapack as _lapack

from betahat.solvers.descent.base import State, largest
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.problem import SumOfSquares

lapack: Any = _lapack  # its routines are made at import, where type checkers do not see them

FALL = 1e-14
"""The relative fall of J that Gauss–Newton foresees, below which values of J say nothing."""
_NEAR = 1e-8  # a relative fall, or a relative step, that is next to nothing
_RANK = 1e-13  # relative singular values below which linear numbers are not determined


FADING = 0.5  # how much of a number's unit lasts an iteration where its column has shrunk
SQUARED = 1e-10  # relative eigenvalue of JᵀJ from which it still tells the singular values of J


@final
class Linearised:
    """½‖r + Jδ‖² over the numbers that may move, J = U diag(s) V D there: any damping's step is then a few products.

    moving : places of numbers that take a step; unit : (n,) the lengths D in which steps are measured, those of what
    counts of J's columns, falling no faster than by half; values, vectors : s and V (in columns); right : Uᵀr.
    """

    __slots__ = ("J", "_kept", "_moving", "_right", "_squares", "_values", "_vectors", "fall", "r", "unit")

    def __init__(
        self, r: np.ndarray, J: np.ndarray, unit: np.ndarray, moving: Any, values: np.ndarray, vectors: np.ndarray,
        right: np.ndarray,
    ) -> None:  # fmt: skip
        self.r, self.J, self.unit = r, J, unit
        self._moving, self._values, self._vectors, self._right = moving, values, vectors, right
        self._squares = values * values
        self._kept = values > _RANK * values.max(initial=0)
        whole = right[self._kept]
        self.fall = 0.5 * float(whole @ whole)
        """By how much J would fall were it as linearised: ½ of r's square within the range of J."""

    def is_near(self, state: State) -> bool:
        """Whether a descent that gains no more has arrived: what is left to win, or to go, is next to nothing."""
        whole = self.step(0.0)[0]
        return self.fall <= _NEAR * state.value or bool((np.abs(whole) <= _NEAR * np.abs(state.x)).all())

    def arrived(self, state: State, before: float) -> bool:
        """Whether the last step won nothing that double precision can tell, near the end."""
        return before - state.value <= FALL * state.value and self.is_near(state)

    def step(self, damping: float) -> tuple[np.ndarray, float]:
        """δ (n,) for one λ, and the fall of J that it foresees."""
        if damping:
            share = self._values / (self._squares + damping)
        else:
            share = np.where(self._kept, 1 / self._values, 0.0)
        scaled = share * self._right
        step = np.zeros(len(self.unit))
        step[self._moving] = (self._vectors @ scaled) / -self.unit[self._moving]
        return step, float(scaled @ (self._values * self._right - 0.5 * self._squares * scaled))

    def acceleration(self, bend: np.ndarray, factor: float, damping: float) -> np.ndarray:
        """Half the δ̈ with which residuals keep a straight path, from their second derivative `factor` · `bend`."""
        unit = self.unit[self._moving]
        pulled = (bend @ self.J)[self._moving] / unit
        bent = np.zeros(len(self.unit))
        solved = self._vectors @ ((pulled @ self._vectors) / (self._squares + damping))
        bent[self._moving] = solved * (-0.5 * factor) / unit
        return bent

    def length(self, step: np.ndarray) -> float:
        """‖Dδ‖."""
        scaled = self.unit * step
        return math.sqrt(float(scaled @ scaled))


def linearise(
    r: np.ndarray, J: np.ndarray, gradient: np.ndarray, before: np.ndarray, held: np.ndarray | None,
    linear: np.ndarray | None,
) -> Linearised:  # fmt: skip
    """The problem at one point, from JᵀJ where its square of a condition number loses little, else from J itself.

    gradient : Jᵀr; before : (n,) the units of the last point, zeros at first; held : numbers that do not move; linear :
    numbers that are solved for at each point, whatever the others do. None where there are none.
    """
    if held is None and linear is None:
        found = _from_squares(r, J, gradient, before)
        if found is not None:
            return found
    none = np.zeros(len(before), bool)
    held, linear = none if held is None else held, none if linear is None else linear
    return _from_columns(r, J, before, linear, ~(linear | held))


def _from_squares(
    r: np.ndarray, J: np.ndarray, gradient: np.ndarray, before: np.ndarray
) -> Linearised | None:
    """By the eigenvalues of JᵀJ; None where the smallest are lost in rounding."""
    C = J.T @ J
    unit = np.maximum(FADING * before, np.sqrt(C.diagonal()))
    if not 0 < unit.min() <= unit.max() < np.inf:
        return None
    squares, vectors, info = lapack.dsyevd(C / unit / unit[:, None])
    if info or not squares[0] > SQUARED * squares[-1]:
        return None
    values = np.sqrt(squares)
    return Linearised(r, J, unit, slice(None), values, vectors, ((gradient / unit) @ vectors) / values)


def _from_columns(
    r: np.ndarray, J: np.ndarray, before: np.ndarray, linear: np.ndarray, moving: np.ndarray
) -> Linearised:
    """By an orthogonal factorisation: below the rows of the linear columns stands the projected problem."""
    k = int(linear.sum())
    columns = np.column_stack([J[:, linear], J[:, moving]]) if k else J[:, moving]
    scale = column_lengths(columns)
    R = np.asarray(np.linalg.qr(np.column_stack([columns / scale, r]), mode="r"))
    end = min(len(R), len(scale))  # with more rows than columns R's last row is what no step reaches
    triangle, right = R[k:end, k:-1], R[k:end, -1]
    lengths = scale[k:] * np.sqrt((triangle * triangle).sum(axis=0))
    unit = before.copy()
    unit[moving] = np.maximum(FADING * before[moving], lengths)
    unit[unit == 0] = 1.0
    U, values, vectors = np.linalg.svd(triangle * (scale[k:] / unit[moving]), full_matrices=False)
    return Linearised(r, J, unit, moving, values, vectors.T, U.T @ right)


def solve_linear(
    problem: SumOfSquares, x: np.ndarray, linear: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The point with the smallest ½rᵀr over the linear numbers alone, and r there; None where it is not finite."""
    there = x.copy()
    there[linear] = 0.0  # from here no sum of large terms has to cancel
    r, J = problem.linearised(there)
    columns = J[:, linear]
    if not (np.isfinite(columns).all() and np.isfinite(r).all()):
        return None
    scale = column_lengths(columns)
    try:
        found = np.linalg.lstsq(columns / scale, -r, rcond=_RANK)[0] / scale
    except np.linalg.LinAlgError:
        return None
    there[linear] = found
    return there, r + columns @ found


def relative_change(there: np.ndarray, x: np.ndarray) -> float:
    """The largest relative change of a number, for the trace."""
    return largest((there - x) / np.maximum(np.abs(x), 1e-300))


def column_lengths(columns: np.ndarray) -> np.ndarray:
    """The Euclidean norms of columns, without overflow; 1 for columns of zeros."""
    largest = np.abs(columns).max(axis=0, initial=0)
    largest[largest == 0] = 1.0
    return np.maximum(largest * np.sqrt(((columns / largest) ** 2).sum(axis=0)), largest)


def as_sum_of_squares(problem: Problem, solver: str) -> SumOfSquares:
    """The problem, if it has residuals; TypeError with the way out if it has not."""
    if isinstance(problem, SumOfSquares):
        return problem
    raise TypeError(
        f"solver {solver!r} needs the residuals one by one, and this objective is one number: use "
        "bh.least_squares(residuals, start), or a solver for any function, such as 'trust_region'"
    )
