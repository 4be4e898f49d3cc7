"""Multinomial fits with an L1 penalty: proximal Newton steps on the slopes of all classes together, and their gap.

    J(β) = (1/Σw) Σᵢ wᵢ (log Σₖ exp ηₖ − η_y) + Σₖ R(βₖ),   ηₖ = β₀ₖ + xᵀβₖ,

each class having its own β, as scikit-learn's saga has it. A reading makes J with its first two derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from betahat.certificate import EPS, Certificate, Gap, certify_sparse
from betahat.certificate.duality import dual_scale, mismatch
from betahat.data.passes import Statistic, combined_weight, counting_parts, dense, fold
from betahat.data.source import Block, Source
from betahat.errors import DataError
from betahat.objective.smooth import EVERYTHING, Coordinates
from betahat.objective.softmax import SoftmaxObjective, SoftmaxSums
from betahat.penalties import NoPenalty
from betahat.penalties.sparse import SeparablePenalty, SparsePenalty
from betahat.solvers.sparse.curved import coordinates
from betahat.solvers.sparse.floored import DAMPING
from betahat.solvers.sparse.quadratic import minimise_gram
from betahat.solvers.trace import Trace

MOST = 3000
"""Coefficients of all classes for which the matrix of second derivatives is made."""
_HALVINGS = 12
_ROUNDED = 1e-12  # share of J that rounding hides
_STILL = 3  # steps that J hides, after which derivatives become no smaller either


@final
@dataclass(frozen=True, eq=False)
class SoftmaxSparseFit:
    """θ in the coordinates of `objective`, the sums there, slopes (K, p) and intercepts (K,), which coefficients are
    proved zero (K, p), and how it went."""

    objective: SoftmaxObjective
    theta: np.ndarray
    sums: SoftmaxSums
    coef: np.ndarray
    intercept: np.ndarray
    zeros: np.ndarray
    certificate: Certificate
    trace: Trace
    iterations: int
    stop_reason: str


def solve_sparse_softmax(
    source: Source, classes: int, penalty: SparsePenalty, intercept: bool, levels: np.ndarray, tolerance: float,
    most: int, warm: tuple[np.ndarray, np.ndarray] | None = None,
) -> SoftmaxSparseFit:  # fmt: skip
    """β̂ of all classes, to a duality gap of `tolerance` · J or to what rounding makes of it.

    levels : (K,) where intercepts begin; warm : β (K, p) and intercepts (K,) to begin at.

    Raises DataError for more than 3000 coefficients.
    """
    p = len(source.names)
    if classes * p > MOST:
        raise DataError(
            f"{classes} classes with {p} columns each have {classes * p} coefficients, and with l1_ratio above 0 their "
            f"second derivatives are a matrix, which is made up to {MOST}; leave columns out, fit pairs of classes, or "
            "set l1_ratio=0"
        )
    at, usable, _ = coordinates(source, intercept)
    objective = SoftmaxObjective(source, classes, NoPenalty(), at, False)
    a, b = penalty.strengths(p)
    given = SeparablePenalty(np.tile(a, classes), np.tile(b, classes), penalty.positive)
    inverse = np.tile(np.where(usable, 1.0 / at.scale, 0.0), classes)
    problem = _Problem(
        objective, SeparablePenalty(given.a * inverse, given.b * inverse**2, penalty.positive),
        np.tile(usable, classes), int(intercept),
    )  # fmt: skip
    if warm is not None:
        theta = objective.theta(*warm)
    else:
        theta = np.concatenate([at.theta(np.zeros(p), float(level) * intercept) for level in levels])
    trace = Trace()
    theta, sums, steps, reason = problem.descend(theta, tolerance, most, trace)
    return _certified(problem, source, given, theta, sums, tolerance, steps, reason, trace)


@final
@dataclass(frozen=True)
class _Problem:
    """J in standardised columns, with the strengths of the penalty there and which slopes are of columns that vary."""

    objective: SoftmaxObjective
    scaled: SeparablePenalty
    usable: np.ndarray
    first: int

    @property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where levels and slopes are in θ."""
        size = self.objective.at.size
        numbers = np.arange(self.objective.t * size).reshape(self.objective.t, size)
        return numbers[:, : self.first].ravel(), numbers[:, self.first :].ravel()

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        levels, slopes = self._places
        return values[levels], values[slopes]

    def value(self, sums: SoftmaxSums, theta: np.ndarray) -> float:
        return self.objective.whole_value(sums, theta) + self.scaled.value(self.split(theta)[1])

    def reduced(
        self, sums: SoftmaxSums, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Gradient and Hessian by the slopes, the levels at their minimum: g̃, H̃; −H_ll⁻¹ g_l and −H_ll⁻¹ H_ls."""
        levels, slopes = self._places
        g, H = self.objective.whole_gradient(sums, theta), self.objective.whole_hessian(sums, theta)
        inner, slope = H[np.ix_(slopes, slopes)], g[slopes]
        level, along = np.zeros(0), np.zeros((0, len(slopes)))
        if self.first:
            known = np.column_stack([g[levels], H[np.ix_(levels, slopes)]])
            try:
                both = -np.linalg.solve(H[np.ix_(levels, levels)], known)
            except np.linalg.LinAlgError as error:
                raise DataError(
                    "the probabilities of some class leave double precision in every row; weights of rows or classes "
                    "are too unlike"
                ) from error
            level, along = both[:, 0], both[:, 1:]
            cross = H[np.ix_(slopes, levels)]
            slope, inner = slope + cross @ level, inner + cross @ along
        inner = np.where(np.outer(self.usable, self.usable), (inner + inner.T) / 2, 0.0)
        return np.where(self.usable, slope, 0.0), inner, level, along

    def gap(self, sums: SoftmaxSums, theta: np.ndarray) -> Gap:
        """At the levels' minimum: the dual point is c times the derivatives L', c ≤ 1 so small that it is feasible.

        Along the way from L' (where L + L* − L'η = 0) to 0 (where it is L) that sum is convex, so that 1 − c of the
        loss bounds it.
        """
        gamma = self.split(theta)[1]
        g = np.where(self.usable, self.split(sums.gradient)[1] / sums.weight, 0.0)
        sizes = -g if self.scaled.positive else np.abs(g)
        c = dual_scale(sizes, self.scaled)
        gap = (1 - c) * sums.value / sums.weight + mismatch(gamma, g, c, self.scaled)
        # ‖∂²L/∂η²‖ ≤ ½, so that the dual is strongly concave
        return Gap(gap, c, self.scaled.a - c * sizes, float(np.sqrt(gap)))

    def descend(
        self, theta: np.ndarray, tolerance: float, most: int, trace: Trace
    ) -> tuple[np.ndarray, SoftmaxSums, int, str]:
        sums, damping, before, still = self.objective.sums(theta, EVERYTHING), 0, np.inf, 0
        for steps in range(1, most + 1):
            value, gap = self.value(sums, theta), self.gap(sums, theta).gap
            slope, inner, level, along = self.reduced(sums, theta)
            gamma = self.split(theta)[1]
            distance = self.scaled.distance(gamma, slope)
            assert gap is not None
            trace.add(value, float(np.abs(distance).max(initial=0)), gap)
            if not np.isfinite(value):
                return theta, sums, steps, "diverged"
            inner[np.diag_indices_from(inner)] += 0.5 * DAMPING[damping] + 1e-12 * self.usable
            z = minimise_gram(inner, slope, gamma, self.scaled, value, 1e-6 * tolerance**2)
            delta = z - gamma
            shift = level + along @ delta if self.first else level
            fall = float(slope @ delta) + self.scaled.value(z) - self.scaled.value(gamma)
            if self.first:
                fall += 0.5 * float(self.split(self.objective.whole_gradient(sums, theta))[0] @ level)
            moved = float(delta @ (inner @ delta))
            settled = moved <= _ROUNDED * value and (moved > 0.25 * before or moved == 0)
            if gap <= tolerance * value and settled:
                return theta, sums, steps, "converged"
            there = self._step(theta, delta, shift, value, fall, moved)
            if there is None:
                damping += 1
                if damping == len(DAMPING):
                    return theta, sums, steps, "no progress"
                continue
            theta, sums = there
            before = moved
            still += settled
            if still > _STILL:
                return theta, sums, steps, "no progress"
        return theta, sums, most, "budget spent"

    def _step(
        self, theta: np.ndarray, delta: np.ndarray, shift: np.ndarray, value: float, fall: float, moved: float
    ) -> tuple[np.ndarray, SoftmaxSums] | None:
        """The farthest of 1, ½, ¼, … that lowers J by its share, with the sums there; None where none does."""
        levels, slopes = self._places
        t = 1.0
        for _ in range(_HALVINGS):
            there = theta.copy()
            there[levels] += t * shift
            there[slopes] += t * delta
            if t == 1.0:
                there[slopes[delta == -theta[slopes]]] = 0.0
            with np.errstate(all="ignore"):
                sums = self.objective.sums(there, EVERYTHING)
                reached = self.value(sums, there)
            hidden = _ROUNDED * abs(value)
            if reached <= value + 1e-4 * t * fall or (moved <= hidden and reached <= value + hidden):
                return there, sums
            t /= 2
        return None


@final
class _LogSums(Statistic):
    """Σ w log Pₖ (K,) and Σ w |z| of the standardised columns (p,)."""

    def __init__(self, at: Coordinates, coef: np.ndarray, intercept: np.ndarray) -> None:
        self._at, self._coef, self._intercept = at, coef, intercept
        self.logs, self.sizes = np.zeros(len(coef)), np.zeros(coef.shape[1])

    def update(self, block: Block) -> None:
        for part, w in counting_parts(block, None):
            X = dense(part.X)
            eta = X @ self._coef.T + self._intercept
            eta = eta - eta.max(axis=1, keepdims=True)
            self.logs += w @ (eta - np.log(np.exp(eta).sum(axis=1, keepdims=True)))
            self.sizes += w @ (np.abs(X - self._at.mean) / self._at.scale)

    def merge(self, other: _LogSums) -> None:
        self.logs += other.logs
        self.sizes += other.sizes


def _rigorous(problem: _Problem, source: Source, theta: np.ndarray, sums: SoftmaxSums, gap: Gap) -> float:
    """What the gap lacks where the levels are not quite at their minimum.

    (1 − t) P + t 1qᵀ has the classes' shares ȳ for means where q = p̄ + (ȳ − p̄)/t, which are probabilities for t large
    enough; it is t (Σ q log q − mean q log P) from P at most, and moves the slopes' derivatives by 2t mean |z|.
    """
    if not problem.first or gap.gap is None:
        return 0.0
    objective = problem.objective
    shares = _shares(source, objective.t)
    excess = problem.split(sums.gradient)[0] / sums.weight
    mean = shares + excess
    t = float(np.maximum(excess / np.where(mean > 0, mean, 1.0), 0.0).max())
    if not t > 0:
        return 0.0
    q = np.maximum(mean - excess / t, 0.0)
    found = fold(source, _LogSums(objective.at, *objective.raw(theta)))
    logs = np.where(q > 0, np.log(np.where(q > 0, q, 1.0)), 0.0)
    away = t * float(q @ (logs - found.logs / sums.weight))
    moved = 2 * t * np.tile(found.sizes / sums.weight, objective.t)
    gamma = np.abs(problem.split(theta)[1])
    held = problem.scaled.a > 0
    worst = float((moved[held] / problem.scaled.a[held]).max(initial=0.0))
    return away + float(moved @ gamma) + worst * sums.value / sums.weight


def _shares(source: Source, classes: int) -> np.ndarray:
    total = np.zeros(classes)
    for block in source.blocks():
        assert block.y is not None
        total += np.bincount(block.y[:, 0].astype(np.intp), combined_weight(block), classes)
    if source.in_memory:
        source.readings -= 1  # only targets were looked at
    return total / total.sum()


def _certified(
    problem: _Problem, source: Source, given: SeparablePenalty, theta: np.ndarray, sums: SoftmaxSums, tolerance: float,
    steps: int, reason: str, trace: Trace,
) -> SoftmaxSparseFit:  # fmt: skip
    objective = problem.objective
    at, K, p = objective.at, objective.t, len(objective.at.mean)
    coef, intercept = objective.raw(theta)
    coef = np.where(problem.usable.reshape(K, p), coef, 0.0)
    value, gap = problem.value(sums, theta), problem.gap(sums, theta)
    slope, inner, level, along = problem.reduced(sums, theta)
    unit = np.tile(at.scale, K)
    beta, usable = coef.ravel(), problem.usable
    support = beta != 0
    curved = inner * np.outer(unit, unit)
    rounded = 4 * EPS * problem.split(sums.rounding)[1] / sums.weight * unit
    whole = (gap.gap or 0.0) + _rigorous(problem, source, theta, sums, gap)
    held = given.a > 0
    worst = float((rounded[held] / given.a[held]).max(initial=0.0))
    rounding = 2 * (worst * given.value(beta) + float(rounded @ np.abs(beta))) + 8 * EPS * value
    zeros = gap.certain_zeros(np.ones(K * p)) | ~usable
    taken = np.flatnonzero(support)
    ridge = float(given.b.min(initial=np.inf)) if K * p else 0.0
    names = tuple(f"{name} of class {k}" for k in range(K) for name in source.names)
    certificate = certify_sparse(
        loss=value, gap=whole, allowed=tolerance * value, rounding=rounding, size=value,
        distance=np.where(usable, given.distance(beta, slope * unit), 0.0), noise=rounded + 4 * EPS * given.a,
        bend=curved.diagonal() + given.b, support=support, zeros=zeros & ~support,
        hessian=curved[np.ix_(taken, taken)] + np.diag(given.b[taken]), ridge=ridge, quadratic=False, level=None,
        names=names, readings=source.readings,
        unfinished=f"the descent ended after {steps} steps: {reason}; J may be {whole:.2g} above its minimum",
    )  # fmt: skip
    certificate = _with_levels(certificate, problem, sums, theta, level, along)
    return SoftmaxSparseFit(
        objective, theta, sums, coef, intercept, zeros.reshape(K, p), certificate, trace, steps,
        "converged" if certificate.converged else reason,
    )  # fmt: skip


def _with_levels(
    certificate: Certificate, problem: _Problem, sums: SoftmaxSums, theta: np.ndarray, level: np.ndarray,
    along: np.ndarray,
) -> Certificate:  # fmt: skip
    """The certificate of slopes with the intercepts' own numbers before those of each class."""
    K, p, at = problem.objective.t, len(problem.objective.at.mean), problem.objective.at
    g, tolerances, bound = (
        part.reshape(K, p) for part in (certificate.gradient, certificate.tolerances, certificate.error_bound)
    )
    if problem.first:
        own = problem.split(sums.gradient)[0] / sums.weight
        size = problem.split(sums.magnitude)[0] / sums.weight
        finite = np.where(bound > 0, bound, 0.0)
        far = np.abs(level) + np.abs(along) @ (finite * at.scale).ravel() + finite @ np.abs(at.mean)
        g = np.column_stack([own, g])
        tolerances = np.column_stack([1e-10 * size, tolerances])
        bound = np.column_stack([far, bound])
    return replace(certificate, gradient=g, tolerances=tolerances, error_bound=bound)
