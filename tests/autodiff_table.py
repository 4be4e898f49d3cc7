"""Functions whose derivatives are tested: name → (function, shapes of its arguments, where they lie)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import scipy.special

Case = tuple[Callable[..., Any], tuple[tuple[int, ...], ...], tuple[float, float]]
ANY, POSITIVE, UNIT, ABOVE = (-2.0, 2.0), (0.3, 2.5), (-0.9, 0.9), (1.2, 3.0)
M = (3, 3)
V = (4,)


UNARY: dict[str, tuple[float, float]] = {
    **dict.fromkeys((
        "negative", "positive", "square", "exp", "exp2", "expm1", "sin", "cos", "arctan", "sinh",
        "cosh", "tanh", "arcsinh", "radians", "deg2rad", "degrees", "rad2deg", "sinc", "conjugate", "nan_to_num",
    ), ANY),
    **dict.fromkeys(("absolute", "fabs", "reciprocal", "sqrt", "cbrt", "log", "log2", "log10", "log1p"), POSITIVE),
    **dict.fromkeys(("arcsin", "arccos", "arctanh", "tan"), UNIT),
    "arccosh": ABOVE,
}  # fmt: skip
BINARY: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "add",
            "subtract",
            "multiply",
            "maximum",
            "minimum",
            "fmax",
            "fmin",
            "logaddexp",
            "logaddexp2",
            "arctan2",
        ),
        ANY,
    ),
    **dict.fromkeys(("divide", "power", "float_power", "hypot", "remainder", "fmod", "copysign"), POSITIVE),
}
SPECIAL: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "expit",
            "log_expit",
            "erf",
            "erfc",
            "erfcx",
            "dawsn",
            "ndtr",
            "log_ndtr",
            "i0",
            "i1",
            "j0",
            "j1",
            "cosm1",
            "expm1",
            "exp2",
            "exp10",
        ),
        ANY,
    ),
    **dict.fromkeys(
        ("gamma", "gammaln", "loggamma", "psi", "rgamma", "entr", "expi", "exp1", "log1p", "cbrt"), POSITIVE
    ),
    **dict.fromkeys(("logit", "ndtri"), (0.1, 0.9)),
    "erfinv": UNIT,
}
SPECIAL_BESSEL = ("i0e", "i1e", "k0", "k1", "k0e", "k1e", "y0", "y1")
SPECIAL_2 = ("xlogy", "xlog1py", "beta", "betaln", "rel_entr", "kl_div", "poch", "boxcox")
SPECIAL_AT = {
    "iv": 1.5,
    "jv": 1.5,
    "kv": 1.5,
    "yv": 1.5,
    "ive": 1.5,
    "kve": 1.5,
    "gammainc": 1.5,
    "gammaincc": 1.5,
    "stdtr": 5.0,
    "pseudo_huber": 0.7,
    "huber": 1.0,
}


def cases(np: Any, special: Any) -> dict[str, Case]:
    """The same written with other modules, such as jax.numpy and jax.scipy.special."""

    def _spd(x: Any) -> Any:
        return x @ x.T + 2 * np.eye(3)

    def _rebuilt(parts: Any) -> Any:
        """A matrix from its decomposition, with other values, whatever the signs of its vectors."""
        if len(parts) == 2:
            return (parts[1] * np.sqrt(parts[0])) @ parts[1].T
        return (parts[0] * parts[1] ** 2) @ parts[2]

    def _recurrence(a: Any) -> Any:
        h = a[0]
        for x in a[1:]:
            h = np.sin(h * x) + h
        return h

    def _in_place(a: Any) -> Any:
        total = a * 1.0
        other = total
        weights = np.ones(4)
        for _ in range(3):
            total += weights * a**2
            total *= 0.5
            weights = weights + 1
        return total * other

    return {
        **{name: (getattr(np, name), (V,), where) for name, where in UNARY.items()},
        **{f"{name} {shape}": (getattr(np, name), (V, shape), where)
           for name, where in BINARY.items() for shape in (V, (), (3, 1), (2, 1, 4))},
        **{f"special.{name}": (getattr(special, name), (V,), where) for name, where in SPECIAL.items()},
        **{f"special.{name}": (getattr(special, name), (V,), POSITIVE) for name in SPECIAL_BESSEL},
        **{f"special.{name}": (getattr(special, name), (V, V), POSITIVE) for name in SPECIAL_2},
        **{f"special.{name}": (lambda x, name=name, at=at: getattr(special, name)(at, x), (V,), POSITIVE)
           for name, at in SPECIAL_AT.items()},
        "special.boxcox near 0": (lambda x, p: special.boxcox(x, p * 1e-3), (V, ()), POSITIVE),
        "special.inv_boxcox": (lambda x: special.inv_boxcox(x, 0.3) + special.boxcox1p(x, 0.3), (V,), POSITIVE),
        "special.betainc": (lambda x: special.betainc(1.5, 2.5, x), (V,), (0.1, 0.9)),
        # operators and methods
        "operators": (
            lambda a, b: (2 + a) * b - 3 / b + (1 - a) / 2 - +a + (-b) ** 2 + abs(a) ** 1.5, (V, V), POSITIVE
        ),
        "power of a number": (lambda a: 2.0**a + a**2 + a**0 + a**1, (V,), ANY),
        "floor division": (lambda a: a * (a // 0.7) + a % 0.7, (V,), POSITIVE),
        "methods": (
            lambda a: a.sum() + a.mean(axis=0) @ a.T[0:2].mean(0) + a.reshape(9).std() + a.T.ravel().max(), (M,), ANY
        ),
        "more methods": (
            lambda a: a.dot(a).var(axis=1).prod() + a.cumsum(0).min() + a.clip(-1, 1).flatten()[2], (M,), ANY
        ),
        "trace method": (lambda a: a.trace() * a.trace(1), (M,), ANY),
        "iteration": (lambda a: sum(x * i for i, x in enumerate(a)), (V,), ANY),
        "comparison": (lambda a: np.where(a > 0, a**2, -a) * (a < 1), (V,), ANY),
        "where": (lambda a, b: np.where(np.arange(4) > 1, a, b), (V, (3, 1)), ANY),
        "clip": (lambda a: np.clip(a, -0.5, 0.7), (V,), ANY),
        "sinc at 0": (lambda a: np.sinc(a * 1e-3), (V,), ANY),
        # shapes
        "reshape": (lambda a: np.reshape(a, (4, -1)), ((2, 6),), ANY),
        "reshape F": (lambda a: np.reshape(a, (4, 3), order="F"), ((2, 6),), ANY),
        "ravel": (np.ravel, (M,), ANY),
        "transpose": (np.transpose, ((2, 3, 4),), ANY),
        "transpose axes": (lambda a: np.transpose(a, (1, 2, 0)), ((2, 3, 4),), ANY),
        "matrix_transpose": (np.matrix_transpose, ((2, 3, 4),), ANY),
        "swapaxes": (lambda a: np.swapaxes(a, 0, 2), ((2, 3, 4),), ANY),
        "moveaxis": (lambda a: np.moveaxis(a, 0, -1), ((2, 3, 4),), ANY),
        "squeeze": (np.squeeze, ((2, 1, 4),), ANY),
        "expand_dims": (lambda a: np.expand_dims(a, 1), (V,), ANY),
        "broadcast_to": (lambda a: np.broadcast_to(a, (3, 4)), (V,), ANY),
        "broadcast_arrays": (lambda a, b: np.broadcast_arrays(a, b)[0] * b, (V, (3, 1)), ANY),
        "flip": (lambda a: np.flip(a, 1), (M,), ANY),
        "fliplr": (np.fliplr, (M,), ANY),
        "flipud": (np.flipud, (M,), ANY),
        "roll": (lambda a: np.roll(a, 1), (M,), ANY),
        "roll axes": (lambda a: np.roll(a, (1, -1), (0, 1)), (M,), ANY),
        "rot90": (lambda a: np.rot90(a, 3), (M,), ANY),
        "tril": (lambda a: np.tril(a, 1), (M,), ANY),
        "triu": (np.triu, (M,), ANY),
        "index": (lambda a: a[1] + a[-1, :] * a[..., 0], (M,), ANY),
        "slice": (lambda a: a[1:, ::-1], (M,), ANY),
        "new axis": (lambda a: a[:, None] * a, (V,), ANY),
        "repeated index": (lambda a: a[np.array([0, 2, 2, 0])], (V,), ANY),
        "mask": (lambda a: a[np.array([True, False, True, True])], (V,), ANY),
        "two indices": (lambda a: a[np.array([0, 1, 0]), np.array([2, 2, 2])], (M,), ANY),
        "take": (lambda a: np.take(a, np.array([1, 1, 0]), axis=1), (M,), ANY),
        "take flat": (lambda a: np.take(a, np.array([8, 1, 1])), (M,), ANY),
        "take_along_axis": (lambda a: np.take_along_axis(a, np.array([[0], [2], [1]]), 1), (M,), ANY),
        "diagonal": (lambda a: np.diagonal(a, 1), ((3, 4),), ANY),
        "diag": (np.diag, (V,), ANY),
        "diag of matrix": (lambda a: np.diag(a, -1), (M,), ANY),
        "sort": (lambda a: np.sort(a, axis=0), (M,), ANY),
        "partition": (lambda a: np.partition(a, 1) * np.arange(3) ** 2, (M,), ANY),
        "concatenate": (lambda a, b: np.concatenate([a, b, a], axis=1), ((2, 3), (2, 1)), ANY),
        "concatenate flat": (lambda a, b: np.concatenate([a, b], axis=None), ((2, 3), (2, 1)), ANY),
        "stack": (lambda a, b: np.stack([a, b * 2], axis=1), (V, V), ANY),
        "vstack": (lambda a, b: np.vstack([a, b]), (V, (2, 4)), ANY),
        "hstack": (lambda a, b: np.hstack([a, b]), (V, (3,)), ANY),
        "dstack": (lambda a, b: np.dstack([a, b]), ((2, 3), (2, 3)), ANY),
        "column_stack": (lambda a, b: np.column_stack([a, b]), (V, (4, 2)), ANY),
        "append": (lambda a, b: np.append(a, b), (V, M), ANY),
        "atleast": (lambda a: np.atleast_1d(a[0]) + np.atleast_2d(a) * np.atleast_3d(a)[0], (V,), ANY),
        "split": (lambda a: np.split(a, 2)[1] * np.array_split(a, 3)[2][0], (V,), ANY),
        "repeat": (lambda a: np.repeat(a, np.array([1, 0, 2]), axis=0), (M,), ANY),
        "tile": (lambda a: np.tile(a, (2, 1, 3)), (V,), ANY),
        "pad": (lambda a: np.pad(a, ((1, 0), (0, 2)), constant_values=3.0), (M,), ANY),
        "pad edge": (lambda a: np.pad(a, 1, mode="edge"), (M,), ANY),
        "pad reflect": (lambda a: np.pad(a, 2, mode="reflect"), (M,), ANY),
        "meshgrid": (lambda a, b: np.meshgrid(a, b)[0] * np.meshgrid(a, b)[1], (V, (3,)), ANY),
        "copy and astype": (lambda a: a.copy().astype(float) * 2, (V,), ANY),
        # reductions
        "sum": (np.sum, (M,), ANY),
        "sum axes": (lambda a: np.sum(a, axis=(0, 2)), ((2, 3, 4),), ANY),
        "sum keepdims": (lambda a: np.sum(a, axis=1, keepdims=True) * a, (M,), ANY),
        "add.reduce": (lambda a: np.add.reduce(a) * np.multiply.reduce(a), (V,), ANY),
        "mean": (lambda a: np.mean(a, axis=-1), (M,), ANY),
        "average": (lambda a, w: np.average(a, axis=0, weights=w), (M, (3,)), POSITIVE),
        "var": (lambda a: np.var(a, axis=0, ddof=1), (M,), ANY),
        "std": (np.std, (M,), ANY),
        "prod": (lambda a: np.prod(a, axis=1), (M,), ANY),
        "prod of all": (np.prod, (M,), ANY),
        "prod with a zero": (lambda a: np.prod(a * np.array([1.0, 0.0, 1.0, 1.0])), (V,), ANY),
        "max": (lambda a: np.max(a, axis=0), (M,), ANY),
        "min": (lambda a: np.min(a, axis=1, keepdims=True), (M,), ANY),
        "amax": (np.amax, (M,), ANY),
        "ptp": (lambda a: np.ptp(a, axis=0), (M,), ANY),
        "median": (lambda a: np.median(a, axis=0), ((4, 3),), ANY),
        "quantile": (lambda a: np.quantile(a, 0.3), (M,), ANY),
        "percentile": (lambda a: np.percentile(a, 80, axis=1), (M,), ANY),
        "nansum": (lambda a: np.nansum(np.append(a, np.nan)), (V,), ANY),
        "nanmean": (lambda a: np.nanmean(a), (M,), ANY),
        "cumsum": (lambda a: np.cumsum(a, axis=1), (M,), ANY),
        "cumsum flat": (np.cumsum, (M,), ANY),
        "cumprod": (lambda a: np.cumprod(a, axis=0), (M,), ANY),
        "diff": (lambda a: np.diff(a, n=2, axis=0), ((4, 3),), ANY),
        "ediff1d": (np.ediff1d, (V,), ANY),
        "trapezoid": (lambda a, b: np.trapezoid(a, np.cumsum(b)), (V, V), POSITIVE),
        "interp": (lambda x, f: np.interp(x, np.array([-2.5, 0.0, 1.0, 2.5]), f), ((5,), V), ANY),
        # products
        **{f"matmul {a} {b}": (np.matmul, (a, b), ANY) for a, b in (
            ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
            ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)),
        )},
        **{f"dot {a} {b}": (np.dot, (a, b), ANY) for a, b in (
            ((3,), (3,)), ((2, 3), (3, 4)), ((), (3,)), ((2, 3), (5, 3, 4)),
        )},
        "inner": (np.inner, ((2, 3), (4, 3)), ANY),
        "outer": (np.outer, (V, (3,)), ANY),
        "vdot": (np.vdot, (M, M), ANY),
        "vecdot": (np.vecdot, ((2, 3), (3,)), ANY),
        "kron": (np.kron, ((2, 3), (2, 2)), ANY),
        "cross": (np.cross, ((4, 3), (4, 3)), ANY),
        "tensordot": (lambda a, b: np.tensordot(a, b, axes=([2, 0], [1, 0])), ((2, 3, 4), (2, 4, 5)), ANY),
        "tensordot 1": (lambda a, b: np.tensordot(a, b, axes=1), ((2, 3), (3, 4)), ANY),
        "einsum": (lambda a, b: np.einsum("ij,jk->ki", a, b), ((2, 3), (3, 4)), ANY),
        "einsum implied": (lambda a, b: np.einsum("ij,jk", a, b), ((2, 3), (3, 4)), ANY),
        "einsum trace": (lambda a: np.einsum("ii->", a), (M,), ANY),
        "einsum diagonal": (lambda a: np.einsum("ii->i", a), (M,), ANY),
        "einsum alone": (lambda a, b: np.einsum("ij,k->k", a, b), ((2, 3), V), ANY),
        "einsum dots": (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), ((5, 2, 3), (3, 4)), ANY),
        "einsum three": (lambda a, b, c: np.einsum("i,ij,j->", a, b, c), ((2,), (2, 3), (3,)), ANY),
        # linear algebra
        "inv": (lambda a: np.linalg.inv(_spd(a)), (M,), ANY),
        "inv of a stack": (lambda a: np.linalg.inv(a + 4 * np.eye(3)), ((2, 3, 3),), ANY),
        "solve": (lambda a, b: np.linalg.solve(_spd(a), b), (M, (3,)), ANY),
        "solve many": (lambda a, b: np.linalg.solve(_spd(a), b), (M, (3, 2)), ANY),
        "solve a stack": (lambda a, b: np.linalg.solve(a + 4 * np.eye(3), b), ((2, 3, 3), (2, 3, 1)), ANY),
        "det": (np.linalg.det, (M,), ANY),
        "det of a stack": (np.linalg.det, ((2, 3, 3),), ANY),
        "slogdet": (lambda a: np.linalg.slogdet(a)[1], (M,), ANY),
        "cholesky": (lambda a: np.linalg.cholesky(_spd(a)), (M,), ANY),
        "eigvalsh": (lambda a: np.linalg.eigvalsh(_spd(a)), (M,), ANY),
        "eigh": (lambda a: np.linalg.eigh(_spd(a))[1] ** 2, (M,), ANY),
        "trace": (np.trace, ((3, 4),), ANY),
        "pinv": (lambda a: np.linalg.pinv(a), ((4, 2),), ANY),
        "matrix_power": (lambda a: np.linalg.matrix_power(a, 3), (M,), ANY),
        "multi_dot": (lambda a, b: np.linalg.multi_dot([a, b, a]), (M, M), ANY),
        "norm": (np.linalg.norm, (M,), ANY),
        "norm 1": (lambda a: np.linalg.norm(a, 1, axis=0), (M,), ANY),
        "norm 3": (lambda a: np.linalg.norm(a, 3), (V,), ANY),
        "norm inf": (lambda a: np.linalg.norm(a, np.inf), (V,), ANY),
        "vector_norm": (lambda a: np.linalg.vector_norm(a, axis=1), (M,), ANY),
        "cov": (lambda a: np.cov(a), ((3, 5),), ANY),
        # indexing, as it is written by hand
        "ellipsis": (lambda a: a[..., 1, None], ((2, 3, 4),), ANY),
        "mask of two axes": (lambda a: a[np.array([[True, False, True]] * 3)], (M,), ANY),
        "mask and number": (lambda a: a[np.array([True, False, True]), 1], (M,), ANY),
        "indices and slice": (lambda a: a[np.array([0, 0, 1]), 1:], (M,), ANY),
        "indices apart": (lambda a: a[np.array([0, 1]), :, np.array([1, 2])], ((2, 3, 4),), ANY),
        "table of indices": (lambda a: a[np.array([[0, 1], [1, 1]])], (V,), ANY),
        "ix_": (lambda a: a[np.ix_(np.array([0, 2]), np.array([1, 1]))], (M,), ANY),
        "upper triangle": (lambda a: a[np.triu_indices(3)], (M,), ANY),
        "own order": (lambda a: a[np.argsort(a)] * np.arange(4), (V,), ANY),
        "unpacked": (lambda a: a[0] * a[1] - (lambda p, q, r, s: p / (4 + q) * r * s)(*a), (V,), ANY),
        "rows": (lambda a: sum(row @ row * k for k, row in enumerate(a)), (M,), ANY),
        "no numbers": (lambda a: np.sum(a[np.zeros(0, int)]) + a[0], (V,), ANY),
        "compress": (lambda a: np.compress(np.array([True, False, True]), a, axis=0), (M,), ANY),
        "extract": (lambda a: np.extract(np.arange(9).reshape(3, 3) % 2 == 0, a), (M,), ANY),
        "delete": (lambda a: np.delete(a, 1, axis=0), (M,), ANY),
        "insert": (lambda a, b: np.insert(a, 2, b), (V, ()), ANY),
        "unique": (lambda a: np.unique(a) ** 2, (V,), ANY),
        "bincount": (lambda w: np.bincount(np.array([0, 2, 0, 1]), weights=w) ** 2, (V,), ANY),
        "select": (lambda a: np.select([a < -0.5, a < 0.8], [a**2, a**3], a), (V,), ANY),
        "piecewise": (lambda a: np.piecewise(a, [a < 0, a >= 0], [lambda x: x**2, lambda x: np.sin(x)]), (V,), ANY),
        "full_like": (lambda a: np.full_like(a, a[0]) * a, (V,), ANY),
        "linspace": (lambda a, b: np.linspace(a, b, 5) ** 2, ((), ()), ANY),
        "block": (lambda a, b: np.block([[a, b], [np.ones((1, 3)), 2 * np.ones((1, 1))]]), (M, (3, 1)), ANY),
        "hsplit": (lambda a: np.hsplit(a, 3)[1] * np.vsplit(a, 3)[2].T, (M,), ANY),
        "expand_dims of two": (lambda a: np.expand_dims(a, (0, 2)), (V,), ANY),
        "moveaxis of two": (lambda a: np.moveaxis(a, [0, 1], [-1, -2]), ((2, 3, 4),), ANY),
        "flip of all": (np.flip, (M,), ANY),
        "roll of lists": (lambda a: np.roll(a, [1, 2], axis=[0, 1]), (M,), ANY),
        "tile of more": (lambda a: np.tile(a, 2), ((2, 3, 4),), ANY),
        "repeat flat": (lambda a: np.repeat(a, 2), (M,), ANY),
        "pad wrap": (lambda a: np.pad(a, 2, mode="wrap"), (V,), ANY),
        "pad symmetric": (lambda a: np.pad(a, ((0, 1), (2, 0)), mode="symmetric"), (M,), ANY),
        "tril of a stack": (np.tril, ((2, 3, 4),), ANY),
        "diagonal of a stack": (lambda a: np.diagonal(a, axis1=1, axis2=2), ((2, 3, 4),), ANY),
        "ravel F": (lambda a: np.ravel(a, order="F") * np.arange(9), (M,), ANY),
        "copy": (lambda a: np.copy(a) * np.real(a), (V,), ANY),
        "lists": (lambda a: [1.0, 2.0, 3.0, 4.0] * a - [0.5, 1.0, 1.5, 2.0], (V,), ANY),
        "outer differences": (lambda a, b: np.subtract.outer(a, b) ** 2, (V, (3,)), ANY),
        "accumulate": (lambda a: np.add.accumulate(a) * np.multiply.accumulate(a), (V,), ANY),
        "logaddexp.reduce": (lambda a: np.logaddexp.reduce(a, axis=1), (M,), ANY),
        "divmod": (lambda a: np.divmod(a, 0.7)[1] + np.modf(a)[0] * a, (V,), POSITIVE),
        # reductions along any axes
        **{f"{name} over {axis}{' kept' * kept}": (
            lambda a, name=name, axis=axis, kept=kept: getattr(np, name)(a, axis=axis, keepdims=kept), ((2, 3, 4),), ANY
           ) for name in ("sum", "mean", "prod", "max", "var")
           for axis, kept in (((0, -1), False), (-2, True), (None, True))},
        "median of two axes": (lambda a: np.median(a, axis=(0, 1)), ((2, 3, 4),), ANY),
        "quantiles": (lambda a: np.quantile(a, np.array([0.1, 0.5]), axis=0, keepdims=True), ((4, 3),), ANY),
        "nanmax": (lambda a: np.nanmax(a, axis=0) - np.nanmin(a, axis=1), (M,), ANY),
        "nanvar": (lambda a: np.nanvar(np.where(np.eye(3) > 0, np.nan, a), axis=0), (M,), ANY),
        "nanstd": (lambda a: np.nanstd(a), (M,), ANY),
        "nanprod": (lambda a: np.nanprod(a, axis=0), (M,), ANY),
        "corrcoef": (np.corrcoef, ((3, 5),), ANY),
        "cov of columns": (lambda a: np.cov(a, rowvar=False), ((5, 3),), ANY),
        "trapezoid of rows": (lambda a: np.trapezoid(a, np.array([0.0, 1.0, 3.0]), axis=0), (M,), ANY),
        "interp of x": (
            lambda x: np.interp(x, np.array([-2.5, 0.1, 1.0, 2.5]), np.array([1.0, 3.0, 2.0, 5.0])), (V,), ANY
        ),
        "interp of xp": (
            lambda x: np.interp(np.array([0.6, 0.9]), np.cumsum(x), np.array([1.0, 2.0, 4.0, 3.0])), (V,), POSITIVE
        ),
        "interp beyond": (
            lambda x: np.interp(x, np.array([-0.5, 0.5]), np.array([1.0, 3.0]), left=0.0, right=7.0), ((6,),), ANY
        ),
        "polyval": (np.polyval, (V, (3,)), ANY),
        "vander": (lambda a: np.vander(a, 4), (V,), ANY),
        "vander increasing": (lambda a: np.vander(a, 3, increasing=True), (V,), ANY),
        **{f"convolve {mode}": (lambda a, v, mode=mode: np.convolve(a, v, mode=mode), ((5,), (3,)), ANY)
           for mode in ("full", "same", "valid")},
        **{f"correlate {mode} {n}": (lambda a, v, mode=mode: np.correlate(a, v, mode=mode), ((n,), (4,)), ANY)
           for mode in ("full", "same", "valid") for n in (3, 6)},
        # products
        **{name: (getattr(np, name), shapes, ANY) for name, shapes in {
            "matvec": ((2, 3, 4), (4,)), "vecmat": ((3,), (2, 3, 4)), "cumulative_sum": (V,), "cumulative_prod": (V,)
        }.items() if hasattr(np, name)},
        "tensordot 0": (lambda a, b: np.tensordot(a, b, axes=0), (V, (3,)), ANY),
        "three factors": (lambda a, b: a @ b @ a.T, (M, M), ANY),
        **{f"einsum {letters}": (lambda a, b, letters=letters: np.einsum(letters, a, b), (M, M), ANY) for letters in (
            "ij,ij->", "ij,kl->ijkl", "ii,jj->ij", "ii,ij->j", "...j,...j->...", "ij,ji", "ba,ca->bc", "ij , jk -> ik",
            "ij,ij->ij", "ij,kj->k",
        )},
        # linear algebra
        "one right side for a stack": (
            lambda a, b: np.linalg.solve(a + 4 * np.eye(3), b), ((2, 3, 3), (3,)), ANY
        ),
        "one matrix for a stack": (lambda a, b: np.linalg.solve(_spd(a), b), (M, (2, 3, 2)), ANY),
        "slogdet of a stack": (lambda a: np.linalg.slogdet(a).logabsdet, ((2, 3, 3),), ANY),
        "cholesky of a stack": (lambda a: np.linalg.cholesky(a @ a.mT + 2 * np.eye(3)), ((2, 3, 3),), ANY),
        "det of a singular matrix": (lambda a: np.linalg.det(a * np.array([[1.0], [1.0], [0.0]])), (M,), ANY),
        "root of a matrix": (lambda a: _rebuilt(np.linalg.eigh(_spd(a))), (M,), ANY),
        "trace of a stack": (lambda a: np.trace(a, axis1=1, axis2=2), ((2, 3, 4),), ANY),
        "singular values": (lambda a: np.linalg.svd(a, compute_uv=False), ((3, 5),), ANY),
        "svd": (lambda a: _rebuilt(np.linalg.svd(a, full_matrices=False)), ((4, 2),), ANY),
        "svd of a square": (lambda a: _rebuilt(np.linalg.svd(a)), (M,), ANY),
        "cond": (np.linalg.cond, (M,), ANY),
        "pinv of a wide matrix": (lambda a: np.linalg.pinv(a), ((2, 4),), ANY),
        "inverse power": (lambda a: np.linalg.matrix_power(_spd(a), -2), (M,), ANY),
        **{f"norm {order} of a matrix": (lambda a, order=order: np.linalg.norm(a, order), (M,), ANY)
           for order in (1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc")},
        **{f"norm {order} of rows": (
            lambda a, order=order: np.linalg.norm(a, order, axis=-1, keepdims=True), ((2, 3, 4),), ANY
           ) for order in (1, 2, 2.5, np.inf, -np.inf)},
        "norm of a stack": (lambda a: np.linalg.norm(a, axis=(1, 2)), ((2, 3, 4),), ANY),
        "vector_norm of two axes": (lambda a: np.linalg.vector_norm(a, axis=(0, 1)), ((2, 3, 4),), ANY),
        # written into
        "in place": (lambda a: _in_place(a), (V,), ANY),
        # compositions
        "softmax": (lambda a: np.exp(a - np.max(a)) / np.sum(np.exp(a - np.max(a))), (V,), ANY),
        "logistic loss": (lambda X, b: np.mean(np.logaddexp(0.0, -(X @ b))), ((6, 3), (3,)), ANY),
        "network": (lambda W, v: np.tanh(np.ones((2, 4)) @ W) @ v, ((4, 3), (3,)), ANY),
        "gaussian likelihood": (
            lambda m, a: -0.5 * (m @ np.linalg.solve(_spd(a), m)) - np.linalg.slogdet(_spd(a))[1], ((3,), M), ANY
        ),
        "recurrence": (lambda a: _recurrence(a), (V,), ANY),
        "layer norm": (lambda a: (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5), (M,), ANY),
        "rosenbrock": (lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), (V,), ANY),
    }  # fmt: skip


CASES = cases(numpy, scipy.special)
