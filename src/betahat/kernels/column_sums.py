"""Sums over the rows of a matrix that is held by columns, Fortran-ordered or sparse; of its rows where these are few.

Plain loops, compiled and on all threads: what limits them is memory. Tasks are cut by shape alone, so that sums have
the same bits on any number of threads.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from betahat.kernels import team
from betahat.kernels.gram import mirror_upper, slab_edges

_TASKS = 8
_NUMBERS = 1 << 17  # of X, below which a second thread does not pay


def _tasks(parts: int, numbers: int) -> list[tuple[int, int]]:
    """Cuts of columns or rows that hold so many numbers."""
    return list(pairwise(slab_edges(parts, 1, max(1, min(_TASKS, parts, numbers // _NUMBERS)))))


def dense_moments(X: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σᵢ sᵢ xᵢⱼ and Σᵢ sᵢ xᵢⱼ² of the columns (p,) of a Fortran-ordered array of doubles or floats.

    >>> import numpy as np
    >>> first, second = dense_moments(np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, 0.5]))
    >>> first.tolist(), second.tolist()
    ([2.0, 3.0], [5.0, 10.0])
    """
    from betahat.kernels import column_sums_compiled as module

    p = X.shape[1]
    out = np.empty(p), np.empty(p)
    team.run(module.dense_moments_slab, [(X, share, *task, *out) for task in _tasks(p, X.size)])
    return out


def sparse_moments(X: Any, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of a CSC matrix."""
    from betahat.kernels import column_sums_compiled as module

    p = X.shape[1]
    out, arrays = (np.empty(p), np.empty(p)), (X.data, X.indices, X.indptr)
    team.run(module.sparse_moments_slab, [(*arrays, share, *task, *out) for task in _tasks(p, X.nnz)])
    return out


def sparse_products(X: Any, *vectors: np.ndarray) -> list[np.ndarray]:
    """Xᵀv (p,) of a CSC matrix for one v (n,), or for two in one go.

    >>> import numpy as np, scipy.sparse as sp
    >>> X = sp.csc_array([[1.0, 2.0], [0.0, 3.0]])
    >>> [found.tolist() for found in sparse_products(X, np.array([1.0, 1.0]), np.array([0.0, 2.0]))]
    [[1.0, 5.0], [0.0, 6.0]]
    """
    from betahat.kernels import column_sums_compiled as module

    p, arrays = X.shape[1], (X.data, X.indices, X.indptr)
    if len(vectors) == 1:
        out, slab, v = np.empty(p), module.sparse_products_slab, np.ascontiguousarray(vectors[0])
    else:
        out, slab, v = np.empty((p, 2)), module.sparse_pairs_slab, np.stack(vectors, axis=1)
    team.run(slab, [(*arrays, v, *task, out) for task in _tasks(p, X.nnz)])
    return [out] if len(vectors) == 1 else [np.ascontiguousarray(part) for part in out.T]


def sparse_gram(X: Any, h: np.ndarray) -> np.ndarray:
    """Σᵢ hᵢ xᵢ xᵢᵀ (w, w) of a CSR matrix with sorted columns, row by row: half of Σᵢ (numbers in row i)² products.

    >>> import numpy as np, scipy.sparse as sp
    >>> sparse_gram(sp.csr_array([[1.0, 2.0], [0.0, 3.0]]), np.array([1.0, 2.0])).tolist()
    [[1.0, 2.0], [2.0, 22.0]]
    """
    from betahat.kernels import column_sums_compiled as module

    (n, w), arrays = X.shape, (X.data, X.indices, X.indptr)
    total = np.zeros((w, w))
    tasks = _tasks(n, X.nnz)
    if len(tasks) * w * w > 2 * X.nnz:  # sums that would cost more than what they are made of
        tasks = [(0, n)]

    def merge(its: np.ndarray) -> None:
        np.add(total, its, out=total)
        its[:] = 0.0

    team.fold(
        module.sparse_gram_slab, [(*arrays, h, *task) for task in tasks], lambda: (np.zeros((w, w)),), merge
    )
    return mirror_upper(total)
