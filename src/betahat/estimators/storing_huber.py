"""The stored form of Huber's regression: a linear model's, its scale, and which rows are outliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.errors import StorageError
from betahat.estimators import storing_linear
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.huber_regressor import HuberRegressor


def to_dict(estimator: HuberRegressor) -> dict[str, Any]:
    """Everything fitted; no rows."""
    return {
        **storing_linear.to_dict(estimator),
        "scale": estimator.scale_,
        "outliers": estimator.outliers_,
    }


def restore(estimator: HuberRegressor, model: Fields) -> None:
    """Put what `to_dict` told into an estimator; raises where it does not fit together."""
    storing_linear.restore(estimator, model)
    estimator.scale_ = model.number("scale", finite=True)
    outliers = model.raw("outliers")
    if not (estimator.scale_ > 0 and isinstance(outliers, np.ndarray) and outliers.dtype == bool):
        raise StorageError(f"`{model.where}` has no positive scale, or `outliers` are not true or false")
    estimator.outliers_ = outliers
