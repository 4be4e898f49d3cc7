"""The stored form of likelihood models: what was fitted, the labels of classes, and the table that X came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier

from betahat.data.design import design_from_dict
from betahat.errors import StorageError
from betahat.estimators.likelihood_fit import LikelihoodResult
from betahat.estimators.online import Online
from betahat.estimators.storing_parts import read_certificate, read_sparse, read_trace
from betahat.inference import check_cov_type
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.solvers.trace import STOP_REASONS
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.likelihood_base import BaseLikelihood

_LABELS = re.compile(r"object|bool|<U\d+|[<|]?[iuf]\d")


def to_dict(estimator: BaseLikelihood) -> dict[str, Any]:
    """Everything fitted; no rows."""
    names = getattr(estimator, "feature_names_in_", None)
    classes, online = getattr(estimator, "classes_", None), getattr(estimator, "_online", None)
    return {
        "n_features_in": estimator.n_features_in_,
        "n_columns": estimator.n_columns_,
        "feature_names_in": None if names is None else [str(each) for each in names],
        "design": None if estimator.design_ is None else estimator.design_.to_dict(),
        "classes": None if classes is None else _labels_to_dict(classes),
        "result": _result_to_dict(estimator._result),
        "online": None if online is None else online.to_dict(),
    }


def restore(estimator: BaseLikelihood, model: Fields) -> None:
    """Put what `to_dict` told into an estimator that has its parameters; raises where it does not fit together."""
    result = _read_result(model.inner("result"))
    estimator.n_features_in_ = model.whole("n_features_in")
    estimator.n_columns_ = model.whole("n_columns")
    stored = model.raw("design")
    estimator.design_ = None if stored is None else design_from_dict(stored)
    if model.raw("feature_names_in") is not None:
        estimator.feature_names_in_ = np.array(model.texts("feature_names_in"), dtype=object)
    estimator._single_target = True
    if is_classifier(estimator):
        classes = _read_labels(model.inner("classes"))
        if tuple(map(str, classes)) != result.statistics.classes:
            raise StorageError("`model.classes` are not those of the model's statistics")
        vars(estimator)["classes_"] = classes
    _check_widths(estimator, result)
    if model.raw("online") is not None:
        vars(estimator)["_online"] = Online.from_fields(model.inner("online"), result.coef.shape[1])
    estimator._show(result)


def _check_widths(estimator: BaseLikelihood, result: LikelihoodResult) -> None:
    names, design = getattr(estimator, "feature_names_in_", None), estimator.design_
    known = estimator.n_features_in_ if design is None else len(design.input_names)
    if estimator.n_features_in_ != known or (names is not None and len(names) != known):
        raise StorageError(f"the model has {estimator.n_features_in_} features and its table {known} columns")
    if design is not None and (names is None or tuple(names) != tuple(design.input_names)):
        raise StorageError("`model.feature_names_in` are not the columns of the model's table")
    width = known if design is None else len(design.names)
    p = result.coef.shape[1]
    if not width == estimator.n_columns_ == p:
        raise StorageError(f"the table gives {width} columns, and the model has {p} coefficients")


def _labels_to_dict(classes: np.ndarray) -> dict[str, Any]:
    return {"dtype": classes.dtype.str if classes.dtype.kind != "O" else "object", "labels": classes.tolist()}


def _read_labels(stored: Fields) -> np.ndarray:
    kind, labels = stored.text("dtype"), stored.raw("labels")
    plain = isinstance(labels, list) and all(isinstance(each, (str, bool, int, float)) for each in labels)
    if not plain or not (_LABELS.fullmatch(kind) or kind in ("|b1", "|i1", "|u1")):
        raise StorageError(f"`{stored.where}` are no labels of classes")
    return np.array(labels, dtype=kind)


def _result_to_dict(result: LikelihoodResult) -> dict[str, Any]:
    return {
        "coef": result.coef,
        "intercept": result.intercept,
        "certificate": result.certificate.to_dict(),
        "trace": result.trace.to_dict(),
        "stop_reason": result.stop_reason,
        "solver": result.solver,
        "why": result.why,
        "iterations": result.iterations,
        "remarks": list(result.remarks),
        "statistics": result.statistics.to_dict(),
        "alpha": result.alpha,
        "refusal": result.refusal,
        "separation": result.separation,
        "sparse": None if result.sparse is None else result.sparse.to_dict(),
    }


def _read_result(stored: Fields) -> LikelihoodResult:
    told = stored.inner("statistics")
    statistics = LikelihoodStatistics.from_dict(told.values)
    if check_cov_type(told.text("cov_type")) != told.text("cov_type"):
        raise StorageError(
            f"`{told.where}.cov_type` is {told.text('cov_type')!r}, which is not its exact name"
        )
    if not (statistics.n_obs > 0 and statistics.weight > 0):
        raise StorageError(f"`{told.where}` speaks of no rows or no weight")
    t, m = statistics.estimate.shape
    p = m - int(statistics.has_intercept)
    shown = t if t == 1 else t + 1  # of more than two classes each has its coefficients
    certificate = stored.inner("certificate")
    return LikelihoodResult(
        coef=stored.array("coef", (shown, p), finite=True),
        intercept=stored.array("intercept", (shown,), finite=True),
        certificate=read_certificate(certificate, np.atleast_2d(certificate.raw("gradient")).shape[0], m),
        trace=read_trace(stored.inner("trace")),
        stop_reason=stored.text("stop_reason", STOP_REASONS),
        solver=stored.text("solver"),
        why=stored.text("why"),
        iterations=stored.whole("iterations"),
        remarks=stored.texts("remarks"),
        statistics=statistics,
        alpha=stored.number("alpha", finite=True),
        refusal=None if stored.raw("refusal") is None else stored.text("refusal") or None,
        separation=None if stored.raw("separation") is None else stored.text("separation") or None,
        sparse=None if stored.raw("sparse") is None else read_sparse(stored.inner("sparse"), shown),
    )
