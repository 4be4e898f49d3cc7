"""The stored form of networks: parameters of the flat array, units of rows and targets, what training remembers for
users; no rows, and not what a solver remembers from step to step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier

from betahat.engines import TrainingState
from betahat.errors import StorageError
from betahat.estimators.network.base import NetworkEstimator, unassessed
from betahat.estimators.network.history import History
from betahat.estimators.network.parameters import finds_rate
from betahat.estimators.network.rows import levels_of
from betahat.estimators.network.stack import embedding
from betahat.estimators.storing_likelihood import labels_to_dict, read_labels
from betahat.estimators.storing_parts import (
    check_inputs,
    inputs_to_dict,
    read_certificate,
    read_trace,
    restore_inputs,
)
from betahat.models.network import Network
from betahat.solvers.trace import STOP_REASONS
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.network.classifier import NetworkClassification
    from betahat.estimators.network.regressor import NetworkRegression

_KINDS = {"float32": np.float32, "float64": np.float64}


def to_dict(estimator: NetworkEstimator) -> dict[str, Any]:
    """Everything fitted; no rows."""
    units, history = estimator._units, estimator._history
    return {
        **inputs_to_dict(estimator),
        **estimator._rows_to_dict(),
        "input_shape": list(estimator._network.input_shape),
        "outputs": estimator.n_outputs_,
        "kind": np.dtype(estimator._kind).name,
        "seed": str(estimator._seed),
        "learning_rate": estimator.learning_rate_init_,
        "units": None if units is None else {"centre": units[0].ravel(), "scale": units[1].ravel()},
        "beta": estimator._state.chain.point.astype(np.float64),
        "buffers": estimator._state.buffers.astype(np.float64),
        "target": _target_to_dict(estimator),
        "history": history.to_dict() | {"rate": None},
        "epochs": estimator.n_iter_,
        "stop_reason": estimator.stop_reason_,
        "trace": estimator.trace_.to_dict(),
        "dead": {place: list(counts) for place, counts in estimator._dead.items()},
        "asked": estimator._asked,
        "certificate": estimator.certificate_.to_dict(),
    }


def restore(estimator: NetworkEstimator, model: Fields) -> None:
    """Put what `to_dict` told into an estimator that has its parameters; raises where it does not fit together."""
    restore_inputs(estimator, model)
    columns, shape = check_inputs(estimator), _shape(model)
    estimator._restore_rows(model, shape, columns)
    estimator._kind = _KINDS[model.text("kind", tuple(_KINDS))]
    estimator._seed = _seed(model)
    estimator._units = _units(model, shape)
    estimator.learning_rate_init_ = _rate(model)
    estimator._found_rate = estimator.learning_rate_init_ if finds_rate(estimator) else None
    estimator.n_outputs_ = model.whole("outputs", 1)
    levels = levels_of(estimator.design_)
    layers = [*embedding(levels, shape[0] if shape else 0), *estimator._layers(estimator.n_outputs_)]
    estimator._network = Network(layers, shape)
    if estimator._network.output_shape != (estimator.n_outputs_,):
        raise StorageError(f"`model.outputs` is {estimator.n_outputs_}, and the layers give another number")
    _restore_target(estimator, model.inner("target"))
    network = estimator._network
    beta = model.array("beta", (network.size,), finite=True)
    buffers = model.array("buffers", (network.buffer_size,), finite=True)
    estimator._state = TrainingState.begin(estimator._task(1, 1), beta, buffers)
    estimator._history = History.from_fields(model.inner("history"))
    estimator.trace_ = read_trace(model.inner("trace"))
    estimator._dead, estimator._asked = _dead(model.inner("dead")), model.whole("asked")
    estimator._show(model.text("stop_reason", STOP_REASONS), model.whole("epochs"))
    stored = model.inner("certificate")
    if stored.text("status") == "not assessed":
        estimator.certificate_ = unassessed(stored.text("message"))
    else:
        estimator.certificate_ = read_certificate(stored, 1, network.parameter_count)


def _target_to_dict(estimator: Any) -> dict[str, Any]:
    if is_classifier(estimator):
        return {"classes": labels_to_dict(estimator.classes_), "several": estimator._several}
    return {"single": estimator._single, "shift": estimator._shift, "spread": estimator._spread}


def _restore_target(estimator: Any, stored: Fields) -> None:
    t = estimator.n_outputs_
    if is_classifier(estimator):
        classifier: NetworkClassification = estimator
        classifier.classes_, classifier._several = (
            read_labels(stored.inner("classes")),
            stored.flag("several"),
        )
        if t not in (
            (1, 2)
            if len(classifier.classes_) == 2 and not classifier._several
            else (len(classifier.classes_),)
        ):
            raise StorageError(f"`model.target.classes` are {len(classifier.classes_)}, for {t} outputs")
        classifier._settle_loss(t)
        return
    regressor: NetworkRegression = estimator
    regressor._single = stored.flag("single")
    if regressor._single and t != 1:
        raise StorageError(f"`model.target.single` does not fit {t} outputs")
    regressor._shift = stored.array("shift", (t,), finite=True)
    regressor._spread = stored.array("spread", (None,), finite=True)
    if len(regressor._spread) not in (1, t) or not (regressor._spread > 0).all():
        raise StorageError("`model.target.spread` must be positive numbers, one or one for each target")
    regressor._settle_loss()


def _dead(stored: Fields) -> dict[str, tuple[int, int]]:
    found = {}
    for place, counts in stored.values.items():
        if not (isinstance(counts, list) and len(counts) == 2 and all(type(n) is int for n in counts)):
            raise StorageError(f"`{stored.where}.{place}` is {counts!r}; two whole numbers are expected")
        found[place] = (counts[0], counts[1])
    return found


def _shape(model: Fields) -> tuple[int, ...]:
    found = model.raw("input_shape")
    if not isinstance(found, list) or not all(type(each) is int and each > 0 for each in found):
        raise StorageError(f"`model.input_shape` is {found!r}; whole numbers are expected")
    return tuple(found)


def _seed(model: Fields) -> int:
    text = model.text("seed")
    if not (text.isascii() and text.isdigit()):
        raise StorageError(f"`model.seed` is {text!r}; a whole number is expected")
    return int(text)


def _rate(model: Fields) -> float:
    found = model.number("learning_rate")
    if not 0 < found < np.inf:
        raise StorageError(f"`model.learning_rate` is {found!r}; a number above 0 is expected")
    return found


def _units(model: Fields, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    if model.raw("units") is None:
        return None
    stored, size = model.inner("units"), int(np.prod(shape))
    centre, scale = (stored.array(name, (size,), finite=True).reshape(shape) for name in ("centre", "scale"))
    return centre, scale
