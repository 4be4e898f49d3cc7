"""Least squares in closed form: the normal equations solved exactly, by the cheapest factorisation that is safe."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.errors import CollinearityError, DataError, MissingValueError
from betahat.models.linear import RangeStatistic
from betahat.objective import LinearObjective
from betahat.solvers.cholesky import cholesky
from betahat.solvers.collinear import describe, independent_columns, kept_directions
from betahat.solvers.equations import NormalEquations, is_representable, normal_equations
from betahat.solvers.factor import EPS, Factor
from betahat.solvers.fit import LinearFit
from betahat.solvers.inverse import exact_moments, refined_inverse, with_intercept
from betahat.solvers.qr import TriangularFactor
from betahat.solvers.refine import Correction, refine
from betahat.solvers.svd import SingularFactor
from betahat.solvers.trace import Trace

COLLINEAR = ("minimum_norm", "drop", "error")
_SAFE_HESSIAN_CONDITION = 1e6  # up to which Cholesky's inverse keeps ten digits
_EXACT_INVERSE_WORK = 5e8  # multiplications up to which the inverse is refined against the exact Gram matrix


def solve(
    objective: LinearObjective, p: int, t: int, names: tuple[str, ...] | None = None, collinear: str = "minimum_norm",
    need_inverse: bool = True,
) -> LinearFit:  # fmt: skip
    """β̂ minimising the mean of ½ (y − β₀ − xᵀβ)² + α/2 ‖β‖² for each of t targets.

    Reads the rows once for the normal equations, once more for each refinement (usually one, which also
    certifies). Raises MissingValueError or DataError for values that are not finite, CollinearityError on request.
    """
    trace = Trace()
    statistic = objective.second_order()
    if statistic.counts.rows == 0:
        raise DataError("the data have no rows; nothing can be fitted")
    if not is_representable(statistic):
        return _solve_scaled(objective, p, t, names, collinear, need_inverse)
    equations = normal_equations(objective, statistic, p)
    return _solve(objective, equations, t, names, collinear, need_inverse, trace)


def _solve_scaled(
    objective: LinearObjective, p: int, t: int, names: Any, collinear: str, need_inverse: bool
) -> LinearFit:
    """Numbers so large or small that their squares leave double precision: scale by powers of two and come back."""
    ranges = objective.ranges(p, t)
    refuse_non_finite(ranges, names, objective.source.target_names)
    x_scale = np.ldexp(1.0, -np.clip(np.frexp(ranges.largest_x)[1], -1020, 1020))
    y_scale = np.ldexp(1.0, -np.clip(np.frexp(ranges.largest_y)[1], -1020, 1020))
    if objective.penalty.curvature:
        raise DataError(
            "X or y holds numbers beyond 1e±110, whose squares cannot be represented, and alpha is not 0; "
            "rescale the columns (a penalty is not free of scale, so this cannot be done for you)"
        )
    scaled = objective.scaled(x_scale, y_scale)
    statistic = scaled.second_order()
    fit = _solve(scaled, normal_equations(scaled, statistic, p), t, names, collinear, need_inverse, Trace())
    return _unscale(fit, x_scale, y_scale)


def _unscale(fit: LinearFit, x_scale: np.ndarray, y_scale: np.ndarray) -> LinearFit:
    with np.errstate(over="ignore", under="ignore"):
        fit.coef = fit.coef * x_scale / y_scale[:, None]
        fit.intercept = fit.intercept / y_scale
        fit.correction = fit.correction * x_scale / y_scale[:, None]
        fit.correction_intercept = fit.correction_intercept / y_scale
        fit.mean = fit.mean / x_scale
        fit.scale = fit.scale / x_scale[fit.active]
        fit.null_space = fit.null_space * x_scale[:, None]
        if fit.inverse is not None:
            sides = np.concatenate([np.ones(len(fit.inverse) - len(x_scale)), x_scale])
            fit.inverse = fit.inverse * np.outer(sides, sides)
        units = np.concatenate([[1.0], 1 / x_scale]) / y_scale[:, None]
        g = fit.gradient
        fit.gradient = type(g)(g.high * units, g.low * units, g.magnitude * units, g.loss / y_scale**2)
        fit.squares = fit.squares / np.concatenate([x_scale, y_scale]) ** 2
        fit.total_ss = fit.total_ss / y_scale**2
    if not (np.isfinite(fit.coef).all() and np.isfinite(fit.intercept).all()):
        raise DataError("the coefficients exceed the range of double precision; rescale X or y")
    return fit


def refuse_non_finite(ranges: RangeStatistic, names: tuple[str, ...] | None, targets: tuple[str, ...]) -> None:
    """Raise for the first NaN or infinity found, naming column and row."""
    if not ranges.bad:
        return
    (where, j), (what, row) = next(iter(ranges.bad.items()))
    column = (names[j] if names else f"column {j}") if where == "X" else targets[j]
    others = f" (and {len(ranges.bad) - 1} more columns)" if len(ranges.bad) > 1 else ""
    if what == "NaN":
        raise MissingValueError(
            f"Input {where} contains NaN: {column!r} first in row {row}{others}. LinearRegression does not accept "
            "missing values encoded as NaN by itself; drop the rows or fill them first, or give a frame and "
            'missing="drop" or "mean"'
        )
    raise DataError(
        f"Input {where} contains infinity: {column!r} first in row {row}{others}; expected finite numbers. "
        "The usual cause is a division by zero or the logarithm of zero"
    )


def _solve(
    objective: LinearObjective, equations: NormalEquations, t: int, names: tuple[str, ...] | None, collinear: str,
    need_inverse: bool, trace: Trace,
) -> LinearFit:  # fmt: skip
    p, weight = equations.p, equations.weight
    curvature = objective.penalty.curvature * weight
    active = np.flatnonzero(~equations.constant)
    k = len(active)
    diagonal = np.diag(equations.hessian)[active] + curvature
    scale = np.sqrt(diagonal)
    labels = names or tuple(f"x{j + 1}" for j in range(p)) if p <= 10_000 else names
    remarks = _constant_remarks(equations.constant, labels, objective) if not curvature else []
    scaled = equations.hessian[np.ix_(active, active)] + curvature * np.eye(k)
    scaled = scaled / np.outer(scale, scale)
    right = equations.right[active] / scale[:, None]
    factor: Factor | None = cholesky(scaled, _SAFE_HESSIAN_CONDITION)
    estimable = ~equations.constant
    null = np.zeros((p, 0))
    why = "the columns are far from collinear, so the normal equations lose nothing"
    if factor is not None:
        start = factor.solve(right)
    else:
        R = objective.triangle(equations.mean, _all(scale, active, p), active)
        first = int(objective.fit_intercept)
        triangle, right = R[first : first + k, first : first + k], R[first:, first + k :]
        right = right[: len(triangle)]
        if curvature:
            stacked = np.concatenate([triangle, np.diag(np.sqrt(curvature) / scale)])
            Q, triangle = np.linalg.qr(stacked)
            right = Q[: len(right)].T @ right
        factor, active, null_scaled, combinations = _orthogonal(triangle, equations.rounding[active], active, collinear)
        why = "the columns are nearly collinear; an orthogonal factorisation does not square their condition number"
        if factor.method == "SVD" or combinations:
            why = "some columns are combinations of others; " + (
                "the solution of smallest norm was taken" if collinear == "minimum_norm" else "they were dropped"
            )
        null[np.flatnonzero(~equations.constant)] = null_scaled / scale[:, None]
        estimable &= ~(np.abs(_unit_rows(null_scaled, estimable)) > 1e-7)
        remarks += [describe(labels, j, c) for j, c in _named(combinations, equations.constant)] if labels else []
        if len(active) < k:
            positions = np.flatnonzero(np.isin(np.flatnonzero(~equations.constant), active))
            triangle, scale = np.linalg.qr(triangle[:, positions], mode="r"), scale[positions]
            right = None
            factor = TriangularFactor(triangle, _condition(triangle))
        start = None if right is None else _start(factor, triangle, right)
        if start is None:
            start = factor.solve(equations.right[active] / scale[:, None])
    if remarks and collinear == "error":
        raise CollinearityError("; ".join(remarks) + '. Leave columns out, or set collinear to "minimum_norm" or "drop"')
    basis = _orthonormal(null) if null.shape[1] and collinear == "minimum_norm" else np.zeros((p, 0))
    return _finish(
        objective, equations, t, active, scale, factor, start, basis, null, estimable, remarks, why, need_inverse, trace
    )


def _finish(
    objective: LinearObjective, equations: NormalEquations, t: int, active: np.ndarray, scale: np.ndarray,
    factor: Factor, start: np.ndarray, basis: np.ndarray, null: np.ndarray, estimable: np.ndarray, remarks: list[str],
    why: str, need_inverse: bool, trace: Trace,
) -> LinearFit:  # fmt: skip
    p, weight = equations.p, equations.weight
    mean = equations.mean[:p]
    intercepts = objective.fit_intercept

    def raw(scaled: np.ndarray) -> np.ndarray:
        coef = np.zeros((t, p))
        coef[:, active] = (scaled / scale[:, None]).T
        return coef - (coef @ basis) @ basis.T

    def correct(slopes: np.ndarray, constant: np.ndarray) -> Correction:
        coef = raw(factor.solve(slopes[:, active].T / scale[:, None]))
        return Correction(coef, constant / weight - coef @ mean if intercepts else np.zeros(t))

    coef = raw(start)
    intercept = equations.mean[p:] - coef @ mean if intercepts else np.zeros(t)
    size = np.sqrt(np.maximum(np.diag(equations.moments)[:p], 0))
    refined = refine(
        objective, Correction(coef, intercept), correct, mean, weight, size, equations.counts.rows * p, trace
    )
    inverse = None
    if need_inverse:
        inverse = _inverse(objective, equations, factor, active, scale)
    return LinearFit(
        refined.coef, refined.intercept, refined.gradient, equations.counts, mean, equations.squares, equations.total_ss, active, scale, factor,
        inverse, null, estimable, refined.correction.coef, refined.correction.intercept,
        objective.penalty.curvature, trace, refined.stop_reason, factor.method, why, remarks,
    )  # fmt: skip


def _inverse(
    objective: LinearObjective, equations: NormalEquations, factor: Factor, active: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """(XᵀWX)⁻¹ of the active columns (and the intercept), refined where the factor alone would lose digits."""
    p, weight = equations.p, equations.weight
    mean = equations.mean[active]
    inverse = factor.inverse()
    loses = factor.contraction > 1e-13 and factor.method != "SVD" and not objective.penalty.curvature
    work = equations.counts.rows * len(active) ** 2
    if loses and objective.source.in_memory and work <= _EXACT_INVERSE_WORK:
        unit = np.ldexp(1.0, np.frexp(scale)[1])
        ratio = unit / scale
        high, low = exact_moments(objective.source, active, mean, unit)
        column = ratio[:, None]
        small = refined_inverse(
            high, low, inverse * np.outer(ratio, ratio), lambda z: factor.solve(z * column) * column, mean, unit,
            objective.fit_intercept,
        )  # fmt: skip
    else:
        small = inverse / np.outer(scale, scale)
        if objective.fit_intercept:
            small = with_intercept(small, mean, weight)
    first = int(objective.fit_intercept)
    if len(active) == p:
        return small
    places = np.concatenate([np.arange(first), active + first])
    full = np.zeros((p + first, p + first))
    full[np.ix_(places, places)] = small
    return full


def _orthogonal(
    triangle: np.ndarray, rounding: np.ndarray, active: np.ndarray, collinear: str
) -> tuple[Factor, np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """QR where all directions are determined, else SVD (or fewer columns, to be dropped); the null space; who is whom."""
    k = triangle.shape[1]
    singular, Vt = np.linalg.svd(triangle, full_matrices=True)[1:]
    singular = np.concatenate([singular, np.zeros(k - len(singular))])
    kept = kept_directions(singular, Vt.T, rounding)
    if kept.all():
        return TriangularFactor(triangle, float(singular[0] / singular[-1])), active, np.zeros((k, 0)), {}
    independent, combinations = independent_columns(triangle, rounding) if k <= 1000 else (None, {})
    named = {int(active[j]): _spread(c, active) for j, c in combinations.items()}
    if collinear == "drop" and independent is not None:
        null = np.eye(k)[:, ~independent]
        return SingularFactor(singular, Vt.T, kept), active[independent], null, named
    factor = SingularFactor(singular, Vt.T, kept)
    return factor, active, factor.null_space, named


def _spread(values: np.ndarray, active: np.ndarray) -> np.ndarray:
    full = np.zeros(int(active.max()) + 1)
    full[active] = values
    return full


def _start(factor: Factor, triangle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """H⁻¹ Rᵀ(Qᵀy): better than H⁻¹ Xᵀy by one condition number."""
    return factor.solve(triangle.T @ right)


def _all(scale: np.ndarray, active: np.ndarray, p: int) -> np.ndarray:
    full = np.ones(p)
    full[active] = scale
    return full


def _condition(triangle: np.ndarray) -> float:
    singular = np.linalg.svd(triangle, compute_uv=False)
    return float(singular[0] / max(singular[-1], EPS * singular[0])) if len(singular) else 1.0


def _orthonormal(null: np.ndarray) -> np.ndarray:
    size = np.sqrt((null**2).sum(axis=0))
    return np.linalg.qr(null / size)[0]


def _unit_rows(null_scaled: np.ndarray, estimable: np.ndarray) -> np.ndarray:
    full = np.zeros(len(estimable))
    full[estimable] = np.sqrt((null_scaled**2).sum(axis=1))
    return full


def _named(combinations: dict[int, np.ndarray], constant: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return sorted(combinations.items())


def _constant_remarks(constant: np.ndarray, labels: Any, objective: LinearObjective) -> list[str]:
    if labels is None:
        return []
    what = "is constant" if objective.fit_intercept else "is zero"
    return [f"{labels[j]!r} {what}" for j in np.flatnonzero(constant)]
