"""Statistics of a fit: covariances, intervals, tests and the summary table, from numbers that a solver hands
over.

Nothing here sees an estimator, and nothing keeps rows of the training data."""

from __future__ import annotations

from betahat.inference.covariance import COV_TYPES, check_cov_type, check_maxlags
from betahat.inference.likelihood import LikelihoodInference, LikelihoodStatistics, LikelihoodSummary
from betahat.inference.meat import ClusterMeat, HACMeat, HCMeat, Meat, leverage, meat_for
from betahat.inference.results import Inference
from betahat.inference.statistics import LinearStatistics
from betahat.inference.summary import Summary
from betahat.inference.wald import WaldTest

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
