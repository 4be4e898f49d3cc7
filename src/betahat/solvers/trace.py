"""What happened on the way to a fit, and why it stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, final

import numpy as np

STOP_REASONS = (
    "converged",
    "budget spent",
    "early stopping",
    "diverged",
    "interrupted",
    "no progress",
    "at the edge",
)


@final
@dataclass(frozen=True, eq=False)
class LayerNorms:
    """Euclidean norms of a network's arrays of parameters at the end of each epoch.

    names : of the arrays, as "0.weight"; weight : (epochs, arrays) of the parameters; gradient : (epochs, arrays) of
    the last mini-batch's gradient, without the penalty. Iterations of "lbfgs" have NaN.
    """

    names: tuple[str, ...]
    weight: np.ndarray
    gradient: np.ndarray


@final
class Trace:
    """One row an iteration, as arrays.

    loss : mean loss (without penalty) before the step, summed over targets; gradient_norm : largest |∂J/∂β|; step :
    largest relative change of a coefficient; seconds : since the fit began. Where a linear model was descended to, loss
    is all of J, and the gradient is by the coefficients of columns of unit variance. Of a network that takes
    mini-batches a row is an epoch: loss is J's mean over its batches, the gradient that of the last one without the
    penalty, step the largest change of a parameter.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._rows: list[tuple[float, float, float, float]] = []
        self._names: tuple[str, ...] = ()
        self._norms: dict[int, np.ndarray] = {}

    def add(self, loss: float, gradient_norm: float, step: float) -> None:
        self._rows.append((loss, gradient_norm, step, time.perf_counter() - self._start))

    def add_norms(self, names: tuple[str, ...], norms: np.ndarray) -> None:
        """Norms (2, arrays) of parameters and gradient by array, of the row that was added last."""
        self._names = names
        self._norms[len(self._rows) - 1] = norms

    def add_all(self, rows: np.ndarray) -> None:
        """Loss, gradient norm and step of iterations made together: the time they took is spread evenly."""
        before = self._rows[-1][3] if self._rows else 0.0
        each = (time.perf_counter() - self._start - before) / max(len(rows), 1)
        self._rows += [(*row, before + each * k) for k, row in enumerate(rows.tolist(), 1)]

    def extend(self, other: Trace, first: int, loss: float, value_unit: float, gradient_unit: float) -> None:
        """Take over the rows of a descent from its `first` on: J = loss + value_unit · theirs."""
        later = other._start - self._start
        self._rows += [
            (loss + value_unit * value, gradient_unit * norm, step, later + seconds)
            for value, norm, step, seconds in other._rows[first:]
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def _column(self, index: int) -> np.ndarray:
        return np.array([row[index] for row in self._rows])

    @property
    def loss(self) -> np.ndarray:
        return self._column(0)

    @property
    def gradient_norm(self) -> np.ndarray:
        return self._column(1)

    @property
    def step(self) -> np.ndarray:
        return self._column(2)

    @property
    def seconds(self) -> np.ndarray:
        return self._column(3)

    @property
    def layer_norms(self) -> LayerNorms | None:
        """Norms by layer and epoch, of a network; None of other models."""
        if not self._norms:
            return None
        norms = self._all_norms()
        return LayerNorms(self._names, norms[:, 0], norms[:, 1])

    def _all_norms(self) -> np.ndarray:
        """(rows, 2, arrays)"""
        missing = np.full((2, len(self._names)), np.nan)
        return np.array([self._norms.get(k, missing) for k in range(len(self._rows))])

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rows": np.array(self._rows, dtype=np.float64).reshape(-1, 4)}
        if self._norms:
            found |= {"names": list(self._names), "norms": self._all_norms()}
        return found

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Trace:
        trace = cls()
        trace._rows = [(float(a), float(b), float(c), float(d)) for a, b, c, d in np.asarray(values["rows"])]
        if trace._rows:
            trace._start -= trace._rows[-1][3]  # what is added goes on from there
        if "norms" in values:
            trace._names = tuple(values["names"])
            trace._norms = dict(enumerate(np.asarray(values["norms"])))
        return trace

    def __repr__(self) -> str:
        if not self._rows:
            return "Trace(no iterations)"
        loss, norm, _, seconds = self._rows[-1]
        return f"Trace({len(self)} iterations, loss {loss:.6g}, largest gradient {norm:.3g}, {seconds:.3g} s)"
