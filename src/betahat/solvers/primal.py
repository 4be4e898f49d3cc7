"""The p × p normal equations: Cholesky where that is safe, else QR, else SVD; then refined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.models.linear import GradientStatistic, GramStatistic
from betahat.objective import LinearObjective
from betahat.solvers.cholesky import cholesky
from betahat.solvers.collinear import describe, independent_columns, kept_directions
from betahat.solvers.equations import NormalEquations
from betahat.solvers.factor import EPS, Factor
from betahat.solvers.fit import LinearFit
from betahat.solvers.inverse import exact_moments, refined_inverse, with_intercept
from betahat.solvers.linear_descent import LinearDescent, Method, Way
from betahat.solvers.qr import TriangularFactor
from betahat.solvers.refine import Correction, Known, refine
from betahat.solvers.svd import SingularFactor
from betahat.solvers.trace import Trace

_SAFE_HESSIAN_CONDITION = 1e6  # up to which Cholesky's inverse keeps ten digits
_EXACT_INVERSE_WORK = 5e8  # multiplications up to which the inverse is refined against the exact Gram matrix
_SMALL_WORK = 2e6  # and up to which that costs so little that a strict bound may ask for it
_LOST_DIGITS = 1e-13  # relative error at which refining begins
_NAMED_COLUMNS = 1000  # up to which it is worked out which column is a combination of which


@final
@dataclass(slots=True)
class _Factored:
    """A factorisation of the active columns' scaled Hessian, and a first solution (k, t) in scaled units."""

    factor: Factor
    active: np.ndarray
    scale: np.ndarray
    start: np.ndarray
    null_space: np.ndarray  # (p, q) in raw units
    remarks: list[str]
    why: str


def solve_primal(
    objective: LinearObjective, equations: NormalEquations, t: int, names: tuple[str, ...], collinear: str,
    extended: bool, trace: Trace, first: GradientStatistic | None = None, method: Method | None = None,
) -> LinearFit:  # fmt: skip
    """Factorise, solve, refine and invert. `first` is a gradient that was summed with the equations; `method` descends
    to the solution in the place of solving for it."""
    p, weight = equations.p, equations.weight
    found = _factorise(objective, equations, names, collinear)
    factor, active, scale = found.factor, found.active, found.scale
    mean, intercepts = equations.mean[:p], objective.fit_intercept
    basis = _orthonormal(found.null_space) if collinear != "drop" else np.zeros((p, 0))

    def raw(scaled: np.ndarray) -> np.ndarray:
        """(t, p) coefficients in the columns' units, of smallest norm where several fit alike."""
        coef = np.zeros((t, p))
        coef[:, active] = (scaled / scale[:, None]).T
        for _ in range(2 if basis.size else 0):  # once more for what the first projection rounds
            coef -= (coef @ basis) @ basis.T
        return coef

    def about(level: np.ndarray, scaled: np.ndarray) -> Correction:
        coef = raw(scaled)
        return Correction(coef, level - coef @ mean if intercepts else np.zeros(t))

    def correct(slopes: np.ndarray, constant: np.ndarray) -> Correction:
        return about(constant / weight, factor.solve(slopes[:, active].T / scale[:, None]))

    way: Way | None = None
    if method is not None and len(active):
        stochastic = method.is_stochastic
        way = (
            stochastic_descent(objective, equations, factor, active, scale, method, trace)
            if stochastic
            else LinearDescent(method, factor, weight, trace)
        )

    def descend(
        at: Correction, slopes: np.ndarray, constant: np.ndarray, accuracy: float, loss: float
    ) -> tuple[Correction, str]:
        assert way is not None
        scaled, reason = way.solve(slopes[:, active].T / scale[:, None], accuracy, loss, at)
        return about(constant / weight, scaled), reason

    if way is not None and method is not None:  # from β = 0
        half = float(equations.total_ss.sum()) / (2 * weight)
        right = equations.right[active] / scale[:, None]
        nowhere = Correction(np.zeros((t, p)), equations.mean[p:])
        scaled, _ = way.solve(right, 0.1 * (method.tolerance or 0.0), half, nowhere)
        start = about(equations.mean[p:], scaled)
    else:
        start = about(equations.mean[p:], found.start)
    size = np.sqrt(np.maximum(np.diag(equations.moments)[:p], 0))
    elements = equations.counts.rows * p
    precise = extended or factor.method != "Cholesky"
    known = None
    if first is not None and not basis.size:
        start = Correction(first.beta, first.intercept)
        known = Known(first.total(), equations.hessian, factor.contraction)
    refined = refine(
        objective, start, correct, mean, weight, size, elements, extended, precise, trace, known,
        descend if way is not None else None, method.tolerance if method is not None and way is not None else None,
    )  # fmt: skip
    curvature = objective.penalty.curvature
    inverse = None if curvature else _inverse(objective, equations, factor, active, scale)
    return LinearFit(
        refined, equations.counts, mean, equations.mean[p:], equations.squares, equations.total_ss, active, scale,
        factor.rank, factor.condition_number, factor.contraction, inverse, found.null_space,
        _estimable(found.null_space, size), curvature, trace, factor.method, found.why, found.remarks,
        descended=None if way is None else way.report(),
    )  # fmt: skip


def stochastic_descent(
    objective: LinearObjective, equations: NormalEquations, factor: Factor, active: np.ndarray, scale: np.ndarray,
    method: Method, trace: Trace,
) -> Way:  # fmt: skip
    """A way whose steps see a few rows at a time."""
    from betahat.solvers.linear_stochastic import StochasticDescent

    return StochasticDescent(
        method, factor, objective.source, active, equations.mean, scale, equations.weight,
        objective.penalty.curvature, trace,
    )  # fmt: skip


def pilot(objective: LinearObjective, p: int, statistic: GramStatistic) -> tuple[np.ndarray, np.ndarray]:
    """Roughly the solution from the first rows, by a slightly penalised Cholesky: a place to sum the gradient at."""
    total = statistic.high + statistic.low
    t = len(total) - p - 1
    nowhere = np.zeros((t, p)), np.zeros(t)
    if not (np.isfinite(total).all() and statistic.counts.weight > 0):
        return nowhere
    weight, centre = statistic.counts.weight, statistic.centre
    assert centre is not None
    offset = total[:-1, -1] / weight if objective.fit_intercept else np.zeros(p + t)
    moments = total[:-1, :-1] - weight * np.outer(offset, offset)
    scale = np.sqrt(np.maximum(moments.diagonal()[:p], 0))
    scale[scale == 0] = 1.0
    hessian = moments[:p, :p] / np.outer(scale, scale) + 1e-8 * np.eye(p)
    factor = cholesky(hessian, 1e12, estimate=True)
    if factor is None:
        return nowhere
    coef = (factor.solve(moments[:p, p:] / scale[:, None]) / scale[:, None]).T
    mean = centre + offset
    return coef, mean[p:] - coef @ mean[:p] if objective.fit_intercept else np.zeros(t)


def _factorise(
    objective: LinearObjective, equations: NormalEquations, names: tuple[str, ...], collinear: str
) -> _Factored:
    p = equations.p
    curvature = objective.penalty.curvature * equations.weight
    varying = np.flatnonzero(~equations.constant)
    k = len(varying)
    everything = k == p
    hessian = equations.hessian if everything else equations.hessian[np.ix_(varying, varying)]
    scale = np.sqrt(hessian.diagonal() + curvature)
    scaled = hessian / (scale[:, None] * scale)
    scaled.flat[:: k + 1] = 1.0
    remarks: list[str] = []
    null = np.zeros((p, 0))
    if not curvature and not everything:
        constant = np.flatnonzero(equations.constant)
        null = np.eye(p)[:, constant]
        what = "is constant" if objective.fit_intercept else "is zero in every row"
        remarks = [f"{names[j]!r} {what}" for j in constant]
    factor: Factor | None = cholesky(scaled, _SAFE_HESSIAN_CONDITION)
    if factor is not None:
        why = "the columns are far from collinear, so that the normal equations lose nothing"
        right = equations.right if everything else equations.right[varying]
        return _Factored(factor, varying, scale, factor.solve(right / scale[:, None]), null, remarks, why)
    return _orthogonal(objective, equations, names, collinear, varying, scale, curvature, null, remarks)


def _orthogonal(
    objective: LinearObjective, equations: NormalEquations, names: tuple[str, ...], collinear: str,
    varying: np.ndarray, scale: np.ndarray, curvature: float, null: np.ndarray, remarks: list[str],
) -> _Factored:  # fmt: skip
    """QR where all directions are determined, else SVD, or QR of fewer columns."""
    p, k, first = equations.p, len(varying), int(objective.fit_intercept)
    every = np.ones(p)
    every[varying] = scale
    R = objective.triangle(equations.mean, every, varying)
    columns, right = R[first:, first : first + k], R[first:, first + k :]
    if curvature:
        columns = np.concatenate([columns, np.diag(np.sqrt(curvature) / scale)])
        right = np.concatenate([right, np.zeros((k, right.shape[1]))])
    Q, triangle = np.linalg.qr(columns)
    singular, Vt = np.linalg.svd(triangle, full_matrices=True)[1:]
    singular = np.concatenate([singular, np.zeros(k - len(singular))])
    rounding = equations.rounding[varying]
    kept = kept_directions(singular, Vt.T, rounding)
    product = triangle.T @ (Q.T @ right)  # Rᵀ(Qᵀy): better than Xᵀy by one condition number
    if kept.all():
        factor = TriangularFactor(triangle, float(singular[0] / singular[-1]))
        why = "the columns are nearly collinear; an orthogonal factorisation does not square their condition number"
        return _Factored(factor, varying, scale, factor.solve(product), null, remarks, why)
    if not curvature and k <= _NAMED_COLUMNS:
        independent, combinations = independent_columns(triangle, rounding)
        labels = tuple(names[j] for j in varying)
        remarks = remarks + [describe(labels, j, c) for j, c in combinations.items()]
        if collinear == "drop":
            lost = np.eye(p)[:, varying[~independent]]
            triangle = np.asarray(np.linalg.qr(triangle[:, independent], mode="r"))
            values = np.linalg.svd(triangle, compute_uv=False)
            factor = TriangularFactor(triangle, float(values[0] / values[-1]) if len(values) else 1.0)
            why = "later columns that are combinations of earlier ones were dropped"
            return _Factored(
                factor, varying[independent], scale[independent], factor.solve(product[independent]),
                np.concatenate([null, lost], axis=1), remarks, why,
            )  # fmt: skip
    elif not curvature:
        remarks = [*remarks, f"{k - int(kept.sum())} of {k} columns are combinations of the others"]
    factor = SingularFactor(singular, Vt.T, kept)
    open_directions = np.zeros((p, k - factor.rank))
    open_directions[varying] = factor.null_space / scale[:, None]
    why = "some columns are combinations of others; of all solutions the one of smallest norm was taken"
    return _Factored(
        factor,
        varying,
        scale,
        factor.solve(product),
        np.concatenate([null, open_directions], axis=1),
        remarks,
        why,
    )


def _inverse(
    objective: LinearObjective,
    equations: NormalEquations,
    factor: Factor,
    active: np.ndarray,
    scale: np.ndarray,
) -> np.ndarray:
    """(XᵀWX)⁻¹ of the active columns (and the intercept), refined where the factor alone would lose digits."""
    p, weight = equations.p, equations.weight
    mean = equations.mean[active]
    inverse = factor.inverse()
    work = equations.counts.rows * len(active) ** 2
    lost = factor.contraction if work <= _SMALL_WORK else EPS * factor.condition_number**2
    loses = lost > _LOST_DIGITS and factor.method != "SVD"
    if loses and objective.source.in_memory and work <= _EXACT_INVERSE_WORK:
        unit = np.ldexp(1.0, np.frexp(scale)[1])
        ratio = unit / scale
        column = ratio[:, None]
        high, low = exact_moments(objective.source, active, mean, unit)
        small = refined_inverse(
            high, low, inverse * np.outer(ratio, ratio), lambda z: factor.solve(z * column) * column, mean, unit,
            objective.fit_intercept,
        )  # fmt: skip
    else:
        small = inverse / (scale[:, None] * scale)
        if objective.fit_intercept:
            small = with_intercept(small, mean, weight)
    if len(active) == p:
        return small
    first = int(objective.fit_intercept)
    places = np.concatenate([np.arange(first), active + first])
    full = np.zeros((p + first, p + first))
    full[np.ix_(places, places)] = small
    return full


def _orthonormal(null: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the same space, in raw units."""
    if not null.size:
        return null
    return np.linalg.qr(null / np.sqrt((null**2).sum(axis=0)))[0]


def _estimable(null: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Coefficients on which no open direction lies, judged on columns scaled to length 1 (`size` is their length)."""
    if not null.size:
        return np.ones(len(null), bool)
    unit = _orthonormal(null * np.where(size > 0, size, 1.0)[:, None])
    return np.sqrt((unit**2).sum(axis=1)) < 1e-7
