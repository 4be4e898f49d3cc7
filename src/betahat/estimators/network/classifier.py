"""Networks that classify: labels, several at once too, as what a loss takes, and scores as probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from betahat.data.labels import recode
from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.engines import TrainingState
from betahat.errors import DataError
from betahat.estimators.class_codes import class_codes
from betahat.estimators.class_weights import check_class_weight
from betahat.estimators.network.parameters import takes_parts
from betahat.estimators.network.questions import AskedNetwork
from betahat.estimators.scores import Classifier, accuracy
from betahat.estimators.written import class_names
from betahat.layers import Shape
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.multinomial import Multinomial, class_probabilities
from betahat.losses.smoothed import SmoothedMultinomial
from betahat.losses.stable import sigmoid
from betahat.losses.vector import VectorLoss


class NetworkClassification(Classifier, AskedNetwork):
    """Abstract: y is of labels, (n,), or says of each of K labels whether a row has it, (n, K) of 0 and 1."""

    class_weight: Any

    classes_: np.ndarray
    _several: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.class_weight is None
        return tags

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_class_weight(self.class_weight)

    @available_if(takes_parts)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train one epoch more, on these rows, or on those of a source that holds its own target.

        classes : all labels that will ever come, asked for by the first call; not for solver="lbfgs", nor with
            early_stopping. What `standardize` divides by is learnt from the rows of the first call.

        Raises ValueError where the first call has no classes or y holds others, and what `fit` raises.
        """
        first = not hasattr(self, "_state")
        if isinstance(self.class_weight, str):
            raise ValueError(
                'class_weight="balanced" needs all rows at once, and partial_fit sees some; give a dict of weights'
            )
        known = None
        if classes is not None:
            known = class_codes(classes)[0]
            if not first and not np.array_equal(known, self.classes_):
                raise ValueError(
                    f"classes (={list(classes)!r}) is not the same as on last call to partial_fit: "
                    f"{self.classes_.tolist()}"
                )
        elif first and isinstance(X, Source):
            known = None if X.classes is None else np.asarray(X.classes)
        elif first and _indicator(y) is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit_part(X, y, sample_weight, known)

    # --- labels -------------------------------------------------------------------------------------------------

    def _read_target(self, y: Any, reset: bool, classes: np.ndarray | None = None) -> np.ndarray:
        y = y.toarray() if hasattr(y, "tocsr") else unmasked(y)
        indicator = _indicator(y)
        if indicator is not None:
            labels: np.ndarray = np.arange(indicator.shape[1])
            found = indicator
        else:
            labels, found = class_codes(y)
        if reset:
            self.classes_, self._several = labels if classes is None else classes, indicator is not None
            self._refuse_one_class()
        self._refuse_other_labels(labels, indicator is not None)
        return found if self._several else recode(found, labels, self.classes_, "y")

    def _target_of(
        self, source: Source, reset: bool, classes: np.ndarray | None
    ) -> Callable[[np.ndarray], np.ndarray]:
        several = len(source.target_names) > 1
        if several:
            labels: np.ndarray = np.arange(len(source.target_names))
        else:
            labels = np.array([0, 1]) if source.classes is None else np.asarray(source.classes)
        if reset:
            self.classes_, self._several = labels if classes is None else classes, several
            self._refuse_one_class()
        self._refuse_other_labels(labels, several)
        if several:
            return _indicated
        known, unnamed = self.classes_, source.classes is None

        def codes(y: np.ndarray) -> np.ndarray:
            found = y[:, 0]
            odd = (found < 0) | (found >= len(labels)) | (found != np.floor(found))
            if odd.any():
                what = (
                    "0 and 1 are expected, or labels: make the source with labels=True"
                    if unnamed
                    else (f"codes of {len(labels)} classes, 0 to {len(labels) - 1}, are expected")
                )
                raise DataError(
                    f"the source's target {source.target_names[0]!r} holds {found[odd][0]:g}; {what}"
                )
            return recode(found, labels, known, source.target_names[0])

        return codes

    def _refuse_other_labels(self, labels: np.ndarray, several: bool) -> None:
        if self._several != several or (several and len(labels) != len(self.classes_)):
            raise ValueError(
                f"y is {'an indicator of' if several else 'of'} {len(labels)} labels; training began "
                f"with {'an indicator of ' if self._several else ''}{len(self.classes_)}"
            )

    def _refuse_one_class(self) -> None:
        if not len(self.classes_):
            raise DataError("y is empty; it must hold one label for each row of X, (n,)")
        if len(self.classes_) < 2:
            raise DataError(
                f"y holds one class only ({self.classes_.tolist()[0]!r}); a classifier needs rows of 2 classes at least"
            )

    def _settle(self, y: np.ndarray, which: np.ndarray, weight: np.ndarray | None, shape: Shape) -> int:
        return self._settle_classes(shape)

    def _settle_by(self, mean: np.ndarray, deviation: np.ndarray, few: np.ndarray, shape: Shape) -> int:
        return self._settle_classes(shape)

    def _settle_classes(self, shape: Shape) -> int:
        K = len(self.classes_)
        # for two classes one score is enough, as scikit-learn has it
        outputs = self._width(shape, (K, 1) if K == 2 and not self._several else (K,), f"{K} classes")
        self._settle_loss(outputs)
        return outputs

    def _settle_loss(self, outputs: int) -> None:
        one, smoothing = self._several or outputs == 1, self._smoothing
        smooth = SmoothedMultinomial(outputs, smoothing) if smoothing and not one else None
        self._loss = smooth or (Bernoulli() if one else Multinomial(outputs))
        self.out_activation_ = "logistic" if one else "softmax"

    def _as_targets(self, y: np.ndarray) -> np.ndarray:
        if not self._several and isinstance(self._loss, VectorLoss):
            return y
        sure = y if self._several else y[:, None]
        return sure if not self._smoothing else sure * (1 - self._smoothing) + self._smoothing / 2

    @property
    def _smoothing(self) -> float:
        """ε: the share that targets take from the true class, and give to all in equal parts."""
        return 0.0

    def _original(self, y: np.ndarray) -> np.ndarray:
        return y.astype(np.int64) if self._several else self.classes_[y.astype(np.intp)]

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None if self._several else y

    def _class_weighted(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        self._refuse_several()
        codes = y.astype(np.intp)
        own = self._weights_of_classes(np.bincount(codes, weight, len(self.classes_)))
        assert own is not None
        return own[codes] if weight is None else own[codes] * weight

    def _refuse_several(self) -> None:
        if self._several:
            raise ValueError(
                f"class_weight (={self.class_weight!r}) is for one label a row, and y holds {len(self.classes_)} at "
                "once; weigh the rows by sample_weight"
            )

    def _weights_of_classes(self, counts: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        self._refuse_several()
        own = np.ones(len(self.classes_))
        if isinstance(self.class_weight, str):
            there = np.flatnonzero(counts > 0)
            own[there] = counts.sum() / (len(own) * counts[there])
            return own
        place = {label: k for k, label in enumerate(self.classes_.tolist())}
        for label, value in self.class_weight.items():
            if label not in place:
                raise ValueError(
                    f"class_weight names the class {label!r}, which y does not have; its classes are "
                    f"{self.classes_.tolist()}"
                )
            own[place[label]] = float(value)
        return own

    def _check_targets_of(self, y: np.ndarray) -> None:
        return None

    def _begin_at(self, state: TrainingState) -> None:
        return None

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The share of rows that are answered rightly: of all labels of a row, where it may have several.

        X : rows with their labels y (n,), or a source that holds them.
        """
        if isinstance(X, Source):
            f, codes, weight = self._of_source(X, y=y, sample_weight=sample_weight)
            return accuracy(self._original(codes), self._labels(f), weight)
        if y is None:
            raise ValueError(
                f"score of {type(self).__name__} compares answers with y, and y is None: give the labels of X"
            )
        return super().score(X, y, sample_weight)

    # --- answers ------------------------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes (n, K), in the order of `classes_`; of each label by itself where a row may have
        several."""
        check_is_fitted(self, "_state")
        f = self._outputs(X, self._gives_probabilities)
        return sigmoid(f) if self._several else f

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Their logarithms (n, K), which keep their digits where probabilities are smallest."""
        f = self._outputs(X)
        if self.out_activation_ == "softmax":
            shifted = f - f.max(axis=1, keepdims=True)
            return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        sure = -np.logaddexp(0.0, -f)
        return sure if self._several else np.column_stack([-np.logaddexp(0.0, f[:, 0]), sure[:, 0]])

    @property
    def _gives_probabilities(self) -> bool:
        return not self._several

    def _answer(self, f: np.ndarray) -> np.ndarray:
        return self._probabilities(f)

    def _probabilities(self, f: np.ndarray) -> np.ndarray:
        return sigmoid(f) if self._several else class_probabilities(f)

    def _columns(self, f: np.ndarray, name: str) -> dict[str, np.ndarray]:
        labels, P = class_names(name, self.classes_.tolist()), self._probabilities(f)
        made = {} if self._several else {name: self._labels(f)}
        return made | dict(zip(labels, P.T, strict=True))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row (n,); where a row may have several, which labels are more probable than
        not, (n, K) of 0 and 1."""
        return self._labels(self._outputs(X))

    def _labels(self, f: np.ndarray) -> np.ndarray:
        if self._several:
            return (f > 0).astype(np.int64)
        return self.classes_[(f[:, 0] > 0).astype(np.intp) if f.shape[1] == 1 else f.argmax(axis=1)]


def _indicator(y: Any) -> np.ndarray | None:
    """y (n, K) float64 of 0 and 1, where it has several columns."""
    nested = isinstance(y, (list, tuple)) and len(y) and isinstance(y[0], (list, tuple, np.ndarray))
    if nested or not hasattr(y, "shape"):
        y = np.asarray(y) if nested or hasattr(y, "__array__") else y
    shape = getattr(y, "shape", ())
    if len(shape) != 2 or shape[1] < 2:
        return None
    return _indicated(check_array(y, input_name="y", dtype="float64"))


def _indicated(found: np.ndarray) -> np.ndarray:
    """It, of 0 and 1."""
    if not np.isin(found, (0.0, 1.0)).all():
        raise DataError(
            f"y has {found.shape[1]} columns, so that each is a label that a row has (1) or not (0); it holds "
            f"{found[~np.isin(found, (0.0, 1.0))][0]:g}. For one label of many a row, give y with one column"
        )
    return found
