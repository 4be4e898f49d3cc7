"""A convex loss whose second derivative is kept from zero, for steps where it bends too little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.base import Loss

DAMPING = (0.0, 1e-8, 1e-4, 1e-2, 1.0)
"""The least L'', as a share of its largest, tried in turn; the last bounds J from above where there is a largest."""


@final
@dataclass(frozen=True)
class Floored(Loss):
    """L with max(L'', least) in the place of L''."""

    loss: Loss
    least: float

    convex = True

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.loss.name

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.loss.value(y, f)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.loss.first_derivative(y, f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return np.maximum(self.loss.second_derivative(y, f), self.least)
