"""Statistics of maximum likelihood fits: logistic, multinomial, Poisson, Gamma and the other families.

What they share with least squares (hypotheses, Wald tests, tables) lies one folder up; no rows are kept."""

from __future__ import annotations

from betahat.inference.likelihood.margins import MarginalEffects, marginal_effects
from betahat.inference.likelihood.profile import ProfileInterval, profile_interval
from betahat.inference.likelihood.refitting import (
    Restriction,
    likelihood_ratio_test,
    restriction,
    score_test,
)
from betahat.inference.likelihood.results import LikelihoodInference
from betahat.inference.likelihood.statistics import LikelihoodStatistics
from betahat.inference.likelihood.summary import LikelihoodSummary

__all__ = [
    "LikelihoodInference",
    "LikelihoodStatistics",
    "LikelihoodSummary",
    "MarginalEffects",
    "ProfileInterval",
    "Restriction",
    "likelihood_ratio_test",
    "marginal_effects",
    "profile_interval",
    "restriction",
    "score_test",
]
