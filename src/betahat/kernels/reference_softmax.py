"""What `softmax` must equal, in plain NumPy: the oracle of its tests, and what runs small problems."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from betahat.kernels.pointwise import EVERYTHING, GRADIENT, ROUGH


class Softened(NamedTuple):
    """Sums over rows of −log P_y with P = softmax(η), and derivatives by η, with z = (1, x − centre) of 1 + p numbers.

    value : Σ −w log P_y; weight : Σ w; gradient : Σ w (P − Y) zᵀ (K, 1 + p), Y one-hot; magnitude : Σ |w (P − Y) zᵀ|;
    hessian : Σ w (diag P − P Pᵀ) ⊗ z zᵀ (K (1 + p), K (1 + p)), class by class; product (K, 1 + p) : the Hessian times
    a direction. What was not asked for is zero.
    """

    value: float
    weight: float
    gradient: np.ndarray
    magnitude: np.ndarray
    hessian: np.ndarray
    product: np.ndarray


def softmax(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None, centre: np.ndarray,
    slopes: np.ndarray, level: np.ndarray, much: int, direction: np.ndarray | None = None,
) -> Softened:  # fmt: skip
    """The sums of :class:`Softened` at η = level + offset + slopes (x − centre); rows of weight 0 are left out."""
    y = np.asarray(y, np.float64)
    if weight is not None and not (weight != 0).all():
        keep = weight != 0
        X, y, weight = X[keep], y[keep], weight[keep]
        offset = None if offset is None else offset[keep]
    (n, p), classes = X.shape, len(slopes)
    w = np.ones((n, 1)) if weight is None else weight[:, None]
    gradient, magnitude, product = np.zeros((3, classes, 1 + p))
    hessian = np.zeros((classes * (1 + p),) * 2 if much >= ROUGH else (0, 0))
    with np.errstate(all="ignore"):
        Z = np.ones((n, 1 + p))
        np.subtract(X, centre, out=Z[:, 1:])
        eta = Z @ np.column_stack([level, slopes]).T
        if offset is not None:
            eta = eta + offset
        own = y[:, None] == np.arange(classes)
        top = eta.max(axis=1, initial=-np.inf)[:, None]
        grown = np.exp(eta - top)
        rest = np.where(own, 0.0, grown).sum(axis=1, keepdims=True)  # 1 − P_y and log P_y, not by subtraction
        total = np.where(own, grown, 0.0).sum(axis=1, keepdims=True) + rest
        its_eta = np.where(
            own.any(axis=1, keepdims=True), np.where(own, eta, 0.0).sum(axis=1, keepdims=True), np.nan
        )
        value = (top - its_eta) + np.where(rest < 1.0, np.log1p(rest), np.log(total))
        share = grown / total
        first = w * np.where(own, -rest / total, share)
        if much >= GRADIENT:
            gradient = first.T @ Z
        if much >= ROUGH:
            blocks = hessian.reshape(classes, 1 + p, classes, 1 + p)
            for k in range(classes):
                for m in range(k):
                    block = -(Z.T @ (Z * (w * share[:, [k]] * share[:, [m]])))
                    blocks[k, :, m], blocks[m, :, k] = block, block.T
                    blocks[k, :, k] -= block
                    blocks[m, :, m] -= block
        if much >= EVERYTHING:
            magnitude = np.abs(first).T @ np.abs(Z)
        if direction is not None:
            turned = Z @ direction.T
            turned = turned - np.take_along_axis(turned, eta.argmax(axis=1)[:, None], axis=1)
            product = (w * share * (turned - (share * turned).sum(axis=1, keepdims=True))).T @ Z
        return Softened(float((w * value).sum()), float(w.sum()), gradient, magnitude, hessian, product)
