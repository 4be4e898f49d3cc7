"""Saving fitted estimators and building them again from what a file holds, each value checked."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, NamedTuple

import betahat
from betahat.errors import StorageError
from betahat.estimators.storing_parameters import check_functions, join_parameters, split_parameters
from betahat.storage import Fields, read, write


class _Stored(NamedTuple):
    """In which modules of this folder a class is, and how it is stored."""

    module: str
    part: str


_STORED = {
    "ConvNetClassifier": _Stored("convnet_classifier", "storing_network"),
    "ConvNetRegressor": _Stored("convnet_regressor", "storing_network"),
    "ElasticNet": _Stored("elastic_net", "storing_linear"),
    "ElasticNetCV": _Stored("elastic_net_cv", "storing_selected"),
    "GammaRegressor": _Stored("gamma_regressor", "storing_likelihood"),
    "GeneralizedLinearModel": _Stored("generalized_linear_model", "storing_likelihood"),
    "HuberRegressor": _Stored("huber_regressor", "storing_huber"),
    "Lasso": _Stored("lasso", "storing_linear"),
    "LassoCV": _Stored("lasso_cv", "storing_selected"),
    "LinearRegression": _Stored("linear_regression", "storing_linear"),
    "LogisticRegression": _Stored("logistic_regression", "storing_likelihood"),
    "LogisticRegressionCV": _Stored("logistic_regression_cv", "storing_selected_likelihood"),
    "MLPClassifier": _Stored("mlp_classifier", "storing_network"),
    "MLPRegressor": _Stored("mlp_regressor", "storing_network"),
    "NetworkClassifier": _Stored("network_classifier", "storing_network"),
    "NetworkRegressor": _Stored("network_regressor", "storing_network"),
    "NonlinearRegression": _Stored("nonlinear_regression", "storing_nonlinear"),
    "PoissonRegressor": _Stored("poisson_regressor", "storing_likelihood"),
    "PolynomialRegression": _Stored("polynomial_regression", "storing_polynomial"),
    "Ridge": _Stored("ridge", "storing_linear"),
    "RidgeCV": _Stored("ridge_cv", "storing_selected"),
    "TweedieRegressor": _Stored("tweedie_regressor", "storing_likelihood"),
}
"""Every class that a file may name; nothing else is ever looked up.

To register a class, add a line. Its `part` module has two functions: `to_dict(estimator)`, everything fitted as plain
values and arrays (no rows, and none of the keys of `save`'s document), and `restore(estimator, model)`, which puts them
from the `Fields` of the whole document into an estimator that has its parameters already, and raises StorageError,
ValueError or TypeError where they do not fit together. `storing_parts` reads certificates and traces. The class keeps
what was fitted in `_result`, and checks its parameters in `_check_parameters`; `_stored_parameters`, where it has that,
gives those to be stored. Parameters need nothing: plain values are stored as they are, losses, penalties, solvers and
layers by class and arguments, Python functions by name, which
`bh.load(path, parameter=function)` gives back.
"""


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to the file `path`, exactly so named; an estimator's `save` method calls this.

    One safetensors file with JSON metadata and a checksum: parameters, coefficients, certificate, trace and
    the sums that inference needs; no rows of the training data. The file is replaced only once the new one
    is complete.

    Raises NotFittedError before `fit`, TypeError for other objects, StorageError where the file cannot be
    written.

    >>> import numpy as np, betahat as bh, tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "line.safetensors"
    >>> model = bh.LinearRegression().fit(np.array([[1.0], [2.0], [3.0]]), [1.0, 2.0, 4.0])
    >>> model.save(path)
    >>> bh.load(path).predict([[10.0]]) == model.predict([[10.0]])
    array([ True])
    >>> folder.cleanup()
    """
    from sklearn.utils.validation import check_is_fitted

    name = type(estimator).__name__
    if name not in _STORED or type(estimator) is not _class(name):
        raise TypeError(f"estimator (={estimator!r}) is not one of {', '.join(_STORED)}, which can be saved")
    check_is_fitted(estimator, "_result")
    given = getattr(estimator, "_stored_parameters", lambda: estimator.get_params(deep=False))()
    parameters, objects = split_parameters(given)
    write(path, {
        "betahat": betahat.__version__,
        "class": name,
        "parameters": parameters,
        "objects": objects,
        **_part(name).to_dict(estimator),
    })  # fmt: skip


def load(path: str | os.PathLike[str], **functions: Any) -> Any:
    """The fitted estimator that `save` wrote: it predicts, explains and infers with the same bits.

    functions : the Python functions that the model was fitted with, by parameter, such as ``loss=f``: files hold no
    code, only the functions' names.

    Nothing is unpickled or evaluated, so a file from a stranger can at worst hold wrong numbers.

    Raises StorageError naming the file and what is wrong with it: missing, damaged (any changed value is
    found by a checksum), of another kind, of a newer betahat, with values that no fit produces, or in need of a
    function that is not given; TypeError for a function that is not asked for.

    >>> import numpy as np, betahat as bh, tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "model"
    >>> bh.Ridge(alpha=1.0).fit(np.array([[0.0], [1.0], [2.0]]), [0.0, 1.0, 2.0]).save(path)
    >>> bh.load(path)
    Ridge()
    >>> folder.cleanup()
    """
    model = Fields(read(path), "model")
    check_functions(os.fsdecode(path), model.values.get("objects"), functions)
    try:
        name = model.text("class", tuple(_STORED))
        kind = _class(name)
        parameters = join_parameters(model, functions)
        expected = set(kind._get_param_names())
        if set(parameters) != expected:
            raise StorageError(
                f"`model.parameters` are {sorted(parameters)}; {sorted(expected)} are expected"
            )
        estimator = kind(**parameters)
        estimator._check_parameters()
        _part(name).restore(estimator, model)
        return estimator
    except StorageError as error:
        reason: Exception = error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = error  # a value of the right type that no estimator would have written
    raise StorageError(
        f"{os.fsdecode(path)!r} cannot be loaded: {reason}. Its checksum is right, so it was written by another "
        "version of betahat or altered on purpose"
    ) from reason


def _class(name: str) -> type[Any]:
    return getattr(import_module(f"betahat.estimators.{_STORED[name].module}"), name)


def _part(name: str) -> Any:
    return import_module(f"betahat.estimators.{_STORED[name].part}")
