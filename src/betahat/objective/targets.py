"""What the targets alone say: how many rows count, their mean, and the likelihood of the model without columns."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, combined_weight
from betahat.data.source import Block, Source
from betahat.losses.family import Family
from betahat.models.linear import Counts


@final
class TargetSums(Statistic):
    """Sums over the targets y (n,) of rows that count; X is not looked at.

    counts; total Σ w y, squares Σ w y²; smallest, largest; has_offset : whether any row has one that is not 0; finite :
    whether y, weights and offsets are.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self.counts = Counts()
        self.total, self.squares, self.smallest, self.largest = 0.0, 0.0, np.inf, -np.inf
        self.has_offset, self.finite = False, True

    def update(self, block: Block) -> None:
        y, w, _, offset = counting(block)
        self.counts.update(block)
        if not len(y):
            return
        self.finite &= bool(np.isfinite(y).all() and (offset is None or np.isfinite(offset).all()))
        if not self.finite:
            return
        self._family.check_target(y)
        self.total += float(w @ y)
        self.squares += float(w @ (y * y))
        self.smallest, self.largest = min(self.smallest, float(y.min())), max(self.largest, float(y.max()))
        self.has_offset |= offset is not None and bool(offset.any())

    def merge(self, other: TargetSums) -> None:
        self.counts.merge(other.counts)
        self.total, self.squares = self.total + other.total, self.squares + other.squares
        self.smallest, self.largest = min(self.smallest, other.smallest), max(self.largest, other.largest)
        self.has_offset, self.finite = self.has_offset | other.has_offset, self.finite & other.finite

    @property
    def mean(self) -> float:
        """Σ w y / Σ w."""
        return self.total / self.counts.weight


def counting(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """y, weights (importance times frequency), frequencies and offsets of the rows of a block that count."""
    assert block.y is not None
    y = block.y[:, 0]
    weight = combined_weight(block)
    w = np.ones(len(y)) if weight is None else weight
    f = np.ones(len(y)) if block.frequency is None else block.frequency
    keep = w > 0
    if keep.all():
        return y, w, f, block.offset
    return y[keep], w[keep], f[keep], None if block.offset is None else block.offset[keep]


def target_sums(source: Source, family: Family) -> TargetSums:
    """The sums over a source; looking at targets in memory is not a reading of the rows."""
    sums = TargetSums(family)
    for block in source.blocks():
        sums.update(block)
    _uncount(source)
    return sums


def null_level(source: Source, family: Family, sums: TargetSums, intercept: bool) -> float:
    """The linear predictor of the model without columns: η = level + offset, fitted by Newton's method."""
    if not intercept:
        return 0.0
    mean = np.array([_inside(sums)])
    with np.errstate(all="ignore"):
        level = float(family.predictor(mean)[0])
    if not sums.has_offset:
        return level
    for _ in range(100):
        slope, bend = _derivatives(source, family, level)
        step = -slope / bend if bend > 0 else -np.sign(slope)
        level += float(np.clip(step, -5.0, 5.0))
        if abs(step) <= 1e-14 * max(1.0, abs(level)):
            break
    return level


def _inside(sums: TargetSums) -> float:
    """The mean, held off the edge of what means can be, where its link would be infinite."""
    mean, spread = sums.mean, 1.0 / (sums.counts.weight + 2.0)
    if mean == sums.largest == 1.0 and sums.smallest == 1.0:
        return 1.0 - spread
    return mean if mean != 0 else spread


def _derivatives(source: Source, family: Family, level: float) -> tuple[float, float]:
    slope, bend = 0.0, 0.0
    for block in source.blocks():
        y, w, _, offset = counting(block)
        eta = np.full(len(y), level) if offset is None else level + offset
        slope += float(w @ family.first_derivative(y, eta))
        bend += float(w @ family.expected_curvature(eta))
    _uncount(source)
    return slope, bend


@final
class NullSums(Statistic):
    """At η = level + offset: value Σ w L, deviance Σ w d, pearson Σ w (y − μ)²/V(μ), and, for a dispersion φ,
    log_likelihood Σ f log p(y | μ, φ/w)."""

    def __init__(self, family: Family, level: float, dispersion: float) -> None:
        self._family, self._level, self._dispersion = family, level, dispersion
        self.value, self.deviance, self.pearson, self.log_likelihood = 0.0, 0.0, 0.0, 0.0

    def update(self, block: Block) -> None:
        y, w, f, offset = counting(block)
        if not len(y):
            return
        family = self._family
        eta = np.full(len(y), self._level) if offset is None else self._level + offset
        mu = family.mean(eta)
        self.value += float(w @ family.value(y, eta))
        self.deviance += float(w @ family.deviance(y, eta))
        with np.errstate(divide="ignore", invalid="ignore"):
            self.pearson += float(w @ ((y - mu) ** 2 / family.variance(mu)))
        importance = None if block.weight is None else w / f
        self.log_likelihood += float(f @ family.log_density(y, eta, self._dispersion, importance))

    def merge(self, other: Any) -> None:
        for name in ("value", "deviance", "pearson", "log_likelihood"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def null_sums(source: Source, family: Family, level: float, dispersion: float) -> NullSums:
    """The sums over a source; looking at targets in memory is not a reading of the rows."""
    sums = NullSums(family, level, dispersion)
    for block in source.blocks():
        sums.update(block)
    _uncount(source)
    return sums


def _uncount(source: Source) -> None:
    if source.in_memory:
        source.readings -= 1
