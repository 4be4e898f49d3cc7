"""What logistic regressions share: classes, their fit by the number of these, probabilities and predictions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from betahat.data.source import Block, Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.class_codes import class_codes
from betahat.estimators.class_weights import check_class_weight, weighted_by_class
from betahat.estimators.firth_fit import fit_firth
from betahat.estimators.likelihood_fit import LikelihoodResult, fit_likelihood
from betahat.estimators.likelihood_questions import QuestionedLikelihood
from betahat.estimators.multinomial_fit import fit_multinomial
from betahat.estimators.scores import Classifier
from betahat.estimators.sparse_likelihood import fit_sparse_likelihood
from betahat.estimators.sparse_multinomial import fit_sparse_multinomial
from betahat.estimators.written import class_names, interval_columns
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.family import Family


class BaseLogistic(Classifier, QuestionedLikelihood):
    """Abstract: logistic regression of two classes or more. Subclasses say how strong the penalty is."""

    class_weight: Any
    firth: bool

    classes_: np.ndarray

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_class_weight(self.class_weight)

    def _target(self, y: Any) -> np.ndarray:
        self.classes_, codes = class_codes(y)
        return codes

    def _describe(self, source: Source, design: Any) -> None:
        super()._describe(source, design)
        classes = getattr(source, "classes", None)
        if classes is None:
            classes = getattr(design, "classes", None)
        self.classes_ = np.array([0, 1]) if classes is None else np.asarray(classes)

    @abstractmethod
    def _strength(self, weight: float) -> float:
        """1 / (C Σw), or alpha."""

    def _fit_result(self, source: Source, has_intercept: bool) -> LikelihoodResult:
        K = len(self.classes_)
        if K < 2:
            raise DataError(
                f"y holds one class only ({self.classes_.tolist()[0]!r}); a classifier needs rows of 2 classes at least"
            )
        self.n_columns_ = len(source.names)
        source = self._weighted(source)
        settings = self._settings(has_intercept, tuple(map(str, self.classes_)))
        if self.firth:
            if K != 2:
                raise ValueError(
                    f"Only binary classification is supported with firth=True, and y has {K} classes; fit pairs of "
                    "classes, or give alpha"
                )
            return fit_firth(source, settings)
        before = self._warm()
        if K == 2:
            warm = None if before is None else (before[0][0], float(before[1][0]))
            if self._is_sparse():
                return fit_sparse_likelihood(source, Bernoulli(), self._sparse_penalty, settings, warm)
            return fit_likelihood(source, Bernoulli(), self._penalty, settings, warm)
        begin = before if before is not None and len(before[1]) == K else None
        if self._is_sparse():
            return fit_sparse_multinomial(source, self._sparse_penalty, settings, begin)
        return fit_multinomial(source, self._penalty, settings, begin)

    def _single_family(self) -> Family | None:
        return Bernoulli() if len(self.classes_) == 2 else None

    def _weighted(self, source: Source) -> Source:
        return (
            source
            if self.class_weight is None
            else weighted_by_class(source, self.class_weight, self.classes_)
        )

    def _iterations(self, result: LikelihoodResult) -> np.ndarray:
        return np.array([max(result.iterations, 1)], dtype=np.int32)

    def _as_shown(self, result: LikelihoodResult) -> tuple[np.ndarray, Any]:
        return result.coef, result.intercept

    # --- prediction ---------------------------------------------------------------------------------------------

    def decision_function(self, X: Any, offset: Any = None) -> np.ndarray:
        """The log odds of `classes_[1]`, (n,); with K > 2 classes the predictors (n, K)."""
        eta = self._predictors(X, offset)
        return eta[:, 0] if len(self.classes_) == 2 else eta

    def predict_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Probabilities of the classes (n, K), in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X, offset))

    def predict_log_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Their logarithms (n, K), which keep their digits where probabilities are smallest."""
        return self._log_probabilities(self._predictors(X, offset))

    def _log_probabilities(self, eta: np.ndarray) -> np.ndarray:
        if len(self.classes_) == 2:
            eta = np.column_stack([np.zeros(len(eta)), eta[:, 0]])
        top = eta.max(axis=1, keepdims=True)
        with np.errstate(over="ignore"):  # of predictors 1e308 apart
            shifted = eta - top
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def predict(self, X: Any, offset: Any = None) -> np.ndarray:
        """The most probable class of each row, (n,)."""
        return self._classes_of(self._predictors(X, offset))

    def _classes_of(self, eta: np.ndarray) -> np.ndarray:
        two = len(self.classes_) == 2
        return self.classes_[(eta[:, 0] > 0).astype(np.intp) if two else eta.argmax(axis=1)]

    def probability_interval(self, X: Any, level: float = 0.95, offset: Any = None) -> np.ndarray:
        """Confidence intervals (n, 2) of P(y = classes_[1]), from those of the log odds; for two classes."""
        matrix = self._matrix(X)
        return self._probability_interval(matrix, self._offset_of(X, offset, None, matrix.shape[0]), level)

    def _probability_interval(self, matrix: Any, added: np.ndarray | None, level: float) -> np.ndarray:
        if len(self.classes_) != 2:
            raise InferenceError(
                f"intervals of probabilities are for two classes; there are {len(self.classes_)}"
            )
        return Bernoulli().mean(self._interval(matrix, added, level))

    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        eta, columns = self._eta(block.X, block.offset), class_names(name, self.classes_.tolist())
        made = {name: self._classes_of(eta)}
        made |= dict(zip(columns, np.exp(self._log_probabilities(eta)).T, strict=True))
        if level is not None:
            made |= interval_columns(columns[-1], self._probability_interval(block.X, block.offset, level))
        return made

    def _link(self) -> str:
        return "logit" if len(self.classes_) == 2 else "softmax"

    def _title(self) -> str:
        return "Logistic regression" if len(self.classes_) == 2 else "Multinomial logistic regression"
