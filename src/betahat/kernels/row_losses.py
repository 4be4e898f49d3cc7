"""L, L' and L'' of rows by their predictions alone, in one go over them; and what is lost where L' is shrunk.

Sparse fits hold X by columns and ask for this again and again between two uses of it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from betahat.kernels.gram import slab_edges
from betahat.kernels.pointwise import CONJUGATES, LOSSES, Arrays

COMPILED_FROM = 1 << 17
"""Numbers of X, between whose uses rows are asked for, from which compiled kernels pay for being loaded."""
_SLAB = 1 << 14  # rows a thread takes


class RowLosses(NamedTuple):
    """value : Σ s L; slope, size, bend : Σ s L', Σ |s L'|, Σ s L''; first, second : s L' and s L'' of rows (n,)."""

    value: float
    slope: float
    size: float
    bend: float
    first: np.ndarray
    second: np.ndarray


def row_losses(
    y: np.ndarray, eta: np.ndarray, shift: float, share: np.ndarray, code: int, power: float, compiled: bool = True
) -> RowLosses:  # fmt: skip
    """At the predictions η + shift, for y, η and shares s (n,), contiguous float64; rows of share 0 count as zeros.

    code and power : the loss (see `pointwise.LOSSES`). The sums have the same bits on any number of threads.

    >>> import numpy as np
    >>> found = row_losses(np.array([0.0, 1.0]), np.zeros(2), 0.0, np.array([0.5, 0.5]), 1, 0.0, compiled=False)
    >>> found.first.tolist(), found.second.tolist(), found.slope
    ([0.25, -0.25], [0.125, 0.125], 0.0)
    """
    if not compiled:
        with np.errstate(all="ignore"):
            terms = LOSSES[code](Arrays, y, eta + shift, power)
            value, first, second = (np.where(share == 0.0, 0.0, share * term) for term in terms)
        return RowLosses(
            float(value.sum()), float(first.sum()), float(np.abs(first).sum()), float(second.sum()), first, second
        )  # fmt: skip
    from betahat.kernels import row_losses_compiled as module
    from betahat.kernels import team

    n = len(y)
    first, second, edges = np.empty(n), np.empty(n), slab_edges(n, _SLAB)
    sums = np.zeros((len(edges) - 1, module.SUMS))
    at = y.ctypes.data, eta.ctypes.data, float(shift), share.ctypes.data, int(code), float(power)
    to = first.ctypes.data, second.ctypes.data
    team.run(module.losses_slab, [(*at, *edge, *to, sums[k]) for k, edge in enumerate(pairwise(edges))])
    value, slope, size, bend = sums.sum(axis=0)
    return RowLosses(float(value), float(slope), float(size), float(bend), first, second)


def shrunk_dual(
    y: np.ndarray, eta: np.ndarray, share: np.ndarray, code: int, power: float, above: float, below: float
) -> tuple[float, float, float] | None:
    """Σ s (L(y, η) + L*(y, u) − u η) for u = c L', c `above` where L' is positive, else `below`; the same sum of the
    terms' magnitudes; and Σ s (1 − c) L, which the first is at most, since it is convex in c, 0 at 1 and at 0
    Σ s (L − min L), and these losses are not negative. None where the conjugate L* is not known by number.

    >>> import numpy as np
    >>> apart, _, most = shrunk_dual(np.ones(1), np.zeros(1), np.ones(1), 1, 0.0, 1.0, 1.0)
    >>> abs(apart) < 1e-15, most
    (True, 0.0)
    """
    if code not in CONJUGATES:
        return None
    from betahat.kernels import row_losses_compiled as module
    from betahat.kernels import team

    edges, which = slab_edges(len(y), _SLAB), list(CONJUGATES).index(code)
    sums = np.zeros((len(edges) - 1, 3))
    at = y.ctypes.data, eta.ctypes.data, share.ctypes.data, which, float(power), float(above), float(below)
    team.run(module.dual_slab, [(*at, *edge, sums[k]) for k, edge in enumerate(pairwise(edges))])
    apart, magnitude, most = sums.sum(axis=0)
    return float(apart), float(magnitude), float(most)
