"""What a sparse fit hands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate import Certificate
from betahat.penalties.sparse import SparsePenalty
from betahat.solvers.trace import Trace


@final
@dataclass(frozen=True, eq=False)
class SparseFit:
    """β̂ of one target: coef (p,), intercept; gap : J(β̂) is at most so far above the minimum (None where the loss has
    no known conjugate); loss : J(β̂); active : which coefficients are not zero; zeros : (p,) which are proved zero at
    every minimum; iterations, trace, stop_reason; certificate; solver and why it was taken."""

    coef: np.ndarray
    intercept: float
    gap: float | None
    loss: float
    zeros: np.ndarray
    iterations: int
    trace: Trace
    stop_reason: str
    certificate: Certificate
    penalty: SparsePenalty
    solver: str
    why: str

    @property
    def active(self) -> np.ndarray:
        return np.flatnonzero(self.coef)


@final
@dataclass(frozen=True, eq=False)
class RegularisationPath:
    """Fits at alphas (k,), largest first: coefs (t, p, k), intercepts (t, k), gaps (t, k) above the minimum of J, and
    values J (t, k); for one target without the first axis."""

    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    gaps: np.ndarray
    values: np.ndarray


@final
@dataclass(frozen=True)
class SparseDetails:
    """What explanations tell of a sparse fit: iterations (at most, of all targets), and of every target how many
    coefficients are not zero (`active`) and how many zeros are proved (`proved`); tolerance of the gap."""

    iterations: int
    active: tuple[int, ...]
    proved: tuple[int, ...]
    tolerance: float

    def to_dict(self) -> dict[str, object]:
        return {
            "iterations": self.iterations, "active": list(self.active), "proved": list(self.proved),
            "tolerance": self.tolerance,
        }  # fmt: skip
