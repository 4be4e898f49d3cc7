"""What lasso and elastic net share."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any

import numpy as np

from betahat.data.source import Source
from betahat.estimators.base import BaseLinear
from betahat.estimators.checks import check_choice, check_number
from betahat.estimators.linear_fit import LinearResult
from betahat.estimators.sparse_fit import fit_sparse
from betahat.losses import SquaredError
from betahat.penalties import L1, L2, ElasticNetPenalty, NoPenalty, Penalty, SparsePenalty
from betahat.solvers.sparse.engines import Start


def check_sparse_parameters(model: Any) -> None:
    """max_iter, tol, positive, precompute and selection, of all estimators with an L1 penalty."""
    if isinstance(model.max_iter, bool) or not isinstance(model.max_iter, Integral):
        raise TypeError(f"max_iter (={model.max_iter!r}) must be a whole number")
    if model.max_iter < 1:
        raise ValueError(f"max_iter (={model.max_iter!r}) must be 1 or more")
    tol = check_number("tol", model.tol, 0.0, "it bounds the duality gap, relative to J")
    if not tol < 1:
        raise ValueError(f"tol (={model.tol!r}) must be below 1: the duality gap, relative to J")
    if not isinstance(model.positive, (bool, np.bool_)):
        raise TypeError(f"positive (={model.positive!r}) must be True or False")
    if not (isinstance(model.precompute, (bool, np.bool_)) or str(model.precompute) == "auto"):
        raise TypeError(
            f"precompute (={type(model.precompute).__name__}) must be True, False or 'auto': a Gram matrix is computed "
            "here where it pays, from the rows themselves"
        )
    check_choice("selection", model.selection, ("cyclic", "random"))


def sparse_penalty(alpha: float, l1_ratio: float, positive: bool) -> SparsePenalty:
    """scikit-learn's elastic net, which is a mean loss with α (ρ ‖β‖₁ + (1 − ρ)/2 ‖β‖²)."""
    if l1_ratio == 1:
        return L1(float(alpha), bool(positive))
    return ElasticNetPenalty(float(alpha), float(l1_ratio), bool(positive))


class BaseSparse(BaseLinear):
    """Abstract: squared error with an elastic net."""

    cov_type = "nonrobust"
    maxlags = None
    collinear = "minimum_norm"

    alpha: float
    positive: bool
    max_iter: int
    tol: float
    warm_start: bool

    @abstractmethod
    def _ratio(self) -> float:
        """The share of the L1 norm."""

    def _alpha(self) -> float:
        """The weight of the penalty."""
        return float(self.alpha)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_sparse_parameters(self)
        self._check_strength()

    def _check_strength(self) -> None:
        check_number("alpha", self.alpha, 0.0, "a negative penalty has no minimum")
        if self.positive and not self.alpha:
            raise ValueError(
                f"positive (={self.positive!r}) needs alpha (={self.alpha!r}) above 0: without a penalty there is no "
                "duality gap that would prove the minimum; a tiny alpha will do"
            )

    def _penalty(self, weight: float) -> Penalty:
        """What is left without an L1 norm, which is solved exactly."""
        ridge = self._alpha() * (1.0 - self._ratio())
        return L2(ridge) if ridge else NoPenalty()

    def _is_sparse(self) -> bool:
        return bool(self._alpha()) and (bool(self._ratio()) or bool(self.positive))

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        if not self._is_sparse():
            return super()._solve(source, has_intercept)
        penalty = sparse_penalty(self._alpha(), self._ratio(), self.positive)
        start = self._start(source) if self.warm_start else None
        return fit_sparse(
            source, SquaredError(), penalty, has_intercept, float(self.tol), int(self.max_iter), start
        )

    def _start(self, source: Source) -> list[Start | None] | None:
        """The coefficients of the fit before, where they are of this many columns and targets."""
        before: LinearResult | None = getattr(self, "_result", None)
        if before is None or before.coef.shape != (len(source.target_names), len(source.names)):
            return None
        clipped = np.maximum(before.coef, 0.0) if self.positive else before.coef
        return [(beta, float(level)) for beta, level in zip(clipped, before.intercept, strict=True)]

    @property
    def dual_gap_(self) -> Any:
        """J(β̂) is at most so far above the minimum."""
        gap = self._result.certificate.duality_gap
        return 0.0 if gap is None else gap

    @property
    def sparse_coef_(self) -> Any:
        """`coef_` as a scipy.sparse matrix with a row for each target."""
        from scipy.sparse import csr_matrix

        return csr_matrix(self.coef_)

    def _objective_words(self) -> str:
        level = "β₀ − " if self._result.statistics.has_intercept else ""
        penalty = sparse_penalty(self._alpha(), self._ratio(), self.positive).formula
        return f"J(β) = (1/2Σw) Σ wᵢ (yᵢ − {level}xᵢᵀβ)² + {penalty}"
