"""The stored form of nonlinear models: parameters and how f takes them, no rows, no code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.autodiff.containers import leaves, rebuild
from betahat.errors import StorageError
from betahat.estimators.nonlinear_fit import NonlinearResult
from betahat.estimators.nonlinear_inputs import column_names, resolve
from betahat.estimators.storing_linear import read_statistics
from betahat.estimators.storing_parts import fit_to_dict, read_fit, read_words
from betahat.models.arguments import Arguments, parameters_of
from betahat.models.expression import Expression
from betahat.models.nonlinear import NonlinearModel
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.nonlinear_regression import NonlinearRegression


def to_dict(estimator: NonlinearRegression) -> dict[str, Any]:
    """Everything fitted; no rows."""
    names = getattr(estimator, "feature_names_in_", None)
    result = estimator._result
    return {
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else [str(each) for each in names],
        "one_dimensional": estimator._one_dimensional,
        "form": list(estimator._model.taken.form),
        "result": {
            **fit_to_dict(result),
            "starts": result.starts,
            "losses": result.losses,
            "evaluations": result.evaluations,
            "interruption": result.interruption,
        },
    }


def restore(estimator: NonlinearRegression, model: Fields) -> None:
    """Put what `to_dict` told into an estimator that has its parameters; raises where it does not fit together."""
    stored = model.inner("result")
    statistics = read_statistics(stored.inner("statistics"))
    t, p = statistics.estimate.shape
    if t != 1 or statistics.has_intercept or not statistics.nonlinear:
        raise StorageError(f"`{stored.where}.statistics` are not those of a nonlinear model")
    starts = stored.array("starts", (None, p), finite=True)
    result = NonlinearResult(
        **read_fit(stored, (p,), (1, p)),
        summed=statistics,
        starts=starts,
        losses=stored.array("losses", (len(starts),)),
        evaluations=stored.whole("evaluations"),
        interruption=read_words(stored, "interruption"),
    )
    estimator.n_features_in_ = model.whole("n_features_in")
    if estimator.n_features_in_ < 1:
        raise StorageError("`model.n_features_in` is less than 1")
    if model.raw("feature_names_in") is not None:
        names = model.texts("feature_names_in")
        if len(names) != estimator.n_features_in_:
            raise StorageError(f"`model.feature_names_in` are not {estimator.n_features_in_}")
        estimator.feature_names_in_ = np.asarray(names, dtype=object)
    estimator._one_dimensional = model.flag("one_dimensional")
    if estimator._one_dimensional and estimator.n_features_in_ != 1:
        raise StorageError("`model.one_dimensional` does not fit several columns")
    function, _ = resolve(estimator.f, column_names(estimator))
    taken = Arguments(_form(model.raw("form")), statistics.names)
    if taken.counted != p:
        raise StorageError(f"`model.form` takes {taken.counted} numbers, and there are {p} parameters")
    _check_form(function, taken)
    estimator._show(result, NonlinearModel(function, taken))


def _check_form(function: Callable[..., Any], taken: Arguments) -> None:
    """That the function takes as many arguments as the form has, an expression one number for each of its names."""
    if isinstance(function, Expression):
        if not taken.plain or taken.names != function.parameters:
            raise StorageError(
                f"`model.form` does not fit the parameters {', '.join(function.parameters)} of f"
            )
        return
    names, required, free = parameters_of(function)
    given = len(taken.form)
    if given < required or not (free or given <= len(names)):
        raise StorageError(f"`model.form` has {given} arguments, and f takes {len(names)} parameters")


def _form(stored: Any) -> tuple[Any, ...]:
    """Arguments as f takes them: numbers, or arrays and dicts of floats."""
    if not isinstance(stored, (list, tuple)) or not stored:
        raise StorageError("`model.form` must list the arguments of f")
    form = tuple(stored)
    found = []
    for _, leaf in leaves(form):
        array = np.asarray(leaf, np.float64)
        if not np.isfinite(array).all():
            raise StorageError("`model.form` holds a number that is not finite")
        found.append(array if array.ndim else float(array))
    return rebuild(form, found)
