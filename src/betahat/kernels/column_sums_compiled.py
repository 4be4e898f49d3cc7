"""Compiled sums over the rows of columns, stored one after the other or sparse; `column_sums` says what they equal."""

from __future__ import annotations

from betahat.kernels.compiled import compiled


@compiled
def dense_moments_slab(X, share, start, stop, first, second):
    """Σ s x and Σ s x² of columns start … stop − 1 of a Fortran-ordered X."""
    n = len(share)
    whole = n // 4 * 4
    for j in range(start, stop):
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
        for i in range(0, whole, 4):
            x0, x1, x2, x3 = X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j]
            y0, y1, y2, y3 = share[i] * x0, share[i + 1] * x1, share[i + 2] * x2, share[i + 3] * x3
            a0 += y0
            a1 += y1
            a2 += y2
            a3 += y3
            b0 += y0 * x0
            b1 += y1 * x1
            b2 += y2 * x2
            b3 += y3 * x3
        for i in range(whole, n):
            y0 = share[i] * X[i, j]
            a0 += y0
            b0 += y0 * X[i, j]
        first[j], second[j] = (a0 + a2) + (a1 + a3), (b0 + b2) + (b1 + b3)


@compiled
def sparse_moments_slab(data, indices, indptr, share, start, stop, first, second):
    """The same of a CSC matrix."""
    for j in range(start, stop):
        a, b = 0.0, 0.0
        for at in range(indptr[j], indptr[j + 1]):
            x = data[at]
            y = share[indices[at]] * x
            a += y
            b += y * x
        first[j], second[j] = a, b


@compiled
def sparse_products_slab(data, indices, indptr, v, start, stop, out):
    """Xᵀv of columns start … stop − 1 of a CSC matrix."""
    for j in range(start, stop):
        a, b, begin, end = 0.0, 0.0, indptr[j], indptr[j + 1]
        for at in range(begin, end - 1, 2):
            a += data[at] * v[indices[at]]
            b += data[at + 1] * v[indices[at + 1]]
        if (end - begin) % 2 == 1:
            a += data[end - 1] * v[indices[end - 1]]
        out[j] = a + b


@compiled
def sparse_pairs_slab(data, indices, indptr, both, start, stop, out):
    """The same for two vectors side by side, (n, 2): a row's two numbers come together."""
    for j in range(start, stop):
        a, b = 0.0, 0.0
        for at in range(indptr[j], indptr[j + 1]):
            i = indices[at]
            a += data[at] * both[i, 0]
            b += data[at] * both[i, 1]
        out[j, 0], out[j, 1] = a, b


@compiled
def sparse_gram_slab(data, indices, indptr, h, start, stop, H):
    """Add Σ h x xᵀ over rows start … stop − 1 of a CSR matrix, whose columns are in order, to the upper half of H."""
    for i in range(start, stop):
        end = indptr[i + 1]
        for at in range(indptr[i], end):
            row, weighted = H[indices[at]], h[i] * data[at]
            for to in range(at, end):
                row[indices[to]] += weighted * data[to]
