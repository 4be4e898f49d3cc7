"""Rigorous distances to the minimum: losses whose third derivative is bounded by the second (Bach 2010).

Where |L'''| ≤ M L'', the Hessian along a line changes by a factor of at most exp(M |zᵢᵀδ|), and |zᵢᵀδ| ≤ r ‖δ‖_H with
r² = max zᵢᵀ H⁻¹ zᵢ. So the derivative along the way from β to a minimum β* = β + δ grows from −λ ‖δ‖_H at least by
‖δ‖_H (1 − exp(−ρ d))/ρ, with d = ‖δ‖_H, ρ = M r and Newton's decrement λ² = gᵀH⁻¹g, so that

    (1 − exp(−ρ d)) / ρ ≤ λ,   hence   d ≤ −log(1 − ρ λ) / ρ   where ρ λ < 1,

and then a minimum exists: at this distance J is everywhere larger.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from betahat.certificate.base import EPS

_SLACK = 1e-6  # what rounding may take from H⁻¹


@final
class Distance(NamedTuple):
    """How far the minimum is: `decrement` λ, with the rounding of g in it; `bounds` (k,) on what is wanted, infinite
    where λ is too large for a proof; `proven` whether a minimum exists."""

    decrement: float
    bounds: np.ndarray
    proven: bool


def distance(
    hessian: np.ndarray, gradient: np.ndarray, rounding: np.ndarray, constant: float, radius: float,
    functionals: np.ndarray,
) -> Distance:  # fmt: skip
    """The bounds at a point with this Hessian (m, m) of J and a gradient (m,) known up to `rounding`.

    constant : M; radius : the largest ‖zᵢ‖² of a row, in the coordinates of the Hessian; functionals : (k, m), what is
    wanted of the coefficients, since |cᵀ(β̂ − β*)| ≤ √(cᵀH⁻¹c) d.
    """
    m, k = len(gradient), len(functionals)
    nothing = Distance(np.nan, np.full(k, np.inf), False)
    if not m:
        return Distance(0.0, np.zeros(k), True)
    if not (np.isfinite(hessian).all() and np.isfinite(gradient).all() and np.isfinite(radius)):
        return nothing
    scale = np.sqrt(np.abs(hessian.diagonal()))
    if not scale.min() > 0:
        return nothing
    values, vectors = np.linalg.eigh(hessian / scale[:, None] / scale)
    least = values[0] - 8 * EPS * m * values[-1]
    if not least > 0:
        return nothing
    values = np.maximum(values * (1 - _SLACK), least)
    sides = vectors / scale[:, None]  # H⁻¹ = S diag(1/values) Sᵀ with these as columns
    along = np.abs(sides.T @ gradient) + np.abs(sides).T @ rounding
    decrement = float(np.sqrt((along**2 / values).sum()))
    inverse = ((functionals @ sides) ** 2 / values).sum(axis=1)  # the diagonal of C H⁻¹ Cᵀ
    reach = constant * float(np.sqrt(radius * np.linalg.norm((sides / np.sqrt(values)), 2) ** 2))
    product = reach * decrement
    if not product < 1:
        return Distance(decrement, np.full(k, np.inf), False)
    d = -np.log1p(-product) / reach if reach > 0 else decrement
    return Distance(decrement, np.sqrt(inverse) * d, True)
