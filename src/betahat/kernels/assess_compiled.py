"""Compiled sums over rows at the end of a fit of squares: derivatives, curvature and covariance, in one call."""

from __future__ import annotations

import math

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.eigen_compiled import eigen
from betahat.kernels.program_compiled import curvature, jacobian
from betahat.kernels.squares_compiled import SHORT, alike, dot, inverse_of_triangle, triangle

_EPS = 2.0**-52
HEAD, VECTORS, SQUARES = 6, 7, 4
"""Numbers, arrays (p,) and arrays (p, p) that :func:`assess` writes."""


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
def inverse_of_squares(J, weight, residual, largest, inverse):
    """(J diag(weight) Jᵀ)⁻¹ for J (p, n), by an orthogonal factorisation of the columns scaled to length 1, and the
    length of what of the weighted residual lies in their range; −1 where the inverse of the triangle is longer than
    `largest`, so that it may be the inverse of nothing."""
    p, n = J.shape
    if n < p:
        return -1.0
    Z, R, scale = np.empty((p + 1, n)), np.empty((p + 1, p + 1)), np.empty(p)
    for i in range(n):
        root = math.sqrt(weight[i])
        for j in range(p):
            Z[j, i] = J[j, i] * root
        Z[p, i] = residual[i] * root
    for j in range(p):
        scale[j] = math.sqrt(dot(Z[j], Z[j], 0))
        if not SHORT < scale[j] < 1.0 / SHORT:
            return -1.0
        for i in range(n):
            Z[j, i] /= scale[j]
    triangle(Z, R)
    for j in range(p):
        if R[j, j] == 0.0:
            return -1.0
    back = inverse_of_triangle(R, p)
    length = 0.0
    for j in range(p):
        for k in range(j, p):
            length += back[j, k] * back[j, k]
    if not length <= largest * largest:
        return -1.0
    for j in range(p):
        for k in range(j + 1):
            total = 0.0
            for c in range(j, p):
                total += back[j, c] * back[k, c]
            inverse[j, k] = inverse[k, j] = total / (scale[j] * scale[k])
    size = 0.0
    for j in range(p):
        size += R[j, p] * R[j, p]
    return math.sqrt(size)


@compiled
def prove(gradient, magnitude, rounding, tolerance, eigenvalues, vectors, scale, tolerances, bound):
    """Whether every |gradient| ≤ `tolerances` = tolerance · magnitude + rounding, and which comes closest to its own,
    or exceeds it most; `bound` = |H⁻¹ gradient| + |H⁻¹ rounding| by the eigenvalues of the scaled Hessian H."""
    p = len(gradient)
    stationary, worst, most = True, 0, -1.0
    for j in range(p):
        tolerances[j] = tolerance * magnitude[j] + rounding[j]
        size = abs(gradient[j])
        stationary = stationary and size <= tolerances[j]
        ratio = size / tolerances[j] if tolerances[j] > 0.0 else size
        if ratio > most:
            worst, most = j, ratio
        bound[j] = 0.0
    for part in (gradient, rounding):
        along = np.empty(p)
        for c in range(p):
            total = 0.0
            for j in range(p):
                total += part[j] / scale[j] * vectors[j, c]
            along[c] = total / eigenvalues[c]
        for j in range(p):
            total = 0.0
            for c in range(p):
                total += along[c] * vectors[j, c]
            bound[j] += abs(total / scale[j])
    return stationary, worst


@compiled
def assess(
    constants,
    columns,
    operations,
    result,
    moves,
    x,
    f,
    residual,
    share,
    digits,
    vanishing,
    units,
    largest,
    tolerance,
    J,
    out,
):
    """What certificate and covariance of a fit are made of, J = ½ Σ share (y − f)² at x with f and residual y − f (n,)
    given to more digits than the program has.

    Written to `out`, one behind the other: J itself, the length of what of the weighted residual lies in ∂f/∂x's range
    (−1 if that, or the inverse below, is not beyond doubt), 1 or 0 for whether all is finite, for whether f is the
    program's but for `units` of its rounding, and for whether `prove` finds every derivative small enough, and which is
    the worst; by parameter ∂J/∂x, Σ |share residual ∂f/∂x|, what rounding of x, of f by `digits`, and residuals below
    `vanishing` can change in ∂J/∂x (zeros where that is not known), `prove`'s tolerances and bound, the eigenvalues of
    the Hessian scaled to unit diagonal, and the scale; (p, p) the Hessian, its part from f's own, the eigenvectors, and
    the inverse of JᵀWJ. In J (p, n): ∂f/∂x.
    """
    p, n = len(x), len(f)
    first, error, reach = np.empty(n), np.empty(n), np.empty(n)
    vectors, squares = out[HEAD : HEAD + VECTORS * p], out[HEAD + VECTORS * p :]
    gradient, magnitude, rounding, tolerances, bound, eigenvalues, scale = vectors.reshape((VECTORS, p))
    H, bent, axes, inverse = squares.reshape((SQUARES, p, p))
    jacobian(x, constants, columns, operations, result, moves, first, J, reach)
    agrees, loss = alike(f, first, reach, units), 0.0
    for i in range(n):
        loss += 0.5 * share[i] * residual[i] * residual[i]
        first[i] = -share[i] * residual[i]
        error[i] = 4.0 * digits * abs(share[i] * f[i]) + vanishing * share[i]
    gram, scaled, fine = np.empty((p, p)), np.empty((p, p)), True
    row_sums(J, first, share, error, gradient, magnitude, gram, rounding)
    curvature(x, constants, columns, operations, result, moves, first, H)
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
    if fine:
        for j in range(p):
            for k in range(p):
                scaled[j, k] = H[j, k] / scale[j] / scale[k]
                fine = fine and math.isfinite(scaled[j, k])
    eigenvalues[:] = np.nan
    axes[:] = np.nan
    if fine:
        eigenvalues[:], axes[:] = eigen(scaled)
    clean, told = fine, True
    for j in range(p):
        clean = clean and math.isfinite(gradient[j])
        for k in range(p):
            rounding[j] += 2.0 * _EPS * abs(H[j, k] * x[k])
        for i in range(n):
            clean = clean and math.isfinite(J[j, i])
        told = told and math.isfinite(rounding[j])
    if not told:
        rounding[:] = 0.0
    stationary, worst = prove(
        gradient, magnitude, rounding, tolerance, eigenvalues, axes, scale, tolerances, bound
    )
    inverse[:] = 0.0
    size = inverse_of_squares(J, share, residual, largest, inverse)
    out[0], out[1], out[2], out[3], out[4], out[5] = loss, size, clean, agrees, stationary, worst
