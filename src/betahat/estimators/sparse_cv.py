"""Lasso and elastic net with alpha chosen by cross-validation: paths by warm start, one for each fold."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource, Block, Source
from betahat.estimators.checks import folds_of
from betahat.estimators.linear_fit import LinearResult
from betahat.estimators.sparse_base import BaseSparse, sparse_penalty
from betahat.estimators.sparse_fit import sparse_result
from betahat.estimators.sparse_grid import alpha_grid, check_grid
from betahat.losses import SquaredError
from betahat.solvers.sparse.solve import SparseProblem, sparse_path

_FOLD_TOLERANCE = 1e-8


class BaseSparseCV(BaseSparse):
    """Abstract: an elastic net whose alpha, and perhaps l1_ratio, have the least squared error on rows left out."""

    eps: float
    alphas: Any
    cv: Any
    warm_start = False

    alpha_: float
    alphas_: np.ndarray
    mse_path_: np.ndarray

    @abstractmethod
    def _ratios(self) -> list[float]:
        """The shares of the L1 norm that are tried."""

    def _takes_targets(self) -> bool:
        return False

    def _alpha(self) -> float:
        return float(self.alpha_)

    def _check_strength(self) -> None:
        check_grid(self.eps, self.alphas)

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        if not isinstance(source, ArraySource):
            raise TypeError(
                f"{type(self).__name__} leaves rows out by their number, for which they must be in memory; X is a "
                f"{type(source).__name__}: give arrays or a table, or fit Lasso to the source with an alpha of yours"
            )
        if len(source.target_names) != 1:
            raise ValueError(f"y has {len(source.target_names)} targets; alpha is chosen for one: fit each")
        (block,) = source.blocks()
        source.readings -= 1  # a look is not a reading
        problem = SparseProblem(source, SquaredError(), has_intercept, many=True)
        ratios = self._ratios()
        grids = [alpha_grid(problem, self.alphas, self.eps, ratio, bool(self.positive)) for ratio in ratios]
        folds = self._folds(block)
        errors = np.stack(
            [self._errors(block, *fold, has_intercept, ratios, grids) for fold in folds], axis=-1
        )
        mean = errors.mean(axis=-1)
        best = np.unravel_index(int(np.argmin(mean)), mean.shape)
        self.alpha_, chosen = float(grids[best[0]][best[1]]), ratios[best[0]]
        self._choose(chosen)
        self.alphas_ = np.array(grids) if len(ratios) > 1 and isinstance(self.alphas, Integral) else grids[0]
        self.mse_path_ = errors if len(ratios) > 1 else errors[0]
        penalty = sparse_penalty(self.alpha_, chosen, bool(self.positive))
        return sparse_result(problem, penalty, float(self.tol), int(self.max_iter))

    def _choose(self, ratio: float) -> None:
        """Keep the share of the L1 norm that was best."""
        return None

    def _folds(self, block: Block) -> list[tuple[np.ndarray, np.ndarray]]:
        assert block.y is not None
        return folds_of(self.cv, block.y[:, 0], combined_weight(block))

    def _errors(
        self, block: Block, train: np.ndarray, test: np.ndarray, has_intercept: bool, ratios: list[float],
        grids: list[np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        """Mean squared errors (ratios, alphas) on the rows of `test` of paths fitted to those of `train`."""
        rows = block.take(train)
        assert rows.y is not None
        source = ArraySource(rows.X, rows.y, rows.weight, rows.frequency, offset=rows.offset)
        problem = SparseProblem(source, SquaredError(), has_intercept, many=True)
        left = block.take(test)
        assert left.y is not None
        weight = combined_weight(left)
        found = []
        for ratio, alphas in zip(ratios, grids, strict=True):
            path = sparse_path(
                problem, alphas, lambda alpha, ratio=ratio: sparse_penalty(alpha, ratio, bool(self.positive)),
                tol=max(float(self.tol), _FOLD_TOLERANCE), max_iter=int(self.max_iter),
            )  # fmt: skip
            used = np.flatnonzero(path.coefs.any(axis=1))
            X = left.X.tocsc() if hasattr(left.X, "tocsr") else np.asarray(left.X)
            fitted = np.asarray(X[:, used] @ path.coefs[used]) + path.intercepts
            found.append(np.average((left.y - fitted) ** 2, axis=0, weights=weight))
        return np.stack(found)
