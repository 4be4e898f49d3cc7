"""The stored form of likelihood models: what was fitted, the labels of classes, and the table that X came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier

from betahat.errors import StorageError
from betahat.estimators.likelihood_fit import LikelihoodResult
from betahat.estimators.online import Online
from betahat.estimators.storing_parts import (
    check_counts,
    check_inputs,
    inputs_to_dict,
    predictor_to_dict,
    read_predictor,
    read_words,
    restore_inputs,
)
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.likelihood_base import BaseLikelihood

_LABELS = re.compile(r"object|bool|<U\d+|[<|]?[iuf]\d")


def to_dict(estimator: BaseLikelihood) -> dict[str, Any]:
    """Everything fitted; no rows."""
    classes, online = getattr(estimator, "classes_", None), getattr(estimator, "_online", None)
    return {
        **inputs_to_dict(estimator),
        "n_columns": estimator.n_columns_,
        "classes": None if classes is None else labels_to_dict(classes),
        "result": _result_to_dict(estimator._result),
        "online": None if online is None else online.to_dict(),
    }


def restore(estimator: BaseLikelihood, model: Fields) -> None:
    """Put what `to_dict` told into an estimator that has its parameters; raises where it does not fit together."""
    result = _read_result(model.inner("result"))
    restore_inputs(estimator, model)
    estimator.n_columns_ = model.whole("n_columns")
    estimator._single_target = True
    if is_classifier(estimator):
        classes = read_labels(model.inner("classes"))
        if tuple(map(str, classes)) != result.statistics.classes:
            raise StorageError("`model.classes` are not those of the model's statistics")
        vars(estimator)["classes_"] = classes
    _check_widths(estimator, result)
    if model.raw("online") is not None:
        vars(estimator)["_online"] = Online.from_fields(model.inner("online"), result.coef.shape[1])
    estimator._show(result)


def _check_widths(estimator: BaseLikelihood, result: LikelihoodResult) -> None:
    width, p = check_inputs(estimator), result.coef.shape[1]
    if not width == estimator.n_columns_ == p:
        raise StorageError(f"the table gives {width} columns, and the model has {p} coefficients")


def labels_to_dict(classes: np.ndarray) -> dict[str, Any]:
    """Labels of classes, with their type."""
    return {"dtype": classes.dtype.str if classes.dtype.kind != "O" else "object", "labels": classes.tolist()}


def read_labels(stored: Fields) -> np.ndarray:
    """What `labels_to_dict` wrote."""
    kind, labels = stored.text("dtype"), stored.raw("labels")
    plain = isinstance(labels, list) and all(isinstance(each, (str, bool, int, float)) for each in labels)
    if not plain or not (_LABELS.fullmatch(kind) or kind in ("|b1", "|i1", "|u1")):
        raise StorageError(f"`{stored.where}` are no labels of classes")
    return np.array(labels, dtype=kind)


def _result_to_dict(result: LikelihoodResult) -> dict[str, Any]:
    return {
        **predictor_to_dict(result),
        "iterations": result.iterations,
        "separation": result.separation,
    }


def _read_result(stored: Fields) -> LikelihoodResult:
    told = stored.inner("statistics")
    statistics = LikelihoodStatistics.from_dict(told.values)
    check_counts(told)
    t, m = statistics.estimate.shape
    p = m - int(statistics.has_intercept)
    shown = t if t == 1 else t + 1  # of more than two classes each has its coefficients
    targets = np.atleast_2d(stored.inner("certificate").raw("gradient")).shape[0]
    return LikelihoodResult(
        **read_predictor(stored, shown, p, (targets, m)),
        statistics=statistics,
        iterations=stored.whole("iterations"),
        separation=read_words(stored, "separation"),
    )
