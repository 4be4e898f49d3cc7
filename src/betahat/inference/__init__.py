"""Statistics of a fit: covariances, intervals, tests and the summary table, from numbers that a solver hands
over.

Nothing here sees an estimator, and nothing keeps rows of the training data. Names are imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betahat.names import find

if TYPE_CHECKING:  # what _WHERE says, for type checkers
    from betahat.inference.covariance import COV_TYPES, check_cov_type, check_maxlags
    from betahat.inference.likelihood import LikelihoodInference, LikelihoodStatistics, LikelihoodSummary
    from betahat.inference.meat import ClusterMeat, HACMeat, HCMeat, Meat, leverage, meat_for
    from betahat.inference.results import Inference
    from betahat.inference.statistics import LinearStatistics
    from betahat.inference.summary import Summary
    from betahat.inference.wald import WaldTest

_WHERE = {
    **dict.fromkeys(("COV_TYPES", "check_cov_type", "check_maxlags"), "covariance"),
    **dict.fromkeys(("LikelihoodInference", "LikelihoodStatistics", "LikelihoodSummary"), "likelihood"),
    **dict.fromkeys(("ClusterMeat", "HACMeat", "HCMeat", "Meat", "leverage", "meat_for"), "meat"),
    "Inference": "results",
    "LinearStatistics": "statistics",
    "Summary": "summary",
    "WaldTest": "wald",
}

__all__ = [
    "COV_TYPES",
    "ClusterMeat",
    "HACMeat",
    "HCMeat",
    "Inference",
    "LikelihoodInference",
    "LikelihoodStatistics",
    "LikelihoodSummary",
    "LinearStatistics",
    "Meat",
    "Summary",
    "WaldTest",
    "check_cov_type",
    "check_maxlags",
    "leverage",
    "meat_for",
]


def __getattr__(name: str) -> Any:
    return find(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
