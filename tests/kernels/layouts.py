"""Ways the same numbers lie in memory."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from betahat.kernels.columns import Columns

LAYOUTS = {
    "C": lambda X: X,
    "F": np.asfortranarray,
    "columns": lambda X: Columns(list(X.T.copy())),
    "float32": lambda X: X.astype(np.float32),
    "float32 F": lambda X: np.asfortranarray(X.astype(np.float32)),
    "uint8": lambda X: (np.abs(X) * 50).astype(np.uint8),
    "uint8 F": lambda X: np.asfortranarray((np.abs(X) * 50).astype(np.uint8)),
    "int16": lambda X: (X * 100).astype(np.int16),
    "bool": lambda X: X > 0,
    "longdouble": lambda X: X.astype(np.longdouble),
    "big endian": lambda X: X.astype(">f8"),
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "reversed": lambda X: X[::-1, ::-1],
    "reversed rows": lambda X: X[::-1],
    "reversed columns": lambda X: X[:, ::-1],
    "broadcast rows": lambda X: np.broadcast_to(X[:1], X.shape),
    "sparse": sp.csr_array,
}
