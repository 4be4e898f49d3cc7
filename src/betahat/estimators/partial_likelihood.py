"""`partial_fit` of likelihoods: what users hand over becomes a batch, checked against those before."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from betahat.data.missing import unmasked
from betahat.errors import DataError
from betahat.estimators.inputs import array_source, batch_of, naming, numbers
from betahat.estimators.likelihood_fit import check_targets
from betahat.estimators.online import Online, add_batch, online_result
from betahat.estimators.partial import refuse_non_finite
from betahat.losses.family import Family
from betahat.penalties import L2, NoPenalty, Penalty


def goes_on(model: Any) -> bool:
    """Whether a model can be fitted batch by batch; an AttributeError says why not."""
    if (model.alpha and model.l1_ratio) or (getattr(model, "C", None) is not None and model.l1_ratio):
        what = f"l1_ratio (={model.l1_ratio!r}), to tell which coefficients are zero,"
    elif getattr(model, "firth", False):
        what = "firth (=True)"
    elif isinstance(getattr(model, "class_weight", None), str):
        what = f"class_weight (={model.class_weight!r})"
    else:
        return True
    raise AttributeError(f"partial_fit keeps no rows, and {what} needs all of them at once: use fit")


def go_on(model: Any, X: Any, y: Any, family: Family | None, given: dict[str, Any]) -> None:
    """Add a batch to a model; y (n,) are numbers or codes; family : None for classes that are more than two."""
    online: Online | None = getattr(model, "_online", None)
    with naming("X and y"):
        X, y = validate_data(
            model, batch_of(X), unmasked(y), reset=online is None, accept_sparse=model._sparse,
            y_numeric=True, dtype="numeric",
        )  # fmt: skip
    source: Any = array_source(
        numbers(X, "X"), numbers(y, "y"), given.get("sample_weight"), given.get("frequency_weight"), None,
        names=tuple(map(str, model.feature_names_in_)) if hasattr(model, "feature_names_in_") else None,
        offset=given.get("offset"), exposure=given.get("exposure"),
    )  # fmt: skip
    intercept, classes = bool(model.fit_intercept), tuple(map(str, getattr(model, "classes_", ())))
    if online is not None and online.at.intercept != intercept:
        raise ValueError(
            f"fit_intercept (={intercept}) was {not intercept} for the rows given before; fit begins anew"
        )
    model.design_, model._single_target, model.n_columns_ = None, True, len(source.names)
    refuse_non_finite(next(source.blocks()))
    if family is not None:
        check_targets(source, family)
    elif source.has_offset:
        raise ValueError("offset is for two classes; with more, each class would need its own")
    source = model._weighted(source)
    before = online is not None
    online, trace, steps = add_batch(
        online, source, family, len(classes), _penalty(model, source, before), intercept
    )
    settings = model._settings(intercept, classes)
    model._online = online
    penalised = model._strength(1.0) > 0
    model._show(online_result(online, source, family, settings, penalised, trace, steps))


def _penalty(model: Any, source: Any, before: bool) -> Penalty:
    """alpha on the mean loss is a share of every batch; 1/C on the sum comes once."""
    if getattr(model, "C", None) is None:
        strength = model._strength(1.0)
    elif before:
        strength = 0.0
    else:
        (block,) = source.blocks()
        n = block.X.shape[0]
        weight = np.ones(n) if block.weight is None else block.weight
        weight = weight if block.frequency is None else weight * block.frequency
        strength = model._strength(float(weight.sum()))
    return L2(strength) if strength > 0 else NoPenalty()


def codes_of(found: np.ndarray, codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Codes among `classes` from codes among the labels `found` in this batch.

    Raises DataError for a label that is none of the classes.
    """
    where = {label: k for k, label in enumerate(classes.tolist())}
    for label in found.tolist():
        if label not in where:
            raise DataError(
                f"y holds the label {label!r}, which is none of the classes {classes.tolist()} that were named at the "
                "first call of partial_fit"
            )
    return np.array([where[label] for label in found.tolist()], np.float64)[codes.astype(np.intp)]
