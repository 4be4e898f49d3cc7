"""What a range test of learning rates found, as arrays, in words and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.inference.text import number, table

_LINES = 4  # of the table, a decade


@final
@dataclass(frozen=True, eq=False)
class RangeTest:
    """A range test of learning rates (Smith 2017): one training, whose rate grew from step to step.

    learning_rate : (m,) η of each step; loss : (m,) J of its mini-batch, before the step; smoothed : (m,) without the
    noise that mini-batches make: lines by least squares in log η, with tricube weights over a third of a decade to
    either side (Cleveland 1979)

    suggestion : the rate at which the smoothed loss falls steepest, before it is lowest: a rate to train with, or the
        largest of a schedule; None where the loss does not fall by 4 times its own noise
    divergence : the last rate before the loss was lost: before it had risen, for good, by a tenth of all that it had
        fallen, or by more than its noise; None where it did not

    `str` gives a table.

    >>> import numpy as np
    >>> rate = np.array([0.01, 0.1, 1.0])
    >>> RangeTest(rate, np.array([1.0, 0.5, 9.0]), np.array([1.0, 0.5, 2.0]), 0.05, 0.1)
    RangeTest(3 rates from 0.01 to 1: suggestion 0.05, divergence 0.1)
    """

    learning_rate: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None
    divergence: float | None

    def __post_init__(self) -> None:
        for name in ("learning_rate", "loss", "smoothed"):
            array = np.array(getattr(self, name), np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        rate = self.learning_rate
        return (
            f"RangeTest({len(rate)} rates from {_rate(rate[0])} to {_rate(rate[-1])}: suggestion "
            f"{_rate(self.suggestion)}, divergence {_rate(self.divergence)})"
        )

    def __str__(self) -> str:
        rows = [
            [_rate(self.learning_rate[k]), number(self.loss[k]), number(self.smoothed[k]), self._remark(k)]
            for k in self._shown()
        ]
        return table(["learning rate", "loss", "smoothed", ""], rows, rule="─")

    def _shown(self) -> list[int]:
        """Some places, evenly by decades, and those that mean something."""
        powers = np.log10(self.learning_rate)
        lines = max(2, round(_LINES * float(powers[-1] - powers[0])) + 1)
        evenly = {int(np.abs(powers - at).argmin()) for at in np.linspace(powers[0], powers[-1], lines)}
        return sorted(evenly | self._places().keys())

    def _places(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for rate, word in ((self.suggestion, "← suggestion"), (self.divergence, "← divergence")):
            if rate is not None:
                place = int(np.abs(self.learning_rate - rate).argmin())
                found[place] = f"{found[place]}, {word[2:]}" if place in found else word
        return found

    def _remark(self, place: int) -> str:
        return self._places().get(place, "")


def _rate(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:.3g}"
