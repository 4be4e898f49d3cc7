"""L-BFGS-B: quasi-Newton within bounds, for many numbers (Byrd, Lu, Nocedal & Zhu 1995)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import State
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.limited_memory import LimitedMemory
from betahat.solvers.descent.pairs import Pairs
from betahat.solvers.descent.problem import Problem


@final
class LBFGSB(LimitedMemory):
    """The Hessian is θI − WMWᵀ, W and M from the last `memory` steps s and changes y of the gradient. Along the
    projected path P(x − t g) its model has a first minimum, the generalised Cauchy point, which says which bounds
    hold; over the other numbers the model is minimised, the result brought within the bounds (Morales & Nocedal 2011),
    and the way there searched as far as the bounds go.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.minimize(lambda x: np.sum((x - [2.0, -1.0]) ** 2), np.zeros(2), solver="lbfgsb", bounds=(0, 1))
    >>> fit.point, fit.gradient, fit.status
    (array([1., 0.]), array([-2.,  2.]), 'local minimum')
    """

    name = "lbfgsb"
    bounded = True

    def _model(self) -> _Model:
        try:
            return _Model(self._pairs)
        except np.linalg.LinAlgError:  # the pairs say the same: begin again
            self._pairs.clear()
            return _Model(self._pairs)

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        x, g, box = state.x, state.gradient, problem.box
        if box is None or not box.held(x, g).any():
            d = self._pairs.direction(g)  # no bound in sight: the same step, with fewer rounding errors
            if box is None or box.contains(x + d):
                return d
        model = self._model()
        towards, shares = _cauchy(model, box, x, g)
        free = box.inside(x + towards)
        rest = model.newton(
            np.where(free, g + model.theta * towards - (model.M @ shares) @ model.W, 0.0), free
        )
        d = box.project(x + towards + rest) - x
        if float(d @ g) < 0:
            return d
        return towards + min(1.0, box.longest(x + towards, rest)) * rest


@final
class _Model:
    """B = θI − WᵀMW with W = [Y; θS] (2m, n), the steps S and changes Y as rows."""

    def __init__(self, pairs: Pairs) -> None:
        S, Y, k = pairs.S, pairs.Y, len(pairs)
        self.theta = theta = pairs.curvature
        L = np.tril(S @ Y.T, -1)
        self.W = np.concatenate([Y, theta * S])
        self.M = np.linalg.inv(np.block([[-np.eye(k), L.T], [L, theta * (S @ S.T)]]))

    def newton(self, gradient: np.ndarray, free: np.ndarray) -> np.ndarray:
        """−B⁻¹g over the free numbers, by the formula of Sherman, Morrison and Woodbury."""
        d = gradient / -self.theta
        if not len(self.M):
            return d
        W = self.W * free
        small = np.eye(len(self.M)) - self.M @ (W @ W.T) / self.theta
        shares = np.linalg.solve(small, self.M @ (W @ gradient))
        return d - (shares @ W) / self.theta**2


def _cauchy(model: _Model, box: Box, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step z to the first minimum of the model along P(x − t g), and Wz."""
    with np.errstate(divide="ignore", invalid="ignore"):
        turns = np.where(g > 0, x - box.lower, np.where(g < 0, x - box.upper, np.inf)) / g
    turns[g == 0] = np.inf
    turns[box.held(x, g)] = 0.0
    theta, W, M = model.theta, model.W, model.M
    d = np.where(turns > 0, -g, 0.0)
    z, c, p = np.zeros_like(x), np.zeros(len(M)), W @ d
    slope = -float(d @ d)
    bend = -theta * slope - float(p @ M @ p)
    t, best = 0.0, -slope / bend if bend > 0 else np.inf
    order = np.argsort(turns)
    for j in order[np.searchsorted(turns[order], 0.0, side="right") :]:
        turn = float(turns[j])
        if best < turn - t or turn == np.inf:
            break
        c = c + (turn - t) * p
        z[j] = (box.upper if d[j] > 0 else box.lower)[j] - x[j]
        own, w = float(g[j]), W[:, j]
        slope += (turn - t) * bend + own**2 + theta * own * float(z[j]) - own * float(w @ M @ c)
        bend -= theta * own**2 + 2 * own * float(w @ M @ p) + own**2 * float(w @ M @ w)
        p = p + own * w
        d[j] = 0.0
        t, best = turn, (-slope / bend if bend > 0 else np.inf if slope < 0 else 0.0)
    if not d.any():
        return z, c
    last = max(best, 0.0)
    if last == np.inf:
        last = 0.0
    return np.where(d != 0, (t + last) * d, z), c + last * p
