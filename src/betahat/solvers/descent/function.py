"""Any function of plain NumPy as a problem: its derivatives are found by autodiff."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.autodiff.containers import as_floats, leaves, rebuild
from betahat.autodiff.functions import jvp, value_and_grad_of_vector
from betahat.autodiff.trace import Tape, Variable
from betahat.errors import DerivativeError
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.problem import Problem

_THIRD = float(np.finfo(np.float64).eps) ** (1 / 3)  # the relative step of central differences


@final
class FunctionProblem(Problem):
    """J at flat points x (n,) float64, whatever container its argument is.

    function : of the container, giving one number. start : where to begin, floats. gradient : of the container, in the
    same form; found by autodiff where None. box : bounds on the flat points.

    best : the lowest value met, where, and the gradient there. undefined : how many values were not finite. What is
    computed at one point is not computed there again.
    """

    def __init__(
        self, function: Callable[[Any], Any], start: Any, gradient: Callable[[Any], Any] | None = None,
        box: Box | None = None,
    ) -> None:  # fmt: skip
        self._function, self._form, self._given = function, start, gradient
        self.start, self._shapes = flattened(start)
        self._edges = np.cumsum([0, *(math.prod(shape) for shape in self._shapes)]).tolist()
        self._plain = isinstance(start, np.ndarray) and start.ndim == 1
        self.box = box
        self._twice = gradient is None  # whether autodiff finds second derivatives
        self._asked: np.ndarray | None = None
        self._met: tuple[np.ndarray, float, np.ndarray] | None = None
        self._bent: tuple[np.ndarray, np.ndarray] | None = None
        flat = function if self._plain else lambda x: function(self.form(x))
        self._both = value_and_grad_of_vector(flat)

    def form(self, x: Any) -> Any:
        """The container of the start with the numbers of x."""
        if self._plain:
            return x
        parts = [
            x[a] if not shape else x[a:b].reshape(shape)
            for a, b, shape in zip(self._edges, self._edges[1:], self._shapes, strict=False)
        ]
        return rebuild(self._form, parts)

    def value(self, x: np.ndarray) -> float:
        """J(x)."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            return self._number(self._function(self.form(x.copy())))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """J(x) and ∂J/∂x (n,); J is +∞ where either is not finite."""
        if self._asked is x and self._met is not None and np.array_equal(self._met[0], x):
            return self._met[1], self._met[2].copy()
        self.evaluations += 1
        if self._given is None:
            self.gradients += 1
            value, gradient = self._both(x)
            number = self._number(value)
        else:
            number = self._number(self._function(self.form(x.copy())))
            gradient = self._slope(x)
        if not (
            math.isfinite(number) and (math.isfinite(gradient.dot(gradient)) or np.isfinite(gradient).all())
        ):
            number = np.inf
            self.undefined += 1
        here = x.copy()
        self._asked, self._met = x, (here, number, gradient)
        if self.best is None or number < self.best[0]:
            self.best = number, here, gradient
        return number, gradient.copy()

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """∂²J/∂x²·v (n,), by forward over reverse, or by differences where the gradient has no rule."""
        self.products += 1
        if self._twice:
            try:
                return np.asarray(jvp(self._gradient, x, v)[1], np.float64)
            except DerivativeError:
                self._twice = False
        size = float(np.linalg.norm(v))
        if size == 0:
            return np.zeros(self.n)
        step = _THIRD * (1 + float(np.linalg.norm(x))) / size
        box = self.box
        if box is None or (box.contains(x + step * v) and box.contains(x - step * v)):
            return (self._slope(x + step * v) - self._slope(x - step * v)) / (2 * step)
        # next to a bound only one side can be looked at, for each number its own
        ahead = np.where(box.project(x + step * v) == x + step * v, v, 0.0)
        return (self._slope(x + step * ahead) - self._slope(box.project(x - step * (v - ahead)))) / step

    def _gradient(self, x: Any) -> Any:
        return self._both(x)[1]

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """∂²J/∂x² (n, n), symmetric: the gradient's steps are written down once, and walked back for each row."""
        if self._bent is not None and np.array_equal(self._bent[0], x):
            return self._bent[1]
        self.products += self.n
        rows = None
        if self._twice:
            try:
                rows = self._rows(x)
            except DerivativeError:
                self._twice = False
        if rows is None:
            rows = self._differences(x)
        H = (rows + rows.T) / 2
        self._bent = x.copy(), H
        return H

    def _rows(self, x: np.ndarray) -> np.ndarray:
        tape = Tape()
        gradient = self._gradient(tape.variable(x))
        rows = np.zeros((self.n, self.n))
        if type(gradient) is Variable and gradient.owner is tape:
            for k, unit in enumerate(np.eye(self.n)):
                row = tape.cotangents(gradient, unit, 1, again=True)[0]
                rows[k] = 0.0 if row is None else row
        return rows

    def _differences(self, x: np.ndarray) -> np.ndarray:
        rows = np.zeros((self.n, self.n))
        for k in range(self.n):
            ahead, behind = x.copy(), x.copy()
            ahead[k] += _THIRD * max(abs(x[k]), 1.0)
            behind[k] -= _THIRD * max(abs(x[k]), 1.0)
            if self.box is not None:
                ahead, behind = self.box.project(ahead), self.box.project(behind)
            if ahead[k] > behind[k]:
                rows[k] = (self._slope(ahead) - self._slope(behind)) / (ahead[k] - behind[k])
        return rows

    def _slope(self, x: np.ndarray) -> np.ndarray:
        """The gradient, flat."""
        self.gradients += 1
        if self._given is None:
            return self._gradient(x)
        container = self._given(self.form(x.copy()))
        if self._plain:
            parts = [np.asarray(container, np.float64)]
        else:
            parts = [np.asarray(part, np.float64) for _, part in leaves(container)]
        if [part.shape for part in parts] != self._shapes:
            found = ", ".join(str(part.shape) for part in parts)
            expected = ", ".join(map(str, self._shapes))
            raise ValueError(f"gradient gives arrays of shape {found}; those of start have {expected}")
        return parts[0].copy() if self._plain else np.concatenate([part.ravel() for part in parts])

    def _number(self, value: Any) -> float:
        if type(value) is np.float64:
            return float(value) if math.isfinite(value) else np.inf
        if isinstance(value, (dict, list, tuple)) or np.size(value) != 1:
            shape = getattr(value, "shape", None)
            what = f"a {type(value).__name__}" if shape is None else f"an array of shape {shape}"
            raise ValueError(f"the function gives {what}; one number is expected: sum it (np.sum)")
        try:
            number = float(np.reshape(value, ()))
        except (TypeError, ValueError) as error:
            if isinstance(error, DerivativeError):
                raise
            raise TypeError(
                f"the function gives {value!r}; one real number is expected (is a `return` missing?)"
            ) from None
        return number if math.isfinite(number) else np.inf


def flattened(start: Any) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """The numbers of a start as one vector (n,), and the shapes of its arrays; refused where not finite floats."""
    points = [(path, np.array(as_floats(value, path, "start"), np.float64)) for path, value in leaves(start)]
    if not sum(point.size for _, point in points):
        raise ValueError("start holds no number; give the point to begin at")
    for path, point in points:
        if not np.isfinite(point).all():
            where = "".join(f"[{key!r}]" for key in path)
            raise ValueError(f"start{where} holds NaN or infinity; the descent must begin at finite numbers")
    return np.concatenate([point.ravel() for _, point in points]), [point.shape for _, point in points]
