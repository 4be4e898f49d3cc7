"""What a sample of the rows tells of all: where to begin, and how the Hessian changes along a step."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.source import ArraySource, Block
from betahat.objective.smooth import GRADIENT, HESSIAN
from betahat.solvers.likelihood.newton import direction, roughly, start_at

_STEPS = 12
_APART, _EACH = (
    9,
    60,
)  # a sample of the sample, odd to miss most patterns of rows; its rows for each coefficient
_MUCH_SMALLER, _FROM = 12, 32  # times; coefficients from which a Hessian costs much more than a gradient
_BEND = 0.25  # of a step, that a correction may be


@final
class Sample:
    """The objective on a few of the rows.

    Its Hessian is that of all rows to about √(size/rows), relatively (`error`), and so are its changes. With a Hessian
    H of all rows at θ, H + H̃(θ') − H̃(θ) is thus much nearer to the whole's at θ' than H, as is
    g + H d + (g̃(θ + d) − g̃(θ) − H̃(θ) d) to its gradient at θ + d. (So is the variance of stochastic gradients reduced:
    Johnson & Zhang 2013.)

    dear : whether a reading of all rows costs as much without the Hessian, as that of a file does.
    """

    def __init__(self, objective: Any, few: Block, size: int, dear: bool) -> None:
        self.few, self.size, self.dear = few, size, dear
        self.objective, self.error = _over(objective, few), 2.0 * float(np.sqrt(size / few.X.shape[0]))
        self._seen: tuple[np.ndarray, Any] | None = None

    def begin(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """:func:`roughly` on the sample, by way of a sample of it."""
        X = self.few.X
        if isinstance(X, np.ndarray) and len(X) // _APART >= _EACH * (X.shape[1] + 1):
            fewer = self.few.take(slice(None, None, _APART))
            found = roughly(_over(self.objective, fewer), theta, _STEPS)
            theta = theta if found is None else found[0]
        return roughly(self.objective, theta, _STEPS)

    def serves(self, rows: int | None) -> bool:
        """Whether it is worth while to read it beside each reading of all so many rows."""
        small = rows is not None and self.few.X.shape[0] * _MUCH_SMALLER <= rows
        return small and (self.dear or self.size >= _FROM)

    def change(self, theta: np.ndarray, following: np.ndarray) -> np.ndarray | None:
        """∂²J(following) − ∂²J(θ), or None where it is not finite."""
        before = self._second(theta)
        change = self._second(following) - before
        return change if np.isfinite(change).all() else None

    def bend(self, theta: np.ndarray, step: np.ndarray, H: np.ndarray) -> np.ndarray | None:
        """What to add to Newton's step from θ, whose Hessian of all rows is H; None where the sample does not tell."""
        H_few, g_few = self._second(theta), self._first(self._sums(theta), theta)
        there = start_at(self.objective, theta + step, GRADIENT)
        rest = self._first(there.sums, there.theta) - g_few - H_few @ step
        if not np.isfinite(rest).all():
            return None
        found = direction(H, rest)
        return found if np.abs(found).max() <= _BEND * np.abs(step).max() else None

    def _sums(self, theta: np.ndarray) -> Any:
        if self._seen is None or not np.array_equal(self._seen[0], theta):
            self._seen = theta.copy(), start_at(self.objective, theta, HESSIAN).sums
        return self._seen[1]

    def _second(self, theta: np.ndarray) -> np.ndarray:
        return self.objective.pulled_twice(self.objective.whole_hessian(self._sums(theta), theta))

    def _first(self, sums: Any, theta: np.ndarray) -> np.ndarray:
        return self.objective.pulled(self.objective.whole_gradient(sums, theta))


def _over(objective: Any, few: Block) -> Any:
    assert few.y is not None
    return objective.over(ArraySource(few.X, few.y, few.weight, few.frequency, offset=few.offset))
