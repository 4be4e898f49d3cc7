"""What penalties with a kink at zero share: value, proximal step, and how far from zero the subdifferential is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.penalties.base import Penalty


class SparsePenalty(Penalty):
    """R(β) = Σⱼ (aⱼ |βⱼ| + ½ bⱼ βⱼ²), which sets coefficients exactly to zero.

    `strengths(p)` are a and b. With `positive` R is infinite where some βⱼ < 0. R has no derivative where βⱼ = 0, so
    that `gradient` is that of smallest size there (0), and `distance` judges minima.
    """

    convex = True
    positive: bool = False

    @abstractmethod
    def strengths(self, p: int) -> tuple[np.ndarray, np.ndarray]:
        """a (p,) and b (p,), both ≥ 0."""

    def value(self, beta: np.ndarray) -> float:
        if self.positive and (beta < 0).any():
            return np.inf
        a, b = self.strengths(beta.shape[-1])
        return float((a * np.abs(beta)).sum() + 0.5 * (b * beta**2).sum())

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        a, b = self.strengths(beta.shape[-1])
        return a * np.sign(beta) + b * beta

    def hessian(self, beta: np.ndarray) -> np.ndarray:
        return np.diag(self.strengths(len(beta))[1])

    def prox(self, beta: np.ndarray, step: float | np.ndarray) -> np.ndarray:
        """argmin over z of R(z) + Σⱼ (zⱼ − βⱼ)²/(2 stepⱼ): the soft threshold (Donoho & Johnstone 1994)."""
        a, b = self.strengths(beta.shape[-1])
        shrunk = np.maximum(np.abs(beta) - step * a, 0.0) / (1.0 + step * b)
        if self.positive:
            return np.where(beta > 0, shrunk, 0.0)
        return np.sign(beta) * shrunk

    def distance(self, beta: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """The element of slope + ∂R(β) of smallest size, elementwise: zero at a minimum of F + R with ∂F/∂β = slope.

        Signed like the derivative of J towards where it falls least: J falls along −distance.
        """
        a, b = self.strengths(beta.shape[-1])
        inside = slope + a * np.sign(beta) + b * beta
        at_zero = (
            np.minimum(slope + a, 0.0) if self.positive else np.sign(slope) * np.maximum(np.abs(slope) - a, 0)
        )
        return np.where(beta == 0, at_zero, inside)

    def conjugate(self, z: np.ndarray) -> float:
        """R*(z) = sup over β of zᵀβ − R(β): Σ (|zⱼ| − aⱼ)₊²/(2bⱼ), infinite where bⱼ = 0 and |zⱼ| > aⱼ."""
        a, b = self.strengths(len(z))
        over = np.maximum((z if self.positive else np.abs(z)) - a, 0.0)
        bent = b > 0
        if (over[~bent] > 0).any():
            return np.inf
        return float((over[bent] ** 2 / (2 * b[bent])).sum())


@final
@dataclass(frozen=True, eq=False)
class SeparablePenalty(SparsePenalty):
    """R(β) = Σⱼ (aⱼ |βⱼ| + ½ bⱼ βⱼ²) with strengths of each coefficient's own, such as the adaptive lasso's (Zou 2006).

    a, b : (p,) ≥ 0; with `positive` only β ≥ 0 are allowed.

    >>> import numpy as np
    >>> R = SeparablePenalty(np.array([1.0, 0.0]), np.array([0.0, 2.0]))
    >>> R.value(np.array([-3.0, 1.0])), R.distance(np.array([0.0, 1.0]), np.array([0.5, -2.0])).tolist()
    (4.0, [0.0, 0.0])
    """

    a: np.ndarray
    b: np.ndarray
    positive: bool = False

    def strengths(self, p: int) -> tuple[np.ndarray, np.ndarray]:
        return self.a, self.b

    def of(self, columns: np.ndarray) -> SeparablePenalty:
        """That of some of the coefficients."""
        return SeparablePenalty(self.a[columns], self.b[columns], self.positive)

    @property
    def formula(self) -> str:
        return "Σ (aⱼ |βⱼ| + ½ bⱼ βⱼ²)" + (", β ≥ 0" if self.positive else "")


@final
@dataclass(frozen=True, eq=False)
class Both(SparsePenalty):
    """The sum of penalties that set coefficients to zero, which is one of them."""

    parts: tuple[SparsePenalty, ...]

    @property
    def positive(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return any(part.positive for part in self.parts)

    def strengths(self, p: int) -> tuple[np.ndarray, np.ndarray]:
        every = [part.strengths(p) for part in self.parts]
        return np.sum([a for a, _ in every], axis=0), np.sum([b for _, b in every], axis=0)

    @property
    def formula(self) -> str:
        return " + ".join(part.formula for part in self.parts)
