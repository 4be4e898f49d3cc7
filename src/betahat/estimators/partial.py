"""Least squares from rows that come in parts and are not kept: their triangular factor is all that a fit needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np

from betahat.data.source import ArraySource, Block
from betahat.errors import DataError
from betahat.estimators.linear_fit import LinearResult, fit_linear
from betahat.models.linear import Counts, TriangleStatistic, provisional_centre
from betahat.penalties import L2, NoPenalty
from betahat.solvers.factor import EPS
from betahat.solvers.inverse import with_intercept
from betahat.solvers.trace import Trace
from betahat.storage import Fields

_REMARK = "of the rows given so far, whose triangular factor is kept in their place"


@final
class Sums:
    """R of √W [1 | X − c | y − c], which has RᵀR for a Gram matrix without its condition number squared: rows are added
    by another QR factorisation (Golub 1965)."""

    def __init__(self, centre: np.ndarray, p: int, intercept: bool) -> None:
        self.triangle = TriangleStatistic(centre, np.ones(p), np.arange(p), intercept)
        self.counts, self.parts = Counts(), 0

    @classmethod
    def begin(cls, block: Block, intercept: bool) -> Sums:
        """Nothing yet, for rows like these."""
        return cls(provisional_centre(block, intercept), block.X.shape[1], intercept)

    def add(self, block: Block) -> None:
        """The rows of a block."""
        self.triangle.update(block)
        self.counts.update(block)
        self.parts += 1

    def refuse_another(self, block: Block, intercept: bool) -> None:
        """ValueError for rows of other targets than those before, or another kind of model."""
        assert block.y is not None
        expected = len(self.triangle.centre) - len(self.triangle.scale)
        if block.y.shape[1] != expected:
            raise ValueError(f"y has {block.y.shape[1]} targets, and {expected} in the rows given before")
        if intercept != self.triangle.intercept:
            raise ValueError(
                f"fit_intercept (={intercept}) was {self.triangle.intercept} for the rows given before; fit begins anew"
            )

    def to_dict(self) -> dict[str, Any]:
        return {
            "R": self.triangle.R, "centre": self.triangle.centre, "rows": self.counts.rows, "parts": self.parts,
            "observations": self.counts.observations, "weight": self.counts.weight,
            "log_weight": self.counts.log_weight, "intercept": self.triangle.intercept,
        }  # fmt: skip

    @classmethod
    def from_fields(cls, stored: Fields, p: int, t: int) -> Sums:
        """What `to_dict` wrote, each value checked."""
        intercept = stored.flag("intercept")
        sums = cls(stored.array("centre", (p + t,), finite=True), p, intercept)
        sums.triangle.R = stored.array("R", (None, int(intercept) + p + t), finite=True)
        sums.counts.rows, sums.parts = stored.whole("rows"), stored.whole("parts")
        sums.counts.observations = stored.number("observations", finite=True)
        sums.counts.weight = stored.number("weight", finite=True)
        sums.counts.log_weight = stored.number("log_weight", finite=True)
        return sums


def fit_sums(
    sums: Sums, names: tuple[str, ...], targets: tuple[str, ...], alpha: float, collinear: str, cov_type: str
) -> LinearResult:  # fmt: skip
    """The least-squares fit of all rows that went into `sums`, with the ridge α/2 ‖β‖² on the mean loss.

    Below the row of the ones, R is that of the centred columns: a fit without intercept to its rows is the fit of the
    slopes to all rows.
    """
    p, R, counts = len(names), sums.triangle.R, sums.counts
    first, centre = int(sums.triangle.intercept), sums.triangle.centre
    mean = centre + R[0, first:] / R[0, 0] if first else np.zeros_like(centre)
    rows = R[first:, first:].copy()
    if first:  # what is left of columns that are constant is rounding
        size = np.sqrt((rows**2).sum(axis=0))
        rows[:, size <= 4 * EPS * np.sqrt(counts.weight) * np.abs(mean)] = 0.0
    if not len(rows):
        rows = np.zeros((1, rows.shape[1]))
    share = len(rows) / counts.weight
    inner = fit_linear(
        ArraySource(rows[:, :p], np.ascontiguousarray(rows[:, p:]), names=names, target_names=targets),
        lambda weight: L2(alpha / share) if alpha else NoPenalty(), False, collinear, "nonrobust", None,
    )  # fmt: skip
    inner.remarks = [remark.replace("is zero in every row", "is constant") for remark in inner.remarks]
    coef = inner.coef
    intercept = mean[p:] - coef @ mean[:p] if first else np.zeros(len(targets))
    c = inner.certificate
    pad = np.zeros((len(coef), first))
    bound = np.atleast_2d(c.error_bound)
    bound = np.column_stack(
        [(bound @ np.abs(mean[:p]) + 4 * EPS * np.abs(intercept))[:, None][:, :first], bound]
    )
    parts = [np.column_stack([pad, np.atleast_2d(part) * share]) for part in (c.gradient, c.tolerances)]
    one = len(coef) == 1
    certificate = replace(
        c, loss=c.loss * share, gradient=parts[0][0] if one else parts[0],
        tolerances=parts[1][0] if one else parts[1], gradient_norm=c.gradient_norm * share,
        tolerance=c.tolerance * share, error_bound=bound[0] if one else bound, error_bound_kind="estimate",
        readings=sums.parts, message=f"{c.message}; {_REMARK}",
    )  # fmt: skip
    s = inner.statistics
    refusal = inner.refusal
    if cov_type != "nonrobust":
        refusal = (
            f"cov_type={cov_type!r} needs every row's residual, and partial_fit keeps no rows: use fit, or "
            'cov_type="nonrobust"'
        )
    weight = counts.weight
    inverse = (
        None if s.inverse is None else with_intercept(s.inverse, mean[:p], weight) if first else s.inverse
    )
    moved = -(mean[:p] @ s.null_space)[None, :]
    held = np.abs(moved) <= 1e-7 * (np.abs(mean[:p]) @ np.abs(s.null_space))
    known = np.array([bool(held.all()) or collinear == "drop"])[:first]
    statistics = replace(
        s, names=("Intercept", *names) if first else names, inverse=inverse, centre=mean[:p], weight=weight,
        estimate=np.column_stack([intercept, coef]) if first else coef,
        estimable=np.concatenate([known, s.estimable]),
        null_space=np.concatenate([(moved if collinear != "drop" else 0 * moved)[:first], s.null_space]),
        rank=s.rank + first, n_obs=counts.observations, sum_log_weight=counts.log_weight,
        has_intercept=bool(first), certificate_line=certificate.line(),
    )  # fmt: skip
    trace = Trace()
    trace.extend(inner.trace, 0, 0.0, share, share)
    return replace(
        inner, intercept=intercept, trace=trace, certificate=certificate, statistics=statistics, refusal=refusal,
        alpha=inner.alpha * share, why=f"{inner.why}; {_REMARK}",
    )  # fmt: skip


def refuse_non_finite(block: Block) -> None:
    """DataError for NaN or infinity in rows that are about to be added for good."""
    from betahat.models.linear import RangeStatistic
    from betahat.solvers.range import refuse_non_finite as refuse

    assert block.y is not None
    ranges = RangeStatistic(block.X.shape[1], block.y.shape[1])
    ranges.update(block)
    source = ArraySource(block.X, block.y)
    refuse(ranges, source.names, source.target_names)
    largest = np.concatenate([ranges.largest_x, ranges.largest_y])
    if (largest > 1e90).any():
        raise DataError(
            "X or y holds numbers beyond 1e90, whose squares cannot be added up; rescale the columns"
        )
