"""Gradients divided, coefficient by coefficient, by the size they have had."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.checks import check_memory, check_not_negative, check_positive
from betahat.solvers.stochastic.transformation import Transformation


@final
@dataclass(frozen=True)
class ScaleByAdaGrad(Transformation):
    """s ← s + u², u ← u/(√s + ε), s₀ = `initial_accumulator` (Duchi, Hazan & Singer 2011)."""

    epsilon: float = 1e-10
    initial_accumulator: float = 0.0

    def __post_init__(self) -> None:
        check_positive("epsilon", self.epsilon)
        check_not_negative("initial_accumulator", self.initial_accumulator)

    @property
    def keeps(self) -> tuple[str, ...]:
        """s."""
        return ("sum_of_squares",)

    def prepare(self, kept: Sequence[np.ndarray]) -> None:
        """s ← s₀."""
        kept[0].fill(self.initial_accumulator)

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """s ← s + u², u ← u/(√s + ε)."""
        (squares,) = kept
        np.multiply(u, u, out=scratch)
        squares += scratch
        _divide_by_root(u, squares, 1.0, self.epsilon, scratch)


@final
@dataclass(frozen=True)
class ScaleByRMS(Transformation):
    """v ← ρ v + (1 − ρ) u², u ← u/(√v + ε) (Tieleman & Hinton 2012).

    `centered` divides by the standard deviation instead: m ← ρ m + (1 − ρ) u, u ← u/(√(v − m²) + ε) (Graves 2013).
    """

    rho: float = 0.9
    epsilon: float = 1e-8
    centered: bool = False

    def __post_init__(self) -> None:
        check_memory("rho", self.rho)
        check_positive("epsilon", self.epsilon)

    @property
    def keeps(self) -> tuple[str, ...]:
        """v, and m where centred."""
        return ("mean_of_squares", "mean") if self.centered else ("mean_of_squares",)

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """v ← ρ v + (1 − ρ) u², u ← u/(√v + ε)."""
        _average_squares(kept[0], u, self.rho, scratch)
        if not self.centered:
            _divide_by_root(u, kept[0], 1.0, self.epsilon, scratch)
            return
        _average(kept[1], u, self.rho, scratch)
        np.multiply(kept[1], kept[1], out=scratch)
        np.subtract(kept[0], scratch, out=scratch)
        np.maximum(scratch, 0.0, out=scratch)  # rounding can leave it below
        _divide_by_root(u, scratch, 1.0, self.epsilon, scratch)


@final
@dataclass(frozen=True)
class ScaleByAdam(Transformation):
    """m ← β₁ m + (1 − β₁) u, v ← β₂ v + (1 − β₂) u², u ← m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵏ⁺¹), v̂ = v/(1 − β₂ᵏ⁺¹)
    (Kingma & Ba 2015).

    `amsgrad` puts the largest v so far in the place of v, so that no step grows again (Reddi, Kale & Kumar 2018).
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self) -> None:
        check_memory("beta_1", self.beta_1)
        check_memory("beta_2", self.beta_2)
        check_positive("epsilon", self.epsilon)

    @property
    def keeps(self) -> tuple[str, ...]:
        """m, v, and the largest v."""
        return ("mean", "mean_of_squares", "largest") if self.amsgrad else ("mean", "mean_of_squares")

    def apply(
        self, u: np.ndarray, x: np.ndarray, step: int, kept: Sequence[np.ndarray], scratch: np.ndarray
    ) -> None:
        """m ← β₁ m + (1 − β₁) u, v ← β₂ v + (1 − β₂) u², u ← m̂/(√v̂ + ε)."""
        mean, squares = kept[:2]
        _average(mean, u, self.beta_1, scratch)
        _average_squares(squares, u, self.beta_2, scratch)
        if self.amsgrad:
            squares = np.maximum(kept[2], squares, out=kept[2])
        np.divide(mean, 1 - self.beta_1 ** (step + 1), out=u)
        _divide_by_root(u, squares, 1 - self.beta_2 ** (step + 1), self.epsilon, scratch)


def _average(mean: np.ndarray, u: np.ndarray, memory: float, scratch: np.ndarray) -> None:
    """m ← ρ m + (1 − ρ) u."""
    np.multiply(u, 1 - memory, out=scratch)
    mean *= memory
    mean += scratch


def _average_squares(squares: np.ndarray, u: np.ndarray, memory: float, scratch: np.ndarray) -> None:
    """v ← ρ v + (1 − ρ) u²."""
    np.multiply(u, u, out=scratch)
    scratch *= 1 - memory
    squares *= memory
    squares += scratch


def _divide_by_root(
    u: np.ndarray, squares: np.ndarray, share: float, epsilon: float, scratch: np.ndarray
) -> None:
    """u ← u/(√(v/share) + ε); `squares` may be `scratch`."""
    np.sqrt(squares, out=scratch)
    scratch *= 1 / math.sqrt(share)
    scratch += epsilon
    u /= scratch
