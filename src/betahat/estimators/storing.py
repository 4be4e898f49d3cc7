"""Saving fitted estimators and building them again from what a file holds, each value checked."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

import betahat
from betahat.certificate import STATUSES, Certificate
from betahat.data.design import Design, design_from_dict
from betahat.errors import StorageError
from betahat.estimators.linear_fit import LinearResult
from betahat.estimators.polynomial_regression import PolynomialRegression
from betahat.inference import LinearStatistics, check_cov_type
from betahat.models.polynomial import PolynomialBasis
from betahat.solvers.refine import Correction
from betahat.solvers.trace import STOP_REASONS, Trace
from betahat.storage import Fields, read, write

if TYPE_CHECKING:
    from betahat.estimators.base import BaseLinear

_MODULES = {
    "LinearRegression": "linear_regression",
    "PolynomialRegression": "polynomial_regression",
    "Ridge": "ridge",
}
"""Every class that a file may name; nothing else is ever looked up."""


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
    if name not in _MODULES or type(estimator) is not _class(name):
        raise TypeError(f"estimator (={estimator!r}) is not one of {', '.join(_MODULES)}, which can be saved")
    check_is_fitted(estimator, "_result")
    names = getattr(estimator, "feature_names_in_", None)
    write(path, {
        "betahat": betahat.__version__,
        "class": name,
        "parameters": estimator.get_params(deep=False),
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else [str(each) for each in names],
        "single_target": estimator._single_target,
        "design": None if estimator.design_ is None else estimator.design_.to_dict(),
        "result": _result_to_dict(estimator._result),
        "polynomial": _polynomial_to_dict(estimator),
    })  # fmt: skip


def load(path: str | os.PathLike[str]) -> BaseLinear:
    """The fitted estimator that `save` wrote: it predicts, explains and infers with the same bits.

    Nothing is unpickled or evaluated, so a file from a stranger can at worst hold wrong numbers.

    Raises StorageError naming the file and what is wrong with it: missing, damaged (any changed value is
    found by a checksum), of another kind, of a newer betahat, or with values that no fit produces.

    >>> import numpy as np, betahat as bh, tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "model"
    >>> bh.Ridge(alpha=1.0).fit(np.array([[0.0], [1.0], [2.0]]), [0.0, 1.0, 2.0]).save(path)
    >>> bh.load(path)
    Ridge()
    >>> folder.cleanup()
    """
    document = read(path)
    try:
        return _build(Fields(document, "model"))
    except StorageError as error:
        reason: Exception = error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = error  # a value of the right type that no estimator would have written
    raise StorageError(
        f"{os.fsdecode(path)!r} cannot be loaded: {reason}. Its checksum is right, so it was written by "
        "another "
        "version of betahat or altered on purpose"
    ) from reason


def _class(name: str) -> type[BaseLinear]:
    return getattr(import_module(f"betahat.estimators.{_MODULES[name]}"), name)


def _build(model: Fields) -> BaseLinear:
    kind = _class(model.text("class", tuple(_MODULES)))
    parameters = model.inner("parameters").values
    expected = set(kind().get_params(deep=False))
    if set(parameters) != expected:
        raise StorageError(f"`model.parameters` are {sorted(parameters)}; {sorted(expected)} are expected")
    estimator = kind(**parameters)
    estimator._check_parameters()
    result = _read_result(model.inner("result"))
    estimator.n_features_in_ = model.whole("n_features_in")
    stored = model.raw("design")
    estimator.design_ = None if stored is None else design_from_dict(stored)
    if model.raw("feature_names_in") is not None:
        estimator.feature_names_in_ = np.array(model.texts("feature_names_in"), dtype=object)
    estimator._single_target = model.flag("single_target")
    estimator._show(result)
    if isinstance(estimator, PolynomialRegression):
        _restore_polynomial(estimator, model.inner("polynomial"))
    _check_widths(estimator, result)
    return estimator


def _check_widths(estimator: BaseLinear, result: LinearResult) -> None:
    """That all parts speak of as many columns and targets, lastly by predicting one row."""
    t = len(result.statistics.target_names)
    names = getattr(estimator, "feature_names_in_", None)
    design: Design | None = estimator.design_
    known = estimator.n_features_in_ if design is None else len(design.input_names)
    if estimator.n_features_in_ != known or (names is not None and len(names) != known):
        raise StorageError(f"the model has {estimator.n_features_in_} features and its table {known} columns")
    if design is not None and (names is None or tuple(names) != tuple(design.input_names)):
        raise StorageError("`model.feature_names_in` are not the columns of the model's table")
    if estimator._single_target and t != 1:
        raise StorageError(f"a model of one target has {t} of them")
    width = known if design is None else len(design.names)
    rows, p = solver_rows(estimator, np.zeros((1, width))), result.coef.shape[1]
    if rows.shape[1] != p:
        raise StorageError(f"the table gives {rows.shape[1]} columns, and the model has {p} coefficients")
    estimator._predict_rows(rows)


def solver_rows(estimator: BaseLinear, X: np.ndarray) -> np.ndarray:
    """Rows of a design, (n, p), as the columns that were solved for: themselves, or a basis at them."""
    return estimator._basis.evaluate(X) if isinstance(estimator, PolynomialRegression) else X


def _polynomial_to_dict(estimator: BaseLinear) -> dict[str, Any] | None:
    if not isinstance(estimator, PolynomialRegression):
        return None
    return {
        "basis": estimator._basis.to_dict(),
        "term_names": list(estimator.term_names_),
        "powers": estimator.powers_.astype(np.float64),
        "statistics": estimator._raw_statistics.to_dict(),
    }


def _restore_polynomial(estimator: PolynomialRegression, stored: Fields) -> None:
    """The orthogonal basis, and what is told of raw powers."""
    p, n = estimator._result.coef.shape[1], estimator.n_features_in_
    raw = _read_statistics(stored.inner("statistics"))
    names, powers = stored.texts("term_names"), stored.array("powers", (p, n), finite=True)
    basis = PolynomialBasis.from_dict(dict(stored.inner("basis").values))
    if raw.estimate.shape != estimator._result.statistics.estimate.shape or len(names) != p:
        raise StorageError(f"`{stored.where}` does not speak of {p} terms")
    if len(basis.recurrences) != n or not np.array_equal(powers, np.array(basis.exponents)):
        raise StorageError(f"`{stored.where}.basis` does not belong to {n} inputs and these powers")
    estimator._basis, estimator._raw_statistics = basis, raw
    estimator.term_names_, estimator.powers_ = tuple(names), np.array(basis.exponents)
    first = int(raw.has_intercept)
    coef, intercept = raw.estimate[:, first:], raw.estimate[:, 0] * first
    estimator.coef_ = coef[0] if estimator._single_target else coef
    estimator.intercept_ = float(intercept[0]) if estimator._single_target else intercept


def _result_to_dict(result: LinearResult) -> dict[str, Any]:
    return {
        "coef": result.coef,
        "intercept": result.intercept,
        "certificate": result.certificate.to_dict(),
        "trace": result.trace.to_dict(),
        "stop_reason": result.stop_reason,
        "solver": result.solver,
        "why": result.why,
        "remarks": list(result.remarks),
        "statistics": result.statistics.to_dict(),
        "alpha": result.alpha,
        "refusal": result.refusal,
        "lows": None if result.lows is None else result.lows._asdict(),
    }


def _read_result(stored: Fields) -> LinearResult:
    statistics = _read_statistics(stored.inner("statistics"))
    t, m = statistics.estimate.shape
    p = m - int(statistics.has_intercept)
    lows = None if stored.raw("lows") is None else stored.inner("lows")
    return LinearResult(
        coef=stored.array("coef", (t, p), finite=True),
        intercept=stored.array("intercept", (t,), finite=True),
        certificate=_read_certificate(stored.inner("certificate"), t, m),
        trace=Trace.from_dict({"rows": stored.inner("trace").array("rows", (None, 4))}),
        stop_reason=stored.text("stop_reason", STOP_REASONS),
        solver=stored.text("solver"),
        why=stored.text("why"),
        remarks=stored.texts("remarks"),
        statistics=statistics,
        alpha=stored.number("alpha", finite=True),
        refusal=None if stored.raw("refusal") is None else stored.text("refusal") or None,
        lows=None if lows is None else Correction(lows.array("coef", (t, p)), lows.array("intercept", (t,))),
    )


def _read_statistics(stored: Fields) -> LinearStatistics:
    for name in ("names", "target_names"):
        stored.texts(name)
    for name in ("has_intercept", "penalised"):
        stored.flag(name)
    for name in ("certificate_line", "method"):
        stored.text(name)
    for name in ("n_obs", "sum_log_weight", "weight", "rank"):
        stored.number(name, finite=True)
    if stored.number("n_obs") <= 0 or stored.number("weight") <= 0:
        raise StorageError(f"`{stored.where}` speaks of no rows or no weight")
    if check_cov_type(stored.text("cov_type")) != stored.text("cov_type"):
        raise StorageError(
            f"`{stored.where}.cov_type` is {stored.text('cov_type')!r}, which is not its exact name"
        )
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


def _read_certificate(stored: Fields, t: int, m: int) -> Certificate:
    shape = (m,) if t == 1 else (t, m)
    gap = stored.raw("duality_gap")
    return Certificate(
        status=stored.text("status", STATUSES),
        converged=stored.flag("converged"),
        loss=stored.number("loss"),
        gradient=stored.array("gradient", shape),
        tolerances=stored.array("tolerances", shape),
        gradient_norm=stored.number("gradient_norm"),
        tolerance=stored.number("tolerance"),
        condition_number=stored.number("condition_number"),
        error_bound=stored.array("error_bound", shape),
        error_bound_kind=stored.text("error_bound_kind", ("bound", "estimate")),
        readings=stored.whole("readings"),
        message=stored.text("message"),
        duality_gap=None if gap is None else stored.number("duality_gap"),
        carried=stored.flag("carried"),
    )
