"""The lasso's penalty."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.penalties.sparse import SparsePenalty


@final
class L1(SparsePenalty):
    """R(β) = α ‖β‖₁, the lasso (Tibshirani 1996); with `positive` only β ≥ 0 are allowed.

    >>> import numpy as np
    >>> R = L1(0.5)
    >>> R.value(np.array([2.0, -1.0, 0.0])), R.prox(np.array([2.0, -0.2]), 1.0).tolist()
    (1.5, [1.5, -0.0])
    """

    def __init__(self, alpha: float, positive: bool = False) -> None:
        self.alpha, self.positive = alpha, positive

    def strengths(self, p: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full(p, float(self.alpha)), np.zeros(p)

    @property
    def formula(self) -> str:
        return f"{self.alpha:g} ‖β‖₁" + (", β ≥ 0" if self.positive else "")

    def __repr__(self) -> str:
        return f"L1({self.alpha!r}{', positive=True' if self.positive else ''})"
