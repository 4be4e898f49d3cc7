"""Coefficients that shrink at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.checks import check_not_negative
from betahat.solvers.stochastic.transformation import Transformation


@final
@dataclass(frozen=True)
class WeightDecay(Transformation):
    """u ← u + λ x, decoupled: after the gradient was scaled, before the learning rate (Loshchilov & Hutter 2019).

    With plain gradients it is the derivative of the penalty λ/2 ‖x‖²; after Adam's scaling it is of no penalty, and
    where the descent comes to rest ∂J/∂x is not zero. A penalty belongs in J.
    """

    weight_decay: float

    def __post_init__(self) -> None:
        check_not_negative("weight_decay", self.weight_decay)

    @property
    def inertia(self) -> float:
        """0."""
        return 0.0

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """u ← u + λ x."""
        np.multiply(x, self.weight_decay, out=scratch)
        u += scratch


def decayed(weight_decay: float) -> tuple[Transformation, ...]:
    """The link of a chain that a decay needs: none for 0."""
    return () if weight_decay == 0 else (WeightDecay(weight_decay),)
