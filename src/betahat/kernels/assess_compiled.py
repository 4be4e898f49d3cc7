"""Compiled sums over rows at the end of a fit of squares: derivatives, curvature and covariance, in one call."""

from __future__ import annotations

import math

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.program_compiled import curvature, jacobian
from betahat.kernels.squares_compiled import SHORT, dot, inverse_of_triangle, triangle

_EPS = 2.0**-52


@compiled
def row_sums(J, first, second, error, gradient, magnitude, gram, rounding):
    """Jᵀ first, |J|ᵀ |first|, Jᵀ diag(second) J and |J|ᵀ error, for J given as (p, n)."""
    p, n = J.shape
    product = np.empty(n)
    for j in range(p):
        gradient[j] = dot(J[j], first, 0)
        size, lost = 0.0, 0.0
        for i in range(n):
            size += abs(J[j, i] * first[i])
            lost += abs(J[j, i]) * error[i]
            product[i] = J[j, i] * second[i]
        magnitude[j], rounding[j] = size, lost
        for k in range(j + 1):
            gram[j, k] = gram[k, j] = dot(J[k], product, 0)


@compiled
def inverse_of_squares(J, weight, largest, inverse):
    """(J diag(weight) Jᵀ)⁻¹ for J (p, n), by an orthogonal factorisation of the columns scaled to length 1; False where
    the inverse of the triangle is longer than `largest`, so that it may be the inverse of nothing."""
    p, n = J.shape
    if n < p:
        return False
    Z, R, scale = np.empty((p, n)), np.empty((p, p)), np.empty(p)
    for i in range(n):
        root = math.sqrt(weight[i])
        for j in range(p):
            Z[j, i] = J[j, i] * root
    for j in range(p):
        scale[j] = math.sqrt(dot(Z[j], Z[j], 0))
        if not SHORT < scale[j] < 1.0 / SHORT:
            return False
        for i in range(n):
            Z[j, i] /= scale[j]
    triangle(Z, R)
    for j in range(p):
        if R[j, j] == 0.0:
            return False
    back = inverse_of_triangle(R, p)
    length = 0.0
    for j in range(p):
        for k in range(j, p):
            length += back[j, k] * back[j, k]
    if not length <= largest * largest:
        return False
    for j in range(p):
        for k in range(j + 1):
            total = 0.0
            for c in range(j, p):
                total += back[j, c] * back[k, c]
            inverse[j, k] = inverse[k, j] = total / (scale[j] * scale[k])
    return True


@compiled
def assess(
    constants, columns, operations, result, moves, x, f, residual, share, digits, vanishing, units, largest
):
    """What certificate and covariance of a fit are made of, J = ½ Σ share (y − f)² at x with f and residual y − f (n,)
    given to more digits than the program has.

    Returns whether all is finite; J itself; the Jacobian (p, n); ∂J/∂x, Σ |share residual ∂f/∂x|, and what rounding of
    x, of f by `digits`, and residuals below `vanishing` can change in ∂J/∂x, each (p,); the Hessian and its part from
    f's own (p, p); the eigenvalues and vectors of the Hessian scaled to unit diagonal, and the scale; the inverse of
    JᵀWJ, zeros if not beyond doubt; and whether f is the program's but for `units` of its rounding.
    """
    p, n = len(x), len(f)
    J, first, error, reach = np.empty((p, n)), np.empty(n), np.empty(n), np.empty(n)
    jacobian(x, constants, columns, operations, result, moves, first, J, reach)
    agrees, loss = True, 0.0
    for i in range(n):
        loss += 0.5 * share[i] * residual[i] * residual[i]
        near = abs(f[i] - first[i]) <= units * reach[i]
        agrees = agrees and (near or not (math.isfinite(f[i]) or math.isfinite(first[i])))
        first[i] = -share[i] * residual[i]
        error[i] = 4.0 * digits * abs(share[i] * f[i]) + vanishing * share[i]
    gradient, magnitude, rounding, gram = np.empty(p), np.empty(p), np.empty(p), np.empty((p, p))
    row_sums(J, first, share, error, gradient, magnitude, gram, rounding)
    H, bent = np.empty((p, p)), np.empty((p, p))
    curvature(x, constants, columns, operations, result, moves, first, H)
    scale, scaled, fine = np.empty(p), np.empty((p, p)), True
    for j in range(p):
        for k in range(p):
            bent[j, k] = 0.5 * (H[j, k] + H[k, j])
    for j in range(p):
        for k in range(p):
            H[j, k] = gram[j, k] + bent[j, k]
            fine = fine and math.isfinite(H[j, k])
        scale[j] = math.sqrt(abs(H[j, j]))
        if scale[j] == 0.0:
            scale[j] = 1.0
    eigenvalues, vectors = np.full(p, np.nan), np.zeros((p, p))
    if fine:
        for j in range(p):
            for k in range(p):
                scaled[j, k] = H[j, k] / scale[j] / scale[k]
                fine = fine and math.isfinite(scaled[j, k])
    if fine:
        eigenvalues, vectors = np.linalg.eigh(scaled)
    clean = fine
    for j in range(p):
        for k in range(p):
            rounding[j] += 2.0 * _EPS * abs(H[j, k] * x[k])
        for i in range(n):
            clean = clean and math.isfinite(J[j, i])
    inverse = np.zeros((p, p))
    inverse_of_squares(J, share, largest, inverse)
    return (
        clean,
        loss,
        J,
        gradient,
        magnitude,
        rounding,
        H,
        bent,
        eigenvalues,
        vectors,
        scale,
        inverse,
        agrees,
    )
