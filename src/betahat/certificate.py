"""Is it a minimum? Answered from the data: the derivatives at β̂, summed anew over all rows in double-double."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np

from betahat.kernels.reference import Gradient

STATUSES = (
    "global minimum",
    "local minimum",
    "saddle",
    "flat",
    "no minimum exists",
    "stationary",
    "not stationary",
    "not assessed",
)
EPS = float(np.finfo(np.float64).eps)
RELATIVE_TOLERANCE = 1e-10
"""How small |∂J/∂βⱼ| must be beside mean |wᵢ xᵢⱼ L'ᵢ|, for direct and Newton solvers."""


@final
@dataclass(frozen=True, eq=False)
class Certificate:
    """What was found at β̂. Arrays list the intercept first where there is one; with several targets, a row each.

    status : one of STATUSES; converged : every derivative is within its tolerance; loss : J(β̂), penalty included,
    summed over targets; gradient : ∂J/∂β; tolerances : what each may be, `RELATIVE_TOLERANCE` · mean |wᵢ xᵢⱼ L'ᵢ| plus
    what rounding β̂ to double precision makes unavoidable; gradient_norm : the largest |∂J/∂β|; tolerance : the
    tolerance of the derivative that comes closest to (or exceeds) its own; condition_number : of the columns centred
    and scaled; error_bound : on |β̂ − β*| for each coefficient; error_bound_kind : "bound" (it holds) or "estimate";
    duality_gap : where there is an L1 penalty, else None; readings : of the rows, in all; message : in words;
    carried : whether the derivatives were summed at a β close by and carried to β̂ by the Hessian (for files, which
    are read once).
    """

    status: str
    converged: bool
    loss: float
    gradient: np.ndarray
    tolerances: np.ndarray
    gradient_norm: float
    tolerance: float
    condition_number: float
    error_bound: np.ndarray
    error_bound_kind: str
    readings: int
    message: str
    duality_gap: float | None = None
    carried: bool = False

    def line(self) -> str:
        """One line for a summary."""
        return (
            f"{self.status}: |∂J/∂β| ≤ {self.gradient_norm:.2g} (tolerance {self.tolerance:.2g}), "
            f"|β̂ − β*| ≤ {np.nanmax(self.error_bound):.2g} ({self.error_bound_kind}), "
            f"condition number {self.condition_number:.3g}, {self._read()}"
            if self.error_bound.size and np.isfinite(self.error_bound).any()
            else f"{self.status}: {self.message}"
        )

    def _read(self) -> str:
        return "1 reading" if self.readings == 1 else f"{self.readings} readings"

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Certificate:
        arrays = {
            name: np.asarray(values[name], np.float64) for name in ("gradient", "tolerances", "error_bound")
        }
        return cls(**{**values, **arrays})


def certify_linear(
    *, gradient: Gradient, coef: np.ndarray, intercept: np.ndarray, weight: float, squares: np.ndarray,
    mean: np.ndarray, curvature: float, scale: np.ndarray, active: np.ndarray, contraction: float,
    condition_number: float, correction: np.ndarray, correction_intercept: np.ndarray, unique: bool,
    fit_intercept: bool, readings: int, rows: int, precise: bool, carried: bool = False,
) -> Certificate:  # fmt: skip
    """The certificate of a linear least-squares fit.

    J is convex, so a vanishing gradient proves a global minimum. With H the Hessian and δ = −H⁻¹∇J computed by a
    factorisation that may miss by a factor ρ (`contraction`) in the norm ‖v‖² = vᵀHv, the rest e = β* − β̂ − δ has
    ‖e‖ ≤ ρ/(1 − ρ) ‖δ‖ + ‖H⁻¹ε‖ with ε the rounding of ∇J, and |eⱼ| ≤ √(H⁻¹)ⱼⱼ ‖e‖ (Cauchy–Schwarz).
    """
    p = coef.shape[1]
    derivative = (gradient.high + gradient.low) / -weight
    if curvature:
        derivative[:, 1:] += curvature * coef
    root = np.sqrt(np.concatenate([[weight], squares[:p]]) / weight)
    reach = np.abs(intercept) + np.abs(coef) @ root[1:]
    tolerances = (RELATIVE_TOLERANCE / weight) * gradient.magnitude + (2 * EPS * reach)[:, None] * root
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
    loss = float((gradient.loss / 2).sum() / weight + 0.5 * curvature * float((coef**2).sum()))
    rigorous = contraction < 0.5 and unique
    if not converged:
        status, message = (
            "not stationary",
            (
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
