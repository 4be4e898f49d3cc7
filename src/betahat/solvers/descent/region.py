"""Trust regions: the model g·d + ½ dᵀHd is minimised where it can be trusted, and the region follows its success."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from betahat.solvers.descent.base import (
    Callback,
    Limits,
    Solver,
    State,
    ended,
    flatness,
    largest,
)
from betahat.solvers.descent.box import Box, free_gradient
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace

EPS = float(np.finfo(np.float64).eps)
_FIRST = 0.1  # of the start's length: the first radius
_LARGEST = 1e100  # radius: a J that still falls as its model says has no minimum
_LEAST = 1e-150  # radius, whose square is a number still
_FADING = 0.5  # how much of a number's unit lasts an iteration where its curvature has fallen
_ENOUGH = 0.01  # of the fall that a slope foretells, for a step of the model to be taken


class Move(NamedTuple):
    """A step d, Hd, and how much the model falls along it."""

    step: np.ndarray
    bent: np.ndarray
    fall: float


class Region(Solver):
    """Abstract: subclasses say how the model is minimised within the radius."""

    @abstractmethod
    def prepare(self, problem: Problem, state: State) -> None:
        """Learn the curvature at a new point."""

    @abstractmethod
    def move(
        self, problem: Problem, state: State, gradient: np.ndarray, radius: float, free: np.ndarray | None
    ) -> Move:
        """The step within the radius that minimises the model with this gradient, moving the `free` numbers only
        (None: all)."""

    @abstractmethod
    def bend(self, problem: Problem, state: State, d: np.ndarray) -> np.ndarray:
        """Hd."""

    def measure(self, d: np.ndarray) -> float:
        """‖Dd‖, the length of a step as the radius counts it."""
        return math.sqrt(float(((self._scale * d) ** 2).sum()))

    def steepest(self, gradient: np.ndarray) -> np.ndarray:
        """The direction of steepest descent, as lengths are measured: −D⁻²g."""
        return -gradient / self._scale**2

    def begin(self, n: int) -> None:
        """Forget what an earlier descent left."""
        self._scale = np.ones(n)  # D
        self._new = True

    def rescale(self, diagonal: np.ndarray) -> None:
        """D follows the curvature √|Hⱼⱼ|: up at once, down slowly, so that a number whose curvature vanishes on the
        way does not fly off."""
        own = np.sqrt(np.abs(diagonal))
        if self._new:
            self._scale, self._new = np.where(own > 0, own, 1.0), False
        self._scale = np.maximum(_FADING * self._scale, own)

    def is_minimum(self, problem: Problem, state: State, limits: Limits, free: np.ndarray | None) -> bool:
        """Whether curvature lets the descent end where the gradient vanishes."""
        return True

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        state = State(problem.start.copy(), *problem.both(problem.start))
        if not np.isfinite(state.value):
            state.stop_reason = "diverged"
            return state
        box = problem.box
        self.begin(problem.n)
        self.prepare(problem, state)
        radius, size = self._first_radius(state), 0.0
        for _ in range(limits.max_iter):
            free = None if box is None else ~box.held(state.x, state.gradient)
            g = free_gradient(box, state.x, state.gradient)
            trace.add(state.value, largest(g), size)
            flat = flatness(state.x, state.value, g, limits.typical)
            if flat <= limits.tolerance and self.is_minimum(problem, state, limits, free):
                state.stop_reason = "converged"
                return state
            if box is None or free is None:
                move = self.move(problem, state, g, radius, None)
                there = state.x + move.step
            else:
                move = self._within(box, problem, state, g, radius, free)
                there = box.land(state.x, move.step)
            d, fall = move.step, move.fall
            size = self.measure(d)
            if not np.isfinite(d).all():
                state.stop_reason = "diverged"
                return state
            if not fall > 0 or (np.abs(d) <= EPS * np.abs(state.x)).all():
                state.stop_reason = "no progress"
                return state
            value, gradient = problem.both(there)
            # below rounding J says nothing: the step is good if it flattens J
            if fall <= 8 * EPS * max(abs(state.value), np.finfo(float).tiny):
                flatter = np.linalg.norm(free_gradient(box, there, gradient)) < np.linalg.norm(g)
                if not flatter:
                    near = flat <= 1e3 * limits.tolerance and self.is_minimum(problem, state, limits, free)
                    state.stop_reason = "converged" if near else "no progress"
                    return state
                share = 1.0
            else:
                share = (state.value - value) / fall
            if share < 0.25 or not np.isfinite(value):
                radius = 0.25 * min(size, radius)
                if radius < _LEAST:
                    state.stop_reason = "no progress"
                    return state
            elif share > 0.75 and size > 0.8 * radius:
                radius = 2 * radius
            if share > 1e-4 and np.isfinite(value):
                state = State(there, value, gradient)
                self.prepare(problem, state)
                if ended(state, callback):
                    return state
                if radius > _LARGEST:
                    state.stop_reason = "diverged"
                    return state
        return state

    def _first_radius(self, state: State) -> float:
        """A part of the start's length; at zero, of the step that its curvature asks for."""
        length = self.measure(state.x) or self.measure(self.steepest(state.gradient))
        return _FIRST * length if 0 < length < np.inf else 1.0

    def _within(
        self, box: Box, problem: Problem, state: State, g: np.ndarray, radius: float, free: np.ndarray
    ) -> Move:
        """A step that keeps to the bounds: along the projected gradient first, which says which bounds hold; then the
        model's minimum on the face so found, by projected searches (Lin & Moré 1999)."""
        whole = self.move(problem, state, g, radius, free)
        if box.contains(state.x + whole.step):
            return whole
        x = state.x

        def along(
            d: np.ndarray, start: np.ndarray, slope: np.ndarray, length: float
        ) -> tuple[np.ndarray, ...] | None:
            """The projected step from x + start, and H times it, if the model falls enough along it."""
            part = box.land(x, start + length * d) - box.land(x, start)
            bent = self.bend(problem, state, part)
            down = float(slope @ part)
            changed = down + 0.5 * float(part @ bent)
            return (part, bent) if changed < 0 and changed <= _ENOUGH * min(down, 0.0) else None

        moved, bent = np.zeros_like(x), np.zeros_like(x)
        towards = self.steepest(g)
        size = self.measure(towards)
        length = min(1.0, radius / size) if size > 0 else 0.0
        for _ in range(60):
            if length == 0:
                break
            found = along(towards, moved, g, length)
            if found is not None and self.measure(found[0]) <= radius * (1 + 1e-9):
                moved, bent = found
                break
            length *= 0.25
        for _ in range(problem.n + 1):
            here = box.land(x, moved)
            free = box.inside(here)
            slope = np.where(free, state.gradient + bent, 0.0)
            if not free.any() or self.measure(self.steepest(slope)) <= 1e-8 * self.measure(self.steepest(g)):
                break
            move = self.move(problem, state, slope, radius, free)
            if box.contains(here + move.step):
                moved, bent = moved + move.step, bent + move.bent
                break
            shortest = min(box.longest(here, move.step), 1.0)
            length, found = 1.0, None
            while length > shortest and found is None:
                found = along(move.step, moved, slope, length)
                length *= 0.5
            if found is None:
                found = along(move.step, moved, slope, shortest)
            if found is None:
                break
            moved, bent = moved + found[0], bent + found[1]
        return Move(moved, bent, -float(state.gradient @ moved + 0.5 * moved @ bent))
