"""Losses L(y, f) with their first two derivatives in the prediction f; one file a family.

Nothing here knows how f was computed or how β moves.
"""

from __future__ import annotations

from betahat.losses.base import Loss
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.bernoulli_links import BernoulliCloglog, BernoulliLoglog, BernoulliProbit
from betahat.losses.cauchy import Cauchy
from betahat.losses.choose import LOSSES, as_loss
from betahat.losses.choose_family import FAMILIES, LINKS, as_family, as_link, tweedie
from betahat.losses.composed import Composed
from betahat.losses.exponential import ExponentialFamily
from betahat.losses.family import Family
from betahat.losses.function import FunctionLoss
from betahat.losses.gamma import Gamma
from betahat.losses.gaussian import Gaussian
from betahat.losses.huber import Huber
from betahat.losses.inverse_gaussian import InverseGaussian
from betahat.losses.link import Link
from betahat.losses.multinomial import Multinomial
from betahat.losses.negative_binomial import NegativeBinomial
from betahat.losses.poisson import Poisson
from betahat.losses.power_links import Log, Power
from betahat.losses.probability_links import Cauchit, Cloglog, Logit, Loglog, Probit
from betahat.losses.pseudo_huber import PseudoHuber
from betahat.losses.smoothed import SmoothedMultinomial
from betahat.losses.squared import SquaredError
from betahat.losses.tweedie_family import Tweedie
from betahat.losses.vector import VectorLoss

__all__ = [
    "FAMILIES",
    "LINKS",
    "LOSSES",
    "Bernoulli",
    "BernoulliCloglog",
    "BernoulliLoglog",
    "BernoulliProbit",
    "Cauchit",
    "Cauchy",
    "Cloglog",
    "Composed",
    "ExponentialFamily",
    "Family",
    "FunctionLoss",
    "Gamma",
    "Gaussian",
    "Huber",
    "InverseGaussian",
    "Link",
    "Log",
    "Logit",
    "Loglog",
    "Loss",
    "Multinomial",
    "NegativeBinomial",
    "Poisson",
    "Power",
    "Probit",
    "PseudoHuber",
    "SmoothedMultinomial",
    "SquaredError",
    "Tweedie",
    "VectorLoss",
    "as_family",
    "as_link",
    "as_loss",
    "tweedie",
]
