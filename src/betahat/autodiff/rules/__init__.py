"""Derivatives of NumPy's functions, by kind. Importing this enters them all (scipy.special's when first used)."""

from betahat.autodiff.rules import constant, elementwise, linalg, products, reductions, shapes

__all__ = ["constant", "elementwise", "linalg", "products", "reductions", "shapes"]
