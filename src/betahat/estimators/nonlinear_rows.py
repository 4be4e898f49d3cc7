"""What a nonlinear model is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Rows:
    """What is fitted to: X as f takes it, y (n,), weights with their frequencies or None, and codes of groups."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    frequency: np.ndarray | None
    groups: np.ndarray | None
    names: tuple[str, ...]
    target_name: str

    @property
    def total(self) -> np.ndarray | None:
        """Weight times frequency of each row."""
        if self.weight is None or self.frequency is None:
            return self.frequency if self.weight is None else self.weight
        return self.weight * self.frequency

    def counting(self) -> Rows:
        """Rows of positive weight only: what f is elsewhere does not matter, not even whether it is finite."""
        total = self.total
        if total is None or (total > 0).all():
            return self
        keep = total > 0

        def kept(part: np.ndarray | None) -> np.ndarray | None:
            return None if part is None else part[keep]

        return replace(
            self, X=self.X[keep], y=self.y[keep], weight=kept(self.weight), frequency=kept(self.frequency),
            groups=kept(self.groups),
        )  # fmt: skip
