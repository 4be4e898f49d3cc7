"""Loss, gradient, Hessian and its products of multinomial logistic regression, from one reading of X."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from betahat.kernels import reference_softmax
from betahat.kernels.aligned import aligned
from betahat.kernels.gram import COMPILED_FROM, mirror_upper, slab_edges
from betahat.kernels.irls import over_rows, padded_centre, total_of
from betahat.kernels.pointwise import EVERYTHING, GRADIENT, HESSIAN, ROUGH, VALUE
from betahat.kernels.reference_softmax import Softened

__all__ = ["EVERYTHING", "GRADIENT", "HESSIAN", "ROUGH", "VALUE", "Softened", "softmax"]

_SECOND_CACHE = 1 << 15  # numbers of packed rows that stay there


def softmax(
    X: Any, y: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None, centre: np.ndarray,
    slopes: np.ndarray, level: np.ndarray, much: int, direction: np.ndarray | None = None,
) -> Softened:  # fmt: skip
    """The sums of :class:`Softened` over rows with η = level + offset + slopes (x − centre), a score for each class.

    X : (n, p) array of any dtype and strides, or Columns; y : (n,) classes 0 … K − 1 as numbers; weight : (n,) or None;
    offset : (n, K) or None; centre : (p,); slopes : (K, p); level : (K,); much : VALUE, GRADIENT, HESSIAN (which takes
    K(K − 1)/2 Gram matrices) or EVERYTHING (with magnitude); direction : (K, 1 + p), levels first, of the product with
    the Hessian, or None. Rows of weight 0 may hold anything; a number that is not finite in another row, or a y that is
    no class, makes sums that are not. The sums have the same bits on any number of threads.

    >>> import numpy as np
    >>> X, y = np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 1])
    >>> sums = softmax(X, y, None, None, np.zeros(1), np.zeros((2, 1)), np.zeros(2), much=1)
    >>> sums.gradient
    array([[ 0.5,  2. ],
           [-0.5, -2. ]])
    """
    n, p = X.shape
    y, slopes, level = (np.ascontiguousarray(a, np.float64) for a in (y, slopes, level))
    if n * p < COMPILED_FROM:
        X = np.asarray(X, np.float64)
        return reference_softmax.softmax(X, y, weight, offset, centre, slopes, level, much, direction)
    weight, offset = (None if a is None else np.ascontiguousarray(a, np.float64) for a in (weight, offset))
    return _compiled(X, y, weight, offset, np.array(centre, np.float64), slopes, level, much, direction)


def _compiled(
    X: Any, y: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None, centre: np.ndarray,
    slopes: np.ndarray, level: np.ndarray, much: int, direction: np.ndarray | None,
) -> Softened:  # fmt: skip
    from betahat.kernels import gram_compiled, softmax_compiled, team

    (n, p), classes, step = X.shape, len(slopes), softmax_compiled.STEP
    padded = (p + softmax_compiled.LANES) // softmax_compiled.LANES * softmax_compiled.LANES
    order = [p, *range(p)]  # the 1 comes last in packed rows and first in what is returned
    terms = np.zeros((classes if direction is None else 2 * classes, padded))
    terms[:classes, :p], terms[:classes, p] = slopes, level
    if direction is not None:
        terms[classes:, order] = direction
    part = max(step, min(256, _SECOND_CACHE // padded // step * step))
    block = part * max(1, (1 << 17) // (part * p))
    pairs = classes * (classes - 1) // 2 if much >= ROUGH else 0
    sums, errors = np.zeros((2, *terms.shape))
    sizes = np.zeros((classes if much >= EVERYTHING else 0, padded))
    totals = np.zeros(4 * step)
    high, low = np.zeros((2, pairs, padded, padded))

    def new() -> tuple[np.ndarray, ...]:
        packed = aligned(padded * part), aligned(padded * part if pairs else 0)
        rows = (aligned((k, part)) for k in (2 * classes, classes, 3))
        return (
            *map(np.zeros_like, (sums, errors, sizes, totals, high, low)),
            *packed,
            np.empty(block * p),
            *rows,
        )

    def merge(*its: np.ndarray) -> None:
        softmax_compiled.merge(its[0], its[1], its[2], its[3], sums, errors, sizes, totals)
        for k in range(pairs):
            gram_compiled.merge(its[4][k], its[5][k], high[k], low[k])

    slab = over_rows(X, [y, weight, offset], softmax_compiled.softmax_slab)
    edges = slab_edges(n, smallest=max(1, min(1 << 14, (1 << 19) // padded)))
    settings = p, padded_centre(centre, padded), terms, classes, int(much), block, part
    team.fold(slab, [(*edge, *settings) for edge in pairwise(edges)], new, merge)

    with np.errstate(invalid="ignore", over="ignore"):
        found = total_of(sums, errors)[:, order]
        value, sum_of_weights = (
            float(total_of(totals[k : k + step], totals[k + step : k + 2 * step]).sum())
            for k in (0, 2 * step)
        )
        hessian = np.zeros((classes * (1 + p),) * 2 if much >= ROUGH else (0, 0))
        blocks = hessian.reshape(classes, 1 + p, classes, 1 + p) if pairs else hessian
        pair = 0
        for k in range(classes):
            for m in range(k if pairs else 0):
                block_of = mirror_upper(total_of(high[pair], low[pair]))[np.ix_(order, order)]
                blocks[k, :, m], blocks[m, :, k] = block_of, block_of
                blocks[k, :, k] -= block_of  # rows of diag P − P Pᵀ sum to 0
                blocks[m, :, m] -= block_of
                pair += 1
    gradient, product = found[:classes], found[classes:]
    return Softened(
        value, sum_of_weights, gradient if much >= GRADIENT else np.zeros_like(gradient),
        sizes[:, order] if len(sizes) else np.zeros((classes, 1 + p)), hessian,
        product if direction is not None else np.zeros((classes, 1 + p)),
    )  # fmt: skip
