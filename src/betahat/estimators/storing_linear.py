"""The stored form of linear models: what was solved for, and the table that X came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.errors import StorageError
from betahat.estimators.linear_fit import LinearResult
from betahat.estimators.partial import Sums
from betahat.estimators.storing_parts import (
    check_counts,
    check_inputs,
    inputs_to_dict,
    predictor_to_dict,
    read_predictor,
    restore_inputs,
)
from betahat.inference import LinearStatistics
from betahat.solvers.linear_descent import Descended
from betahat.solvers.refine import Correction
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.base import BaseLinear


def to_dict(estimator: BaseLinear) -> dict[str, Any]:
    """Everything fitted; no rows."""
    sums = getattr(estimator, "_sums", None)
    return {
        **inputs_to_dict(estimator),
        "single_target": estimator._single_target,
        "result": _result_to_dict(estimator._result),
        "sums": None if sums is None else sums.to_dict(),
    }


def restore(estimator: BaseLinear, model: Fields) -> None:
    """Put what `to_dict` told into an estimator that has its parameters; raises where it does not fit together."""
    restore_result(estimator, model)
    check_widths(estimator, estimator._result)
    if model.raw("sums") is not None:
        t, p = estimator._result.coef.shape
        vars(estimator)["_sums"] = Sums.from_fields(model.inner("sums"), p, t)


def restore_result(estimator: BaseLinear, model: Fields) -> None:
    """The result and the inputs' names, not yet compared."""
    result = _read_result(model.inner("result"))
    restore_inputs(estimator, model)
    estimator._single_target = model.flag("single_target")
    estimator._show(result)


def check_widths(estimator: BaseLinear, result: LinearResult) -> None:
    """That all parts speak of as many columns and targets, lastly by predicting one row."""
    t = len(result.statistics.target_names)
    width = check_inputs(estimator)
    if estimator._single_target and t != 1:
        raise StorageError(f"a model of one target has {t} of them")
    rows, p = estimator._solver_rows(np.zeros((1, width))), result.coef.shape[1]
    if rows.shape[1] != p:
        raise StorageError(f"the table gives {rows.shape[1]} columns, and the model has {p} coefficients")
    estimator._predict_rows(rows)


def _result_to_dict(result: LinearResult) -> dict[str, Any]:
    return {
        **predictor_to_dict(result),
        "lows": None if result.lows is None else result.lows._asdict(),
        "smooth": result.smooth,
        "descended": None if result.descended is None else result.descended.to_dict(),
    }


def _read_result(stored: Fields) -> LinearResult:
    statistics = read_statistics(stored.inner("statistics"))
    t, m = statistics.estimate.shape
    p = m - int(statistics.has_intercept)
    lows = None if stored.raw("lows") is None else stored.inner("lows")
    return LinearResult(
        **read_predictor(stored, t, p, (t, m)),
        statistics=statistics,
        descended=None if stored.raw("descended") is None else _read_descended(stored.inner("descended")),
        smooth=stored.flag("smooth"),
        lows=None if lows is None else Correction(lows.array("coef", (t, p)), lows.array("intercept", (t,))),
    )


def _read_descended(stored: Fields) -> Descended:
    return Descended(
        solver=stored.text("solver"),
        iterations=stored.whole("iterations"),
        largest=stored.number("largest"),
        smallest=stored.number("smallest"),
        learning_rate=stored.number("learning_rate"),
        momentum=stored.number("momentum"),
        rate=stored.number("rate"),
        tolerance=stored.number("tolerance"),
        remark=stored.text("remark"),
        batch_size=stored.whole("batch_size"),
    )


def read_statistics(stored: Fields) -> LinearStatistics:
    for name in ("names", "target_names", "remarks"):
        stored.texts(name)
    for name in ("has_intercept", "penalised", "nonlinear"):
        stored.flag(name)
    for name in ("certificate_line", "method"):
        stored.text(name)
    for name in ("n_obs", "sum_log_weight", "weight", "rank"):
        stored.number(name, finite=True)
    check_counts(stored)
    options = stored.inner("cov_options")
    if "maxlags" in options.values:
        options.whole("maxlags")
    summed = stored.raw("meat") is not None or "n_groups" in options.values
    if stored.text("cov_type") == "cluster" and summed:
        groups = options.raw("n_groups")
        counts = isinstance(groups, list) and all(type(count) is int and count > 0 for count in groups)
        if not counts or len(groups) not in (1, 2):
            raise StorageError(f"`{options.where}.n_groups` is {groups!r}; one or two counts are expected")
    statistics = LinearStatistics.from_dict(stored.values)
    if not statistics.target_names:
        raise StorageError(f"`{stored.where}.target_names` is empty")
    return statistics
