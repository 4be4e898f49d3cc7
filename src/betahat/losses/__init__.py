"""Losses L(y, f) with their first two derivatives in the prediction f; one file a family.

Nothing here knows how f was computed or how β moves.
"""

from __future__ import annotations

from betahat.losses.base import Loss
from betahat.losses.cauchy import Cauchy
from betahat.losses.choose import LOSSES, as_loss
from betahat.losses.function import FunctionLoss
from betahat.losses.huber import Huber
from betahat.losses.pseudo_huber import PseudoHuber
from betahat.losses.squared import SquaredError

__all__ = ["LOSSES", "Cauchy", "FunctionLoss", "Huber", "Loss", "PseudoHuber", "SquaredError", "as_loss"]
