"""Derivatives of NumPy's functions, by kind. Importing this enters them all (scipy.special's when first used)."""

from betahat.autodiff.rules import (
    constant,
    elementwise,
    indexing,
    linalg,
    norms,
    products,
    reductions,
    samples,
    shapes,
    spectral,
    statistics,
)  # fmt: skip

__all__ = [
    "constant", "elementwise", "indexing", "linalg", "norms", "products", "reductions", "samples", "shapes", "spectral",
    "statistics",
]  # fmt: skip
