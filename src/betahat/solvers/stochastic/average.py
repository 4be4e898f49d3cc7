"""Averages of the iterates, which lie closer to the minimum than a noisy last one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.checks import check_count, check_memory, check_not_negative


class Average(ABC):
    """x̄ ← x̄ + wₖ (x − x̄) after step k, beside the descent, which does not see it. w₀ = 1."""

    @abstractmethod
    def weight(self, step: int) -> float:
        """wₖ."""

    def learn(self, average: np.ndarray, x: np.ndarray, step: int, scratch: np.ndarray) -> None:
        """Take the iterate after step k into the average, in place."""
        weight = self.weight(step)
        if weight == 1:
            np.copyto(average, x)
            return
        np.subtract(x, average, out=scratch)
        scratch *= weight
        average += scratch


@final
@dataclass(frozen=True)
class PolyakRuppert(Average):
    """The mean of all iterates from step `start` on: wₖ = (1 + q)/(1 + q + k − start), q = `emphasis`.

    With q = 0 the plain mean (Polyak & Juditsky 1992; Ruppert 1988), whose error is the smallest any estimate from the
    rows seen can have; q > 0 lets early iterates fade as (i/k)^q (Shamir & Zhang 2013).

    >>> [PolyakRuppert(start=1).weight(k) for k in range(4)]
    [1.0, 1.0, 0.5, 0.3333333333333333]
    """

    start: int = 0
    emphasis: float = 0.0

    def __post_init__(self) -> None:
        check_count("start", self.start, 0)
        check_not_negative("emphasis", self.emphasis)

    def weight(self, step: int) -> float:
        """(1 + q)/(1 + q + k − start), and 1 before."""
        return (1 + self.emphasis) / (1 + self.emphasis + max(0, step - self.start))


@final
@dataclass(frozen=True)
class ExponentialAverage(Average):
    """The mean of all iterates with weights dᵏ⁻ⁱ, d = `decay`: wₖ = (1 − d)/(1 − dᵏ⁺¹).

    The usual x̄ ← d x̄ + (1 − d) x, begun at zero and divided by 1 − dᵏ⁺¹ as Adam's averages are (Kingma & Ba 2015).

    >>> [round(ExponentialAverage(0.5).weight(k), 4) for k in range(4)]
    [1.0, 0.6667, 0.5714, 0.5333]
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        check_memory("decay", self.decay)

    def weight(self, step: int) -> float:
        """(1 − d)/(1 − dᵏ⁺¹)."""
        return (1 - self.decay) / (1 - self.decay ** (step + 1))
