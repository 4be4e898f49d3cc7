"""Networks that predict numbers: any loss, targets in units of their own, means by the loss's link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, column_or_1d

from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.engines import TrainingState
from betahat.errors import DataError
from betahat.estimators.inputs import naming
from betahat.estimators.network.parameters import takes_parts
from betahat.estimators.network.questions import AskedNetwork
from betahat.estimators.scores import Regressor, r_squared
from betahat.layers import Dense, Shape
from betahat.losses import FAMILIES, LOSSES, Cauchy, Huber, PseudoHuber, SquaredError, as_family, as_loss
from betahat.losses.base import Loss
from betahat.losses.family import Family

_OF_RESIDUALS = (SquaredError, Huber, PseudoHuber, Cauchy)
"""Losses of y − f alone, which keep their form in other units of y."""
_CONSTANT = 1e-14  # standard deviation, relative to the mean, of a target that does not vary


class NetworkRegression(Regressor, AskedNetwork):
    """Abstract: y is of numbers, (n,), or (n, t) for t targets, whose losses are added."""

    loss: Any

    _level: np.ndarray
    _single: bool
    _shift: np.ndarray
    _spread: np.ndarray

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        try:
            loss = loss_named(self.loss)
            if isinstance(loss, Family):
                loss.check_target(np.array([-1.0]))
        except (ValueError, TypeError):  # of the family, or of a loss that fit will refuse
            tags.target_tags.positive_only = True
        return tags

    def _check_parameters(self) -> None:
        super()._check_parameters()
        loss_named(self.loss)

    @available_if(takes_parts)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch more, on these rows, or on those of a source that holds its own target; not for
        solver="lbfgs", nor with early_stopping.

        What `standardize` subtracts and divides by is learnt from the rows of the first call.
        """
        return self._fit_part(X, y, sample_weight)

    # --- targets ------------------------------------------------------------------------------------------------

    def _read_target(self, y: Any, reset: bool, classes: np.ndarray | None = None) -> np.ndarray:
        if hasattr(y, "tocsr"):
            raise TypeError(f"y is a sparse matrix ({type(y).__name__}); pass y.toarray()")
        if hasattr(y, "__array__") and (kind := np.asarray(y).dtype).kind in "mM":
            raise TypeError(
                f"y holds {kind}; numbers are expected (for dates, subtract a reference date and pass the days)"
            )
        with naming("y"), np.errstate(invalid="ignore"):  # of sums over infinities
            found = check_array(unmasked(y), ensure_2d=False, dtype="float64", input_name="y")
        if found.ndim == 2 and found.shape[1] == 1:
            found = column_or_1d(found, warn=True)
        if found.ndim not in (1, 2):
            raise DataError(f"y has shape {found.shape}; (n,) or (n, t) is expected")
        single = found.ndim == 1
        found = found[:, None] if single else found
        if reset:
            self._single = single
        elif found.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {found.shape[1]} targets; training began with {self.n_outputs_}")
        return found

    def _target_of(
        self, source: Source, reset: bool, classes: np.ndarray | None
    ) -> Callable[[np.ndarray], np.ndarray]:
        if source.classes is not None:
            raise TypeError(
                f"the source holds labels of {len(source.classes)} classes, and a regressor is trained on numbers; "
                "make it without labels=True, or use a classifier"
            )
        t = len(source.target_names)
        if reset:
            self._single = t == 1
        elif t != self.n_outputs_:
            raise ValueError(f"y has {t} targets; training began with {self.n_outputs_}")
        return lambda y: y

    def _check_targets_of(self, y: np.ndarray) -> None:
        loss = loss_named(self.loss)
        if isinstance(loss, Family):
            loss.check_target(y.ravel())

    def _settle(self, y: np.ndarray, which: np.ndarray, weight: np.ndarray | None, shape: Shape) -> int:
        counted = y[which]
        w = None if weight is None else weight[which]
        self._check_targets_of(counted)
        return self._settle_by(*moments_of(counted, w), counted, shape)

    def _settle_by(self, mean: np.ndarray, deviation: np.ndarray, few: np.ndarray, shape: Shape) -> int:
        loss, t = loss_named(self.loss), len(mean)
        self._shift, self._spread = np.zeros(t), np.ones(1)
        if self.standardize and type(loss) in _OF_RESIDUALS:
            if not np.isfinite([mean, deviation]).all():
                raise DataError(
                    "y holds numbers whose differences or squares leave double precision; divide y by a constant that "
                    "brings it near 1"
                )
            self._shift = mean
            deviation = np.where(deviation > _CONSTANT * np.abs(mean), deviation, 0.0)
            self._spread = np.where(deviation > 0, deviation, 1.0)
            if not isinstance(loss, SquaredError):  # which needs one unit for all targets, to stay what it is
                largest = float(deviation.max(initial=0)) or 1.0
                self._spread = np.array(
                    [largest * float(np.sqrt(np.mean((deviation / largest) ** 2))) or 1.0]
                )
        self._level = self._null_level(loss, mean)
        self._settle_loss()
        few = few[:: max(1, len(few) // 100), 0]
        with np.errstate(all="ignore"):  # what is not finite is refused by name
            loss.check(few, np.full(len(few), self._level[0]))
        return self._width(shape, (t,), f"{t} target{'s' * (t > 1)}")

    def _settle_loss(self) -> None:
        """The loss in the units of the outputs."""
        loss = loss_named(self.loss)
        scaled = isinstance(loss, _OF_RESIDUALS) and not isinstance(loss, SquaredError)
        self._loss = _in_units(loss, float(self._spread[0])) if scaled else loss
        self.out_activation_ = activation_of(loss)

    def _null_level(self, loss: Loss, mean: np.ndarray) -> np.ndarray:
        """Where the outputs begin: the link of the mean, for a family."""
        if not (self.standardize and isinstance(loss, Family)):
            return np.zeros(len(mean))
        level = loss.predictor(mean)
        return np.where(np.isfinite(level), level, 0.0)

    def _as_targets(self, y: np.ndarray) -> np.ndarray:
        return (y - self._shift) / self._spread

    def _original(self, y: np.ndarray) -> np.ndarray:
        return y[:, 0] if self._single else y

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        return None

    def _class_weighted(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        return weight

    def _weights_of_classes(self, counts: np.ndarray) -> np.ndarray | None:
        return None

    def _begin_at(self, state: TrainingState) -> None:
        last = self._network.leaves[-1]
        if not self._level.any() or not (isinstance(last.layer, Dense) and last.layer.bias):
            return
        for point in (state.chain.x, state.chain.average):
            if point is not None:
                self._network.views(point)[f"{last.path}.bias"][...] = self._level

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """R², of several targets their mean.

        X : rows with their targets y (n,) or (n, t), or a source that holds them.
        """
        if isinstance(X, Source):
            f, truth, weight = self._of_source(X, y=y, sample_weight=sample_weight)
            return r_squared(self._original(truth), self._answer(f), weight)
        if y is None:
            raise ValueError(
                f"score of {type(self).__name__} compares answers with y, and y is None: give the targets of X"
            )
        return super().score(X, y, sample_weight)

    # --- answers ------------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """The network's answers for new rows, (n,), or (n, t) for t targets: means, by the link of
        the loss's family."""
        return self._answer(self._outputs(X))

    def _columns(self, f: np.ndarray, name: str) -> dict[str, np.ndarray]:
        found = self._answer(f)
        if self._single:
            return {name: found}
        return {f"{name}_{k + 1}": column for k, column in enumerate(found.T)}

    @property
    def _gives_probabilities(self) -> bool:
        return False

    def _answer(self, f: np.ndarray) -> np.ndarray:
        found = self._loss.mean(f) if isinstance(self._loss, Family) else f * self._spread + self._shift
        return found[:, 0] if self._single else found


def moments_of(y: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean and standard deviation of targets (n, t), whatever their size; infinite where differences
    cannot be represented.

    >>> moments_of(np.array([[1e300], [3e300]]), None)
    (array([2.e+300]), array([1.e+300]))
    """
    power = np.frexp(np.abs(y).max(axis=0))[1]
    unit = np.ldexp(1.0, np.clip(power, -1020, 1020))  # a power of two, which changes no digit
    mean = np.average(y / unit, axis=0, weights=weight)
    deviation = np.sqrt(np.average((y / unit - mean) ** 2, axis=0, weights=weight))
    return mean * unit, np.where(power < 1024, deviation * unit, np.inf)


def _in_units(loss: Any, unit: float) -> Loss:
    """The loss with δ in other units of y."""
    return replace(loss, delta=loss.delta / unit)


def loss_named(loss: Any) -> Loss:
    """The loss of a name, a Loss or a function of (y, prediction).

    >>> loss_named("poisson"), loss_named("huber")
    (Poisson(), Huber(delta=1.35))
    """
    if isinstance(loss, str) and loss not in LOSSES:
        if loss in FAMILIES:
            return as_family(loss)
        known = ", ".join(map(repr, (*LOSSES, *FAMILIES)))
        raise ValueError(
            f"loss (={loss!r}) must be one of {known}, a loss of betahat.losses, or a function of (y, prediction)"
        )
    return as_loss(loss)


def activation_of(loss: Loss) -> str:
    """What makes an answer of an output, in scikit-learn's words."""
    links = {"identity": "identity", "log": "exp", "logit": "logistic"}
    return links.get(loss.link, f"inverse of {loss.link}") if isinstance(loss, Family) else "identity"
