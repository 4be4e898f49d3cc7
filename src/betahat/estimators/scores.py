"""What `score` answers: scikit-learn's own measures, plain cases without its module of measures.

That module takes half a second to import; a share of equal labels or an R² of numbers does not need it. Everything else
(weights, several columns, labels of mixed kinds, rows of unlike number) it measures, or refuses, itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin


def accuracy(y: Any, answers: np.ndarray, sample_weight: Any = None) -> float:
    """The share of rows that are answered rightly, of all labels of a row where it has several.

    >>> accuracy(["a", "b", "b", "a"], np.array(["a", "b", "a", "a"]))
    0.75
    """
    truth = np.asarray(y) if sample_weight is None else None
    if truth is not None and _comparable(truth, answers):
        return float(np.mean(truth == answers))
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(y, answers, sample_weight=sample_weight))


def r_squared(y: Any, answers: np.ndarray, sample_weight: Any = None) -> float:
    """1 − Σ(y − μ)² / Σ(y − ȳ)², of several columns their mean.

    >>> r_squared([1.0, 2.0, 3.0], np.array([1.0, 2.0, 2.0]))
    0.5
    """
    truth = np.asarray(y) if sample_weight is None else None
    if truth is not None and truth.shape == answers.shape == (len(truth),) and truth.dtype.kind in "fiu":
        truth = truth.astype(np.float64)
        with np.errstate(all="ignore"):  # what is not finite is asked about, and refused, below
            left = truth - answers
            around = truth - truth.mean()
            residual, total = float(left @ left), float(around @ around)
        if np.isfinite(residual) and np.isfinite(total) and total > 0:
            return 1.0 - residual / total
    from sklearn.metrics import r2_score

    return float(r2_score(y, answers, sample_weight=sample_weight))


def _comparable(truth: np.ndarray, answers: np.ndarray) -> bool:
    """Whether both are labels of one kind, one for each row."""
    if truth.shape != answers.shape or truth.ndim != 1 or not len(truth):
        return False
    kinds = truth.dtype.kind + answers.dtype.kind
    return kinds in ("bb", "UU") or set(kinds) <= set("iu")


class Classifier(ClassifierMixin, ABC):
    """What all classifiers are scored by."""

    @abstractmethod
    def predict(self, X: Any) -> Any:
        """Labels (n,) of rows."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows of X that are answered with their labels y."""
        return accuracy(y, self.predict(X), sample_weight)


class Regressor(RegressorMixin, ABC):
    """What all regressions of one mean are scored by."""

    @abstractmethod
    def predict(self, X: Any) -> Any:
        """Means (n,) of rows."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² = 1 − Σ(y − μ̂)² / Σ(y − ȳ)² over the rows of X, of several columns of y their mean."""
        return r_squared(y, self.predict(X), sample_weight)
