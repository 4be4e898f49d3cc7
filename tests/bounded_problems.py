"""Functions with bounds: name → (J, start, bounds, its minimum). Most are Hock & Schittkowski's (1981)."""

from __future__ import annotations

from typing import Any

import numpy as np
from optimisation_problems import PROBLEMS, rosenbrock, wood

Bounded = tuple[Any, np.ndarray, Any, float]


def hs5(x: Any) -> Any:
    return np.sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1


def hs25(x: Any) -> Any:
    u = 25 + (-50 * np.log(0.01 * np.arange(1, 100))) ** (2 / 3)
    return np.sum((-0.01 * np.arange(1, 100) + np.exp(-((u - x[1]) ** x[2]) / x[0])) ** 2)


def hs110(x: Any) -> Any:
    return np.sum(np.log(x - 2) ** 2 + np.log(10 - x) ** 2) - np.prod(x) ** 0.2


def nonnegative_least_squares(rows: int, columns: int) -> Bounded:
    from scipy.optimize import nnls

    rng = np.random.default_rng(columns)
    A, b = rng.standard_normal((rows, columns)), rng.standard_normal(rows)
    return lambda x: np.sum((A @ x - b) ** 2), np.ones(columns), (0.0, None), float(nnls(A, b)[1] ** 2)


def obstacle(n: int) -> Bounded:
    """A string held at both ends over a parabola: ½ Σ (Δx)², x ≥ the parabola. It lies on it in the middle and is
    straight outside; where it leaves it is found by trying all places."""
    t, places = np.linspace(-1, 1, n + 2)[1:-1], np.arange(n)
    low = 0.5 - 2 * t**2

    def energy(x: Any) -> Any:
        return 0.5 * (n + 1) * np.sum(np.diff(np.pad(x, 1)) ** 2)

    energies = []
    for first in range(n // 2):
        left = np.where(places < first, low[first] * (places + 1) / (first + 1), low)
        x = np.where(places < n / 2, left, left[::-1])
        if (x >= low - 1e-12).all():
            energies.append(float(energy(x)))
    return energy, low + 1.0, (low, None), min(energies)


BOUNDED: dict[str, Bounded] = {
    "Rosenbrock, bound not met": (rosenbrock, np.array([-2.0, 1.0]), [(None, None), (-1.5, None)], 0.0),
    "Rosenbrock on a bound": (rosenbrock, np.array([2.0, 2.0]), [(None, None), (1.5, None)], 0.0504261879),
    "Almost linear": (
        lambda x: x[1] + 1e-5 * (x[1] - x[0]) ** 2, np.array([10.0, 1.0]), [(None, None), (0, None)], 0.0,
    ),
    "Cubic in a corner": (
        lambda x: (x[0] + 1) ** 3 / 3 + x[1], np.array([1.125, 0.125]), [(1, None), (0, None)], 8 / 3,
    ),
    "Sine in a box": (hs5, np.zeros(2), [(-1.5, 4), (-3, 3)], -np.sqrt(3) / 2 - np.pi / 3),
    "Exponentials on a grid": (hs25, np.array([100.0, 12.5, 3.0]), [(0.1, 100), (0, 25.6), (0, 5)], 0.0),
    "Wood in a box": (wood, np.array([-3.0, -1.0, -3.0, -1.0]), (-10, 10), 0.0),
    "All in a corner": (lambda x: 2 - np.prod(x) / 120, np.full(5, 0.5), [(0, k) for k in range(1, 6)], 1.0),
    "Logarithms with walls": (hs110, np.full(10, 9.0), (2.001, 9.999), -45.77846971),
    "Nonnegative least squares in 20": nonnegative_least_squares(40, 20),
    "Nonnegative least squares in 200": nonnegative_least_squares(300, 200),
    "Brown badly scaled, held": (
        PROBLEMS["Brown badly scaled"][0], np.array([1.0, 1.0]), [(None, 5e5), (0, None)], 5e5**2 + 4e-12,
    ),
    "Obstacle in 50": obstacle(50),
    "Obstacle in 1000": obstacle(1000),
    "Rosenbrock in 1000, half held": (rosenbrock, np.full(1000, -1.0), (None, [0.5, np.inf] * 500), 0.25 * 500),
}  # fmt: skip
