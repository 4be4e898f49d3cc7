"""Where to begin with several peaks on one background."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import final

import numpy as np

from betahat.models.arguments import Arguments
from betahat.models.curves import gaussian_peaks
from betahat.models.expression import Expression
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.base import Limits
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.nonlinear import NonlinearLeastSquares
from betahat.solvers.trace import Trace

_BEAM = 12  # choices carried on from peak to peak
_ROUNDS = 10  # exchanges of every peak for a better one
_ROWS = 2000  # rows on which shapes are compared
_INDEPENDENT = 1e-6  # share of a shape that must be its own to count
_KEPT = 5  # starts
_FITS = 3  # of them fitted peak by peak
_ADDED = 4  # places tried for each further peak
_ITERATIONS = 60

Choice = tuple[int, ...]


def search_peaks(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    count: int,
    centers: np.ndarray,
    widths: np.ndarray,
) -> list[np.ndarray]:
    """A few starts (height, center, width, …, offset) for `count` Gaussian peaks, found in two ways.

    One by one: to each fit of some peaks those are added that fit best what it leaves, and all are fitted together.
    All at once: of a grid of shapes, every center with every width, those are chosen that together leave least, heights
    and offset following by least squares (orthogonal matching pursuit, Pati et al. 1993, with a beam and exchanges).
    """
    if len(y) > _ROWS:
        some = np.sort(np.random.default_rng(0).permutation(len(y))[:_ROWS])
        x, y, weight = x[some], y[some], None if weight is None else weight[some]
    root = np.ones(len(y)) if weight is None else np.sqrt(weight / weight.sum())
    shapes = np.array(list(product(centers, widths)))
    D = root[:, None] * np.exp(-0.5 * ((x[:, None] - shapes[:, 0]) / shapes[:, 1]) ** 2)
    search = _Search(D, root[:, None], root * y)
    starts = []
    for choice in search.chosen(count)[: _KEPT - _FITS]:
        *heights, offset = search.solved(choice)
        starts.append(np.array([*np.column_stack([heights, shapes[list(choice)]]).ravel(), offset]))
    with np.errstate(all="ignore"):
        starts += _one_by_one(x, y, weight, count, shapes, D, root)
    return [_by_center(start) for start in starts]


def _one_by_one(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, count: int, shapes: np.ndarray, D: np.ndarray,
    root: np.ndarray,
) -> list[np.ndarray]:  # fmt: skip
    """The best few fits of `count` peaks, each peak added to the best few fits of one peak less."""
    fits, rests = [np.zeros(1)], [y]
    for k in range(1, count + 1):
        f = Expression(gaussian_peaks(k).text, ("x",))
        model = NonlinearModel(f, Arguments((0.0,) * len(f.parameters), f.parameters))
        ends = []
        for fit, rest in zip(fits, rests, strict=True):
            search = _Search(D, root[:, None], root * rest)
            for place in _apart(search.alone(), shapes):
                height, offset = search.solved((place,))
                start = np.array([*fit[:-1], height, *shapes[place], fit[-1] + offset])
                problem = NonlinearLeastSquares(model, x, y, weight, start)
                state = LevenbergMarquardt().run(problem, Limits(1e-8, _ITERATIONS), Trace(), None)
                if np.isfinite(state.value):
                    ends.append((state.value, state.x))
        ends.sort(key=lambda end: end[0])
        fits = [end[1] for end in ends[:_FITS]]
        rests = [y - model.predict(x, fit) for fit in fits]
    return fits


def _apart(left: np.ndarray, shapes: np.ndarray) -> list[int]:
    """The shapes that leave least, each farther from the better ones than both are wide."""
    found: list[int] = []
    for k in np.argsort(left)[: len(left) // 2 + 1].tolist():
        center, width = shapes[k]
        if np.isfinite(left[k]) and all(abs(center - shapes[j, 0]) > max(width, shapes[j, 1]) for j in found):
            found.append(k)
        if len(found) == _ADDED:
            break
    return found


def _by_center(start: np.ndarray) -> np.ndarray:
    """The same peaks from left to right, widths positive."""
    peaks = start[:-1].reshape(-1, 3)
    peaks = peaks[np.argsort(peaks[:, 1], kind="stable")]
    peaks[:, 2] = np.abs(peaks[:, 2])
    return np.append(peaks.ravel(), start[-1])


@final
class _Search:
    """Choices of columns of D (n, m) beside the column `always`, by what they leave of y."""

    def __init__(self, D: np.ndarray, always: np.ndarray, y: np.ndarray) -> None:
        self._D, self._always, self._y = D, always, y
        self._sizes = (D * D).sum(axis=0)
        self._left: dict[Choice, float] = {}

    def _columns(self, choice: Sequence[int]) -> np.ndarray:
        return np.column_stack([self._D[:, list(choice)], self._always])

    def chosen(self, count: int) -> list[Choice]:
        """Choices of `count` columns, best first."""
        beam: list[Choice] = [()]
        for _ in range(count):
            beam = self._longer(beam)
        return self._best({self._exchanged(choice) for choice in beam})

    def alone(self) -> np.ndarray:
        """(m,) what is left with each column alone."""
        return self._after_one_more(())

    def _after_one_more(self, choice: Choice) -> np.ndarray:
        """(m,) what is left with each further column; infinite for those that add nothing."""
        Q = np.linalg.qr(self._columns(choice))[0]
        rest = self._y - Q @ (Q.T @ self._y)
        inside = Q.T @ self._D
        own = self._sizes - (inside * inside).sum(axis=0)
        usable = own > _INDEPENDENT * self._sizes
        gain = (rest @ self._D) ** 2 / np.where(usable, own, 1.0)
        return np.where(usable, float(rest @ rest) - gain, np.inf)

    def _longer(self, beam: Sequence[Choice]) -> list[Choice]:
        """The best choices with one column more, no two alike."""
        for choice in beam:
            left = self._after_one_more(choice)
            for k in np.argsort(left)[:_BEAM]:
                if np.isfinite(left[k]):
                    self._left[tuple(sorted((*choice, int(k))))] = float(left[k])
        length = len(beam[0]) + 1 if beam else 0
        return self._best({choice for choice in self._left if len(choice) == length})[:_BEAM]

    def _exchanged(self, choice: Choice) -> Choice:
        """The choice after exchanging one column for the best in its place, again and again."""
        for _ in range(_ROUNDS):
            before = choice
            for place in range(len(choice)):
                others = choice[:place] + choice[place + 1 :]
                left = self._after_one_more(others)
                k = int(np.argmin(left))
                if left[k] < self._left[choice]:
                    choice = tuple(sorted((*others, k)))
                    self._left[choice] = float(left[k])
            if choice == before:
                break
        return choice

    def _best(self, choices: set[Choice]) -> list[Choice]:
        """Sorted by what they leave."""
        return sorted(choices, key=lambda choice: (self._left[choice], choice))

    def solved(self, choice: Choice) -> np.ndarray:
        """The numbers of the chosen columns and the one that is always there."""
        return np.linalg.lstsq(self._columns(choice), self._y, rcond=None)[0]
