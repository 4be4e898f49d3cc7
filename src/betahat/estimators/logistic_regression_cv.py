"""Logistic regression with the strength of its penalty chosen by cross-validation."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError
from betahat.estimators.checks import check_number, folds_of
from betahat.estimators.likelihood_fit import LikelihoodResult
from betahat.estimators.logistic_base import BaseLogistic
from betahat.estimators.logistic_regression import LogisticRegression

_FOLD_TOLERANCE = 1e-8


@final
class LogisticRegressionCV(BaseLogistic):
    """:class:`betahat.LogisticRegression` with the C (and l1_ratio) of the best mean score on rows left out, in
    scikit-learn's sense.

    Every fold's whole path is fitted from the strongest penalty to the weakest, each fit begun at the one before.

    Parameters
    ----------
    Cs : int or array of floats > 0
        How many C to try, evenly in their logarithms from 1e-4 to 1e4; or the C themselves.
    l1_ratios : None or array of floats from 0 to 1
        Shares of the L1 norm to try; None is 0, the ridge.
    fit_intercept : bool
        Whether there is a β₀, which is never penalised.
    cv : None, int, splitter or list of (train, test)
        As scikit-learn's; None is 5 folds, each with the classes in proportion.
    scoring : None, str or function of (estimator, X, y)
        What is largest at the C chosen, as scikit-learn's scorers; None is the accuracy.
    refit : bool
        Only True: coefficients averaged over folds would minimise nothing, so that no certificate could be given.
    class_weight, missing, max_iter, tol
        As of :class:`betahat.LogisticRegression`, of the fit to all rows.
    n_jobs, verbose, random_state
        Taken as scikit-learn's are, and without effect: kernels use the cores themselves.

    Attributes
    ----------
    C_, l1_ratio_ : float
        Those chosen; `coef_`, `certificate_` and the rest are of the fit to all rows with them.
    Cs_, l1_ratios_ : arrays
        Those tried.
    scores_ : array of shape (folds, l1_ratios, Cs)
        Scores on the rows left out.
    coefs_paths_ : array of shape (folds, l1_ratios, Cs, 1 or K classes, p + 1)
        Coefficients of all fits, the intercept last where there is one.

    Arrays have the axes of scikit-learn's ``use_legacy_attributes=False``.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 5))
    >>> y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    >>> m = bh.LogisticRegressionCV(Cs=[0.01, 1.0, 100.0], scoring="neg_log_loss").fit(X, y)
    >>> m.C_, m.scores_.shape, m.certificate_.status
    (1.0, (5, 1, 3), 'global minimum')
    """

    alpha = 0.0
    firth = False
    separation = "warn"
    cov_type = "nonrobust"
    maxlags = None
    collinear = "minimum_norm"
    solver = None
    warm_start = False

    C_: float
    l1_ratio_: float

    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = None,
        fit_intercept: bool = True,
        cv: Any = None,
        scoring: Any = None,
        refit: bool = True,
        class_weight: Any = None,
        missing: str = "error",
        max_iter: int | None = None,
        tol: float | None = None,
        n_jobs: int | None = None,
        verbose: Any = 0,
        random_state: Any = None,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.class_weight = class_weight
        self.missing = missing
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @property
    def l1_ratio(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That chosen, 0 before a fit."""
        return float(getattr(self, "l1_ratio_", 0.0))

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, frequency_weight: Any = None) -> Self:
        """Choose C and fit to all rows; arguments as of `LogisticRegression.fit`, but X must be in memory.

        Raises TypeError for sources, whose rows have no numbers, DataError where a fold lacks a class, and as
        `LogisticRegression.fit`.
        """
        vars(self).pop("l1_ratio_", None)
        return self._fit_rows(X, y, {"sample_weight": sample_weight, "frequency_weight": frequency_weight})

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if isinstance(self.Cs, (bool, np.bool_)):
            raise TypeError(f"Cs (={self.Cs!r}) must be a whole number or a list of numbers")
        if isinstance(self.Cs, Integral):
            if self.Cs < 1:
                raise ValueError(f"Cs (={self.Cs!r}) must be 1 or more, or a list of numbers")
        else:
            given = np.atleast_1d(np.asarray(self.Cs, dtype=object)).tolist()
            if not given:
                raise ValueError(f"Cs (={self.Cs!r}) is empty; give a count, or numbers above 0")
            for i, C in enumerate(given):
                if not check_number(f"Cs[{i}]", C, 0.0, "the inverse of a penalty's strength") > 0:
                    raise ValueError(f"Cs[{i}] (={C!r}) must be above 0: the inverse of a penalty's strength")
        if not len(self._ratios()):
            raise ValueError(
                f"l1_ratios (={self.l1_ratios!r}) is empty; give numbers from 0 to 1, or None for 0"
            )
        for i, ratio in enumerate(self._ratios().tolist()):
            if check_number(f"l1_ratios[{i}]", ratio, 0.0, "a share of the L1 norm in the penalty") > 1:
                raise ValueError(f"l1_ratios[{i}] (={ratio!r}) must be at most 1: a share of the L1 norm")
        if self.refit is not True:
            raise ValueError(
                f"refit (={self.refit!r}) must be True: coefficients averaged over folds minimise nothing, so that no "
                "certificate could be given; coefs_paths_ has those of every fold"
            )

    def _ratios(self) -> np.ndarray:
        given = [0.0] if self.l1_ratios is None else self.l1_ratios
        return np.atleast_1d(np.asarray(given, dtype=object)).ravel()

    def _strength(self, weight: float) -> float:
        return 1.0 / (self.C_ * weight)

    def _fit_result(self, source: Source, has_intercept: bool) -> LikelihoodResult:
        if not isinstance(source, ArraySource):
            raise TypeError(
                f"LogisticRegressionCV leaves rows out by their number, for which they must be in memory; X is a "
                f"{type(source).__name__}: give arrays or a table, or fit LogisticRegression with a C of yours"
            )
        if len(self.classes_) >= 2:  # one class only is refused by the fit
            self._choose(source, has_intercept)
        else:
            self.C_ = 1.0
        return super()._fit_result(source, has_intercept)

    def _choose(self, source: ArraySource, has_intercept: bool) -> None:
        (block,) = source.blocks()
        source.readings -= 1  # a look is not a reading
        assert block.y is not None
        y = block.y[:, 0].astype(np.intp)
        whole = isinstance(self.Cs, Integral)
        self.Cs_ = np.logspace(-4, 4, int(self.Cs)) if whole else np.asarray(self.Cs, np.float64).ravel()
        self.l1_ratios_ = self._ratios().astype(np.float64)
        weights = self._class_weights(block, y)
        found = [
            self._path(block, y, fold, k, has_intercept, weights)
            for k, fold in enumerate(folds_of(self.cv, y, combined_weight(block), classifier=True))
        ]
        self.scores_ = np.array([scores for scores, _ in found])
        self.coefs_paths_ = np.array([paths for _, paths in found])
        best = np.unravel_index(int(np.argmax(self.scores_.mean(axis=0).T)), self.scores_.shape[:0:-1])
        self.C_, self.l1_ratio_ = float(self.Cs_[best[0]]), float(self.l1_ratios_[best[1]])

    def _class_weights(self, block: Block, y: np.ndarray) -> Any:
        """Those of all rows, as scikit-learn gives them to every fold."""
        if not isinstance(self.class_weight, str):
            return self.class_weight
        counts = np.bincount(y, combined_weight(block), len(self.classes_))
        shares = counts.sum() / (len(counts) * np.where(counts > 0, counts, 1.0))
        return dict(zip(self.classes_.tolist(), shares.tolist(), strict=True))

    def _path(
        self, block: Block, y: np.ndarray, fold: tuple[np.ndarray, np.ndarray], k: int, has_intercept: bool,
        class_weight: Any,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Scores (ratios, Cs) on the rows left out and coefficients (ratios, Cs, 1 or K, p + 1) of one fold."""
        from sklearn.metrics import get_scorer

        train, test = fold
        rows, left = block.take(train), block.take(test)
        weight, left_weight = combined_weight(rows), combined_weight(left)
        there = np.bincount(y[train], weight, len(self.classes_)) > 0
        if not there.all():
            raise DataError(
                f"no row of class {self.classes_.tolist()[int(np.argmin(there))]!r} is in what fold {k} is fitted to; "
                "give fewer folds, or a `cv` that keeps classes in proportion"
            )
        labels, left_labels = self.classes_[y[train]], self.classes_[y[test]]
        scorer = None if self.scoring is None else get_scorer(self.scoring)
        beside = {} if left_weight is None else {"sample_weight": left_weight}
        order = np.argsort(self.Cs_)
        scores = np.zeros((len(self.l1_ratios_), len(self.Cs_)))
        paths: list[list[Any]] = [[None] * len(self.Cs_) for _ in self.l1_ratios_]
        for r, ratio in enumerate(self.l1_ratios_.tolist()):
            model = LogisticRegression(
                C=1.0, l1_ratio=ratio, fit_intercept=has_intercept, class_weight=class_weight,
                max_iter=self.max_iter, tol=max(self.tol or 0.0, _FOLD_TOLERANCE), warm_start=True,
            )  # fmt: skip
            for c in order:
                model.set_params(C=float(self.Cs_[c]))
                model.fit(rows.X, labels, sample_weight=weight)
                if scorer is None:
                    scores[r, c] = model.score(left.X, left_labels, **beside)
                else:
                    scores[r, c] = scorer(model, left.X, left_labels, **beside)
                last = [np.ravel(model.intercept_)[:, None]] if has_intercept else []
                paths[r][c] = np.concatenate([model.coef_, *last], axis=1)
        return scores, np.array(paths)
