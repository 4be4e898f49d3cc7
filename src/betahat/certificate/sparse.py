"""The certificate of a fit with an L1 penalty: duality gap, subgradients, and which zeros are proved."""

from __future__ import annotations

import numpy as np

from betahat.certificate.base import EPS, Certificate

_NAMED = 5


def certify_sparse(
    *, loss: float, gap: float | None, allowed: float, rounding: float, size: float, distance: np.ndarray,
    noise: np.ndarray, bend: np.ndarray, support: np.ndarray, zeros: np.ndarray, hessian: np.ndarray | None,
    ridge: float, quadratic: bool, level: tuple[float, np.ndarray] | None, names: tuple[str, ...], readings: int,
    unfinished: str,
) -> Certificate:  # fmt: skip
    """What is known of β̂ where J is `loss` and at most `gap` above the minimum.

    allowed, rounding : what the gap may be, and what rounding makes of it; size : of J above its floor, whose last bits
    no gap can tell; distance : (m,) the smallest subgradient by each coefficient, the intercept's first where there is
    one; noise : (p,) what rounding makes of those of slopes; bend : (m,) ∂²J; support : (p,) which slopes are not zero;
    zeros : (p,) which are zero at every minimum; hessian : ∂²J by the slopes in the support, the intercept along (k,
    k), None where that would be too large; ridge : b, where every coefficient has the same; level : of an intercept,
    1/√(Σ s L'') and the columns' means by these weights (p,).

    Subgradients count as zero up to √(2 ∂²J · allowed): a larger one alone would allow J to fall by more.
    With e = β̂ − β* and d these subgradients, eᵀHe ≤ eᵀd for a quadratic loss, since subdifferentials are monotone, and
    ½ eᵀHe ≤ gap. So |eⱼ| ≤ √(H⁻¹)ⱼⱼ · min(√(dᵀH⁻¹d), √(2 gap)) where all other coefficients are zero at every minimum,
    which is a bound where that is proved, and else an estimate.
    """
    p = len(support)
    least = max(allowed, rounding)
    tolerances = np.sqrt(2 * np.maximum(bend, 0.0) * least)
    known = gap is not None
    small = bool((np.abs(distance) <= tolerances).all())
    converged = gap <= least if gap is not None else small
    excess = gap if gap is not None else float((distance**2 / np.where(bend > 0, 2 * bend, np.inf)).sum())
    excess += 4 * EPS * size
    proved = bool((zeros | support).all())
    bound, condition, unique = np.full(p, np.inf), np.nan, False
    if not support.any():
        bound[zeros], unique, condition = 0.0, proved, 1.0
    elif hessian is not None:
        unit = np.sqrt(np.maximum(hessian.diagonal(), np.finfo(float).tiny))
        values, vectors = np.linalg.eigh(hessian / np.outer(unit, unit))
        condition = float(np.sqrt(values[-1] / values[0])) if values[0] > 0 else np.inf
        if values[0] > 1e-14 * values[-1]:
            inverse = ((vectors**2) / values).sum(axis=1) / unit**2
            pull = distance[-p:][support] - (0.0 if level is None else distance[0] * level[1][support])
            steep = np.sqrt((((pull / unit) @ vectors) ** 2 / values).sum()) + noise[support] @ np.sqrt(
                inverse
            )
            excess = min(excess, 0.5 * (steep + (0.0 if level is None else level[0] * abs(distance[0]))) ** 2)
            bound[~support] = 0.0
            bound[support] = np.sqrt(2 * excess * inverse)
            unique = proved
    strong = np.sqrt(2 * excess / ridge) if ridge > 0 else np.inf
    rigorous = quadratic and known and proved and bool(np.isfinite(bound).all())
    if ridge > 0:
        bound, unique = np.minimum(bound, strong), True
        if not rigorous:
            bound[:], rigorous = strong, known
        bound[zeros] = 0.0
    if level is not None:
        span = np.abs(level[1]) @ np.where(level[1] != 0, bound, 0.0)
        bound = np.concatenate([[level[0] * np.sqrt(2 * excess) + span], bound])
    ratio = np.abs(distance) / np.where(tolerances > 0, tolerances, 1.0)
    worst = int(np.argmax(ratio)) if len(ratio) else -1
    message = unfinished
    if converged:
        told = "the duality gap proves" if known else "all subgradients are small and J is convex:"
        amount = f" that no β has a J smaller by more than {gap:.2g}" if known else " J is at its minimum"
        message = told + amount + _uniqueness(unique, proved, zeros, support, names)
    return Certificate(
        "global minimum" if converged else "not stationary", bool(converged), loss, distance, tolerances,
        float(np.abs(distance).max(initial=0)), float(tolerances[worst]) if len(tolerances) else 0.0, condition, bound,
        "bound" if rigorous else "estimate", readings, message, duality_gap=gap,
    )  # fmt: skip


def _uniqueness(
    unique: bool, proved: bool, zeros: np.ndarray, support: np.ndarray, names: tuple[str, ...]
) -> str:
    if unique:
        return ""
    if not proved:
        open_ones = [names[j] for j in np.flatnonzero(~zeros & ~support)[:_NAMED]]
        more = int((~zeros & ~support).sum()) - len(open_ones)
        listed = ", ".join(open_ones) + (f" and {more} more" if more > 0 else "")
        return (
            f"; other coefficients may reach the same J: {listed} pull as strongly as the penalty holds them at zero "
            "(columns that are combinations of others do)"
        )
    return (
        "; other coefficients may reach the same J: columns with coefficients that are not zero are collinear"
    )
