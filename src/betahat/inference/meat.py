"""The meat of sandwich covariances, as folds over blocks of rows.

With scores uᵢ = wᵢ xᵢ rᵢ (the derivative of the weighted loss of row i) the meat is the sum of outer
products of scores that the covariance type takes as correlated: each row alone (HC), rows of a group
(cluster), rows close in time (HAC).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, final

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.covariance import check_cov_type, check_maxlags

# 1 − h at or below this is rounding of zero: the row alone determines a coefficient.
_FULL_LEVERAGE = 1e-10


def leverage(design: np.ndarray, inverse: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """hᵢ = wᵢ xᵢᵀ (XᵀWX)⁻¹ xᵢ of one block: (k,) float64 from (k, m) rows with the 1-column.

    >>> X = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> leverage(X, np.linalg.inv(X.T @ X)).round(12).tolist()
    [0.833333333333, 0.333333333333, 0.833333333333]
    """
    h = np.einsum("ij,ij->i", design @ inverse, design)
    return h if weight is None else h * weight


def _scores(design: np.ndarray, residual: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """(t, k, m) scores wᵢ xᵢ rᵢ of one block; `residual` is (k,) or (k, t)."""
    columns = residual if residual.ndim == 2 else residual[:, None]
    if weight is not None:
        columns = columns * weight[:, None]
    return columns.T[:, :, None] * design


class Meat(ABC):
    """A running meat. `update` with every block of the rows, in order, then ask for `result()`."""

    @property
    def needs_leverage(self) -> bool:
        """Whether `update` must be given the leverages, see :func:`leverage`."""
        return False

    @abstractmethod
    def update(
        self,
        design: np.ndarray,
        residual: np.ndarray,
        weight: np.ndarray | None = None,
        frequency: np.ndarray | None = None,
        *,
        leverage: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        """Add one block.

        design : (k, m) float64 rows with the 1-column first where there is an intercept.
        residual : (k,) or (k, t) float64, y − f.
        weight : (k,) importance weights *without* the frequency, or None for ones.
        frequency : (k,) how many equal rows each row stands for, or None for ones.
        leverage : (k,) from :func:`leverage`, where `needs_leverage`.
        groups : (k, g) or (k,) whole non-negative numbers that name the groups, for clusters.
        """

    @abstractmethod
    def result(self) -> np.ndarray:
        """The (t, m, m) float64 meat of all blocks so far."""

    @property
    def options(self) -> dict[str, Any]:
        """What the covariance needs besides the meat: `LinearStatistics.cov_options`."""
        return {}


def _total(running: np.ndarray | None) -> np.ndarray:
    if running is None:
        raise InferenceError(
            "the meat of a robust covariance was asked for before any block of rows was added"
        )
    return running


@final
class HCMeat(Meat):
    """Σ fᵢ cᵢ uᵢuᵢᵀ with cᵢ = 1 (HC0, HC1), 1/(1 − hᵢ) (HC2) or 1/(1 − hᵢ)² (HC3).

    Source: White (1980); MacKinnon & White (1985). HC1's factor n/(n − rank) belongs to the covariance.
    `result` raises InferenceError for HC2 and HC3 if a row has leverage 1, where 1/(1 − h) has no value.

    >>> meat = HCMeat("HC0")
    >>> meat.update(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([1.0, -2.0]))
    >>> meat.result()[0].tolist()
    [[5.0, 14.0], [14.0, 40.0]]
    """

    def __init__(self, kind: str) -> None:
        kinds = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}
        if kind not in kinds:
            raise ValueError(f"kind (={kind!r}) must be one of {', '.join(kinds)}")
        self.kind, self._power = kind, kinds[kind]
        self._sum: np.ndarray | None = None
        self._full = 0

    @property
    def needs_leverage(self) -> bool:
        return self._power > 0

    def update(
        self,
        design: np.ndarray,
        residual: np.ndarray,
        weight: np.ndarray | None = None,
        frequency: np.ndarray | None = None,
        *,
        leverage: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        u = _scores(design, residual, weight)
        scale = frequency
        if self._power:
            if leverage is None:
                raise ValueError(f"{self.kind} needs the leverages of the block: update(..., leverage=h)")
            free = 1 - leverage
            full = free <= _FULL_LEVERAGE
            if frequency is not None:
                full &= frequency > 0
            self._full += int(full.sum())
            factor = np.where(full, 1.0, free) ** -self._power
            scale = factor if frequency is None else factor * frequency
        left = u if scale is None else u * scale[:, None]
        add = left.transpose(0, 2, 1) @ u
        self._sum = add if self._sum is None else self._sum + add

    def result(self) -> np.ndarray:
        if self._full:
            raise InferenceError(
                f"{self.kind} divides by 1 − leverage, but {self._full} row(s) have leverage 1: each alone "
                "determines a coefficient (a level with a single row is the usual cause). Use "
                'cov_type="HC1", or '
                "merge such levels"
            )
        return _total(self._sum)


@final
class _GroupSums:
    """Sums of scores by group, for any number of groups in any order of arrival."""

    def __init__(self) -> None:
        self.keys = np.empty(0, dtype=np.int64)
        self._sums: np.ndarray | None = None

    def add(self, keys: np.ndarray, u: np.ndarray) -> None:
        if not len(keys):
            return
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        new = ordered[starts]
        sums = np.add.reduceat(u[:, order], starts, axis=1)
        if self._sums is None:
            self.keys, self._sums = new, sums
            return
        merged = np.union1d(self.keys, new)
        if len(merged) > len(self.keys):
            grown = np.zeros((sums.shape[0], len(merged), sums.shape[2]))
            grown[:, np.searchsorted(merged, self.keys)] = self._sums
            self.keys, self._sums = merged, grown
        self._sums[:, np.searchsorted(merged, new)] += sums

    def outer(self) -> np.ndarray:
        sums = _total(self._sums)
        return sums.transpose(0, 2, 1) @ sums


@final
class ClusterMeat(Meat):
    """One way: G/(G−1) · Σ_g s_g s_gᵀ with s_g = Σ fᵢuᵢ over the rows of group g. Two ways: M₁ + M₂ − M₁₂.

    M₁₂ is of the pairs that occur, and each part carries its own factor G/(G − 1); the factor (n−1)/(n−rank)
    belongs to the covariance. Rows of weight or frequency zero form no group.
    Source: Liang & Zeger (1986); Cameron, Gelbach & Miller (2011). `result` raises InferenceError for fewer
    than 2 groups in a way.

    >>> meat = ClusterMeat(1)
    >>> X = np.ones((4, 1))
    >>> meat.update(X, np.array([1.0, 2.0, -1.0, -2.0]), groups=np.array([[0], [0], [7], [7]]))
    >>> meat.result().tolist(), meat.n_groups
    ([[[36.0]]], (2,))
    """

    def __init__(self, n_ways: int) -> None:
        if n_ways not in (1, 2):
            raise ValueError(f"groups (={n_ways} columns) must have 1 or 2 columns: one- or two-way clusters")
        self.n_ways = n_ways
        self._ways = tuple(_GroupSums() for _ in range(2 * n_ways - 1))

    def update(
        self,
        design: np.ndarray,
        residual: np.ndarray,
        weight: np.ndarray | None = None,
        frequency: np.ndarray | None = None,
        *,
        leverage: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        codes = None if groups is None else np.asarray(groups)
        codes = codes[:, None] if codes is not None and codes.ndim == 1 else codes
        if codes is None or codes.shape != (len(design), self.n_ways):
            got = "None" if codes is None else f"shape {codes.shape}"
            raise ValueError(
                f"groups (={got}) must have shape ({len(design)}, {self.n_ways}), a code for each row"
            )
        if codes.dtype.kind not in "iu" or (codes.size and (codes.min() < 0 or codes.max() >= 2**31)):
            raise ValueError(
                "groups must be whole numbers in 0 … 2³¹ − 1; a negative code is a missing label"
            )
        codes = codes.astype(np.int64)
        u = _scores(design, residual, weight)
        keep = np.ones(len(design), dtype=bool)
        if weight is not None:
            keep &= weight > 0
        if frequency is not None:
            keep &= frequency > 0
            u = u * frequency[:, None]
        if not keep.all():
            u, codes = u[:, keep], codes[keep]
        for way, sums in enumerate(self._ways):
            # The pair of two codes below 2³¹ as one number.
            sums.add(codes[:, way] if way < self.n_ways else (codes[:, 0] << 32) | codes[:, 1], u)

    @property
    def n_groups(self) -> tuple[int, ...]:
        """How many groups each way has so far."""
        return tuple(len(way.keys) for way in self._ways[: self.n_ways])

    @property
    def options(self) -> dict[str, Any]:
        return {"n_groups": self.n_groups}

    def result(self) -> np.ndarray:
        if min(self.n_groups) < 2:
            raise InferenceError(
                f"clustered standard errors need at least 2 groups, but groups has {min(self.n_groups)}; "
                "with one group no variation between groups is seen. Use another grouping, or "
                'cov_type="HC3"'
            )
        parts = [way.outer() * (len(way.keys) / (len(way.keys) - 1)) for way in self._ways]
        return parts[0] if self.n_ways == 1 else parts[0] + parts[1] - parts[2]


@final
class HACMeat(Meat):
    """Γ₀ + Σₗ (1 − l/(maxlags+1)) (Γₗ + Γₗᵀ) with Γₗ = Σᵢ uᵢ uᵢ₋ₗᵀ, l = 1 … maxlags: Bartlett's kernel.

    The order of the rows is time, in equal steps; the last `maxlags` scores are carried from block to block.
    A row of weight zero keeps its place in time. Source: Newey & West (1987).

    >>> meat = HACMeat(1)
    >>> meat.update(np.ones((2, 1)), np.array([1.0, 2.0]))
    >>> meat.update(np.ones((1, 1)), np.array([-1.0]))
    >>> meat.result().tolist()
    [[[6.0]]]
    """

    def __init__(self, maxlags: int) -> None:
        self.maxlags = check_maxlags(maxlags, 0)
        self._tail: np.ndarray | None = None
        self._sum: np.ndarray | None = None

    def update(
        self,
        design: np.ndarray,
        residual: np.ndarray,
        weight: np.ndarray | None = None,
        frequency: np.ndarray | None = None,
        *,
        leverage: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        if frequency is not None:
            raise InferenceError(
                'cov_type="HAC" cannot be used with frequency_weight: equal rows that were merged have lost '
                'their place in time. Give the single rows in order of time, or use cov_type="HC3"'
            )
        u = _scores(design, residual, weight)
        seen = u if self._tail is None else np.concatenate([self._tail, u], axis=1)
        before, length = seen.shape[1] - u.shape[1], seen.shape[1]
        add = u.transpose(0, 2, 1) @ u
        for lag in range(1, min(self.maxlags, length - 1) + 1):
            start = max(before, lag)
            gamma = seen[:, start:].transpose(0, 2, 1) @ seen[:, start - lag : length - lag]
            add = add + (1 - lag / (self.maxlags + 1)) * (gamma + gamma.transpose(0, 2, 1))
        self._sum = add if self._sum is None else self._sum + add
        self._tail = seen[:, max(0, length - self.maxlags) :].copy()

    def result(self) -> np.ndarray:
        return _total(self._sum)

    @property
    def options(self) -> dict[str, Any]:
        return {"maxlags": self.maxlags}


def meat_for(
    cov_type: str,
    options: Mapping[str, Any] | None = None,
    *,
    n_obs: float = 0,
    n_ways: int = 1,
) -> Meat | None:
    """The empty meat that `cov_type` needs, None for "nonrobust".

    options : {"maxlags": …} for HAC; absent or None gives ⌊4 (n/100)^(2/9)⌋, for which `n_obs` is needed.
    n_ways : number of columns of the groups, for clusters.

    >>> meat_for("hac", n_obs=100).options
    {'maxlags': 4}
    """
    kind = check_cov_type(cov_type)
    if kind == "nonrobust":
        return None
    if kind == "cluster":
        return ClusterMeat(n_ways)
    if kind == "HAC":
        lags = check_maxlags((options or {}).get("maxlags"), n_obs)
        if 0 < n_obs <= lags:  # scores add up to zero at β̂: with all lags nothing would be left of them
            raise ValueError(f"maxlags (={lags}) must be below the number of rows ({n_obs:g})")
        return HACMeat(lags)
    return HCMeat(kind)
