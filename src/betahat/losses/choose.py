"""What users write for a loss: a name, a loss, or a function of (y, prediction)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from betahat.losses.base import Loss
from betahat.losses.cauchy import Cauchy
from betahat.losses.function import FunctionLoss
from betahat.losses.huber import Huber
from betahat.losses.pseudo_huber import PseudoHuber
from betahat.losses.squared import SquaredError

LOSSES: dict[str, Callable[[], Loss]] = {
    "squared_error": SquaredError,
    "huber": Huber,
    "pseudo_huber": PseudoHuber,
    "soft_l1": PseudoHuber,  # scipy's name for it
    "cauchy": Cauchy,
}


def as_loss(loss: Any) -> Loss:
    """The loss that a name ("squared_error", "huber", "pseudo_huber" alias "soft_l1", "cauchy"), a
    :class:`betahat.losses.base.Loss` or a function of (y, prediction) stands for.

    Raises ValueError for another name, TypeError for anything else.

    >>> as_loss("huber")
    Huber(delta=1.35)
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    if isinstance(loss, Loss):
        return loss
    names = ", ".join(map(repr, LOSSES))
    if isinstance(loss, str):
        raise ValueError(
            f"loss (={loss!r}) must be one of {names}, a loss such as betahat.losses.Huber(delta=2.0), or a "
            "function of (y, prediction); losses with a kink at the minimum (absolute error, quantiles) are not "
            "smooth, so that no vanishing derivative could prove a minimum"
        )
    if isinstance(loss, type) or not callable(loss):
        hint = f"; write {loss.__name__}()" if isinstance(loss, type) and issubclass(loss, Loss) else ""
        raise TypeError(
            f"loss (={loss!r}) must be one of {names}, a loss object, or a function of (y, prediction){hint}"
        )
    return FunctionLoss(loss)
