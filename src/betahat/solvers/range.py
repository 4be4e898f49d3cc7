"""Numbers so large or small that their squares leave double precision: scaled by powers of two, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from betahat.certificate import Certificate
from betahat.errors import DataError, MissingValueError
from betahat.models.linear import RangeStatistic
from betahat.objective import LinearObjective

_COMMON_SPREAD = 300  # powers of two that may lie between columns whose products are still represented


def rescaled(
    objective: LinearObjective, p: int, t: int, names: tuple[str, ...]
) -> tuple[LinearObjective, Units]:
    """The objective with every column brought near 1, and what X and y were multiplied by.

    Raises MissingValueError or DataError where the reason is a value that is not finite.
    """
    ranges = objective.ranges(p, t)
    refuse_non_finite(ranges, names, objective.source.target_names)
    x_scale, y_scale = _units_of(ranges.largest_x), np.ldexp(1.0, -_power(ranges.largest_y))
    if _are_moderate(ranges) or ((x_scale == 1).all() and (y_scale == 1).all()):
        raise DataError(
            "sums over the rows leave the range of double precision although X and y do not; the weights "
            "(sample_weight, frequency_weight) are too large or too small: multiply them by one number that brings "
            "them near 1. Or the offset is too large"
        )
    if objective.penalty.curvature:
        raise DataError(
            "X or y holds numbers beyond 1e±110, whose squares cannot be represented, and alpha is not 0; "
            "rescale the columns (a penalty is not free of scale, so this cannot be done for you)"
        )
    return objective.scaled(x_scale, y_scale), Units(x_scale, y_scale)


def _are_moderate(ranges: RangeStatistic) -> bool:
    """Whether squares of all numbers, and of differences in their last bits, are within double precision."""
    largest = np.concatenate([ranges.largest_x, ranges.largest_y])
    return bool(((largest == 0) | ((largest > 1e-90) & (largest < 1e90))).all())


def _units_of(largest: np.ndarray) -> np.ndarray:
    """One power of two for all columns, so that norms of β keep their meaning, unless the columns are too unlike."""
    power = _power(largest)
    if power[largest > 0].max(initial=-1020) - power[largest > 0].min(initial=1020) <= _COMMON_SPREAD:
        power = np.full_like(power, power[largest > 0].max(initial=-1020) if (largest > 0).any() else 0)
    return np.ldexp(1.0, -power)


def _power(largest: np.ndarray) -> np.ndarray:
    return np.clip(np.frexp(largest)[1], -1020, 1020)


def are_tiny(ranges: RangeStatistic, vanished: np.ndarray) -> bool:
    """Whether columns (p + t,) whose squared deviations are all zero are not constant but too small to square."""
    largest = np.concatenate([ranges.largest_x, ranges.largest_y])[vanished]
    return bool(((largest > 0) & (largest < 1e-100)).any())


@final
@dataclass(frozen=True, slots=True)
class Units:
    """What columns of X (p,) and y (t,) were multiplied by: powers of two."""

    x: np.ndarray
    y: np.ndarray

    @property
    def keep_norms(self) -> bool:
        """Whether the coefficients of smallest norm are the same in these units."""
        return bool((self.x == self.x[:1]).all())

    def coefficients(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (t, p) and intercepts (t,) in the units of the data; DataError where they leave double precision."""
        raw, level = self._of_coef(coef), intercept / self.y
        lost = ((raw == 0) & (coef != 0)).any() or ((level == 0) & (intercept != 0)).any()
        if lost or not (np.isfinite(raw).all() and np.isfinite(level).all()):
            raise DataError(
                "coefficients leave the range of double precision (1e±308); rescale the columns of X or y"
            )
        return raw, level

    def _of_coef(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            # the larger power first, so that the product passes through no smaller or larger number than need be
            return np.ldexp(values, np.frexp(self.x)[1] - np.frexp(self.y)[1][:, None])

    def certificate(self, scaled: Certificate) -> Certificate:
        """The certificate in the units of the data; decided in scaled units, where nothing overflows."""
        first = np.atleast_2d(scaled.gradient).shape[1] - len(self.x)
        with np.errstate(over="ignore", under="ignore"):
            columns = np.concatenate([np.ones(first), self.x])
            slope = self._of_coef(np.atleast_2d(scaled.error_bound)[:, first:])
            level = np.atleast_2d(scaled.error_bound)[:, :first] / self.y[:, None]
            gradient = np.atleast_2d(scaled.gradient) / columns / self.y[:, None] / self.y[:, None]
            tolerances = np.atleast_2d(scaled.tolerances) / columns / self.y[:, None] / self.y[:, None]
            bound = np.column_stack([level, slope])
            single = scaled.gradient.ndim == 1
            worst = int(np.argmax(np.abs(scaled.gradient) - scaled.tolerances)) if scaled.gradient.size else 0
            return replace(
                scaled,
                loss=float(scaled.loss / self.y[0] / self.y[0]) if len(self.y) == 1 else np.inf,
                gradient=gradient[0] if single else gradient,
                tolerances=tolerances[0] if single else tolerances,
                gradient_norm=float(np.abs(gradient).max(initial=0)),
                tolerance=float(tolerances.ravel()[worst]) if tolerances.size else 0.0,
                error_bound=bound[0] if single else bound,
            )


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
