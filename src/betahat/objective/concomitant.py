"""Huber's criterion of coefficients and scale together, over a source, in coordinates in which columns are alike."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.data.passes import Statistic, counting_parts, dense, fold
from betahat.data.source import Block, Source
from betahat.objective.smooth import Coordinates
from betahat.penalties.base import Penalty

_CHUNK = 1 << 19  # numbers of X that are centred and scaled at once
_EPS = float(np.finfo(np.float64).eps)


@final
class ConcomitantSums(Statistic):
    """Sums over rows of w ½ (σ + H(r/σ) σ), H(z) = z² where |z| ≤ ε, else 2ε|z| − ε², and its derivatives by the level,
    the slopes γ of standardised columns and, last, σ.

    With z = r/σ: L' = −clip(z, ±ε), ∂L/∂σ = ½ (1 − min(z², ε²)), and rows with |z| ≤ ε add (x, z)(x, z)ᵀ/σ to the
    Hessian; the others add nothing.
    """

    def __init__(self, epsilon: float, at: Coordinates, theta: np.ndarray) -> None:
        self._epsilon, self._at = epsilon, at
        self._gamma, self._level, self._sigma = at.slopes(theta[:-1]), at.level(theta), float(theta[-1])
        m = len(at.mean) + int(at.intercept) + 1
        self.value, self.weight, self.residual_ss, self.inside = 0.0, 0.0, 0.0, 0.0
        self.gradient, self.magnitude, self.rounding = np.zeros(m), np.zeros(m), np.zeros(m)
        self.hessian = np.zeros((m, m))

    def update(self, block: Block) -> None:
        for part, w in counting_parts(block, _CHUNK):
            assert part.y is not None
            self._add((dense(part.X) - self._at.mean) / self._at.scale, part.y[:, 0], w)

    def _add(self, Z: np.ndarray, y: np.ndarray, w: np.ndarray) -> None:
        sigma, epsilon, first = self._sigma, self._epsilon, int(self._at.intercept)
        r = y - (Z @ self._gamma + self._level)
        z = r / sigma
        near, size = np.minimum(np.abs(z), epsilon), np.abs(z)
        inside = w * (size <= epsilon)
        self.weight += float(w.sum())
        self.inside += float(inside.sum())
        self.value += 0.5 * sigma * float(w @ (1.0 + near * (2 * size - near)))
        self.residual_ss += float(w @ r**2)
        design = np.column_stack([np.ones((len(y), first)), Z, z])
        pull = w * np.clip(z, -epsilon, epsilon)
        self.gradient[:-1] -= pull @ design[:, :-1]
        self.gradient[-1] += 0.5 * float(w @ (1.0 - near**2))
        self.hessian += (design * (inside / sigma)[:, None]).T @ design
        self.magnitude[:-1] += np.abs(pull) @ np.abs(design[:, :-1])
        self.magnitude[-1] += 0.5 * float(w @ (1.0 + near**2))
        reach = (abs(self._level) + np.abs(Z) @ np.abs(self._gamma) + np.abs(y)) / sigma
        self.rounding += (inside * reach) @ np.abs(design)

    def merge(self, other: ConcomitantSums) -> None:
        for name in (
            "value",
            "weight",
            "residual_ss",
            "inside",
            "gradient",
            "magnitude",
            "rounding",
            "hessian",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@final
class ConcomitantObjective:
    """J(θ) = (1/Σw) Σᵢ wᵢ ½ (σ + H(rᵢ/σ) σ) + R(β), jointly convex in θ = (level, slopes, σ) for σ > 0 (Huber 1981)."""

    convex = True

    def __init__(self, source: Source, epsilon: float, penalty: Penalty, at: Coordinates) -> None:
        self.source, self.epsilon, self.penalty, self.at = source, epsilon, penalty, at

    def sums(self, theta: np.ndarray) -> ConcomitantSums:
        """What one reading of the rows sums at θ."""
        return fold(self.source, ConcomitantSums(self.epsilon, self.at, theta))

    def whole_value(self, found: ConcomitantSums, theta: np.ndarray) -> float:
        """J, penalty included."""
        return found.value / found.weight + self.penalty.value(self._beta(theta))

    def whole_gradient(self, found: ConcomitantSums, theta: np.ndarray) -> np.ndarray:
        """∂J by (level, γ, σ), penalty included."""
        g = found.gradient / found.weight
        g[self._slopes] += self.penalty.gradient(self._beta(theta)) / self.at.scale
        return g

    def whole_hessian(self, found: ConcomitantSums, theta: np.ndarray) -> np.ndarray:
        """∂²J by (level, γ, σ), penalty included."""
        H = found.hessian / found.weight
        bend = self.penalty.hessian(self._beta(theta)) / np.outer(self.at.scale, self.at.scale)
        H[self._slopes, self._slopes] += bend
        return H

    def term_size(self, found: ConcomitantSums, theta: np.ndarray) -> np.ndarray:
        """mean |wᵢ zᵢⱼ L'ᵢ| + |∂R/∂γⱼ|, and for σ mean wᵢ ½ (1 + min(z², ε²))."""
        size = found.magnitude / found.weight
        size[self._slopes] += np.abs(self.penalty.gradient(self._beta(theta))) / self.at.scale
        return size

    def unavoidable(self, found: ConcomitantSums, theta: np.ndarray) -> np.ndarray:
        """What rounding of residuals and of θ makes of the derivatives."""
        H = self.whole_hessian(found, theta)
        reach = max(float(np.abs(self.at.slopes(theta[:-1])).max(initial=0)), float(theta[-1]))
        return 4 * _EPS * found.rounding / found.weight + 2 * _EPS * reach * np.abs(H.diagonal())

    def pulled(self, gradient: np.ndarray) -> np.ndarray:
        """A derivative by (level, γ, σ) as one by θ."""
        basis = self._basis
        return gradient if basis is None else basis.T @ gradient

    def pulled_twice(self, H: np.ndarray) -> np.ndarray:
        """A second derivative by (level, γ, σ) as one by θ."""
        basis = self._basis
        return H if basis is None else basis.T @ H @ basis

    @property
    def _basis(self) -> np.ndarray | None:
        if self.at.basis is None:
            return None
        first, (p, k) = int(self.at.intercept), self.at.basis.shape
        basis = np.zeros((first + p + 1, first + k + 1))
        basis[:first, :first], basis[-1, -1] = np.eye(first), 1.0
        basis[first:-1, first:-1] = self.at.basis
        return basis

    @property
    def _slopes(self) -> slice:
        return slice(int(self.at.intercept), -1)

    def _beta(self, theta: np.ndarray) -> np.ndarray:
        return self.at.raw(theta[:-1])[0]
