"""Lasso and elastic net from sums over the rows: one reading for the Gram matrix, one for the certificate.

For n ≫ p, and for sources larger than memory. The derivatives at β̂ are summed anew in double-double arithmetic; where
they ask for a correction the quadratic is solved again with them, as in iterative refinement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from betahat.certificate import EPS, Gap
from betahat.certificate.duality import quadratic_gap
from betahat.data.source import Block, DerivedSource, Source
from betahat.errors import DataError
from betahat.losses.squared import SquaredError
from betahat.objective import LinearObjective
from betahat.penalties import NoPenalty
from betahat.penalties.sparse import SeparablePenalty
from betahat.solvers.equations import NormalEquations, is_representable, normal_equations
from betahat.solvers.range import refuse_non_finite
from betahat.solvers.sparse.quadratic import minimise_gram
from betahat.solvers.trace import Trace

_READINGS = 8


@final
class LessOffset(DerivedSource):
    """Another source whose offsets are taken from y, which is the same for squared error."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.has_offset = False

    def _derive(self, block: Block) -> Block:
        if block.offset is None or block.y is None:
            return block
        return replace(block, y=block.y - block.offset[:, None], offset=None)


@final
@dataclass(frozen=True)
class Quadratic:
    """J without its penalty, ½ Σ s (y − ȳ − (x − x̄)ᵀβ)², from second moments; t targets.

    H : (p, p) Σ s of the standardised columns' products; unit : (p,) what columns were divided by; right : (p, t) of
    standardised columns and targets; mean : (p + t,), zeros without an intercept; total : (t,) Σ s (y − ȳ)²; squares :
    (p + t,) Σ s of squares about zero.
    """

    objective: LinearObjective
    equations: NormalEquations
    H: np.ndarray
    unit: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    intercept: bool

    @classmethod
    def of(cls, source: Source, intercept: bool) -> Quadratic:
        """By one reading; a second where a provisional centre was far off.

        Raises MissingValueError or DataError where values are not finite, or no row counts.
        """
        if source.has_offset:
            source = LessOffset(source)
        objective = LinearObjective(source, SquaredError(), lambda weight: NoPenalty(), intercept)
        p, t = len(source.names), len(source.target_names)
        statistic = objective.second_order()
        statistic.counts.check()
        with np.errstate(invalid="ignore", over="ignore"):
            if not is_representable(statistic):
                refuse_non_finite(objective.ranges(p, t), source.names, source.target_names)
                raise DataError(TOO_UNLIKE)
        equations = normal_equations(objective, statistic, p)
        weight = equations.weight
        moments = equations.moments / weight
        unit = np.sqrt(np.maximum(np.diag(moments)[:p], 0.0))
        unit[equations.constant | ~(unit > 0)] = np.inf
        H = moments[:p, :p] / unit[:, None]
        H /= unit
        return cls(
            objective, equations, H, unit, moments[:p, p:] / unit[:, None], equations.mean * intercept,
            equations.total_ss / weight, equations.squares / weight, intercept,
        )  # fmt: skip

    def minimise(self, target: int, penalty: SeparablePenalty, start: np.ndarray) -> np.ndarray:
        """β (p,) by the moments, begun at `start`."""
        return self.correct(penalty, start, self.slope(target, start), self.total[target])

    def slope(self, target: int, beta: np.ndarray) -> np.ndarray:
        """∂F/∂γ (p,) by the moments, in standardised columns."""
        moving = np.flatnonzero(beta)
        gamma = beta[moving] * self.unit[moving]
        return gamma @ self.H[moving] - self.right[:, target]

    def correct(
        self, penalty: SeparablePenalty, beta: np.ndarray, slope: np.ndarray, scale: float
    ) -> np.ndarray:
        """β that minimises the quadratic with this `slope` (p,), by γ, at `beta`."""
        usable = np.isfinite(self.unit)
        inverse = np.where(usable, 1.0 / self.unit, 0.0)
        scaled = SeparablePenalty(penalty.a * inverse, penalty.b * inverse**2, penalty.positive)
        gamma = np.where(usable, beta * np.where(usable, self.unit, 0.0), 0.0)
        return minimise_gram(self.H, slope, gamma, scaled, scale) * inverse

    def gap(self, target: int, beta: np.ndarray, penalty: SeparablePenalty) -> tuple[float, float]:
        """J and the duality gap by the moments, without a reading."""
        moving = np.flatnonzero(beta)
        gamma = beta[moving] * self.unit[moving]
        slope = gamma @ self.H[moving] - self.right[:, target]
        square = max(self.total[target] + float(gamma @ (slope[moving] - self.right[moving, target])), 0.0)
        found = quadratic_gap(
            mean_square=square, level=0.0, gradient=self.raw(slope), beta=beta, penalty=penalty
        )  # fmt: skip
        assert found.gap is not None
        return 0.5 * square + penalty.value(beta), found.gap

    def raw(self, slope: np.ndarray) -> np.ndarray:
        """A derivative by γ as one by β."""
        return np.where(np.isfinite(self.unit), slope * np.where(np.isfinite(self.unit), self.unit, 0.0), 0.0)

    @property
    def norms(self) -> np.ndarray:
        """√Σ s (x − x̄)² (p,)."""
        return np.where(np.isfinite(self.unit), self.unit, 0.0)


TOO_UNLIKE = (
    "X or y holds numbers beyond 1e±110, whose squares cannot be represented; rescale the columns (a penalty is not "
    "free of scale, so this cannot be done for you)"
)


@final
@dataclass
class Summed:
    """Where a fit by sums is, for one target: β (p,), intercept, J, centred gradient (p,), subgradients and gap."""

    beta: np.ndarray
    intercept: float
    value: float
    level: float
    gradient: np.ndarray
    distance: np.ndarray
    gap: Gap
    rounding: float
    rounds: int
    stop_reason: str


def solve_gram(
    quadratic: Quadratic, penalty: SeparablePenalty, start: list[tuple[np.ndarray, float] | None], tolerance: float,
    readings: int, traces: list[Trace],
) -> list[Summed]:  # fmt: skip
    """Minimise for every target, certified by a reading of the rows."""
    p, t = len(quadratic.unit), quadratic.right.shape[1]
    beta = np.zeros((t, p))
    for k in range(t):
        given = start[k]
        beta[k] = quadratic.minimise(k, penalty, np.zeros(p) if given is None else given[0])
    before = [np.inf] * t
    found: list[Summed] = []
    for rounds in range(1, max(1, min(readings, _READINGS)) + 1):
        found = _look(quadratic, beta, penalty, rounds)
        moving = False
        for k, at in enumerate(found):
            assert at.gap.gap is not None
            traces[k].add(at.value, float(np.abs(at.distance).max(initial=0)), at.gap.gap)
            if at.gap.gap <= max(tolerance * at.value, at.rounding):
                at.stop_reason = "converged"
            elif at.gap.gap >= 0.5 * before[k]:
                at.stop_reason = "no progress"
            else:
                moving, before[k] = True, at.gap.gap
                unit = np.where(np.isfinite(quadratic.unit), quadratic.unit, np.inf)
                beta[k] = quadratic.correct(penalty, at.beta, at.gradient / unit, quadratic.total[k])
        if not moving:
            break
    return found


def _look(quadratic: Quadratic, beta: np.ndarray, penalty: SeparablePenalty, rounds: int) -> list[Summed]:
    """Residuals, derivatives and gaps of every target, in one reading."""
    p, weight = beta.shape[1], quadratic.equations.weight
    intercept = np.zeros(len(beta))
    if quadratic.intercept:
        intercept = quadratic.mean[p:] - beta @ quadratic.mean[:p]
    sums = quadratic.objective.first_order(beta, intercept)
    first = (sums.high + sums.low) / -weight
    found = []
    for k, own in enumerate(beta):
        level = float(first[k, 0]) if quadratic.intercept else 0.0
        gradient = first[k, 1:] - level * quadratic.mean[:p]
        square = float(sums.loss[k]) / weight
        gap = quadratic_gap(mean_square=square, level=level, gradient=gradient, beta=own, penalty=penalty)
        reach = float(np.abs(own) @ np.sqrt(quadratic.squares[:p]) + np.sqrt(quadratic.squares[p + k]))
        held = penalty.a > 0
        norms = np.sqrt(quadratic.squares[:p])
        worst = float((norms[held] / penalty.a[held]).max(initial=0.0))
        rounding = 8 * EPS * reach * (worst * penalty.value(own) + float(norms @ np.abs(own)))
        value = 0.5 * square + penalty.value(own)
        distance = penalty.distance(own, gradient)
        found.append(
            Summed(
                own.copy(),
                float(intercept[k]),
                value,
                level,
                gradient,
                distance,
                gap,
                rounding,
                rounds,
                "budget spent",
            )
        )
    return found
