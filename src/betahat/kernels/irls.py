"""Loss, gradient and Hessian of a likelihood in the linear predictor, from one reading of X.

Small problems run in NumPy; from `COMPILED_FROM` elements on, rows are packed into cache once and all sums are made
there. What would be costly to hold (a centred, scaled or converted copy of X) never exists.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from betahat.kernels import reference_irls
from betahat.kernels.aligned import aligned
from betahat.kernels.columns import Columns, layout
from betahat.kernels.gram import COMPILED_FROM, CONVERTED_ROWS, NARROW, gram, mirror_upper, slab_edges
from betahat.kernels.pointwise import CONVEX, EVERYTHING, GRADIENT, HESSIAN, LOSSES, ROUGH, VALUE
from betahat.kernels.reference_irls import Curved, length_of

__all__ = ["EVERYTHING", "GRADIENT", "HESSIAN", "ROUGH", "VALUE", "Curved", "irls"]

_FIRST_CACHE, _SECOND_CACHE = 1 << 11, 1 << 15  # numbers of packed rows that stay there
_LEAST_SQUARE = 1e-20  # a sum of squares, of columns in their units, that float32 holds with all its terms


def irls(
    X: Any, y: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None, centre: np.ndarray,
    slopes: np.ndarray, level: float, code: int, power: float, much: int, unit: np.ndarray | None = None,
    expected: bool = False,
) -> Curved:  # fmt: skip
    """The sums of :class:`Curved` over rows with η = level + offset + (x − centre)·slopes.

    X : (n, p) array of any dtype and strides, or Columns; y, weight, offset : (n,) float64, the last two or None;
    centre, slopes, unit : (p,), unit None for ones; code and power : the loss (see `pointwise.LOSSES`); much : VALUE,
    GRADIENT, ROUGH, HESSIAN or EVERYTHING. Rows of weight 0 may hold anything. A number that is not finite in
    another row makes sums that are not. expected : E L'' in the place of L'', for likelihoods. The sums have the same
    bits on any number of threads.

    >>> import numpy as np
    >>> X, y = np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 1.0, 1.0])
    >>> sums = irls(X, y, None, None, np.zeros(1), np.zeros(1), 0.0, code=1, power=0.0, much=HESSIAN)
    >>> sums.gradient, sums.hessian[1, 1]
    (array([-0.5, -2. ]), np.float64(2.5))
    """
    n, p = X.shape
    if not 0 <= code < len(LOSSES):
        raise ValueError(
            f"code (={code!r}) must be one of 0 … {len(LOSSES) - 1}, the numbers of compiled losses"
        )
    if n * p < COMPILED_FROM:
        X = np.asarray(X, np.float64)
        return reference_irls.irls(
            X, y, weight, offset, centre, slopes, level, code, power, much, unit, expected
        )
    y = np.ascontiguousarray(y, np.float64)
    weight, offset = (None if a is None else np.ascontiguousarray(a, np.float64) for a in (weight, offset))
    terms = _padded_terms(slopes, level, unit)
    centre = padded_centre(centre, terms.shape[1])
    settings = int(code), float(power), float(abs(level)), length_of(slopes, unit)
    if much == ROUGH:
        single = (expected or code in CONVEX) and terms.shape[1] <= NARROW
        found = _compiled(X, y, weight, offset, centre, terms, *settings, ROUGH, bool(expected), single)
        if not single or _is_within_single(found.hessian, terms):
            return found
        much = HESSIAN
    return _compiled(X, y, weight, offset, centre, terms, *settings, int(much), bool(expected), False)


def kind_of(X: Any) -> int | None:
    """How compiled kernels read X where it lies (see `vector.DOUBLES`), or None where it must be converted first."""
    if isinstance(X, Columns):
        return 0
    if not (X.dtype.isnative and X.flags.aligned):
        return None
    if X.dtype in (np.uint8, np.bool_):
        return 2 if X.strides[1] == 1 else None
    return {np.dtype(np.float64): 0, np.dtype(np.float32): 1}.get(X.dtype)


def over_rows(X: Any, vectors: list[np.ndarray | None], slab: Callable[..., Any]) -> Callable[..., None]:
    """What calls slab(address, row stride, column stride, kind, column addresses, *addresses of vectors, rows, ...) for
    rows start … stop − 1, converting few rows at a time where X cannot be read where it lies."""
    p = X.shape[1]
    kind, chunk = kind_of(X), max(1, min(CONVERTED_ROWS, (1 << 18) // max(p, 1)))
    steps = [(0, 0) if v is None else (v.ctypes.data, v.strides[0]) for v in vectors]

    def call(
        lies: tuple[Any, ...], its_kind: int, first: int, start: int, stop: int, rest: tuple[Any, ...]
    ) -> None:
        at, row_stride, column_stride, _, table = lies
        places = [at + start * stride for at, stride in steps]
        slab(
            at + (start - first) * row_stride,
            row_stride,
            column_stride,
            its_kind,
            table,
            *places,
            stop - start,
            *rest,
        )

    where = None if kind is None else layout(X)

    def between(start: int, stop: int, *rest: Any) -> None:
        if kind is not None and where is not None:
            call(where, kind, 0, start, stop, rest)
            return
        for a in range(start, stop, chunk):
            b = min(a + chunk, stop)
            rows = np.ascontiguousarray(X[a:b], np.float64)
            call(layout(rows), 0, a, a, b, rest)

    return between


def _padded_terms(slopes: np.ndarray, level: float, unit: np.ndarray | None) -> np.ndarray:
    """(3, padded): slopes with the level in the place of the 1, units, and these with 1 for the 1."""
    from betahat.kernels.irls_compiled import LANES

    p = len(slopes)
    terms = np.zeros((3, (p + LANES) // LANES * LANES))
    terms[0, :p], terms[0, p] = slopes, level
    terms[1, :p] = 1.0 if unit is None else unit
    terms[2], terms[2, p] = terms[1], 1.0
    return terms


def padded_centre(centre: np.ndarray, padded: int) -> np.ndarray:
    """What is taken from rows when they are packed: the centre, and −1 in the place of the 1."""
    whole = np.zeros(padded)
    whole[: len(centre)], whole[len(centre)] = centre, -1.0
    return whole


def _is_within_single(hessian: np.ndarray, terms: np.ndarray) -> bool:
    """Whether every sum of squares, in units of the columns, lies well inside of what single precision holds."""
    p = len(hessian) - 1
    squares = hessian.diagonal() * np.append(1.0, terms[1, :p]) ** 2
    return bool((squares > _LEAST_SQUARE).all() and (squares < 1 / _LEAST_SQUARE).all())


def _compiled(
    X: Any, y: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None, centre: np.ndarray,
    terms: np.ndarray, code: int, power: float, level: float, length: float, much: int, expected: bool, single: bool,
) -> Curved:  # fmt: skip
    from betahat.kernels import gram_compiled, irls_compiled, team

    (n, p), padded, step = X.shape, terms.shape[1], irls_compiled.STEP
    products, wide = much >= ROUGH and padded <= NARROW, much >= ROUGH and padded > NARROW
    # with little to do, rows are fetched at shorter notice
    first = _FIRST_CACHE if products else _FIRST_CACHE // 2
    part = max(step, min(64, first // padded // step * step))
    block = part * max(1, min(512, _SECOND_CACHE // padded) // part)
    second = np.empty(n) if wide else None
    kept = products and not (expected or code in CONVEX)  # rows wait for their products as they are
    kind = np.float32 if single else np.float64
    across = irls_compiled.across(padded, single)
    high, low = (np.zeros((across, across) if products else (0, 0)) for _ in range(2))
    columns = np.zeros((irls_compiled.COLUMNS, padded))
    totals = np.zeros(irls_compiled.TOTALS)

    def new() -> tuple[np.ndarray, ...]:
        packed = aligned(padded * (block if kept else part)), aligned(across * block if products else 0, kind)
        sums = (
            np.zeros_like(columns),
            np.zeros_like(totals),
            np.zeros_like(high, kind),
            np.zeros_like(low, kind),
        )
        return *sums, *packed, np.empty(block * p), aligned((8, part))

    def merge(*sums: np.ndarray) -> None:
        irls_compiled.merge(sums[0], sums[1], columns, totals)
        gram_compiled.merge(sums[2], sums[3], high, low)

    slab = over_rows(X, [y, weight, offset, second], irls_compiled.irls_slab)
    edges = slab_edges(n, smallest=max(1, min(1 << 14, (1 << 19) // padded)))
    settings = p, centre, terms, code, power, level, length, much, expected, block, part
    team.fold(slab, [(*edge, *settings) for edge in pairwise(edges)], new, merge)

    order = [p, *range(p)]  # the 1 comes last in packed rows and first in what is returned
    with np.errstate(invalid="ignore", over="ignore"):
        gradient = total_of(columns[0], columns[1])[order]
        value, sum_of_weights, pearson = (
            float(total_of(totals[k : k + step], totals[k + step : k + 2 * step]).sum())
            for k in (irls_compiled.VALUE_SUM, irls_compiled.WEIGHT_SUM, irls_compiled.PEARSON)
        )
        if products:
            hessian = mirror_upper(total_of(high, low))[np.ix_(order, order)]
            if single:  # whose products are of columns in their units
                unit = terms[2, order]
                hessian /= unit[:, None] * unit
        elif second is not None:
            hessian = _wide_hessian(X, weight, second, centre[:p])[np.ix_(order, order)]
        else:
            hessian = np.zeros((1 + p, 1 + p))
    magnitude, rounding = columns[irls_compiled.SIZES][order], columns[irls_compiled.ROUNDING][order]
    radius = float(totals[irls_compiled.RADIUS :].max())
    return Curved(value, sum_of_weights, gradient, hessian, magnitude, rounding, radius, pearson)


def total_of(sums: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Sums + errors; where sums are not finite, errors say nothing."""
    return np.where(np.isfinite(sums), sums + errors, sums)


def _wide_hessian(X: Any, weight: np.ndarray | None, second: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Σ second (x − c, 1)(x − c, 1)ᵀ by a second reading, which costs little beside as many products a number."""
    n, p = X.shape
    dead = np.zeros(0, np.int64) if weight is None else np.flatnonzero(weight == 0)
    total = np.zeros((p + 1, p + 1))
    rows = n if not len(dead) else CONVERTED_ROWS
    for a in range(0, n, rows):
        part, its_second = X[a : a + rows], second[a : a + rows]
        if len(dead):
            assert weight is not None
            keep = weight[a : a + rows] != 0
            part, its_second = part[keep], its_second[keep]
        high, low = gram(part, np.zeros((len(its_second), 0)), its_second, centre)
        total += total_of(high, low)
    return mirror_upper(total)
