"""Gradients that add up: heavy ball and Nesterov's form of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.checks import check_memory
from betahat.solvers.stochastic.transformation import Transformation


@final
@dataclass(frozen=True)
class HeavyBall(Transformation):
    """v ← μ v + u, u ← v (Polyak 1964)."""

    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_memory("momentum", self.momentum)

    @property
    def inertia(self) -> float:
        """μ."""
        return self.momentum

    @property
    def keeps(self) -> tuple[str, ...]:
        """v."""
        return ("velocity",)

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """v ← μ v + u, u ← v."""
        (velocity,) = kept
        velocity *= self.momentum
        velocity += u
        np.copyto(u, velocity)


@final
@dataclass(frozen=True)
class NesterovMomentum(Transformation):
    """v ← μ v + u, u ← u + μ v: the gradient counts as taken where the momentum leads (Nesterov 1983, as written by
    Sutskever, Martens, Dahl & Hinton 2013)."""

    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_memory("momentum", self.momentum)

    @property
    def inertia(self) -> float:
        """μ."""
        return self.momentum

    @property
    def keeps(self) -> tuple[str, ...]:
        """v."""
        return ("velocity",)

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """v ← μ v + u, u ← u + μ v."""
        (velocity,) = kept
        velocity *= self.momentum
        velocity += u
        np.multiply(velocity, self.momentum, out=scratch)
        u += scratch
