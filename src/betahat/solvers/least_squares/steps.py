"""The linearised sum of squares at one point, factorised once for every damping that is tried there."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import State
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.problem import SumOfSquares

FALL = 1e-14
"""The relative fall of J that Gauss–Newton foresees, below which values of J say nothing."""
_NEAR = 1e-8  # a relative fall, or a relative step, that is next to nothing
_RANK = 1e-13  # relative singular values below which linear numbers are not determined


_FADING = 0.5  # how much of a number's unit lasts an iteration where its column has shrunk


@final
class Linearised:
    """½‖r + Jδ‖² over the numbers that may move.

    moving : numbers that take a step; linear : numbers that are solved for at each point, whatever the others do, so
    that only what is orthogonal to their columns counts. before : (n,) the units D of the last point, zeros at first;
    unit : (n,) those of this one, the lengths of what counts of J's columns, falling no faster than by half.

    One triangle of [J_linear | J_moving | r] holds it all: below its first rows stands the projected problem.
    """

    def __init__(
        self, r: np.ndarray, J: np.ndarray, before: np.ndarray, linear: np.ndarray, moving: np.ndarray
    ) -> None:
        self.r, self.J = r, J
        self._moving = moving
        k = int(linear.sum())
        columns = np.column_stack([J[:, linear], J[:, moving]]) if k else J[:, moving]
        scale = column_lengths(columns)
        R = np.asarray(np.linalg.qr(np.column_stack([columns / scale, r]), mode="r"))
        end = (
            len(scale) if len(R) > len(scale) else len(R)
        )  # with few rows the last belongs to the problem too
        triangle, right = R[k:end, k:-1], R[k:end, -1]
        lengths = scale[k:] * np.sqrt((triangle * triangle).sum(axis=0))
        self.unit = before.copy()
        self.unit[moving] = np.maximum(_FADING * before[moving], lengths)
        self.unit[self.unit == 0] = 1.0
        U, self._values, self._vectors = np.linalg.svd(
            triangle * (scale[k:] / self.unit[moving]), full_matrices=False
        )
        self._right = U.T @ right

    @property
    def fall(self) -> float:
        """By how much J would fall were it as linearised: ½ of r's square within the range of J."""
        keep = self._values > 1e-14 * self._values.max(initial=0)
        return 0.5 * float((self._right[keep] ** 2).sum())

    def is_near(self, state: State) -> bool:
        """Whether a descent that gains no more has arrived: what is left to win, or to go, is next to nothing."""
        whole = self.step(0.0)[0]
        return self.fall <= _NEAR * state.value or bool((np.abs(whole) <= _NEAR * np.abs(state.x)).all())

    def arrived(self, state: State, before: float) -> bool:
        """Whether the last step won nothing that double precision can tell, near the end."""
        return before - state.value <= FALL * state.value and self.is_near(state)

    def step(self, damping: float) -> tuple[np.ndarray, float]:
        """δ (n,) for one λ, and the fall of J that it foresees."""
        kept = np.where(self._values > _RANK * self._values.max(initial=0), self._values, np.inf)
        share = self._values / (self._values**2 + damping) if damping else 1 / kept
        step = np.zeros(len(self.unit))
        step[self._moving] = -(self._vectors.T @ (share * self._right)) / self.unit[self._moving]
        moved = share * self._values
        return step, float((self._right**2 * moved * (1 - 0.5 * moved)).sum())

    def acceleration(self, bend: np.ndarray, factor: float, damping: float) -> np.ndarray:
        """Half the δ̈ with which residuals keep a straight path, from their second derivative `factor` · `bend`."""
        pulled = (self.J.T @ bend)[self._moving] / self.unit[self._moving]
        bent = np.zeros(len(self.unit))
        bent[self._moving] = (
            -0.5
            * factor
            * (self._vectors.T @ ((self._vectors @ pulled) / (self._values**2 + damping)))
            / self.unit[self._moving]
        )
        return bent if np.isfinite(bent).all() else np.full(len(bent), np.inf)

    def length(self, step: np.ndarray) -> float:
        """‖Dδ‖."""
        return float(np.linalg.norm(self.unit * step))


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


def held_by(box: Box | None, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Which numbers lie on a bound that stops their fall; none without bounds."""
    return np.zeros(len(x), bool) if box is None else box.held(x, gradient)


def land(box: Box | None, x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """x + step, kept within the bounds."""
    return x + step if box is None else box.land(x, step)


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
