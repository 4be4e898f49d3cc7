"""The decision on rows that fit in memory: guesses in floating point, confirmed or refuted without rounding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import final

import numpy as np

from betahat.solvers.separation import simplex
from betahat.solvers.separation.exact import doubles, fractions, null_space, short, signs
from betahat.solvers.separation.witness import Guess, is_proven, linear_program, newton, rank_of

_DENOMINATOR = 1000
_SUPPORT = 80  # unknowns of a dense rational system that is still solved in seconds
_BITS = (4, 12, 30, 53)  # of directions, the shortest that keep the signs
_TINY = 400  # numbers in a problem that rational arithmetic solves at once
_OPEN = 400  # directions found in doubles that are made exact one by one
_UNKNOWNS = 1500  # beyond, matrices of this size squared are too large


@final
@dataclass(frozen=True, slots=True)
class Units:
    """Columns as x = 2^power (centre + z): z of mean 0 and size 1 where there is an intercept."""

    power: np.ndarray
    centre: np.ndarray
    intercept: bool

    @classmethod
    def of(cls, X: np.ndarray, intercept: bool) -> Units:
        """From rows (k, m)."""
        with np.errstate(over="ignore", invalid="ignore"):
            largest = np.abs(X).max(0, initial=0)
            power = np.frexp(largest)[1]
            Z = np.ldexp(X, -power)
            centre = Z.mean(0) if intercept and len(X) else np.zeros(X.shape[1])
            centre[~np.isfinite(centre)] = 0
            spread = np.sqrt(((Z - centre) ** 2).mean(0)) if len(X) else centre
        more = np.where(spread > 0, np.frexp(spread)[1], 0)
        centre = np.ldexp(centre, -more)
        if intercept:
            power[0], more[0], centre[0] = 0, 0, 0.0
        return cls(power + more, centre, intercept)

    def scaled(self, X: np.ndarray) -> np.ndarray:
        return np.ldexp(X, -self.power) - self.centre

    def raw(self, direction: np.ndarray) -> np.ndarray:
        """A direction (..., m) of z as Fractions for x, exactly."""
        found = fractions(direction) * np.array([Fraction(2) ** -int(e) for e in self.power], object)
        if self.intercept:
            found[..., 0] -= (fractions(direction[..., 1:]) * fractions(self.centre[1:])).sum(-1)
        return found

    def seen(self, direction: np.ndarray) -> np.ndarray:
        """The same of Fractions for x as doubles for z."""
        found = direction * np.array([Fraction(2) ** int(e) for e in self.power], object)
        if self.intercept:
            found[..., 0] = found[..., 0] + (found[..., 1:] * fractions(self.centre[1:])).sum(-1)
        return doubles(found)


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """Constraints raw·δ ≥ 0, or = 0 where `equal`, (k, q); `scaled` the same of z."""

    raw: np.ndarray
    scaled: np.ndarray
    equal: np.ndarray
    units: Units
    parts: int

    def to_raw(self, direction: np.ndarray) -> np.ndarray:
        return self.units.raw(self._parted(direction)).reshape(direction.shape)

    def to_scaled(self, direction: np.ndarray) -> np.ndarray:
        return self.units.seen(self._parted(direction)).reshape(direction.shape)

    def _parted(self, direction: np.ndarray) -> np.ndarray:
        return direction.reshape(*direction.shape[:-1], self.parts, direction.shape[-1] // self.parts)


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """direction (q,) of Fractions, positive on as many constraints as can be; span (s, q), all directions that are 0 on
    the others; certain : whether both are proven."""

    direction: np.ndarray
    span: np.ndarray
    certain: bool


def decide(problem: Problem) -> Decision | None:
    """The separable part of the constraints; None where the problem is too large or too near the limit to tell."""
    q = problem.raw.shape[1]
    if q > _UNKNOWNS:
        return None
    last: Guess | None = None
    for guess in _guesses(problem):
        if guess is None:
            continue
        last = guess
        found = _confirmed(problem, guess)
        if found is not None:
            return found
    rows, at = np.unique(np.column_stack([problem.raw, problem.equal]), axis=0, return_index=True)
    if simplex.is_affordable(len(rows), q):
        direction, separated = simplex.separate(problem.raw[at], problem.equal[at])
        if separated.all():
            direction = _shortened(problem.raw, direction)
        return Decision(direction, null_space(problem.raw[at][~separated]), True)
    return None if last is None else _unproven(problem, last)


def _guesses(problem: Problem) -> Iterator[Guess | None]:
    norms = np.linalg.norm(problem.scaled, axis=1)
    A = problem.scaled / np.where(norms > 0, norms, 1.0)[:, None]
    yield newton(problem.scaled, problem.equal)
    if A.size > _TINY:
        guess = linear_program(A, problem.equal)
        if guess is not None:
            guess = Guess(guess.direction, guess.weights / np.where(norms > 0, norms, 1.0), guess.separated)
        yield guess


def _confirmed(problem: Problem, guess: Guess) -> Decision | None:
    apart = guess.separated
    span = _span(problem, ~apart)
    if span is None:
        return None
    direction = np.array([Fraction(0)] * problem.raw.shape[1], object)
    if apart.any():
        found = _combination(problem, span, guess, apart)
        if found is None:
            return None
        direction = found
    rest = ~apart
    if not is_proven(
        problem.scaled[rest], problem.equal[rest], guess.weights[rest], problem.raw.shape[1] - len(span)
    ):
        return None
    return Decision(direction, span, True)


def _combination(problem: Problem, span: np.ndarray, guess: Guess, apart: np.ndarray) -> np.ndarray | None:
    """The guess within the span, of as few bits as keep the signs."""
    if not len(span):
        return None
    if len(span) == span.shape[1]:  # everything is open
        z = guess.direction
        for bits in _BITS:
            direction = problem.to_raw(short(_without_noise(z, bits), bits))
            if (signs(problem.raw[apart], direction) > 0).all():
                return direction
        return None
    V = problem.to_scaled(span)
    z = np.linalg.lstsq(V.T, guess.direction, rcond=None)[0]
    for bits in _BITS:
        direction = (fractions(short(_without_noise(z, bits), bits))[:, None] * span).sum(0)
        if (signs(problem.raw[apart], direction) > 0).all():
            return direction
    return None


def _without_noise(z: np.ndarray, bits: int) -> np.ndarray:
    """Without what is nothing beside the largest in so many bits."""
    return np.where(np.abs(z) < 0.25**bits * np.abs(z).max(initial=0), 0.0, z)


def _shortened(raw: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """A direction that is positive on all rows, of fewer bits where these keep it so."""
    for bits in (12, 30, 53):
        short_ = fractions(short(doubles(direction), bits))
        if (signs(raw, short_) > 0).all():
            return short_
    return direction


def _span(problem: Problem, rest: np.ndarray) -> np.ndarray | None:
    """All directions that are 0 on the constraints `rest`, exactly; None where doubles suggest some that are not."""
    raw, q = problem.raw[rest], problem.raw.shape[1]
    if not len(raw):
        return null_space(raw)
    if raw.size <= _TINY:
        return null_space(raw)
    A = problem.scaled[rest]
    norms = np.linalg.norm(A, axis=1)
    A = A / np.where(norms > 0, norms, 1.0)[:, None]
    rank, open_ = rank_of(A)
    if rank == q:
        return np.zeros((0, q), object)
    m = q // problem.parts
    if len(open_) > _OPEN:
        return None
    numbers = doubles(problem.to_raw(open_))
    first = np.zeros(q, bool)
    if problem.units.intercept:
        first[::m] = True
    scale = np.ldexp(1.0, np.tile(problem.units.power, problem.parts))
    order = [*np.flatnonzero(~first)[::-1], *np.flatnonzero(first)]
    reduced, free = _reduced(numbers * scale, order)
    if reduced is None:
        return None
    found = np.full(reduced.shape, Fraction(0), object)
    for i, j in enumerate(free):
        vector = _exact_vector(raw, reduced[i] / scale * scale[j], j, scale)
        if vector is None or signs(raw, vector).any():
            return None
        found[i] = vector
    return found


def _reduced(vectors: np.ndarray, order: list[int]) -> tuple[np.ndarray | None, list[int]]:
    """The reduced form of vectors (s, q): 1 in an own free column each, taken in this order, and 0 in the others'."""
    vectors = vectors.copy()
    free: list[int] = []
    for j in order:
        i = len(free)
        if i == len(vectors):
            break
        best = i + int(np.argmax(np.abs(vectors[i:, j])))
        if abs(vectors[best, j]) < 1e-7:
            continue
        vectors[[i, best]] = vectors[[best, i]]
        vectors[i] /= vectors[i, j]
        others = np.arange(len(vectors)) != i
        vectors[others] -= np.multiply.outer(vectors[others, j], vectors[i])
        free.append(j)
    return (vectors if len(free) == len(vectors) else None), free


def _exact_vector(raw: np.ndarray, numbers: np.ndarray, free: int, scale: np.ndarray) -> np.ndarray | None:
    """The rational vector that these numbers are, 1 in its free column, with raw·v = 0."""
    sizes = np.abs(numbers) * scale / scale[free]
    support = np.flatnonzero(sizes > 1e-9 * max(1.0, float(sizes.max())) ** 0.5)
    found = np.full(len(numbers), Fraction(0), object)
    simple = [_simple(float(numbers[j])) for j in support]
    if all(value is not None for value in simple):
        found[support] = simple
        if not signs(raw, found).any():
            return found
    if len(support) > _SUPPORT:
        return None
    from scipy.linalg import qr

    part = raw[:, support] / scale[support]
    norms = np.linalg.norm(part, axis=1)
    keep = np.flatnonzero(norms > 0)
    found[support] = Fraction(0)
    if not len(keep):
        found[free] = Fraction(1)
        return found
    order: np.ndarray = qr((part[keep] / norms[keep, None]).T, mode="economic", pivoting=True)[2]  # pyright: ignore
    chosen = raw[keep[order[: len(support) - 1]]][:, support]
    exact = null_space(chosen)
    if len(exact) != 1:
        return None
    at = int(np.searchsorted(support, free))
    if exact[0][at] == 0:
        return None
    found[support] = exact[0] / exact[0][at]
    return found


def _simple(value: float) -> Fraction | None:
    """The fraction of small numbers that this is to rounding, if any."""
    if value == 0:
        return Fraction(0)
    exact = Fraction(value)
    found = (
        exact.limit_denominator(_DENOMINATOR)
        if abs(value) >= 1
        else 1 / (1 / exact).limit_denominator(_DENOMINATOR)
    )
    return found if abs(found - exact) <= abs(exact) / 10**8 else None


def _unproven(problem: Problem, guess: Guess) -> Decision:
    """What doubles say, where nothing exact could be found."""
    direction = problem.to_raw(guess.direction)
    if not guess.separated.any():
        return Decision(direction * 0, np.zeros((0, len(direction)), object), False)
    A = problem.scaled[~guess.separated]
    norms = np.linalg.norm(A, axis=1)
    _, open_ = rank_of(A / np.where(norms > 0, norms, 1.0)[:, None])
    return Decision(direction, problem.to_raw(open_), False)
