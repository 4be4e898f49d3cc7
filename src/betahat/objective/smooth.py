"""Any smooth loss and penalty of a linear model over a source, in coordinates in which columns are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, combined_weight, counting_parts, dense, fold
from betahat.data.source import Block, Source
from betahat.kernels.gram import COMPILED_FROM
from betahat.kernels.irls import irls
from betahat.kernels.pointwise import EVERYTHING, GRADIENT, HESSIAN, ROUGH, VALUE
from betahat.losses.base import Loss
from betahat.losses.family import Family
from betahat.penalties.base import Penalty

_CHUNK = 1 << 19  # numbers of X that are centred and scaled at once
_EPS = float(np.finfo(np.float64).eps)
_WITHOUT_UNIT = ("log", "logit", "probit", "cloglog", "loglog", "cauchit")


@final
@dataclass(frozen=True)
class Coordinates:
    """θ = (level, u) for a linear model: slopes β = (Q u)/scale, intercept = level − βᵀmean.

    mean : (p,) of the columns, zeros without an intercept; scale : (p,) their standard deviations; basis : Q (p, k)
    orthonormal, of the directions that the data determine, or None for all; intercept : whether there is one.
    """

    mean: np.ndarray
    scale: np.ndarray
    basis: np.ndarray | None
    intercept: bool

    @property
    def size(self) -> int:
        """How many numbers θ has."""
        return int(self.intercept) + (len(self.mean) if self.basis is None else self.basis.shape[1])

    def slopes(self, theta: np.ndarray) -> np.ndarray:
        """γ (p,), the slopes of columns of unit variance."""
        u = theta[int(self.intercept) :]
        return u if self.basis is None else self.basis @ u

    def level(self, theta: np.ndarray) -> float:
        """The prediction at the columns' means."""
        return float(theta[0]) if self.intercept else 0.0

    def raw(self, theta: np.ndarray) -> tuple[np.ndarray, float]:
        """β (p,) and the intercept, in units of the data."""
        beta = self.slopes(theta) / self.scale
        return beta, self.level(theta) - float(beta @ self.mean)

    def theta(self, beta: np.ndarray, intercept: float) -> np.ndarray:
        """θ of coefficients in units of the data."""
        gamma = beta * self.scale
        u = gamma if self.basis is None else self.basis.T @ gamma
        return np.append(intercept + float(beta @ self.mean), u) if self.intercept else u

    def pulled(self, level: float, gamma: np.ndarray) -> np.ndarray:
        """A derivative by (level, γ) as one by θ."""
        u = gamma if self.basis is None else self.basis.T @ gamma
        return np.append(level, u) if self.intercept else u

    def pulled_twice(self, H: np.ndarray) -> np.ndarray:
        """A second derivative by (level, γ), or by γ where there is no intercept, as one by θ."""
        if self.basis is None:
            return H
        first = int(self.intercept)
        outer = np.zeros((len(H), self.size))
        outer[:first, :first] = np.eye(first)
        outer[first:, first:] = self.basis
        return outer.T @ H @ outer


@final
class SmoothSums(Statistic):
    """Σ w L, Σ w L' z and Σ w L'' z zᵀ with z = (1, (x − mean)/scale), at one θ, without the penalty.

    value; gradient (m,), m = p or 1 + p; hessian (m, m); and for certificates magnitude Σ w |L' z|, rounding
    Σ w |L'' z| (|level| + |offset| + ‖z‖ ‖γ‖), radius the largest ‖z‖² of a row that counts, residual_ss Σ w (y − f)²,
    of a family pearson Σ w (y − μ)²/V(μ).
    """

    def __init__(self, loss: Loss, at: Coordinates, theta: np.ndarray, much: int) -> None:
        self._loss, self._at, self._much = loss, at, much
        self._gamma, self._level = at.slopes(theta), at.level(theta)
        self._beta = self._gamma / at.scale
        m = len(at.mean) + int(at.intercept)
        self.value, self.residual_ss, self.pearson, self.weight, self.radius = 0.0, 0.0, 0.0, 0.0, 0.0
        self.gradient, self.magnitude, self.rounding = np.zeros(m), np.zeros(m), np.zeros(m)
        self.hessian = np.zeros((m, m)) if much >= ROUGH else np.zeros((0, 0))

    def update(self, block: Block) -> None:
        assert block.y is not None
        weight = combined_weight(block)
        if self._is_fused(block):
            self._take(block, weight)
            return
        whole = hasattr(block.X, "tocsr") and self._much < ROUGH  # sparse rows need not be centred themselves
        for part, w in counting_parts(block, None if whole else _CHUNK):
            assert part.y is not None
            self._add(part.X, part.y[:, 0], w, part.offset)

    def _is_fused(self, block: Block) -> bool:
        """Whether a compiled kernel makes all sums of one reading: only families need no squared residuals."""
        n, p = block.X.shape
        known = self._loss.code is not None and (
            isinstance(self._loss, (Family, Expected)) or self._much < EVERYTHING
        )
        return known and n * p >= COMPILED_FROM and not hasattr(block.X, "tocsr") and p > 0

    def _take(self, block: Block, weight: np.ndarray | None) -> None:
        assert block.y is not None
        assert self._loss.code is not None
        at, first = self._at, int(self._at.intercept)
        y = block.y[:, 0]
        found = irls(
            block.X, y, weight, block.offset, at.mean, self._beta, self._level, self._loss.code, self._loss.power,
            self._much, 1 / at.scale, isinstance(self._loss, Expected),
        )  # fmt: skip
        unit = np.append(1.0, at.scale)[1 - first :]
        self.value += found.value
        self.weight += found.weight
        self.pearson += found.pearson
        if self._much >= GRADIENT:
            self.gradient += found.gradient[1 - first :] / unit
        if self._much >= ROUGH:
            self.hessian += found.hessian[1 - first :, 1 - first :] / unit[:, None] / unit
        if self._much >= EVERYTHING:
            self.magnitude += found.magnitude[1 - first :] / unit
            self.rounding += found.rounding[1 - first :] / unit
            self.radius = max(self.radius, first + found.radius)

    def _add(self, X: Any, y: np.ndarray, w: np.ndarray, offset: np.ndarray | None) -> None:
        at, first = self._at, int(self._at.intercept)
        self.weight += float(w.sum())
        if hasattr(X, "tocsr") and self._much < ROUGH:
            X = X.tocsr()
            f = X @ self._beta + (self._level - float(self._beta @ at.mean))
            f = f if offset is None else f + offset
            slopes = self._slopes(y, f, w)
            if slopes is not None:
                self.gradient[first:] += (X.T @ slopes - slopes.sum() * at.mean) / at.scale
                self.gradient[:first] += slopes.sum()
            return
        Z = (dense(X) - at.mean) / at.scale
        f = Z @ self._gamma + self._level
        f = f if offset is None else f + offset
        slopes = self._slopes(y, f, w)
        if slopes is None:
            return
        self.gradient[first:] += slopes @ Z
        self.gradient[:first] += slopes.sum()
        if self._much < ROUGH:
            return
        second = w * self._loss.second_derivative(y, f)
        if isinstance(self._loss, Expected):
            self.pearson += pearson(self._loss.family, slopes, w, f)
        self.hessian[first:, first:] += (Z * second[:, None]).T @ Z
        if first:
            cross = second @ Z
            self.hessian[0, 1:] += cross
            self.hessian[1:, 0] += cross
            self.hessian[0, 0] += second.sum()
        if self._much < EVERYTHING:
            return
        size, squares = np.abs(Z), np.einsum("ij,ij->i", Z, Z)
        bent = np.abs(second) * (abs(self._level) + np.sqrt(squares) * np.linalg.norm(self._gamma))
        bent = bent if offset is None else bent + np.abs(second * offset)
        for total, share in ((self.magnitude, np.abs(slopes)), (self.rounding, bent)):
            total[first:] += share @ size
            total[:first] += share.sum()
        self.radius = max(self.radius, first + float(squares.max()))
        self.residual_ss += float(w @ (y - f) ** 2)
        if isinstance(self._loss, Family):
            self.pearson += pearson(self._loss, slopes, w, f)

    def _slopes(self, y: np.ndarray, f: np.ndarray, w: np.ndarray) -> np.ndarray | None:
        """w L', once Σ w L is summed; None where only that is asked for."""
        self.value += float(w @ self._loss.value(y, f))
        return w * self._loss.first_derivative(y, f) if self._much >= GRADIENT else None

    def merge(self, other: SmoothSums) -> None:
        for name in (
            "value",
            "residual_ss",
            "pearson",
            "weight",
            "gradient",
            "magnitude",
            "rounding",
            "hessian",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.radius = max(self.radius, other.radius)


def pearson(family: Family, slopes: np.ndarray, w: np.ndarray, eta: np.ndarray) -> float:
    """Σ w (y − μ)²/V(μ), which is Σ w L'²/E L''; `slopes` are w L'."""
    bend = w * family.expected_curvature(eta)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(slopes == 0, 0.0, (slopes / np.sqrt(bend)) ** 2).sum())


@final
@dataclass(frozen=True)
class Expected(Loss):
    """A family with E L'' in the place of L'', which makes Hessians expected information."""

    family: Family

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.family.name

    @property
    def code(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.family.code

    @property
    def power(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.family.power

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.family.value(y, f)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.family.first_derivative(y, f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.family.expected_curvature(f)


@final
class SmoothObjective:
    """J(θ) = (1/Σw) Σᵢ wᵢ L(yᵢ, f(xᵢ)) + R(β) of a linear model with one target, in `Coordinates`."""

    t = 1
    """How many linear predictors there are."""

    def __init__(self, source: Source, loss: Loss, penalty: Penalty, at: Coordinates) -> None:
        self.source, self.loss, self.penalty, self.at = source, loss, penalty, at

    @property
    def convex(self) -> bool:
        """Whether J is, so that where its derivatives vanish it is lowest."""
        return self.loss.convex and self.penalty.convex

    @property
    def self_concordance(self) -> float | None:
        """M with |L'''| ≤ M L'', if known."""
        return self.loss.self_concordance if isinstance(self.loss, Family) else None

    @property
    def unit(self) -> float:
        """What predictors are compared with to tell whether they changed: 1 where they are logarithms or the like, the
        least positive number where they have the unit of y, or of one over it."""
        plain = isinstance(self.loss, Family) and self.loss.link in _WITHOUT_UNIT
        return 1.0 if plain else float(np.finfo(np.float64).tiny)

    @property
    def has_edge(self) -> bool:
        """Whether predictors have an end, so that the shortest step may lead to where J is infinite."""
        return self.loss.has_edge

    def over(self, source: Source) -> SmoothObjective:
        """The same of other rows."""
        return SmoothObjective(source, self.loss, self.penalty, self.at)

    def within(self, at: Coordinates) -> SmoothObjective:
        """The same in other coordinates."""
        return SmoothObjective(self.source, self.loss, self.penalty, at)

    def sums(self, theta: np.ndarray, much: int) -> SmoothSums:
        """What one reading of the rows sums at θ."""
        return fold(self.source, SmoothSums(self.loss, self.at, theta, much))

    def raw(self, theta: np.ndarray) -> tuple[np.ndarray, float]:
        """Slopes (p,) and the intercept, in units of the data."""
        return self.at.raw(theta)

    def theta(self, beta: np.ndarray, intercept: float) -> np.ndarray:
        """θ of slopes (p,) and an intercept in units of the data."""
        return self.at.theta(beta, intercept)

    def value(self, theta: np.ndarray) -> float:
        """J(θ)."""
        found = self.sums(theta, VALUE)
        return found.value / found.weight + self.penalty.value(self.at.raw(theta)[0])

    def first_order(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """J(θ) and ∂J/∂θ."""
        return self._of(self.sums(theta, GRADIENT), theta)

    def second_order(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """J(θ), ∂J/∂θ and ∂²J/∂θ²."""
        found = self.sums(theta, HESSIAN)
        return *self._of(found, theta), self.at.pulled_twice(self.whole_hessian(found, theta))

    def whole_hessian(self, found: SmoothSums, theta: np.ndarray) -> np.ndarray:
        """∂²J by (level, γ), penalty included."""
        at, first = self.at, int(self.at.intercept)
        H = found.hessian / found.weight
        H[first:, first:] += self.penalty.hessian(at.raw(theta)[0]) / np.outer(at.scale, at.scale)
        return H

    def whole_gradient(self, found: SmoothSums, theta: np.ndarray) -> np.ndarray:
        """∂J by (level, γ), penalty included."""
        g = found.gradient / found.weight
        g[int(self.at.intercept) :] += self.penalty.gradient(self.at.raw(theta)[0]) / self.at.scale
        return g

    def information(self, theta: np.ndarray) -> SmoothSums:
        """Σ w E[L''] z zᵀ, as the Hessian, and Pearson's χ² of a family."""
        assert isinstance(self.loss, Family)
        return fold(self.source, SmoothSums(Expected(self.loss), self.at, theta, HESSIAN))

    def whole_value(self, found: SmoothSums, theta: np.ndarray) -> float:
        """J, penalty included."""
        return found.value / found.weight + self.penalty.value(self.at.raw(theta)[0])

    def pulled(self, gradient: np.ndarray) -> np.ndarray:
        """A derivative by (level, γ) as one by θ."""
        first = int(self.at.intercept)
        return self.at.pulled(float(gradient[0]) if first else 0.0, gradient[first:])

    def pulled_twice(self, H: np.ndarray) -> np.ndarray:
        """A second derivative by (level, γ) as one by θ."""
        return self.at.pulled_twice(H)

    def term_size(self, found: SmoothSums, theta: np.ndarray) -> np.ndarray:
        """mean |wᵢ zᵢⱼ L'ᵢ| + |∂R/∂γⱼ|, by (level, γ)."""
        size = found.magnitude / found.weight
        slope = self.penalty.gradient(self.at.raw(theta)[0])
        size[int(self.at.intercept) :] += np.abs(slope) / self.at.scale
        return size

    def unavoidable(self, found: SmoothSums, theta: np.ndarray) -> np.ndarray:
        """What rounding of f and of the coefficients, beside the largest of them, makes of ∂J/∂(level, γ)."""
        H = self.whole_hessian(found, theta)
        reach = float(np.abs(self.at.slopes(theta)).max(initial=0))
        return 4 * _EPS * found.rounding / found.weight + 2 * _EPS * reach * np.abs(H.diagonal())

    def _of(self, found: SmoothSums, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self.whole_value(found, theta), self.pulled(self.whole_gradient(found, theta))

    def sample(self, rows: int) -> tuple[np.ndarray, Any]:
        """The first rows that count: y (k,) and X (k, p), at most `rows` of them."""
        for block in self.source.blocks():
            assert block.y is not None
            weight = combined_weight(block)
            keep = np.flatnonzero(np.ones(block.X.shape[0]) if weight is None else weight)[:rows]
            if len(keep):
                self.source.readings -= 1  # a look at the first rows is not a reading
                return block.y[keep, 0], block.X[keep]
        raise AssertionError("unreachable: a fit came before")
