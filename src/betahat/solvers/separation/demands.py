"""What a row asks of a direction δ along which no likelihood may fall: contrasts c with (c ⊗ x)·δ ≥ 0, or = 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

Kind = Literal["binary", "multinomial", "counts"]


@final
@dataclass(frozen=True, slots=True)
class Demands:
    """For each code of a row: contrasts (c, parts) between the parts of δ, and whether they must be zero.

    binary : code 1 asks x·δ ≥ 0, code 0 x·δ ≤ 0, and a proportion between (code 2) x·δ = 0 (Albert & Anderson 1984);
    counts : y = 0 (code 0) asks x·δ ≤ 0, y > 0 (code 1) x·δ = 0 (Correia, Guimarães & Zylkin 2019);
    multinomial : code c asks x·(δ_c − δ_k) ≥ 0 for every other class k; δ of the first class is 0 and not held.
    """

    kind: Kind
    parts: int
    contrasts: tuple[np.ndarray, ...]
    equal: tuple[bool, ...]

    def codes(self, y: np.ndarray) -> np.ndarray:
        """(k,) int8 or int16 codes of targets (k,)."""
        if self.kind == "multinomial":
            return y.astype(np.int16)
        if self.kind == "counts":
            return (y > 0).astype(np.int8)
        return np.where(y == 1, 1, np.where(y == 0, 0, 2)).astype(np.int8)

    def constraints(self, X: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the rows X (k, m) ask: (c, parts·m) and which of these are equalities."""
        found, equal = [np.zeros((0, self.parts * X.shape[1]))], [np.zeros(0, bool)]
        for code, contrasts in enumerate(self.contrasts):
            rows = X[codes == code]
            for contrast in contrasts:
                found.append(np.kron(contrast, rows))
                equal.append(np.full(len(rows), self.equal[code]))
        return np.concatenate(found), np.concatenate(equal)


def demands_of(kind: Kind, classes: int) -> Demands:
    """ValueError for a kind that is none of the three."""
    one = np.ones((1, 1))
    if kind == "binary":
        return Demands(kind, 1, (-one, one, one), (False, False, True))
    if kind == "counts":
        return Demands(kind, 1, (-one, one), (False, True))
    if kind != "multinomial":
        raise ValueError(f'`family` (={kind!r}) must be "binary", "multinomial" or "counts"')
    unit = np.concatenate([np.zeros((1, classes - 1)), np.eye(classes - 1)])
    contrasts = tuple(
        np.stack([unit[code] - unit[other] for other in range(classes) if other != code])
        if classes > 1
        else np.zeros((0, 0))
        for code in range(classes)
    )
    return Demands(kind, classes - 1, contrasts, (False,) * classes)
