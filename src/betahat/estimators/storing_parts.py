"""Parts that stored estimators share: what every fit shows, the names of inputs, certificates and traces; each value
checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.certificate import STATUSES, Certificate
from betahat.data.design import Design, design_from_dict
from betahat.errors import StorageError
from betahat.estimators.likelihood_fit import LikelihoodResult
from betahat.estimators.linear_fit import LinearResult
from betahat.estimators.nonlinear_fit import NonlinearResult
from betahat.inference import check_cov_type
from betahat.solvers.sparse.fit import SparseDetails
from betahat.solvers.trace import STOP_REASONS, Trace
from betahat.storage import Fields


def fit_to_dict(result: LinearResult | LikelihoodResult | NonlinearResult) -> dict[str, Any]:
    """What every fit shows."""
    return {
        "coef": result.coef,
        "certificate": result.certificate.to_dict(),
        "trace": result.trace.to_dict(),
        "stop_reason": result.stop_reason,
        "solver": result.solver,
        "why": result.why,
        "statistics": result.statistics.to_dict(),
        "refusal": result.refusal,
    }


def predictor_to_dict(result: LinearResult | LikelihoodResult) -> dict[str, Any]:
    """What every fit of β₀ + xᵀβ shows."""
    return {
        **fit_to_dict(result),
        "intercept": result.intercept,
        "remarks": list(result.remarks),
        "alpha": result.alpha,
        "sparse": None if result.sparse is None else result.sparse.to_dict(),
    }


def read_fit(stored: Fields, coef: tuple[int, ...], certified: tuple[int, int]) -> dict[str, Any]:
    """What `fit_to_dict` wrote but the statistics, by name: coefficients of the shape `coef`, and a certificate of
    (targets, coefficients of each)."""
    return {
        "coef": stored.array("coef", coef, finite=True),
        "certificate": read_certificate(stored.inner("certificate"), *certified),
        "trace": read_trace(stored.inner("trace")),
        "stop_reason": stored.text("stop_reason", STOP_REASONS),
        "solver": stored.text("solver"),
        "why": stored.text("why"),
        "refusal": read_words(stored, "refusal"),
    }


def read_predictor(stored: Fields, t: int, p: int, certified: tuple[int, int]) -> dict[str, Any]:
    """What `predictor_to_dict` wrote but the statistics, by name, of t predictors."""
    return {
        **read_fit(stored, (t, p), certified),
        "intercept": stored.array("intercept", (t,), finite=True),
        "remarks": stored.texts("remarks"),
        "alpha": stored.number("alpha", finite=True),
        "sparse": None if stored.raw("sparse") is None else read_sparse(stored.inner("sparse"), t),
    }


def read_words(stored: Fields, name: str) -> str | None:
    """A text that may be missing."""
    return None if stored.raw(name) is None else stored.text(name) or None


def check_counts(stored: Fields) -> None:
    """That statistics speak of rows, and name a covariance exactly."""
    if not (stored.number("n_obs") > 0 and stored.number("weight") > 0):
        raise StorageError(f"`{stored.where}` speaks of no rows or no weight")
    if check_cov_type(stored.text("cov_type")) != stored.text("cov_type"):
        raise StorageError(
            f"`{stored.where}.cov_type` is {stored.text('cov_type')!r}, which is not its exact name"
        )


def inputs_to_dict(estimator: Any) -> dict[str, Any]:
    """The number and names of inputs, and the table that X came from."""
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else [str(each) for each in names],
        "design": None if estimator.design_ is None else estimator.design_.to_dict(),
    }


def restore_inputs(estimator: Any, model: Fields) -> None:
    """What `inputs_to_dict` wrote, not yet compared."""
    estimator.n_features_in_ = model.whole("n_features_in")
    stored = model.raw("design")
    estimator.design_ = None if stored is None else design_from_dict(stored)
    if model.raw("feature_names_in") is not None:
        estimator.feature_names_in_ = np.array(model.texts("feature_names_in"), dtype=object)


def check_inputs(estimator: Any) -> int:
    """How many columns the inputs give, which must be as many in all parts."""
    names, design = getattr(estimator, "feature_names_in_", None), estimator.design_
    assert design is None or isinstance(design, Design)
    known = estimator.n_features_in_ if design is None else len(design.input_names)
    if estimator.n_features_in_ != known or (names is not None and len(names) != known):
        raise StorageError(f"the model has {estimator.n_features_in_} features and its table {known} columns")
    if design is not None and (names is None or tuple(names) != tuple(design.input_names)):
        raise StorageError("`model.feature_names_in` are not the columns of the model's table")
    return known if design is None else len(design.names)


def read_certificate(stored: Fields, t: int, m: int) -> Certificate:
    """Of t targets with m coefficients each."""
    shape = (m,) if t == 1 else (t, m)
    gap, decrement = stored.raw("duality_gap"), stored.raw("newton_decrement")
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
        newton_decrement=None if decrement is None else stored.number("newton_decrement"),
    )


def read_sparse(stored: Fields, t: int) -> SparseDetails:
    """Of t targets."""
    counts = [stored.raw(name) for name in ("active", "proved")]
    for found in counts:
        if not (
            isinstance(found, list) and len(found) == t and all(type(n) is int and n >= 0 for n in found)
        ):
            raise StorageError(f"`{stored.where}` has the counts {found!r}; {t} whole numbers are expected")
    return SparseDetails(
        stored.whole("iterations"),
        tuple(counts[0]),
        tuple(counts[1]),
        stored.number("tolerance", finite=True),
    )


def read_trace(stored: Fields) -> Trace:
    """What `Trace.to_dict` wrote."""
    found: dict[str, Any] = {"rows": stored.array("rows", (None, 4))}
    if "norms" in stored.values:
        names = stored.texts("names")
        found |= {"names": names, "norms": stored.array("norms", (len(found["rows"]), 2, len(names)))}
    return Trace.from_dict(found)
