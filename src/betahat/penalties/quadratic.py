"""No penalty, and the ridge."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.penalties.base import Penalty


@final
class NoPenalty(Penalty):
    """R(β) = 0."""

    quadratic = True
    convex = True

    def value(self, beta: np.ndarray) -> float:
        return 0.0

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        return np.zeros_like(beta)

    def hessian(self, beta: np.ndarray) -> np.ndarray:
        return np.zeros((len(beta), len(beta)))


@final
class L2(Penalty):
    """R(β) = α/2 ‖β‖², ridge regression (Hoerl & Kennard 1970).

    >>> import numpy as np
    >>> L2(0.5).value(np.array([2.0, 0.0]))
    1.0
    """

    quadratic = True
    convex = True

    def __init__(self, alpha: float) -> None:
        self.alpha = self.curvature = alpha

    def value(self, beta: np.ndarray) -> float:
        return 0.5 * self.curvature * float(np.vdot(beta, beta)) if self.curvature else 0.0

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        return self.curvature * beta

    def hessian(self, beta: np.ndarray) -> np.ndarray:
        return self.curvature * np.eye(len(beta))

    def __repr__(self) -> str:
        return f"L2({self.curvature!r})"
