"""The elastic net: the lasso's penalty and the ridge's."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.penalties.sparse import SparsePenalty


@final
class ElasticNetPenalty(SparsePenalty):
    """R(β) = α (ρ ‖β‖₁ + (1 − ρ)/2 ‖β‖²) with ρ = `l1_ratio` in [0, 1] (Zou & Hastie 2005).

    With `positive` only β ≥ 0 are allowed.

    >>> import numpy as np
    >>> R = ElasticNetPenalty(2.0, 0.5)
    >>> R.value(np.array([1.0, -1.0])), R.conjugate(np.array([2.0, 0.5]))
    (3.0, 0.5)
    """

    def __init__(self, alpha: float, l1_ratio: float, positive: bool = False) -> None:
        self.alpha, self.l1_ratio, self.positive = alpha, l1_ratio, positive

    def strengths(self, p: int) -> tuple[np.ndarray, np.ndarray]:
        bend = self.alpha * (1.0 - self.l1_ratio)
        return np.full(p, float(self.alpha * self.l1_ratio)), np.full(p, float(bend))

    @property
    def formula(self) -> str:
        words = f"{self.alpha:g} ({self.l1_ratio:g} ‖β‖₁ + {1 - self.l1_ratio:g}/2 ‖β‖²)"
        return words + (", β ≥ 0" if self.positive else "")

    def __repr__(self) -> str:
        tail = ", positive=True" if self.positive else ""
        return f"ElasticNetPenalty({self.alpha!r}, {self.l1_ratio!r}{tail})"
