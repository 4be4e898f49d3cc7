"""Gradients that add up: heavy ball and Nesterov's form of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.checks import check_memory
from betahat.solvers.stochastic.transformation import Transformation


@dataclass(frozen=True)
class Accumulation(Transformation):
    """Abstract: a velocity v ← μ v + u is kept; subclasses say what the step makes of it."""

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

    def gather(self, u: np.ndarray, kept: Sequence[np.ndarray]) -> np.ndarray:
        """v ← μ v + u."""
        (velocity,) = kept
        velocity *= self.momentum
        velocity += u
        return velocity


@final
@dataclass(frozen=True)
class HeavyBall(Accumulation):
    """v ← μ v + u, u ← v (Polyak 1964)."""

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """v ← μ v + u, u ← v."""
        np.copyto(u, self.gather(u, kept))


@final
@dataclass(frozen=True)
class NesterovMomentum(Accumulation):
    """v ← μ v + u, u ← u + μ v: the gradient counts as taken where the momentum leads (Nesterov 1983, as written by
    Sutskever, Martens, Dahl & Hinton 2013)."""

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """v ← μ v + u, u ← u + μ v."""
        np.multiply(self.gather(u, kept), self.momentum, out=scratch)
        u += scratch
