"""Compiled iterations of Levenberg and Marquardt's for the squares of a straight-line program's residuals.

The plain kind only: whatever else comes up (columns of lost rank, numbers that are not finite, the end) is left to the
solver, which knows it all; see there for what each line means.
"""

from __future__ import annotations

import math

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.program_compiled import curvature, jacobian, jacobian_in, values_in, workspace

SHORT = 1e-75  # columns from this length on have harmless squares of squares


@compiled
def dot(a, b, first):
    """Σ aᵢbᵢ from i = first on, in four sums, so that none waits for the last."""
    n = len(a)
    whole = first + (n - first) // 4 * 4
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    for i in range(first, whole, 4):
        one += a[i] * b[i]
        two += a[i + 1] * b[i + 1]
        three += a[i + 2] * b[i + 2]
        four += a[i + 3] * b[i + 3]
    for i in range(whole, n):
        one += a[i] * b[i]
    return (one + two) + (three + four)


@compiled
def half_square(r):
    """½rᵀr, infinite where that is not finite."""
    total = 0.5 * dot(r, r, 0)
    return total if math.isfinite(total) else math.inf


@compiled
def residuals(beta, constants, columns, operations, result, slots, y, root, r):
    """r = root (f − y), and ½rᵀr."""
    values_in(beta, constants, columns, operations, result, r, slots, True)
    for i in range(len(r)):
        r[i] = root[i] * (r[i] - y[i])
    return half_square(r)


@compiled
def linearise(beta, constants, columns, operations, result, moves, slots, known, y, root, r, J, g):
    """r, J (p, n), g = Jr, and ½rᵀr; `known` : whether the last call was for the same β."""
    jacobian_in(beta, constants, columns, operations, result, moves, r, J, np.empty(0), slots, True, known)
    return weigh(y, root, r, J, g)


@compiled
def weigh(y, root, r, J, g):
    """The same from f in r, and ∂f/∂β in J."""
    for i in range(len(r)):
        r[i] = root[i] * (r[i] - y[i])
    for j in range(len(J)):
        for i in range(len(r)):
            J[j, i] *= root[i]
        g[j] = dot(J[j], r, 0)
    return half_square(r)


@compiled
def cholesky(C, damping, L):
    """L with LLᵀ = C + damping · I; False where that is not positive definite."""
    p = len(C)
    for j in range(p):
        for k in range(j + 1):
            total = C[j, k] + (damping if j == k else 0.0)
            for c in range(k):
                total -= L[j, c] * L[k, c]
            if k < j:
                L[j, k] = total / L[k, k]
            elif total > 0.0:
                L[j, j] = math.sqrt(total)
            else:
                return False
    return True


@compiled
def solve(L, right, out):
    """(LLᵀ)⁻¹ right."""
    p = len(L)
    for j in range(p):
        total = right[j]
        for k in range(j):
            total -= L[j, k] * out[k]
        out[j] = total / L[j, j]
    for j in range(p - 1, -1, -1):
        total = out[j]
        for k in range(j + 1, p):
            total -= L[k, j] * out[k]
        out[j] = total / L[j, j]


@compiled
def inverse_length(L, back):
    """The trace of (LLᵀ)⁻¹; `back` becomes L⁻¹."""
    p, square = len(L), 0.0
    for c in range(p):
        for j in range(c, p):
            total = 1.0 if j == c else 0.0
            for k in range(c, j):
                total -= L[j, k] * back[k, c]
            back[j, c] = total / L[j, j]
            square += back[j, c] * back[j, c]
    return square


@compiled
def alike(value, found, reach, units):
    """Whether f is the program's, but for so many `units` of what rounding every operation once can change in it."""
    for i in range(len(value)):
        near = abs(value[i] - found[i]) <= units * reach[i]
        if not near and (math.isfinite(value[i]) or math.isfinite(found[i])):
            return False
    return True


@compiled
def advance(
    constants,
    columns,
    operations,
    result,
    moves,
    y,
    root,
    value_there,
    settings,
    most,
    x,
    gradient,
    unit,
    numbers,
    rows,
):
    """At most so many iterations from x, in place; how many were made, −1 if f is not the program's at x.

    value_there : f (n,) at x, empty where that is known to be the program's; settings : FALL, the relative eigenvalue
    of JᵀJ asked for, the fading of units, the length of the probe, how bent a step may be, the damping beyond which
    none is tried, how many iterations are a long way, and by how many units of rounding f may differ from the program;
    numbers : λ, the fall foreseen before, the relative fall from which Newton's steps are tried, the last relative
    step, then how often f was computed, ½rᵀr where it ended and the fall foreseen there, NaN where that is not known;
    gradient : (p,) that there; rows : (most, 3) for the trace. Stops before an iteration that is not plain: where the
    fall foreseen is next to nothing, or Newton's steps are to be tried, where JᵀJ does not tell J's singular values,
    and where no λ leads to a lower point.
    """
    fall_least, relative, fading, probe, bent, highest, long, units = settings
    p, n = len(x), len(y)
    r, J, g = np.empty(n), np.empty((p, n)), np.empty(p)
    ahead, C, lengths = np.empty(n), np.empty((p, p)), np.empty(p)
    there, step, turn, there_g = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    pulled, scaled, L, back = np.empty(p), np.empty(p), np.empty((p, p)), np.empty((p, p))
    slots = workspace(p, constants, columns, operations, True)
    reach = np.empty(len(value_there))
    jacobian_in(x, constants, columns, operations, result, moves, r, J, reach, slots, True, False)
    if not alike(value_there, r, reach, units):
        return -1
    value = weigh(y, root, r, J, g)
    numbers[4], numbers[5], numbers[6] = 1.0, value, np.nan
    gradient[:] = g
    if not math.isfinite(value):
        return 0
    for done in range(most):
        least, greatest = math.inf, 0.0
        for j in range(p):
            for k in range(j, p):
                C[j, k] = C[k, j] = dot(J[j], J[k], 0)
            lengths[j] = max(fading * unit[j], math.sqrt(C[j, j]))
            least, greatest = min(least, lengths[j]), max(greatest, lengths[j])
            if not math.isfinite(C[j, j]):
                return done
        if not least > 0.0:
            return done
        for j in range(p):
            for k in range(p):
                C[j, k] /= lengths[j] * lengths[k]
        if not cholesky(C, 0.0, L):
            return done
        if not inverse_length(L, back) * p < 1.0 / relative:  # a bound on the ratio of C's eigenvalues
            squares = np.linalg.eigh(C)[0]
            if not squares[0] > relative * squares[p - 1]:
                return done
        for j in range(p):
            scaled[j] = -g[j] / lengths[j]
        solve(L, scaled, step)
        fall = 0.0  # ½ of r's square within the range of J
        for j in range(p):
            fall += 0.5 * step[j] * scaled[j]
        damping, before, untried, size = numbers[0], numbers[1], numbers[2], numbers[3]
        numbers[6] = fall
        if not fall > fall_least * value:
            return done
        if fall <= untried * value:
            left = math.inf
            if fall < before < math.inf:
                left = math.log(fall / (fall_least * value)) / math.log(before / fall)
            elif fall < before:
                left = 0.0
            if left > long:
                return done
        numbers[6] = np.nan
        growth = 2.0
        while True:
            numbers[4] += 2.0
            bent_square, step_square = 0.0, 0.0
            if not cholesky(C, damping, L):
                return done
            solve(L, scaled, step)
            foreseen = 0.0  # gᵀδ + ½δᵀCδ, with its sign turned
            for j in range(p):
                total = 0.0
                for k in range(p):
                    total += C[j, k] * step[k]
                foreseen += step[j] * (scaled[j] - 0.5 * total)
            for j in range(p):
                step[j] /= lengths[j]
            for j in range(p):
                there[j] = x[j] + probe * step[j]
                step_square += (lengths[j] * step[j]) ** 2
            residuals(there, constants, columns, operations, result, slots, y, root, ahead)
            for i in range(n):
                ahead[i] = (ahead[i] - r[i]) / probe
            for j in range(p):
                for i in range(n):
                    ahead[i] -= J[j, i] * step[j]
            for j in range(p):
                pulled[j] = dot(J[j], ahead, 0) / lengths[j]
            solve(L, pulled, turn)
            for j in range(p):
                turn[j] /= -probe * lengths[j]
            for j in range(p):
                bent_square += (lengths[j] * turn[j]) ** 2
            curved = math.sqrt(bent_square) <= 0.5 * bent * math.sqrt(step_square)  # not where it is NaN
            still = True
            for j in range(p):
                there[j] = x[j] + (step[j] + turn[j] if curved else step[j])
            new = residuals(there, constants, columns, operations, result, slots, y, root, ahead)
            if new < value:
                break
            for j in range(p):
                still = still and abs(there[j] - x[j]) <= 4.5e-16 * abs(x[j])
            if still or damping > highest:
                return done
            damping, growth = damping * growth, min(2.0 * growth, 1e6)
        # a lower point
        largest = 0.0
        for j in range(p):
            largest = max(largest, abs(g[j]))
        numbers[4] += 1.0
        linearise(
            there, constants, columns, operations, result, moves, slots, True, y, root, ahead, J, there_g
        )
        for j in range(p):
            if not math.isfinite(there_g[j]):
                return done
        share = min((value - new) / foreseen, 1.0) if foreseen > 0.0 else 1.0
        rows[done, 0], rows[done, 1], rows[done, 2] = value, largest, size
        numbers[0] = damping * max(1.0 / 9.0, 1.0 - (2.0 * share - 1.0) ** 3)
        numbers[1] = fall
        size = 0.0
        for j in range(p):
            size = max(size, abs(there[j] - x[j]) / max(abs(x[j]), 1e-300))
            x[j], g[j], unit[j] = there[j], there_g[j], lengths[j]
            gradient[j] = g[j]
        numbers[3] = size
        for i in range(n):
            r[i] = ahead[i]
        value = new
        numbers[5] = value
    return most


@compiled
def triangle(Z, R):
    """R (k, k) of the QR factorisation of Zᵀ, for Z (k, n), n ≥ k − 1, by Householder's reflections; Z is used up."""
    k, n = Z.shape
    R[:] = 0.0
    for j in range(k):
        if j < n:
            length = math.sqrt(dot(Z[j], Z[j], j))  # of numbers whose squares are harmless
            R[j, j] = -length if Z[j, j] > 0.0 else length
            if length > 0.0:
                Z[j, j] -= R[j, j]
                scale = -1.0 / (R[j, j] * Z[j, j])  # 2/vᵀv
                for c in range(j + 1, k):
                    along = scale * dot(Z[j], Z[c], j)
                    for i in range(j, n):
                        Z[c, i] -= along * Z[j, i]
            for c in range(j + 1, k):
                R[j, c] = Z[c, j]


@compiled
def inverse_of_triangle(R, p):
    """The inverse of the leading upper triangle (p, p) of R."""
    back = np.zeros((p, p))
    for c in range(p):
        back[c, c] = 1.0 / R[c, c]
        for j in range(c - 1, -1, -1):
            total = 0.0
            for k in range(j + 1, c + 1):
                total += R[j, k] * back[k, c]
            back[j, c] = -total / R[j, j]
    return back


@compiled
def newton(constants, columns, operations, result, moves, root, r, safe, eps, x, out, J, gradient, step):
    """Newton's step for ½rᵀr at x, with r (n,) given to more digits than f has here; f (n,), ∂f/∂x (p, n), the gradient
    and the step (p,) are written, the step as NaN where the Hessian is not positive definite.

    Returns the size ‖Qᵀr‖ of what is left to win, −1 where J's columns are not safely independent.
    """
    p, n = len(x), len(r)
    step[:] = np.nan
    jacobian(x, constants, columns, operations, result, moves, out, J, np.empty(0))
    Z, R, scale = np.empty((p + 1, n)), np.empty((p + 1, p + 1)), np.empty(p)
    weight = np.empty(n)
    for i in range(n):
        Z[p, i] = r[i]
        weight[i] = root[i] * r[i]
    for j in range(p):
        for i in range(n):
            Z[j, i] = J[j, i] * root[i]
        gradient[j] = dot(Z[j], r, 0)
        scale[j] = math.sqrt(dot(Z[j], Z[j], 0))
    least, largest = math.inf, 0.0
    for j in range(p):
        if not SHORT < scale[j] < 1.0 / SHORT:
            return -1.0
        for i in range(n):
            Z[j, i] /= scale[j]
    if n < p:
        return -1.0
    triangle(Z, R)
    for j in range(p):
        least, largest = min(least, abs(R[j, j])), max(largest, abs(R[j, j]))
    if not least > safe * largest:
        return -1.0
    size = 0.0
    for j in range(p):
        size += R[j, p] * R[j, p]
    size = math.sqrt(size)
    back, right, turned = inverse_of_triangle(R, p), np.empty(p), np.empty(p)
    H, half, inner = np.empty((p, p)), np.empty((p, p)), np.empty((p, p))
    curvature(x, constants, columns, operations, result, moves, weight, H)
    for j in range(p):
        for k in range(p):
            if not math.isfinite(H[j, k]):
                return size
            total = 0.0
            for i in range(k + 1):
                total += 0.5 * (H[j, i] + H[i, j]) / (scale[j] * scale[i]) * back[i, k]
            half[j, k] = total
    for j in range(p):
        for k in range(p):
            total = 1.0 if j == k else 0.0
            for i in range(j + 1):
                total += back[i, j] * half[i, k]
            inner[j, k] = total
    for j in range(p):
        for k in range(j):
            inner[j, k] = inner[k, j] = 0.5 * (inner[j, k] + inner[k, j])
            if not math.isfinite(inner[j, k]):
                return size
    if not cholesky(inner, -eps, half):
        return size
    for j in range(p):
        right[j] = -R[j, p]
    solve(half, right, turned)
    for j in range(p):
        step[j] = 0.0
        for k in range(j, p):
            step[j] += back[j, k] * turned[k]
        step[j] /= scale[j]
    return size
