"""Any function of plain NumPy as a problem: its derivatives are found by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.autodiff.containers import as_floats, leaves, rebuild
from betahat.autodiff.functions import grad, jvp, value_and_grad
from betahat.solvers.descent.problem import Problem


@final
class FunctionProblem(Problem):
    """J at flat points x (n,) float64, whatever container its argument is.

    function : of the container, giving one number. start : where to begin, floats. gradient : of the container, in the
    same form; found by autodiff where None.
    """

    def __init__(
        self, function: Callable[[Any], Any], start: Any, gradient: Callable[[Any], Any] | None = None
    ) -> None:
        self._function, self._form, self._given = function, start, gradient
        points = [
            (path, np.array(as_floats(value, path, "start"), np.float64)) for path, value in leaves(start)
        ]
        if not points:
            raise ValueError("start holds no number; give the point to begin at")
        for path, point in points:
            if not np.isfinite(point).all():
                where = "".join(f"[{key!r}]" for key in path)
                raise ValueError(
                    f"start{where} holds NaN or infinity; the descent must begin at finite numbers"
                )
        self._shapes = [point.shape for _, point in points]
        self._edges = np.cumsum([0, *(point.size for _, point in points)])
        self.start = np.concatenate([point.ravel() for _, point in points])
        self._both = value_and_grad(function)

    def form(self, x: np.ndarray) -> Any:
        """The container of the start with the numbers of x."""
        parts = [
            x[a:b].reshape(shape)[()]
            for a, b, shape in zip(self._edges, self._edges[1:], self._shapes, strict=False)
        ]
        return rebuild(self._form, parts)

    def _flat(self, container: Any) -> np.ndarray:
        parts = [np.broadcast_to(v, s) for (_, v), s in zip(leaves(container), self._shapes, strict=True)]
        return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])

    def value(self, x: np.ndarray) -> float:
        """J(x)."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            value = self._function(self.form(x))
        if np.size(value) != 1:
            raise ValueError(
                f"the function gives an array of shape {np.shape(value)}; one number is expected: sum it (np.sum)"
            )
        number = float(np.reshape(value, ()))
        return number if np.isfinite(number) else np.inf

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """J(x) and ∂J/∂x (n,)."""
        with np.errstate(all="ignore"):
            if self._given is not None:
                self.gradients += 1
                return self.value(x), self._flat(self._given(self.form(x)))
            self.evaluations += 1
            self.gradients += 1
            value, gradient = self._both(self.form(x))
            number = float(np.reshape(value, ()))
            return number if np.isfinite(number) else np.inf, self._flat(gradient)

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """∂²J/∂x²·v (n,), by forward over reverse, or by differences of a gradient that was given."""
        self.products += 1
        with np.errstate(all="ignore"):
            if self._given is None:
                return self._flat(jvp(grad(self._function), self.form(x), self.form(v))[1])
            size = float(np.linalg.norm(v))
            if size == 0:
                return np.zeros(self.n)
            step = 1e-5 * (1 + float(np.linalg.norm(x))) / size
            ahead, behind = (self._flat(self._given(self.form(x + sign * step * v))) for sign in (1, -1))
            return (ahead - behind) / (2 * step)
