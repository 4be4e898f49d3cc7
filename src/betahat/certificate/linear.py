"""Linear least squares: the derivatives at β̂, summed anew over all rows in double-double."""

from __future__ import annotations

import numpy as np

from betahat.certificate.base import EPS, RELATIVE_TOLERANCE, Certificate
from betahat.kernels.reference import Gradient


def certify_linear(
    *, gradient: Gradient, coef: np.ndarray, intercept: np.ndarray, weight: float, squares: np.ndarray,
    mean: np.ndarray, curvature: float, scale: np.ndarray, active: np.ndarray, contraction: float,
    condition_number: float, correction: np.ndarray, correction_intercept: np.ndarray, unique: bool,
    fit_intercept: bool, readings: int, rows: int, precise: bool, carried: bool = False,
    tolerance: float = RELATIVE_TOLERANCE, unfinished: str = "",
) -> Certificate:  # fmt: skip
    """The certificate of a linear least-squares fit.

    J is convex, so a vanishing gradient proves a global minimum. With H the Hessian and δ = −H⁻¹∇J computed by a
    factorisation that may miss by a factor ρ (`contraction`) in the norm ‖v‖² = vᵀHv, the rest e = β* − β̂ − δ has
    ‖e‖ ≤ ρ/(1 − ρ) ‖δ‖ + ‖H⁻¹ε‖ with ε the rounding of ∇J, and |eⱼ| ≤ √(H⁻¹)ⱼⱼ ‖e‖ (Cauchy–Schwarz). `unfinished` is
    what to say of a descent that ended before the derivatives vanished.
    """
    p = coef.shape[1]
    derivative = (gradient.high + gradient.low) / -weight
    if curvature:
        derivative[:, 1:] += curvature * coef
    root = np.sqrt(np.concatenate([[weight], squares[:p]]) / weight)
    reach = np.abs(intercept) + np.abs(coef) @ root[1:]
    tolerances = (tolerance / weight) * gradient.magnitude + (2 * EPS * reach)[:, None] * root
    if curvature:
        tolerances[:, 1:] += EPS * curvature * np.abs(coef)
    bound = _error_bound(
        derivative * -weight, curvature * weight * coef, weight, reach + np.sqrt(squares[p:] / weight), mean, scale,
        active, contraction, condition_number, correction, correction_intercept, rows, precise,
    )  # fmt: skip
    first = 0 if fit_intercept else 1
    derivative, tolerances, bound = derivative[:, first:], tolerances[:, first:], bound[:, first:]
    converged = bool((np.abs(derivative) <= tolerances).all())
    ratio = np.abs(derivative) / np.where(tolerances > 0, tolerances, 1.0)
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape) if ratio.size else None
    loss = float((gradient.loss / 2).sum() / weight)
    if curvature:
        loss += 0.5 * curvature * float((coef**2).sum())
    rigorous = contraction < 0.5 and unique
    if not converged:
        status, message = (
            "not stationary",
            unfinished
            or (
                "the derivatives do not vanish to the precision expected; the columns may be so nearly collinear that "
                "double precision cannot tell their coefficients apart"
            ),
        )
    else:
        status = "global minimum"
        message = "all derivatives vanish and the objective is convex, so no β has a smaller loss"
        if not unique:
            message += "; other coefficients reach the same loss, because columns are collinear"
    if carried:
        message += (
            "; the rows were read once: derivatives summed at a β close by were carried to β̂ by the Hessian"
        )
    squeeze = (lambda a: a[0]) if len(coef) == 1 else (lambda a: a)
    return Certificate(
        status, converged, loss, squeeze(derivative), squeeze(tolerances),
        float(np.abs(derivative).max(initial=0)), float(tolerances[worst]) if worst else 0.0, condition_number,
        squeeze(bound), "bound" if rigorous else "estimate", readings, message, carried=carried,
    )  # fmt: skip


def _error_bound(
    sums: np.ndarray, shrinkage: np.ndarray, weight: float, reach: np.ndarray, mean: np.ndarray, scale: np.ndarray,
    active: np.ndarray, contraction: float, kappa: float, correction: np.ndarray, correction_intercept: np.ndarray,
    rows: int, precise: bool,
) -> np.ndarray:  # fmt: skip
    """(t, p + 1) bounds, the intercept's first, from the `sums` −W ∂J/∂β and the penalty's part of them.

    That part, W ∂R/∂β, is known no better than Σw, which is rounded.
    """
    t, p = correction.shape
    span = np.zeros((t, p))
    rho = min(
        contraction + 4 * EPS * float((np.abs(mean[active]) * np.sqrt(weight) / scale).max(initial=0)), 0.5
    )
    constant, about_mean = np.abs(sums[:, :1]), sums[:, 1:] - sums[:, :1] * mean
    terms = correction * about_mean  # they add to δᵀHδ; with what their sum can lose:
    energy = np.sqrt(np.maximum(terms.sum(axis=1), 0) + 8 * (p + 1) * EPS * np.abs(terms).sum(axis=1))[
        :, None
    ]
    rounded = (
        4
        * EPS
        * (np.abs(about_mean) + 2 * constant * np.abs(mean) + 4 * np.abs(shrinkage))[:, active]
        / scale
    )
    # What evaluating the gradient can still miss: 80 or 100 bits, and what adding many rows loses of them.
    digits = 2.0**-96 if precise else 2.0**-76
    missed = max(digits, rows * 2.0**-104) * np.sqrt(len(active) + 1) * weight**0.5 * reach[:, None]
    lost = np.sqrt((rounded**2).sum(axis=1, keepdims=True)) + missed
    span[:, active] = kappa * (rho / (1 - rho) * energy + kappa * lost) / scale
    slopes = np.abs(correction) * (1 + 4 * EPS) + span
    intercept = np.abs(correction_intercept)[:, None] * (1 + 4 * EPS) + (span @ np.abs(mean))[:, None]
    intercept = intercept + 8 * EPS * (np.abs(correction) @ np.abs(mean))[:, None] + missed / weight**0.5
    return np.column_stack([intercept + 64 * EPS * constant / weight, slopes])
