"""The last digits of a descent that has arrived: Newton's steps for as long as they make the gradient smaller."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from betahat.certificate import curvature
from betahat.solvers.descent.base import State
from betahat.solvers.descent.box import Box, held_by

_ROUNDS = 12
_OPEN = 1e-11  # relative eigenvalue up to which a direction is taken for flat, and no step made along it
_LESS = 0.5  # what a step must leave of the gradient at most
_SAME = 1e-9  # relative rise of J that rounding, and a flat direction, may make


class Finishing(Protocol):
    """What is needed of an objective."""

    box: Box | None

    def value(self, x: np.ndarray) -> float: ...
    def precise_gradient(self, x: np.ndarray) -> np.ndarray: ...
    def hessian(self, x: np.ndarray) -> np.ndarray: ...


def finish(problem: Finishing, state: State) -> State:
    """Where the gradient is as small as rounding allows, or the state as it was.

    Steps −H⁺∇J by the eigenvalues of the Hessian, scaled to unit diagonal, of the numbers that no bound holds; flat
    directions are left alone, and at a saddle no step is made. Unlike J, which no longer tells near a minimum, the
    gradient must fall.
    """
    x, value = state.x, state.value
    with np.errstate(all="ignore"):
        g = problem.precise_gradient(x)
        for _ in range(_ROUNDS):
            free = ~held_by(problem.box, x, g)
            H = problem.hessian(x)[np.ix_(free, free)]
            if not free.any() or not np.isfinite(H).all() or not np.isfinite(g).all():
                break
            bend = curvature(H)
            if bend.status == "saddle":
                break
            flat = bend.values <= _OPEN * np.abs(bend.values).max()
            scaled = g[free] / bend.scale
            along = np.where(flat, 0.0, (bend.vectors.T @ scaled) / np.where(flat, 1.0, bend.values))
            there = x.copy()
            there[free] -= (bend.vectors @ along) / bend.scale
            if problem.box is not None:
                there = problem.box.project(there)
            new, new_value = problem.precise_gradient(there), problem.value(there)
            size = float(np.linalg.norm(scaled))
            if not np.linalg.norm(new[free] / bend.scale) <= _LESS * size:
                break
            if not new_value <= value + _SAME * abs(value):
                break
            x, g, value = there, new, new_value
    return State(x, value, g, state.stop_reason, state.remark) if x is not state.x else state
