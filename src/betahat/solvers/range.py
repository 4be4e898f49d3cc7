"""Numbers so large or small that their squares leave double precision: scaled by powers of two, and back."""

from __future__ import annotations

import numpy as np

from betahat.errors import DataError, MissingValueError
from betahat.models.linear import RangeStatistic
from betahat.objective import LinearObjective
from betahat.solvers.fit import LinearFit
from betahat.solvers.refine import Correction


def rescaled(
    objective: LinearObjective, p: int, t: int, names: tuple[str, ...]
) -> tuple[LinearObjective, np.ndarray, np.ndarray]:
    """The objective with every column brought near 1, and what X and y were multiplied by.

    Raises MissingValueError or DataError where the reason is a value that is not finite.
    """
    ranges = objective.ranges(p, t)
    refuse_non_finite(ranges, names, objective.source.target_names)
    if objective.penalty.curvature:
        raise DataError(
            "X or y holds numbers beyond 1e±110, whose squares cannot be represented, and alpha is not 0; "
            "rescale the columns (a penalty is not free of scale, so this cannot be done for you)"
        )
    x_scale = np.ldexp(1.0, -np.clip(np.frexp(ranges.largest_x)[1], -1020, 1020))
    y_scale = np.ldexp(1.0, -np.clip(np.frexp(ranges.largest_y)[1], -1020, 1020))
    if (x_scale == 1).all() and (y_scale == 1).all():
        raise DataError("sums over the rows overflow although the values do not; are the weights finite and moderate?")
    return objective.scaled(x_scale, y_scale), x_scale, y_scale


def unscale(fit: LinearFit, x_scale: np.ndarray, y_scale: np.ndarray) -> LinearFit:
    """The fit in the units of the data."""
    r = fit.refined
    with np.errstate(over="ignore", under="ignore"):
        units = np.concatenate([[1.0], 1 / x_scale]) / y_scale[:, None]
        g = r.gradient
        gradient = type(g)(g.high * units, g.low * units, g.magnitude * units, g.loss / y_scale**2)
        step = Correction(r.correction.coef * x_scale / y_scale[:, None], r.correction.intercept / y_scale)
        coef, intercept = r.coef * x_scale / y_scale[:, None], r.intercept / y_scale
        fit.refined = r._replace(coef=coef, intercept=intercept, gradient=gradient, correction=step)
        fit.mean, fit.level = fit.mean / x_scale, fit.level / y_scale
        fit.scale = fit.scale / x_scale[fit.active]
        fit.null_space = fit.null_space * x_scale[:, None]
        if fit.inverse is not None:
            sides = np.concatenate([np.ones(len(fit.inverse) - len(x_scale)), x_scale])
            fit.inverse = fit.inverse * sides[:, None] * sides
        fit.squares = fit.squares / np.concatenate([x_scale, y_scale]) / np.concatenate([x_scale, y_scale])
        fit.total_ss = fit.total_ss / y_scale / y_scale
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise DataError("the coefficients exceed the range of double precision (1e308); rescale X or y")
    return fit


def refuse_non_finite(ranges: RangeStatistic, names: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """Raise for the first NaN or infinity found, naming column and row."""
    if not ranges.bad:
        return
    (where, j), (what, row) = next(iter(ranges.bad.items()))
    column = names[j] if where == "X" else targets[j]
    others = f" (and {len(ranges.bad) - 1} more columns)" if len(ranges.bad) > 1 else ""
    if what == "NaN":
        raise MissingValueError(
            f"Input {where} contains NaN: {column!r} first in row {row}{others}. Missing values cannot be fitted as "
            'they are; drop these rows or fill them, or give a table (pandas, polars) and missing="drop" or "mean"'
        )
    raise DataError(
        f"Input {where} contains infinity: {column!r} first in row {row}{others}; expected finite numbers. "
        "The usual cause is a division by zero or the logarithm of zero"
    )
