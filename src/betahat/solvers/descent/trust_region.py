"""Trust regions: the model g·d + ½ dᵀHd is minimised where it can be trusted, and the region follows its success."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import numpy as np

from betahat.solvers.descent.base import Callback, Limits, Solver, State, ended, flatness
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace

_EPS = float(np.finfo(np.float64).eps)
_FIRST = 0.1  # of the start's length: the first radius
_LARGEST = 1e100  # radius
_FADING = 0.5  # how much of a coefficient's unit lasts an iteration where its curvature has fallen


class Region(Solver):
    """Abstract: subclasses say how the model is minimised within the radius."""

    @abstractmethod
    def prepare(self, problem: Problem, state: State) -> None:
        """Learn the curvature at a new point."""

    @abstractmethod
    def step(self, problem: Problem, state: State, radius: float) -> tuple[np.ndarray, float]:
        """The step within the radius, and how much the model falls along it."""

    def measure(self, d: np.ndarray) -> float:
        """The length of a step, as the radius counts it."""
        return float(np.linalg.norm(d))

    def is_minimum(self, state: State) -> bool:
        """Whether curvature lets the descent end where the gradient vanishes."""
        return True

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        state = State(problem.start.copy(), *problem.both(problem.start))
        if not np.isfinite(state.value):
            state.stop_reason = "diverged"
            return state
        self.prepare(problem, state)
        radius, size = _FIRST * self.measure(state.x) or 1.0, 0.0
        for _ in range(limits.max_iterations):
            trace.add(state.value, float(np.abs(state.gradient).max(initial=0)), size)
            if flatness(state.x, state.value, state.gradient) <= limits.tolerance and self.is_minimum(state):
                state.stop_reason = "converged"
                return state
            d, fall = self.step(problem, state, radius)
            size = self.measure(d)
            rounding = 8 * _EPS * max(abs(state.value), np.finfo(float).tiny)
            if not np.isfinite(d).all():
                state.stop_reason = "diverged"
                return state
            if not fall > 0 or (np.abs(d) <= _EPS * np.abs(state.x)).all():
                state.stop_reason = "no progress"
                return state
            value, gradient = problem.both(state.x + d)
            won = state.value - value
            # below rounding J says nothing: the step is good if it flattens J
            tiny = fall <= rounding
            share = (
                won / fall
                if not tiny
                else 1.0
                if np.linalg.norm(gradient) < np.linalg.norm(state.gradient)
                else -1.0
            )
            if tiny and share < 0:
                near = flatness(state.x, state.value, state.gradient) <= 1e3 * limits.tolerance
                state.stop_reason = "converged" if near and self.is_minimum(state) else "no progress"
                return state
            if share < 0.25 or not np.isfinite(value):
                radius = 0.25 * min(size, radius)
            elif share > 0.75 and size > 0.8 * radius:
                radius = min(2 * radius, _LARGEST)
            if share > 1e-4 and np.isfinite(gradient).all() and np.isfinite(value):
                state = State(state.x + d, value, gradient)
                self.prepare(problem, state)
                if ended(state, callback):
                    return state
        return state


@final
class TrustRegion(Region):
    """Newton's step in a region, exact: (H + λI) d = −g with λ ≥ 0 from the eigenvalues (Moré & Sorensen 1983).

    Lengths are measured in units of each coefficient's own curvature √|Hⱼⱼ|, so that scales do not matter. Leaves
    saddles along their direction of fall. For functions of up to some hundred numbers.
    """

    name = "trust_region"

    def __init__(self) -> None:
        self._scale = np.zeros(0)

    def prepare(self, problem: Problem, state: State) -> None:
        H = problem.hessian(state.x)
        self._usable = bool(np.isfinite(H).all())
        if not self._usable:
            H = np.eye(problem.n)
        own = np.sqrt(np.abs(H.diagonal()))
        if len(self._scale) != problem.n:
            self._scale = np.where(own > 0, own, 1.0)
        self._scale = np.maximum(_FADING * self._scale, own)
        self._values, self._vectors = np.linalg.eigh(H / np.outer(self._scale, self._scale))

    def measure(self, d: np.ndarray) -> float:
        return float(np.linalg.norm(self._scale * d))

    def is_minimum(self, state: State) -> bool:
        largest = float(np.abs(self._values).max(initial=0))
        return bool(self._values[:1].min(initial=0) >= -1e-8 * largest) if self._usable else True

    def step(self, problem: Problem, state: State, radius: float) -> tuple[np.ndarray, float]:
        values, g = self._values, self._vectors.T @ (state.gradient / self._scale)
        least = float(values[0])
        floor = _EPS * max(float(np.abs(values).max()), 1e-300)
        if least > floor:
            d = -g / values
            if np.linalg.norm(d) <= radius:
                return self._taken(d, g)
        low = max(0.0, -least) + floor
        d = -g / (values + low)
        if (
            np.linalg.norm(d) < radius
        ):  # the hard case: the rest of the radius goes along the lowest curvature
            rest = float(np.sqrt(radius**2 - float(d @ d)))
            d[0] += rest if d[0] >= 0 else -rest
            return self._taken(d, g)
        high = low + float(np.linalg.norm(g)) / radius + 1e-300
        shift = low
        for _ in range(60):
            d = -g / (values + shift)
            size = float(np.linalg.norm(d))
            if abs(size - radius) <= 1e-3 * radius:
                break
            low, high = (shift, high) if size > radius else (low, shift)
            slope = float(d @ (d / (values + shift)))
            new = shift + (size / radius - 1) * size**2 / slope if slope > 0 else low
            shift = new if low < new < high else (low + high) / 2
        return self._taken(d, g)

    def _taken(self, d: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, float]:
        return (self._vectors @ d) / self._scale, -float(g @ d + 0.5 * d @ (self._values * d))


@final
class NewtonCG(Region):
    """Newton's step by conjugate gradients on products Hv, cut at the radius or at negative curvature (Steihaug 1983).

    For many numbers: the Hessian is never made.
    """

    name = "newton_cg"

    def prepare(self, problem: Problem, state: State) -> None:
        return None

    def step(self, problem: Problem, state: State, radius: float) -> tuple[np.ndarray, float]:
        g = state.gradient
        size = float(np.linalg.norm(g))
        d, Hd, r = np.zeros(problem.n), np.zeros(problem.n), g.copy()
        p = -r
        for _ in range(min(2 * problem.n + 10, 1000)):
            Hp = problem.product(state.x, p)
            bend = float(p @ Hp)
            if not np.isfinite(bend):
                break
            length = float(r @ r) / bend if bend > 0 else np.inf
            if bend <= 0 or np.linalg.norm(d + length * p) >= radius:
                length = _to_border(d, p, radius)
                d, Hd = d + length * p, Hd + length * Hp
                break
            d, Hd = d + length * p, Hd + length * Hp
            new = r + length * Hp
            if np.linalg.norm(new) <= min(0.1, np.sqrt(size)) * size:
                break
            p = -new + (float(new @ new) / float(r @ r)) * p
            r = new
        return d, -float(g @ d + 0.5 * d @ Hd)


def _to_border(d: np.ndarray, p: np.ndarray, radius: float) -> float:
    """t > 0 with |d + t p| = radius."""
    a, b, c = float(p @ p), float(d @ p), float(d @ d) - radius**2
    return (-b + float(np.sqrt(max(b * b - a * c, 0.0)))) / a
