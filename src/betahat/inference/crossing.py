"""Where a function of one parameter, each of whose values is a fit of the others, crosses zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_FIRST = 0.125  # of the distance at which the linearised model ends, for the first step outwards
_WIDENINGS = 36
_ROUNDS = 80
_EXACT = 1e-9  # relative width at which an end is found
_FARTHEST = 1e6  # times the linearised distance beyond which there is no end
_RESOLVED = 16 * float(np.finfo(np.float64).eps)  # the smallest relative distance that a sum can tell


def crossing(
    rise: Callable[[float, T], tuple[float, T]], begin: T, centre: float, step: float, edge: float, t: float
) -> float:
    """Where the rise, −t at the centre, becomes 0 on one side; the edge, or ±∞, where it does not.

    rise : from a value of the parameter, and where to begin the search for the others, to τ − t and where that search
        ended. begin : where to begin at the centre. step : about the distance in which τ changes by t, with the sign of
        the side. edge : the bound on that side, or ±inf.

    Steps outwards double until the rise is positive; then regula falsi (Illinois).
    """
    if centre == edge:
        return edge
    inner, at_inner, outer = centre, -t, centre + _FIRST * step
    for _ in range(_WIDENINGS):
        if np.isfinite(edge) and (outer - edge) * step >= 0:
            outer = edge
        at_outer, there = rise(outer, begin)
        if not at_outer < 0:
            break
        if outer == edge:
            return edge
        inner, at_inner, begin = outer, at_outer, there
        if abs(outer - centre) > _FARTHEST * abs(step):
            return float(np.copysign(np.inf, step))
        outer = centre + 2 * (outer - centre)
    else:
        return float(np.copysign(np.inf, step))
    kept = 0
    for _ in range(_ROUNDS):
        if abs(outer - inner) <= max(_EXACT * abs(outer - centre), _RESOLVED * abs(centre)):
            break
        finite = np.isfinite(at_outer)
        middle = (
            (inner * at_outer - outer * at_inner) / (at_outer - at_inner) if finite else (inner + outer) / 2
        )
        if not min(inner, outer) < middle < max(inner, outer):
            middle = (inner + outer) / 2
        at_middle, there = rise(middle, begin)
        if abs(at_middle) <= _EXACT * t:
            return middle
        if not at_middle < 0:
            outer, at_outer = middle, at_middle
            at_inner = at_inner / 2 if kept == 1 else at_inner
            kept = 1
        else:
            inner, at_inner, begin = middle, at_middle, there
            at_outer = at_outer / 2 if kept == -1 and np.isfinite(at_outer) else at_outer
            kept = -1
    return outer if np.isfinite(at_outer) else inner
