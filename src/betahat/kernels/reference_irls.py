"""What `irls` must equal, in plain NumPy: the oracle of its tests, and what runs small problems."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from betahat.kernels.gram import mirror_upper
from betahat.kernels.pointwise import EVERYTHING, GRADIENT, LOSSES, ROUGH, Arrays

_LAST_CANONICAL = 2  # code up to which L'' does not depend on y


class Curved(NamedTuple):
    """Sums over rows of a loss L(y, η) and its derivatives by η, with z = (1, x − centre); index 0 belongs to the 1.

    value : Σ w L; weight : Σ w; gradient : Σ w L' z (1 + p,); hessian : Σ w L'' z zᵀ (1 + p, 1 + p);
    magnitude : Σ |w L' z|; rounding : Σ |w L'' z| (|level| + |offset| + √r ‖slope / unit‖), at least what an error of
    one unit in the predictions' terms does to the gradient (Cauchy–Schwarz), with r = Σⱼ ((xⱼ − cⱼ) unitⱼ)² of a row;
    radius : the largest r; pearson : Σ w (y − μ)²/V(μ), with expected curvature, or with everything where L'' does not
    depend on y. What was not asked for is zero.
    """

    value: float
    weight: float
    gradient: np.ndarray
    hessian: np.ndarray
    magnitude: np.ndarray
    rounding: np.ndarray
    radius: float
    pearson: float = 0.0


def irls(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None, centre: np.ndarray,
    slopes: np.ndarray, level: float, code: int, power: float, much: int, unit: np.ndarray | None = None,
    expected: bool = False,
) -> Curved:  # fmt: skip
    """The sums of :class:`Curved` at η = level + offset + (x − centre)·slopes; rows of weight 0 are left out."""
    if weight is not None and not (weight != 0).all():
        keep = weight != 0
        X, y, weight = X[keep], y[keep], weight[keep]
        offset = None if offset is None else offset[keep]
    n, p = X.shape
    w = np.ones(n) if weight is None else weight
    gradient, magnitude, rounding = np.zeros(1 + p), np.zeros(1 + p), np.zeros(1 + p)
    hessian, radius = np.zeros((1 + p, 1 + p)), 0.0
    with np.errstate(all="ignore"):
        Z = np.ones((n, 1 + p))
        np.subtract(X, centre, out=Z[:, 1:])
        terms = np.append(level, slopes)
        eta = Z @ terms
        if offset is not None:
            eta = eta + offset
        value, first, second = LOSSES[code](Arrays, y, eta, power)
        if expected:  # L'' is linear in y, so that its mean is its value at the mean of y
            second = LOSSES[code](Arrays, mean_of(code, eta), eta, power)[2]
        pearson = 0.0
        if expected or (much >= EVERYTHING and code <= _LAST_CANONICAL):
            pearson = float(np.where(first == 0, 0.0, w * first**2 / second).sum())
        if much >= GRADIENT:
            gradient = (w * first) @ Z
        if much >= ROUGH:
            hessian = mirror_upper(Z.T @ (Z * (w * second)[:, None]))
        if much >= EVERYTHING:
            magnitude = np.abs(w * first) @ np.abs(Z)
            scaled = Z[:, 1:] if unit is None else Z[:, 1:] * unit
            squares = np.einsum("ij,ij->i", scaled, scaled)
            size = abs(level) + np.sqrt(squares) * length_of(slopes, unit)
            if offset is not None:
                size = size + np.abs(offset)
            rounding = (np.abs(w * second) * size) @ np.abs(Z)
            radius = float(np.max(squares, initial=0.0))
        return Curved(
            float(w @ value), float(w.sum()), gradient, hessian, magnitude, rounding, radius, pearson
        )


def length_of(slopes: np.ndarray, unit: np.ndarray | None) -> float:
    """‖slopes / unit‖, of columns in their units."""
    return float(np.linalg.norm(slopes if unit is None else slopes / unit))


def mean_of(code: int, eta: np.ndarray) -> np.ndarray:
    """h(η) of the families that kernels know."""
    from scipy.special import erfc, expit

    if code == 0:
        return eta
    if code == 1:
        return expit(eta)
    if code == 6:
        return 0.5 * erfc(-eta / np.sqrt(2.0))
    return -np.expm1(-np.exp(eta)) if code == 7 else np.exp(eta)
