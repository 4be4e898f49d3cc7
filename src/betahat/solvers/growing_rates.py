"""Learning rates that grow from step to step, and what a loss says of them: the range test of Smith (2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from betahat.solvers.checks import check_count, check_positive
from betahat.solvers.schedules import Schedule

_REACHES = (1 / 3, 2 / 3, 1.0)  # of a decade, that the smoothed loss looks to either side
_NEAR = 3  # steps that it looks to either side at the least
_MIDDLE = 5  # losses whose median is taken: one or two odd ones do not matter
_BEYOND = 10.0  # times the noise
_SHARE = 0.1  # of the loss at the start
_SURE = 4.0  # times its standard error that a slope is, to be one
_LOST = 0.1  # share of the fall
_ROUNDING = 1e-6  # of the largest loss
_AT_ONCE = 1000.0  # times the first loss, that those after it are


@final
@dataclass(frozen=True)
class Growing(Schedule):
    """η(k) = a (b/a)^(k/(K − 1)) for a = `smallest`, b = `largest`, K = `steps`: equal steps of its logarithm.

    >>> [round(Growing(0.001, 10.0, steps=5).at(k), 6) for k in range(5)]
    [0.001, 0.01, 0.1, 1.0, 10.0]
    """

    smallest: float
    largest: float
    steps: int

    def __post_init__(self) -> None:
        check_positive("smallest", self.smallest)
        check_positive("largest", self.largest)
        check_count("steps", self.steps, least=2)
        if not self.smallest < self.largest:
            raise ValueError(
                f"smallest (={self.smallest!r}) must be below largest (={self.largest!r}): the rates go from one to "
                "the other"
            )

    @property
    def decades(self) -> float:
        """Powers of ten from one step to the next."""
        return (math.log10(self.largest) - math.log10(self.smallest)) / (self.steps - 1)

    def at(self, step: int) -> float:
        """a (b/a)^(k/(K − 1)), and b from then on."""
        share = step / (self.steps - 1)
        if not 0 < share < 1:  # to the last bit
            return float(self.smallest if share <= 0 else self.largest)
        return math.exp((1 - share) * math.log(self.smallest) + share * math.log(self.largest))


class Findings(NamedTuple):
    """smoothed : (m,) the loss without its noise; suggestion, divergence : rates, or None where there is none."""

    smoothed: np.ndarray
    suggestion: float | None
    divergence: float | None


def has_risen(losses: Sequence[float]) -> bool:
    """Whether there is no use in larger rates: the last loss is not finite, or the median of the last five is as far
    above the start as the loss had fallen below it, 10 times the noise, and a tenth of the start; or it was a thousand
    times the first at once.

    >>> falling = [2.0, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4]
    >>> has_risen(falling), has_risen([*falling, 4.0, 9.0]), has_risen([*falling, 4.0, 9.0, 30.0])
    (False, False, True)
    """
    if len(losses) < _MIDDLE or not math.isfinite(losses[-1]):
        return not math.isfinite(losses[-1])
    found = np.array(losses)
    return bool(np.median(found[-_MIDDLE:]) > _ceiling(found)) or _is_lost_at_once(found)


def findings(schedule: Growing, losses: np.ndarray) -> Findings:
    """What the losses (m,) before the steps 0, …, m − 1 say.

    The smoothed loss at a rate is the value there of a line through the losses of its neighbours, by least squares in
    log η, with tricube weights (Cleveland 1979) over a third of a decade to either side, or two or three thirds where
    the noise asks for it; losses above the ceiling of :func:`has_risen` count as the ceiling, and no line goes through
    the divergence. The suggestion is the rate at which these lines fall steepest, of those before the smoothed loss is
    lowest that have neighbours on both sides; None where even that slope is not 4 times its standard error. Divergence
    is the last rate before which the loss (the median of five) had lost no more than a tenth of what it had gained, or
    three times the noise; None where that is the last of all.
    """
    m, ceiling = len(losses), _ceiling(losses)
    known = np.where(np.isfinite(losses), np.minimum(losses, ceiling), ceiling)
    lost = _lost(losses, known, m < schedule.steps)
    before, after = known[: m if lost is None else lost + 1], known[m if lost is None else lost + 1 :]
    steps, smoothed, place = _NEAR, before, None
    for reach in _REACHES:
        steps = max(_NEAR, round(reach / schedule.decades))
        smoothed, place = _steepest(before, steps)
        if place is not None:
            break
    return Findings(
        np.concatenate([smoothed, _steepest(after, steps)[0]]),
        None if place is None else schedule.at(place),
        None if lost is None else schedule.at(lost),
    )


def _steepest(losses: np.ndarray, reach: int) -> tuple[np.ndarray, int | None]:
    """The smoothed losses, and the place where they fall steepest."""
    m = len(losses)
    lines = [_line(k, m, reach) for k in range(m)]
    values = np.array([value @ losses[near] for near, value, _ in lines])
    lowest = int(np.argmin(values)) if m else 0
    inner = range(reach, min(lowest, m - 1 - reach) + 1)
    if not inner:
        return values, None
    place = min(inner, key=lambda k: lines[k][2] @ losses[lines[k][0]])
    with np.errstate(over="ignore"):
        noise = math.sqrt(float(np.mean((losses - values)[: lowest + 1] ** 2)))
    near, _, slope = lines[place]
    error = noise * float(np.linalg.norm(slope))
    fall = values[0] - values[lowest]
    sure = fall > _ROUNDING * np.abs(losses).max() and -(slope @ losses[near]) > _SURE * error
    return values, place if sure else None


def _lost(losses: np.ndarray, known: np.ndarray, broken_off: bool) -> int | None:
    """The last place before which no more than a little was lost; `known` are the losses up to the ceiling."""
    last = len(losses) - 1
    if _is_lost_at_once(losses):
        return 0
    middle = _medians(known)
    lowest = middle.min()
    level = lowest + max(_LOST * (_start(known) - lowest), 3 * _noise(known))
    place = int(np.flatnonzero(middle <= level)[-1])
    if broken_off:  # by one loss that is not finite, or five that are too large
        return min(place, max(last - (_MIDDLE - 1 if np.isfinite(losses[-1]) else 1), 0))
    return None if place == last else place


def _is_lost_at_once(losses: np.ndarray) -> bool:
    """Whether the very first rates were far too large."""
    first = losses[:_MIDDLE]
    return bool(len(first) == _MIDDLE and losses[0] != 0 and np.median(first) > _AT_ONCE * abs(losses[0]))


def _start(losses: np.ndarray) -> float:
    found = losses[:_MIDDLE] if len(losses) >= _MIDDLE else losses[:1]
    return float(np.median(found[np.isfinite(found)])) if np.isfinite(found).any() else 0.0


def _ceiling(losses: np.ndarray) -> float:
    """What the loss has to rise above."""
    finite, start = losses[np.isfinite(losses)], _start(losses)
    fall = start - finite.min(initial=start)
    return start + max(fall, _BEYOND * _noise(finite), _SHARE * abs(start))


def _noise(losses: np.ndarray) -> float:
    """The standard deviation of what is not smooth in them, from second differences, which are 0 along a line."""
    if len(losses) < _MIDDLE:  # which say nothing of it
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        bends = np.abs(np.diff(losses, 2))
    return float(np.median(bends)) / (0.6744897501960817 * math.sqrt(6.0))


def _medians(losses: np.ndarray) -> np.ndarray:
    side = _MIDDLE // 2 if len(losses) >= _MIDDLE else 0
    return np.array([np.median(losses[max(0, k - side) : k + side + 1]) for k in range(len(losses))])


def _line(k: int, m: int, reach: int) -> tuple[slice, np.ndarray, np.ndarray]:
    """The neighbours of a place, and what their losses are to be multiplied by for the value there of a line, and for
    its slope a step."""
    near = slice(max(0, k - reach), min(m, k + reach + 1))
    away = np.arange(near.start, near.stop) - float(k)
    weight = (1 - (np.abs(away) / (reach + 1)) ** 3) ** 3
    weight /= weight.sum()
    centre = weight @ away
    around = weight @ (away - centre) ** 2
    slope = weight * (away - centre) / around if around > 0 else np.zeros(len(away))  # of one loss
    return near, weight - centre * slope, slope
