"""Compiled coordinate descent; `reference_coordinate` says in NumPy what each function must equal."""

from __future__ import annotations

from betahat.kernels.compiled import compiled


@compiled
def threshold(z, a, positive):
    """sign(z) (|z| − a)₊, or (z − a)₊."""
    if z > a:
        return z - a
    if z < -a and not positive:
        return z + a
    return 0.0


@compiled
def _next_is_whole(whole, moved, total, tolerance):
    """Whether the coming epoch is over all coordinates."""
    return not whole and moved <= max(tolerance, 0.01 * total)


@compiled
def descend_gram(H, g, beta, a, b, positive, epochs, tolerance):
    """By a Gram matrix (w, w)."""
    w = len(beta)
    total, whole = 1e300, True
    for _ in range(epochs):
        moved = 0.0
        for j in range(w):
            old, curve = beta[j], H[j, j] + b[j]
            if (not whole and old == 0.0) or not curve > 0.0:
                continue
            new = threshold(H[j, j] * old - g[j], a[j], positive) / curve
            if new != old:
                step = new - old
                beta[j] = new
                for k in range(w):
                    g[k] += H[j, k] * step
                moved += curve * step * step
        if whole:
            total = moved
            if moved <= tolerance:
                return total
        whole = _next_is_whole(whole, moved, total, tolerance)
    return total


@compiled
def _dot(X, j, q):
    """Column j of a Fortran-ordered X times q, in eight sums."""
    n = len(q)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = n // 8 * 8
    for i in range(0, whole, 8):
        s0 += X[i, j] * q[i]
        s1 += X[i + 1, j] * q[i + 1]
        s2 += X[i + 2, j] * q[i + 2]
        s3 += X[i + 3, j] * q[i + 3]
        s4 += X[i + 4, j] * q[i + 4]
        s5 += X[i + 5, j] * q[i + 5]
        s6 += X[i + 6, j] * q[i + 6]
        s7 += X[i + 7, j] * q[i + 7]
    for i in range(whole, n):
        s0 += X[i, j] * q[i]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))


@compiled
def descend_dense(X, columns, h, mean, bend, q, beta, a, b, positive, epochs, tolerance):
    """By rows of a Fortran-ordered X."""
    total, whole = 1e300, True
    for _ in range(epochs):
        moved = 0.0
        for k in range(len(beta)):
            old, curve = beta[k], bend[k] + b[k]
            if (not whole and old == 0.0) or not curve > 0.0:
                continue
            j = columns[k]
            new = threshold(bend[k] * old - _dot(X, j, q), a[k], positive) / curve
            if new != old:
                step, middle = new - old, mean[k]
                beta[k] = new
                for i in range(len(q)):
                    q[i] += h[i] * (step * (X[i, j] - middle))
                moved += curve * step * step
        if whole:
            total = moved
            if moved <= tolerance:
                return total
        whole = _next_is_whole(whole, moved, total, tolerance)
    return total


@compiled
def descend_sparse(data, indices, indptr, columns, h, mean, bend, q, beta, a, b, positive, epochs, tolerance):
    """By rows of a CSC matrix. q is kept as q' − shift·h, so that a step touches the column's own rows alone."""
    total, whole, shift, weight = 1e300, True, 0.0, 0.0
    for i in range(len(h)):
        weight += h[i]
    for _ in range(epochs):
        moved = 0.0
        for k in range(len(beta)):
            old, curve = beta[k], bend[k] + b[k]
            if (not whole and old == 0.0) or not curve > 0.0:
                continue
            j = columns[k]
            slope = -shift * mean[k] * weight
            for at in range(indptr[j], indptr[j + 1]):
                slope += data[at] * q[indices[at]]
            new = threshold(bend[k] * old - slope, a[k], positive) / curve
            if new != old:
                step = new - old
                beta[k] = new
                for at in range(indptr[j], indptr[j + 1]):
                    q[indices[at]] += h[indices[at]] * (step * data[at])
                shift += step * mean[k]
                moved += curve * step * step
        for i in range(len(q)):
            q[i] -= shift * h[i]
        shift = 0.0
        if whole:
            total = moved
            if moved <= tolerance:
                return total
        whole = _next_is_whole(whole, moved, total, tolerance)
    return total
