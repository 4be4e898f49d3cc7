"""How far J(β̂) is above the minimum, proved by Fenchel's inequality: the duality gap of a convex loss and penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate.base import EPS
from betahat.kernels.row_losses import shrunk_dual
from betahat.losses.base import Loss
from betahat.losses.squared import SquaredError
from betahat.penalties.sparse import SeparablePenalty


@final
@dataclass(frozen=True)
class Gap:
    """J(β̂) ≤ min J + `gap`; None where the loss has no known conjugate.

    scale : c ≤ 1, what the derivatives L' were shrunk by to be feasible; slack : (p,) how far |∂F/∂βⱼ| of that dual
    point stays below aⱼ; radius : how far the exact L' can be from it, √Σ sᵢ (u*ᵢ − c uᵢ)², inf where not known.
    """

    gap: float | None
    scale: float
    slack: np.ndarray
    radius: float

    def certain_zeros(self, norms: np.ndarray) -> np.ndarray:
        """Which coefficients are exactly zero at every minimum (the gap-safe rule: Ndiaye et al. 2017).

        norms : (p,) √Σ sᵢ (xᵢⱼ − x̄ⱼ)², about zero without an intercept.
        """
        if not np.isfinite(self.radius):
            return np.zeros(len(self.slack), bool)
        return self.slack > norms * self.radius


def duality_gap(
    *, loss: Loss, y: np.ndarray, share: np.ndarray, eta: np.ndarray, slopes: np.ndarray, gradient: np.ndarray,
    beta: np.ndarray, penalty: SeparablePenalty, norms: np.ndarray, intercept: bool, compiled: bool = False,
) -> Gap:  # fmt: skip
    """The gap of F + R at β, F(η) = Σ sᵢ L(yᵢ, ηᵢ), with u = L'(y, η) (`slopes`) and Xᵀ(s u) (`gradient`).

    For any u with Σ sᵢuᵢ = 0 (where there is an intercept) min J ≥ −Σ sᵢ L*(yᵢ, uᵢ) − R*(−Xᵀ(s u)), offsets apart.
    Here u = c L'(y, η), c ≤ 1 so small that |xⱼᵀ(s u)| ≤ aⱼ wherever bⱼ = 0; and the larger of Σ sᵢuᵢ⁺ and Σ sᵢuᵢ⁻
    shrunk to the other. Both leave u in the domain of L*, which holds 0 and is convex.

    compiled : whether sums over these rows pay for compiled kernels.
    """
    su = share * slopes
    size = float(np.sqrt(su @ slopes))
    uneven, high, low = 0.0, 0.0, 0.0
    if intercept:
        rest, whole = float(su.sum()), float(np.abs(su).sum())
        high, low = 0.5 * (whole + rest), 0.5 * (whole - rest)
        uneven = abs(rest) / max(high, low) if whole > 0 else 0.0
    sizes = (-gradient if penalty.positive else np.abs(gradient)) + uneven * size * norms
    scale = dual_scale(sizes, penalty)
    if isinstance(loss, SquaredError):  # the sum of ½ s (1 − c)² u², with the smallest c of all rows
        gap = 0.5 * (size * (1 - scale * (1 - uneven))) ** 2
    else:
        gap = misfit(loss, y, share, eta, slopes, scale, uneven, (high, low), compiled)
    if gap is not None:
        gap += mismatch(beta, gradient, scale, penalty) + scale * uneven * size * float(norms @ np.abs(beta))
    radius = np.inf
    if gap is not None and loss.largest_curvature is not None:
        radius = float(np.sqrt(2 * loss.largest_curvature * gap))
    return Gap(gap, scale, penalty.a - scale * sizes, radius)


def dual_scale(sizes: np.ndarray, penalty: SeparablePenalty) -> float:
    """c ≤ 1 with c · sizesⱼ ≤ aⱼ wherever bⱼ = 0."""
    over = (penalty.b == 0) & (sizes > penalty.a)
    return float((penalty.a[over] / sizes[over]).min(initial=1.0))


def misfit(
    loss: Loss, y: np.ndarray, share: np.ndarray, eta: np.ndarray, slopes: np.ndarray, scale: float, uneven: float,
    sides: tuple[float, float], compiled: bool = False,
) -> float | None:  # fmt: skip
    """Σ sᵢ (L(yᵢ, ηᵢ) + L*(yᵢ, uᵢ) − uᵢ ηᵢ) ≥ 0 for the u of `duality_gap`.

    At u = L' it vanishes, and it is convex along the way to u = 0, where it is Σ sᵢ (L − min L): a bound that rounding
    cannot spoil, used where the exact sum is not smaller.
    """
    if compiled and loss.code is not None:
        by_sign = (scale * (1 - uneven), scale) if sides[0] > sides[1] else (scale, scale * (1 - uneven))
        found = shrunk_dual(y, eta, share, loss.code, loss.power, *by_sign)
        if found is not None and np.isfinite(found).all():
            apart, size, above = found
            return min(above, apart + 4 * EPS * size)
    shrunk = np.full_like(slopes, scale)
    if sides[0] > sides[1]:
        shrunk[slopes > 0] *= 1 - uneven
    else:
        shrunk[slopes < 0] *= 1 - uneven
    with np.errstate(all="ignore"):
        value = loss.value(y, eta)
        lowest, dual = loss.conjugate(y, np.zeros_like(y)), loss.conjugate(y, shrunk * slopes)
        if lowest is None or dual is None:
            return None
        bound = float(share @ ((1 - shrunk) * np.maximum(value + lowest, 0.0)))
        exact = float(share @ (value + dual - shrunk * slopes * eta))
        rounding = 4 * EPS * float(share @ (np.abs(value) + np.abs(dual) + np.abs(slopes * eta)))
    return min(bound, exact + rounding) if np.isfinite(exact) else bound


def mismatch(beta: np.ndarray, gradient: np.ndarray, scale: float, penalty: SeparablePenalty) -> float:
    """Σⱼ (Rⱼ(βⱼ) + Rⱼ*(−c gⱼ) + c gⱼ βⱼ) ≥ 0, every term of which is."""
    terms = penalty.a * np.abs(beta) + 0.5 * penalty.b * beta**2 + scale * gradient * beta
    bent = penalty.b > 0
    if bent.any():
        sizes = scale * (-gradient if penalty.positive else np.abs(gradient))[bent]
        terms[bent] += np.maximum(sizes - penalty.a[bent], 0.0) ** 2 / (2 * penalty.b[bent])
    return float(np.maximum(terms, 0.0).sum())


def quadratic_gap(
    *, mean_square: float, level: float, gradient: np.ndarray, beta: np.ndarray, penalty: SeparablePenalty
) -> Gap:
    """The same for squared error from sums over the rows alone.

    mean_square : Σ s r² of the residuals r; level : Σ s r, which the dual point is centred by (0 without an intercept);
    gradient : −Σ s r (x − x̄) (p,).
    """
    sizes = -gradient if penalty.positive else np.abs(gradient)
    scale = dual_scale(sizes, penalty)
    gap = 0.5 * ((1 - scale) ** 2 * max(mean_square - level**2, 0.0) + level**2)
    gap += mismatch(beta, gradient, scale, penalty)
    return Gap(gap, scale, penalty.a - scale * sizes, float(np.sqrt(2 * gap)))


def bounded_gap(
    *, above: float | None, gradient: np.ndarray, magnitude: np.ndarray, uneven: float, beta: np.ndarray,
    penalty: SeparablePenalty, curvature: float | None,
) -> Gap:  # fmt: skip
    """The same for any loss from sums over the rows alone, a little larger.

    above : Σ s (L − min L), None where that is not known; gradient : Σ s L' x (p,); magnitude : Σ |s L' x| (p,);
    uneven : by what share Σ s L'⁺ and Σ s L'⁻ differ, 0 without an intercept; curvature : the largest L''.
    """
    sizes = (-gradient if penalty.positive else np.abs(gradient)) + uneven * magnitude
    scale = dual_scale(sizes, penalty)
    if above is None:
        return Gap(None, scale, penalty.a - scale * sizes, np.inf)
    gap = (1 - scale * (1 - uneven)) * above + mismatch(beta, gradient, scale, penalty)
    gap += scale * uneven * float(magnitude @ np.abs(beta))
    radius = np.inf if curvature is None else float(np.sqrt(2 * curvature * gap))
    return Gap(gap, scale, penalty.a - scale * sizes, radius)
