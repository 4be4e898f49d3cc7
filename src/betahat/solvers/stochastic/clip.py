"""Gradients kept from being too long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.checks import check_positive
from betahat.solvers.stochastic.transformation import Transformation


@final
@dataclass(frozen=True)
class ClipByGlobalNorm(Transformation):
    """u ← u min(1, c/‖u‖): the direction stays, the length is c at most (Pascanu, Mikolov & Bengio 2013).

    >>> import numpy as np
    >>> u = np.array([3.0, 4.0])
    >>> ClipByGlobalNorm(1.0).apply(u, u, 0, (), np.empty(2))
    >>> u
    array([0.6, 0.8])
    """

    clip_norm: float

    def __post_init__(self) -> None:
        check_positive("clip_norm", self.clip_norm)

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """u ← u min(1, c/‖u‖)."""
        largest = float(np.abs(u, out=scratch).max(initial=0))
        if not 0 < largest < math.inf:
            return
        np.divide(u, largest, out=scratch)  # so that squares neither overflow nor vanish
        norm = math.sqrt(float(scratch @ scratch))
        if norm * largest > self.clip_norm:
            np.multiply(scratch, self.clip_norm / norm, out=u)


@final
@dataclass(frozen=True)
class ClipByValue(Transformation):
    """uⱼ ← min(max(uⱼ, −c), c), entry by entry.

    >>> import numpy as np
    >>> u = np.array([3.0, -0.5])
    >>> ClipByValue(1.0).apply(u, u, 0, (), np.empty(2))
    >>> u
    array([ 1. , -0.5])
    """

    clip_value: float

    def __post_init__(self) -> None:
        check_positive("clip_value", self.clip_value)

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """uⱼ ← min(max(uⱼ, −c), c)."""
        np.clip(u, -self.clip_value, self.clip_value, out=u)
