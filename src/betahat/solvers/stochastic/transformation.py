"""What a link of a chain is: a gradient, made a little more like a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.schedules import Schedule, as_schedule


class Transformation(ABC):
    """u ← T(u): what a gradient becomes on its way to a step. Transformations are values and keep no state."""

    @property
    def inertia(self) -> float | None:
        """Where twice the gradients make twice the step, so that a learning rate too large for J ends in overflow: the
        share of a step that goes on in the next. None elsewhere."""
        return None

    @property
    def keeps(self) -> tuple[str, ...]:
        """What is remembered from step to step: one vector like x for each name."""
        return ()

    def prepare(self, kept: Sequence[np.ndarray]) -> None:
        """Fill what is remembered before the first step, where zeros will not do."""
        return None

    @abstractmethod
    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """Change u (n,) in place, at the point x (n,) in step k = 0, 1, ….

        kept : the vectors named by `keeps`, changed in place
        scratch : (n,) to compute in, its values worth nothing
        """


@final
@dataclass(frozen=True)
class ScaleByLearningRate(Transformation):
    """u ← η(k) u."""

    learning_rate: float | Schedule

    def __post_init__(self) -> None:
        as_schedule(self.learning_rate)

    @property
    def inertia(self) -> float:
        """0."""
        return 0.0

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """u ← η(k) u."""
        u *= as_schedule(self.learning_rate).at(step)
