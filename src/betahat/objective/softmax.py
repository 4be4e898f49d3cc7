"""The multinomial likelihood of a linear model over a source: t linear predictors, one for each class that is free."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, combined_weight, counting_parts, dense, fold
from betahat.data.source import Block, Source
from betahat.kernels.gram import COMPILED_FROM
from betahat.kernels.softmax import Softened, softmax
from betahat.objective.smooth import EVERYTHING, GRADIENT, HESSIAN, ROUGH, VALUE, Coordinates
from betahat.penalties.base import Penalty

_CHUNK = 1 << 18  # numbers of X that are centred and scaled at once
_EPS = float(np.finfo(np.float64).eps)
JUDGED = EVERYTHING + 1
"""What a certificate needs, without the Hessian."""


@final
class SoftmaxSums(Statistic):
    """Σ w L with L = log Σ_k exp ηₖ − η_y, and its derivatives by (level, γ) of each predictor, one after the other.

    Classes are coded 0 … K−1 in y. With t = K predictors each class has its own; with t = K − 1 class 0 is the
    reference, η₀ = 0. value; gradient (t·m,); hessian (t·m, t·m); magnitude, rounding (t·m,); radius; as
    :class:`betahat.objective.smooth.SmoothSums` has them.
    """

    def __init__(self, at: Coordinates, theta: np.ndarray, t: int, reference: bool, much: int) -> None:
        self._at, self._much, self._t, self._reference = at, much, t, reference
        parts = theta.reshape(t, at.size)
        self._gamma = np.array([at.slopes(part) for part in parts])
        self._level = np.array([at.level(part) for part in parts])
        self._first = int(at.intercept)
        m = t * (len(at.mean) + self._first)
        self.value, self.weight, self.radius = 0.0, 0.0, 0.0
        self.gradient, self.magnitude, self.rounding = np.zeros(m), np.zeros(m), np.zeros(m)
        self.diagonal = np.zeros(m)
        self.hessian = np.zeros((m, m)) if much in (ROUGH, HESSIAN, EVERYTHING) else np.zeros((0, 0))

    def update(self, block: Block) -> None:
        assert block.y is not None
        weight = combined_weight(block)
        if self._much <= HESSIAN and is_fused(block):
            self._take(fused(self._at, self._gamma, self._level, self._reference, block, weight, self._much))
            return
        for part, w in counting_parts(block, _CHUNK):
            assert part.y is not None
            self._add(part.X, part.y[:, 0].astype(np.intp), w)

    def _take(self, found: Softened) -> None:
        lost, first, t = int(self._reference), 1 - self._first, self._t
        unit = np.append(1.0, self._at.scale)[first:]
        self.value += found.value
        self.weight += found.weight
        if self._much >= GRADIENT:
            self.gradient += (found.gradient[lost:, first:] / unit).ravel()
        if self._much >= ROUGH:
            K, m = found.gradient.shape
            H = found.hessian.reshape(K, m, K, m)[lost:, first:, lost:, first:]
            H = H / unit[:, None, None] / unit
            self.hessian += H.reshape(t * len(unit), -1)

    def _add(self, X: Any, y: np.ndarray, w: np.ndarray) -> None:
        at = self._at
        self.weight += float(w.sum())
        Z = (dense(X) - at.mean) / at.scale
        eta = Z @ self._gamma.T + self._level
        P, value = probabilities(eta, y, self._reference)
        self.value += float(w @ value)
        if self._much == VALUE:
            return
        slopes = P.copy()
        own = y - int(self._reference)
        inside = np.flatnonzero(own >= 0)
        slopes[inside, own[inside]] = -others(P, eta, inside, own, self._reference)
        slopes *= w[:, None]
        ones = np.ones((len(y), self._first))
        Z1 = np.concatenate([ones, Z], axis=1) if self._first else Z
        self.gradient += (slopes.T @ Z1).ravel()
        if self.hessian.size:
            self._add_hessian(Z1, P, w)
        if self._much >= EVERYTHING:
            self._judge(Z1, P, w, slopes)

    def _add_hessian(self, Z1: np.ndarray, P: np.ndarray, w: np.ndarray) -> None:
        m, t = Z1.shape[1], self._t
        blocks = self.hessian.reshape(t, m, t, m)
        for k in range(t):
            for j in range(k + 1):
                bend = w * P[:, k] * ((1.0 - P[:, k]) if k == j else -P[:, j])
                part = (Z1 * bend[:, None]).T @ Z1
                blocks[k, :, j, :] += part
                if j < k:
                    blocks[j, :, k, :] += part.T

    def _judge(self, Z1: np.ndarray, P: np.ndarray, w: np.ndarray, slopes: np.ndarray) -> None:
        size = np.abs(Z1)
        self.magnitude += (np.abs(slopes).T @ size).ravel()
        reach = size[:, self._first :] @ np.abs(self._gamma.T) + np.abs(self._level)
        mean = (P * reach).sum(axis=1, keepdims=True)
        self.rounding += ((w[:, None] * P * (reach + mean)).T @ size).ravel()
        squares = Z1 * Z1
        self.diagonal += ((w[:, None] * P * (1 - P)).T @ squares).ravel()
        self.radius = max(self.radius, float(squares.sum(axis=1).max()))

    def merge(self, other: SoftmaxSums) -> None:
        for name in ("value", "weight", "gradient", "magnitude", "rounding", "diagonal", "hessian"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.radius = max(self.radius, other.radius)


def is_fused(block: Block) -> bool:
    """Whether a compiled kernel makes all sums of one reading."""
    n, p = block.X.shape
    return n * p >= COMPILED_FROM and not hasattr(block.X, "tocsr") and p > 0


def fused(
    at: Coordinates, gamma: np.ndarray, level: np.ndarray, reference: bool, block: Block, weight: np.ndarray | None,
    much: int, direction: np.ndarray | None = None,
) -> Softened:  # fmt: skip
    """The sums by (level, β) of all classes, in units of the columns; gamma (t, p) and direction (t, m) of the free."""
    assert block.y is not None
    slopes = gamma / at.scale
    if reference:
        slopes, level = np.concatenate([np.zeros((1, slopes.shape[1])), slopes]), np.append(0.0, level)
        direction = (
            None if direction is None else np.concatenate([np.zeros((1, direction.shape[1])), direction])
        )
    return softmax(block.X, block.y[:, 0], weight, None, at.mean, slopes, level, much, direction)


def probabilities(eta: np.ndarray, y: np.ndarray, reference: bool) -> tuple[np.ndarray, np.ndarray]:
    """exp ηₖ / Σ exp ηⱼ (n, t) of the predictors given, and L (n,); y are codes of all classes."""
    top = eta.max(axis=1)
    if reference:
        top = np.maximum(top, 0.0)
    P = np.exp(eta - top[:, None])
    total = P.sum(axis=1)
    if reference:
        total = total + np.exp(-top)
    own = y - int(reference)
    rows = np.arange(len(y))
    mine = np.where(own >= 0, eta[rows, np.maximum(own, 0)], 0.0)
    P /= total[:, None]
    return P, np.log(total) + (top - mine)


def others(P: np.ndarray, eta: np.ndarray, rows: np.ndarray, own: np.ndarray, reference: bool) -> np.ndarray:
    """1 − Pₖ of each row's own class, as the sum of the other probabilities, so that it keeps its digits."""
    Q = P[rows].copy()
    Q[np.arange(len(rows)), own[rows]] = 0.0
    total = Q.sum(axis=1)
    if reference:
        top = np.maximum(eta[rows].max(axis=1), 0.0)
        total += np.exp(-top) / (np.exp(eta[rows] - top[:, None]).sum(axis=1) + np.exp(-top))
    return total


@final
class SoftmaxObjective:
    """J(θ) = (1/Σw) Σᵢ wᵢ L(yᵢ, η(xᵢ)) + Σₖ R(βₖ); θ holds the `Coordinates` of each predictor, one after the other.

    With a predictor for every class only differences of levels count; J then has ½ (Σ levels)² / t too, which the
    minimum makes zero.
    """

    convex = True
    has_edge = False
    unit = 1.0
    self_concordance = float(np.sqrt(2.0))
    """The third derivative along v is at most (max v − min v) ≤ √2 ‖v‖ times the second."""

    def __init__(
        self, source: Source, classes: int, penalty: Penalty, at: Coordinates, reference: bool
    ) -> None:
        self.source, self.penalty, self.at, self.reference = source, penalty, at, reference
        self.classes, self.t = classes, classes - int(reference)

    def over(self, source: Source) -> SoftmaxObjective:
        """The same of other rows."""
        return SoftmaxObjective(source, self.classes, self.penalty, self.at, self.reference)

    def within(self, at: Coordinates) -> SoftmaxObjective:
        """The same in other coordinates."""
        return SoftmaxObjective(self.source, self.classes, self.penalty, at, self.reference)

    def sums(self, theta: np.ndarray, much: int) -> SoftmaxSums:
        """What one reading of the rows sums at θ."""
        return fold(self.source, SoftmaxSums(self.at, theta, self.t, self.reference, much))

    def parts(self, theta: np.ndarray) -> np.ndarray:
        """θ as (t, size)."""
        return theta.reshape(self.t, self.at.size)

    def raw(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (t, p) and intercepts (t,), in units of the data."""
        pairs = [self.at.raw(part) for part in self.parts(theta)]
        return np.array([beta for beta, _ in pairs]), np.array([level for _, level in pairs])

    def theta(self, beta: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """θ of slopes (t, p) and intercepts (t,) in units of the data."""
        return np.concatenate([self.at.theta(b, float(a)) for b, a in zip(beta, intercept, strict=True)])

    def _levels(self, theta: np.ndarray) -> np.ndarray:
        return self.parts(theta)[:, 0] if self._pins else np.zeros(self.t)

    @property
    def _pins(self) -> bool:
        return self.at.intercept and not self.reference

    def whole_value(self, found: SoftmaxSums, theta: np.ndarray) -> float:
        """J, penalty included."""
        pin = 0.5 * float(self._levels(theta).sum()) ** 2 / self.t
        return found.value / found.weight + self.penalty.value(self.raw(theta)[0]) + pin

    def whole_gradient(self, found: SoftmaxSums, theta: np.ndarray) -> np.ndarray:
        """∂J by (level, γ) of each predictor, penalty included."""
        first = int(self.at.intercept)
        g = (found.gradient / found.weight).reshape(self.t, -1)
        g[:, first:] += self.penalty.gradient(self.raw(theta)[0]) / self.at.scale
        if self._pins:
            g[:, 0] += self._levels(theta).sum() / self.t
        return g.ravel()

    def whole_hessian(self, found: SoftmaxSums, theta: np.ndarray) -> np.ndarray:
        """∂²J by (level, γ) of each predictor, penalty included."""
        first, t = int(self.at.intercept), self.t
        H = (found.hessian / found.weight).reshape(t, -1, t, first + len(self.at.mean))
        k = np.arange(t)
        j = first + np.arange(len(self.at.mean))
        for each in k:
            H[each, j, each, j] += self.penalty.curvature / self.at.scale**2
        if self._pins:
            H[:, 0, :, 0] += 1.0 / t
        return H.reshape(t * H.shape[1], -1)

    def pulled(self, gradient: np.ndarray) -> np.ndarray:
        """A derivative by (level, γ) of each predictor as one by θ."""
        first = int(self.at.intercept)
        return np.concatenate([
            self.at.pulled(float(g[0]) if first else 0.0, g[first:]) for g in gradient.reshape(self.t, -1)
        ])  # fmt: skip

    def pulled_twice(self, H: np.ndarray) -> np.ndarray:
        """A second derivative by (level, γ) of each predictor as one by θ."""
        if self.at.basis is None:
            return H
        t, first = self.t, int(self.at.intercept)
        outer = np.zeros((first + len(self.at.mean), self.at.size))
        outer[:first, :first] = np.eye(first)
        outer[first:, first:] = self.at.basis
        blocks = H.reshape(t, len(outer), t, len(outer))
        pulled = np.einsum("ia,kilj,jb->kalb", outer, blocks, outer, optimize=True)
        return pulled.reshape(t * self.at.size, -1)

    def term_size(self, found: SoftmaxSums, theta: np.ndarray) -> np.ndarray:
        """mean |wᵢ zᵢⱼ L'ᵢ| + |∂R/∂γⱼ|, by (level, γ) of each predictor."""
        size = (found.magnitude / found.weight).reshape(self.t, -1)
        first = int(self.at.intercept)
        size[:, first:] += np.abs(self.penalty.gradient(self.raw(theta)[0])) / self.at.scale
        return size.ravel()

    def unavoidable(self, found: SoftmaxSums, theta: np.ndarray) -> np.ndarray:
        """What rounding of η and of the coefficients, beside the largest of them, makes of the gradient."""
        diagonal = (found.diagonal / found.weight).reshape(self.t, -1)
        diagonal[:, int(self.at.intercept) :] += self.penalty.curvature / self.at.scale**2
        reach = float(np.abs(theta).max(initial=0))
        return 4 * _EPS * found.rounding / found.weight + 2 * _EPS * reach * diagonal.ravel()

    def product(self, theta: np.ndarray, V: np.ndarray) -> np.ndarray:
        """∂²J/∂θ² V by a reading of the rows; V (t·size,)."""
        at, first = self.at, int(self.at.intercept)
        parts = self.parts(V)
        along = np.concatenate([parts[:, :first], [at.slopes(part) for part in parts]], axis=1)
        statistic = fold(self.source, SoftmaxProduct(at, theta, along, self.t, self.reference))
        out = statistic.product / statistic.weight
        out[:, first:] += self.penalty.curvature * along[:, first:] / at.scale**2
        if self._pins:
            out[:, 0] += along[:, 0].sum() / self.t
        return self.pulled(out.ravel())


@final
class SoftmaxProduct(Statistic):
    """Σ w z ⊗ (diag P − P Pᵀ) V z, V (t, m) by (level, γ) of each predictor."""

    def __init__(self, at: Coordinates, theta: np.ndarray, V: np.ndarray, t: int, reference: bool) -> None:
        self._sums = SoftmaxSums(at, theta, t, reference, GRADIENT)
        self._at, self._V, self._first, self._reference = at, V, int(at.intercept), reference
        self.product, self.weight = np.zeros(V.shape), 0.0

    def update(self, block: Block) -> None:
        assert block.y is not None
        weight, at, first = combined_weight(block), self._at, self._first
        if is_fused(block):
            V = np.zeros((len(self._V), 1 + block.X.shape[1]))
            V[:, 1 - first :] = self._V / np.append(1.0, at.scale)[1 - first :]
            gamma, level = self._sums._gamma, self._sums._level
            found = fused(at, gamma, level, self._reference, block, weight, VALUE, V)
            unit = np.append(1.0, at.scale)[1 - first :]
            self.product += found.product[int(self._reference) :, 1 - first :] / unit
            self.weight += found.weight
            return
        for part, w in counting_parts(block, _CHUNK):
            Z = (dense(part.X) - at.mean) / at.scale
            eta = Z @ self._sums._gamma.T + self._sums._level
            P, _ = probabilities(eta, np.zeros(len(w), np.intp), self._reference)
            U = Z @ self._V[:, first:].T + (self._V[:, 0] if first else 0.0)
            R = w[:, None] * P * (U - (P * U).sum(axis=1, keepdims=True))
            self.product[:, first:] += R.T @ Z
            if first:
                self.product[:, 0] += R.sum(axis=0)
            self.weight += float(w.sum())

    def merge(self, other: SoftmaxProduct) -> None:
        self.product, self.weight = self.product + other.product, self.weight + other.weight
