"""The stored form of logistic regression whose penalty was chosen by cross-validation: a likelihood's, and what was
tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betahat.errors import StorageError
from betahat.estimators import storing_likelihood
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.logistic_regression_cv import LogisticRegressionCV


def to_dict(estimator: LogisticRegressionCV) -> dict[str, Any]:
    """Everything fitted; no rows."""
    names = ("C_", "l1_ratio_", "Cs_", "l1_ratios_", "scores_", "coefs_paths_")
    chosen = {name: getattr(estimator, name) for name in names}
    return {**storing_likelihood.to_dict(estimator), "chosen": chosen}


def restore(estimator: LogisticRegressionCV, model: Fields) -> None:
    """Put what `to_dict` told into an estimator; raises where it does not fit together."""
    chosen = model.inner("chosen")
    estimator.C_ = chosen.number("C_", finite=True)
    estimator.l1_ratio_ = chosen.number("l1_ratio_", finite=True)
    if not (estimator.C_ > 0 and 0 <= estimator.l1_ratio_ <= 1):
        raise StorageError(f"`{chosen.where}` has C_ {estimator.C_} and l1_ratio_ {estimator.l1_ratio_}")
    estimator.Cs_, estimator.l1_ratios_ = (
        chosen.array("Cs_", (None,)),
        chosen.array("l1_ratios_", (None,)),
    )
    estimator.scores_ = chosen.array("scores_", (None, len(estimator.l1_ratios_), len(estimator.Cs_)))
    estimator.coefs_paths_ = chosen.array("coefs_paths_", (*estimator.scores_.shape, None, None))
    storing_likelihood.restore(estimator, model)
