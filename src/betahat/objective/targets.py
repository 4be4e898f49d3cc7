"""What the targets alone say: how many rows count, their mean, and the likelihood of the model without columns."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.data.missing import all_finite
from betahat.data.passes import Statistic, combined_weight
from betahat.data.source import Block, Source
from betahat.losses.family import Family
from betahat.models.linear import Counts

_CHUNK = 1 << 15
_WORTH, _COUNTS = 1000, 4096  # rows from which, and values up to which, equal targets are counted


@final
class TargetSums(Statistic):
    """Sums over the targets y (n,) of rows that count; X is not looked at.

    counts; total Σ w y, squares Σ w y²; smallest, largest; value Σ w L(y, `at`) at one predictor; saturated
    Σ w min L(y, ·); constant Σ f (log p(y | μ, 1/w) + w L(y, η)), which no η changes; offset Σ w o and log_exposure
    log Σ w exp o; has_offset : whether any row has one that is not 0; finite : whether y and offsets are.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self.counts = Counts()
        self.total, self.squares, self.smallest, self.largest = 0.0, 0.0, np.inf, -np.inf
        self.value, self.saturated, self.constant = 0.0, 0.0, 0.0
        self.offset, self.log_exposure = 0.0, -np.inf
        self.has_offset, self.finite = False, True
        self.at: float | None = None

    def update(self, block: Block) -> None:
        y, w, f, offset = counting_targets(block)
        self.counts.update(block)
        if not len(y):
            return
        self.finite &= all_finite(y) and (offset is None or all_finite(offset))
        if not self.finite:
            return
        family = self._family
        some, its_weight = distinct(y, w)
        family.check_target(some)
        self.total += float(its_weight @ some)
        with np.errstate(over="ignore"):  # it only tells rows apart
            self.squares += float(its_weight @ (some * some))
        self.smallest, self.largest = (
            min(self.smallest, float(some.min())),
            max(self.largest, float(some.max())),
        )
        if offset is not None:
            self.has_offset |= bool(offset.any())
            self.offset += float(w @ offset)
            top = float(offset.max())
            here = top + float(np.log(w @ np.exp(offset - top)))
            self.log_exposure = float(np.logaddexp(self.log_exposure, here))
        if self.at is None:
            self.at = level_of(
                family, float(its_weight @ some) / float(its_weight.sum()), float(its_weight.sum())
            )
        eta = np.full(len(some), self.at)
        value = family.value(some, eta)
        self.value += float(its_weight @ value)
        self.saturated += float(its_weight @ (value - 0.5 * family.deviance(some, eta)))
        if not family.dispersion_known:
            return
        if block.weight is None:
            self.constant += float(its_weight @ (family.log_density(some, eta, 1.0) + value))
        else:
            eta = np.full(len(y), self.at)
            self.constant += float(f @ family.log_density(y, eta, 1.0, w / f) + w @ family.value(y, eta))

    def merge(self, other: TargetSums) -> None:
        self.counts.merge(other.counts)
        for name in ("total", "squares", "value", "saturated", "constant", "offset"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.log_exposure = float(np.logaddexp(self.log_exposure, other.log_exposure))
        self.smallest, self.largest = min(self.smallest, other.smallest), max(self.largest, other.largest)
        self.has_offset, self.finite = self.has_offset | other.has_offset, self.finite & other.finite

    @property
    def mean(self) -> float:
        """Σ w y / Σ w."""
        return self.total / self.counts.weight

    @property
    def fingerprint(self) -> dict[str, float]:
        """A few sums that tell whether two fits are of the same rows and response."""
        return {
            "n": self.counts.observations, "w": self.counts.weight, "wy": self.total, "wyy": self.squares,
        }  # fmt: skip


def counting_targets(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """y, weights (importance times frequency), frequencies and offsets of the rows of a block that count."""
    assert block.y is not None
    y = block.y[:, 0]
    weight = combined_weight(block)
    ones = np.broadcast_to(1.0, (len(y),))  # takes no memory
    w = ones if weight is None else weight
    f = ones if block.frequency is None else block.frequency
    if weight is None or (w > 0).all():
        return y, w, f, block.offset
    keep = w > 0
    return y[keep], w[keep], f[keep], None if block.offset is None else block.offset[keep]


def distinct(y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of y and their weights, where they are few counts; else y and w themselves."""
    if len(y) < _WORTH:
        return y, w
    low, high = float(y.min()), float(y.max())
    if not (low >= 0 and high < _COUNTS):
        return y, w
    weights, even = np.zeros(int(high) + 1), w.strides == (0,)
    if even and high == 1.0:  # two classes
        ones = int(np.count_nonzero(y == 1.0))
        if ones + np.count_nonzero(y == 0.0) == len(y):
            first = int(ones == len(y))
            return np.array([0.0, 1.0])[first:], w[0] * np.array([len(y) - ones, ones])[first:]
    for start in range(0, len(y), _CHUNK):  # copies that stay in cache
        part = y[start : start + _CHUNK]
        whole = part.astype(np.intp)
        if not np.array_equal(whole, part):
            return y, w
        weights += np.bincount(whole, None if even else w[start : start + _CHUNK], len(weights))
    weights = weights * w[0] if even else weights
    there = np.flatnonzero(weights)
    return there.astype(np.float64), weights[there]


def level_of(family: Family, mean: float, weight: float) -> float:
    """g(mean), held off the edge of what means can be, where it would be infinite."""
    with np.errstate(all="ignore"):
        for at in (mean, (mean * weight + 0.5) / (weight + 1.0)):
            level = float(family.predictor(np.array([at]))[0])
            if np.isfinite(level):
                return level
    return 0.0


def target_sums(source: Source, family: Family) -> TargetSums:
    """The sums over a source; looking at targets in memory is not a reading of the rows."""
    sums = TargetSums(family)
    for block in source.blocks():
        sums.update(block)
    _uncount(source)
    return sums


def null_level(source: Source, family: Family, sums: TargetSums, intercept: bool) -> float:
    """The linear predictor of the model without columns, η = level + offset, by Newton's method where there are offsets
    and else in closed form."""
    if not intercept:
        return 0.0
    level = level_of(family, sums.mean, sums.counts.weight)
    if not sums.has_offset:
        return level
    weight = sums.counts.weight
    level -= sums.log_exposure - float(np.log(weight)) if family.link == "log" else sums.offset / weight
    for _ in range(100):
        with np.errstate(all="ignore"):
            slope, bend = _derivatives(source, family, level)
        if not np.isfinite(slope):
            break
        step = float(np.clip(-slope / bend, -5.0, 5.0)) if bend > 0 else -float(np.sign(slope))
        level += step
        if abs(step) <= 1e-14 * max(1.0, abs(level)):
            break
    return level


def _derivatives(source: Source, family: Family, level: float) -> tuple[float, float]:
    slope, bend = 0.0, 0.0
    for block in source.blocks():
        y, w, _, offset = counting_targets(block)
        eta = np.full(len(y), level) if offset is None else level + offset
        slope += float(w @ family.first_derivative(y, eta))
        bend += float(w @ family.expected_curvature(eta))
    _uncount(source)
    return slope, bend


def null_value(source: Source, family: Family, sums: TargetSums, level: float) -> float:
    """Σ w L(y, level + offset). L(y, η) − L(y, η') is linear in y, so that without offsets the mean tells it."""
    if not sums.has_offset:
        assert sums.at is not None
        there, here = family.value(np.full(2, sums.mean), np.array([level, sums.at]))
        return sums.value + (sums.counts.weight * float(there - here) if level != sums.at else 0.0)
    total = 0.0
    for block in source.blocks():
        y, w, _, offset = counting_targets(block)
        total += float(w @ family.value(y, np.full(len(y), level) if offset is None else level + offset))
    _uncount(source)
    return total


def likelihood_constant(source: Source, family: Family, sums: TargetSums, dispersion: float) -> float:
    """Σ f log p(y | μ, φ/w) + Σ w L(y, η)/φ, which no η changes."""
    if family.dispersion_known:
        return sums.constant
    total, level = 0.0, level_of(family, sums.mean, sums.counts.weight)
    for block in source.blocks():
        y, w, f, _ = counting_targets(block)
        eta = np.full(len(y), level)
        importance = None if block.weight is None else w / f
        density = family.log_density(y, eta, dispersion, importance)
        total += float(f @ density + w @ family.value(y, eta) / dispersion)
    _uncount(source)
    return total


def _uncount(source: Source) -> None:
    if source.in_memory:
        source.readings -= 1
