"""Compiled eigenvalues of small symmetric matrices, by rotations: a few lines that stay in cache."""

from __future__ import annotations

import math

import numpy as np

from betahat.kernels.compiled import compiled

_SMALL = 12  # size up to which rotations are as quick as LAPACK
_SWEEPS = 30
_EPS = 2.0**-53


@compiled
def eigen(A):
    """Eigenvalues of a finite symmetric A (p, p), ascending, and their vectors in columns; A is used up.

    Jacobi's cyclic rotations (Golub & Van Loan 2013, §8.5) until all that is off the diagonal is rounding beside it.
    """
    p = len(A)
    if p > _SMALL:
        return np.linalg.eigh(A)
    V = np.eye(p)
    for _ in range(_SWEEPS):
        done = True
        for j in range(p - 1):
            for k in range(j + 1, p):
                off = A[j, k]
                if abs(off) <= _EPS * math.sqrt(abs(A[j, j])) * math.sqrt(abs(A[k, k])):
                    continue
                done = False
                ratio = (A[k, k] - A[j, j]) / (2.0 * off)
                t = math.copysign(1.0, ratio) / (abs(ratio) + math.hypot(1.0, ratio))
                c = 1.0 / math.sqrt(1.0 + t * t)
                s = t * c
                A[j, j] -= t * off
                A[k, k] += t * off
                A[j, k] = A[k, j] = 0.0
                for i in range(p):
                    if i != j and i != k:
                        a, b = A[i, j], A[i, k]
                        A[i, j] = A[j, i] = c * a - s * b
                        A[i, k] = A[k, i] = s * a + c * b
                    a, b = V[i, j], V[i, k]
                    V[i, j], V[i, k] = c * a - s * b, s * a + c * b
        if done:
            break
    values = np.empty(p)
    for j in range(p):
        values[j] = A[j, j]
    for j in range(p - 1):  # in order
        least = j
        for k in range(j + 1, p):
            if values[k] < values[least]:
                least = k
        if least != j:
            values[j], values[least] = values[least], values[j]
            for i in range(p):
                V[i, j], V[i, least] = V[i, least], V[i, j]
    return values, V
