"""The multinomial distribution with the softmax link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.stable import sigmoid
from betahat.losses.vector import VectorLoss


@final
@dataclass(frozen=True)
class Multinomial(VectorLoss):
    """y ∈ {0, …, K−1} with P(y = k) = softmax(f)ₖ = eᶠᵏ / Σⱼ eᶠʲ:  L = log Σⱼ eᶠʲ − f_y.

    Symmetric: every class has its own predictor, and adding the same number to all of them changes nothing. With K = 2,
    f = (0, η) it is :class:`Bernoulli`. ‖L''‖ ≤ ½ (Böhning 1992); L''' is at most max d − min d ≤ √2 ‖d‖ times L''.

    >>> import numpy as np
    >>> loss = Multinomial(3)
    >>> loss.value(np.array([1]), np.array([[0.0, 700.0, 0.0]]))  # all digits, where log(1.0) would be 0
    array([1.97193531e-304])
    >>> loss.first_derivative(np.array([0]), np.zeros((1, 3))).round(3)
    array([[-0.667,  0.333,  0.333]])
    """

    classes: int

    name = "multinomial"
    convex = True
    largest_curvature = 0.5
    self_concordance = float(np.sqrt(2.0))
    dispersion_known = True

    def __post_init__(self) -> None:
        if isinstance(self.classes, bool) or not isinstance(self.classes, (int, np.integer)):
            raise TypeError(f"classes (={self.classes!r}) of Multinomial must be a whole number")
        if self.classes < 2:
            raise ValueError(f"classes (={self.classes!r}) of Multinomial must be at least 2")

    def probabilities(self, f: np.ndarray) -> np.ndarray:
        """P(y = k), (n, K)."""
        weight = np.exp(f - f.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        rows = np.arange(len(f))
        top = f.argmax(axis=1)
        others = np.exp(f - f[rows, top][:, None])
        others[rows, top] = 0.0
        return (f[rows, top] - f[rows, y]) + np.log1p(others.sum(axis=1))

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        slope = self.probabilities(f)
        rows = np.arange(len(f))
        slope[rows, y] = 0.0
        slope[rows, y] = -slope.sum(axis=1)  # P_y − 1, with the digits of the others
        return slope

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        P = self.probabilities(f)
        curvature = -P[:, :, None] * P[:, None, :]
        k = np.arange(self.classes)
        curvature[:, k, k] = 0.0
        curvature[:, k, k] = -curvature.sum(axis=2)  # P(1 − P)
        return curvature

    def second_derivative_product(self, y: np.ndarray, f: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """P (d − P·d), with d measured from that of the likeliest class, so that nothing cancels near P = 1."""
        P = self.probabilities(f)
        d = direction - np.take_along_axis(direction, f.argmax(axis=1)[:, None], axis=1)
        return P * (d - np.einsum("nk,nk->n", P, d)[:, None])

    def deviance(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """2 L: the deviance of one observation."""
        return 2 * self.value(y, f)

    def log_density(self, y: np.ndarray, f: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        """w log P(y)."""
        return -self.value(y, f) * (1.0 if weight is None else weight)

    def check_target(self, y: np.ndarray) -> None:
        """ValueError where y holds anything but the codes 0, …, K−1."""
        good = np.isin(y, np.arange(self.classes))
        if not good.all():
            raise ValueError(
                f"y holds {y[int(np.argmin(good))]!r}, but the target of Multinomial({self.classes}) is a class code "
                f"0, …, {self.classes - 1}"
            )

    @property
    def formula(self) -> str:
        return "log Σⱼ exp(fⱼ) − f_y"


def class_probabilities(f: np.ndarray) -> np.ndarray:
    """P(y = k) (n, K) of scores (n, K), or of log odds (n, 1) that y is the second of two classes."""
    if f.shape[1] == 1:
        return np.column_stack([sigmoid(-f[:, 0]), sigmoid(f[:, 0])])
    return Multinomial(f.shape[1]).probabilities(f)
