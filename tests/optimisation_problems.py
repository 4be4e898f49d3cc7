"""Test functions of Moré, Garbow & Hillstrom (1981): name → (J, start, its minima)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Problem = tuple[Callable[[Any], Any], np.ndarray, tuple[float, ...]]


def squares(residuals: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.sum(residuals(x) ** 2)


def helical(x: Any) -> Any:
    angle = np.arctan2(x[1], x[0]) / (2 * np.pi)
    return 100 * ((x[2] - 10 * angle) ** 2 + (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1) ** 2) + x[2] ** 2


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
GAUSS = np.array([9, 44, 175, 540, 1295, 2420, 3521, 3989, 3521, 2420, 1295, 540, 175, 44, 9]) / 1e4
MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872],
    float,
)
KOWALIK = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
OSBORNE = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603,
    0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411,
    0.406,
])  # fmt: skip
TEN = 10.0 * np.arange(33)
U = np.arange(1.0, 16)
V, W = 16 - U, np.minimum(U, 16 - U)


def biggs(x: Any) -> Any:
    t = 0.1 * np.arange(1, 14)
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


def watson(x: Any) -> Any:
    t, j = np.arange(1, 30)[:, None] / 29, np.arange(6)
    inner = np.sum(x * t**j, axis=1)
    slope = np.sum(j[1:] * x[1:] * t ** (j[1:] - 1), axis=1)
    return np.concatenate([slope - inner**2 - 1, x[:1], x[1:2] - x[0] ** 2 - 1])


def brown_dennis(x: Any) -> Any:
    t = np.arange(1, 21) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


def trigonometric(x: Any) -> Any:
    n = len(x)
    return n - np.sum(np.cos(x)) + np.arange(1, n + 1) * (1 - np.cos(x)) - np.sin(x)


def boundary(x: Any) -> Any:
    n = len(x)
    h, t = 1 / (n + 1), np.arange(1, n + 1) / (n + 1)
    padded = np.pad(x, 1)
    return 2 * x - padded[:-2] - padded[2:] + h**2 * (x + t + 1) ** 3 / 2


def tridiagonal(x: Any) -> Any:
    padded = np.pad(x, 1)
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2)


def powell(x: Any) -> Any:
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    return np.sum((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4)


def box(x: Any) -> Any:
    t = 0.1 * np.arange(1, 11)
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def variable(x: Any) -> Any:
    weighted = np.sum(np.arange(1, len(x) + 1) * (x - 1))
    return np.sum((x - 1) ** 2) + weighted**2 + weighted**4


def wood(x: Any) -> Any:
    return (
        100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + 90 * (x[3] - x[2] ** 2) ** 2 + (1 - x[2]) ** 2
        + 10 * (x[1] + x[3] - 2) ** 2 + (x[1] - x[3]) ** 2 / 10
    )  # fmt: skip


PROBLEMS: dict[str, Problem] = {
    "Rosenbrock": (rosenbrock, np.array([-1.2, 1.0]), (0.0,)),
    "Freudenstein and Roth": (
        lambda x: (
            (-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1]) ** 2 + (-29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]) ** 2
        ),
        np.array([0.5, -2.0]), (0.0, 48.98425367924),
    ),
    "Powell badly scaled": (
        lambda x: (1e4 * x[0] * x[1] - 1) ** 2 + (np.exp(-x[0]) + np.exp(-x[1]) - 1.0001) ** 2,
        np.array([0.0, 1.0]), (0.0,),
    ),
    "Brown badly scaled": (
        lambda x: (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2, np.array([1.0, 1.0]), (0.0,)
    ),
    "Beale": (
        lambda x: sum((c - x[0] * (1 - x[1] ** k)) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))),
        np.array([1.0, 1.0]), (0.0,),
    ),
    "Jennrich and Sampson": (
        squares(lambda x: 2 + 2 * np.arange(1, 11) - np.exp(np.arange(1, 11) * x[0]) - np.exp(np.arange(1, 11) * x[1])),
        np.array([0.3, 0.4]), (124.36218235561,),
    ),
    "Helical valley": (helical, np.array([-1.0, 0.0, 0.0]), (0.0,)),
    "Bard": (squares(lambda x: BARD - (x[0] + U / (V * x[1] + W * x[2]))), np.ones(3), (8.2148773065789e-3, 17.4286)),
    "Gaussian": (
        squares(lambda x: x[0] * np.exp(-x[1] * ((8 - U) / 2 - x[2]) ** 2 / 2) - GAUSS), np.array([0.4, 1.0, 0.0]),
        (1.1279327696188e-8,),
    ),
    "Meyer": (
        squares(lambda x: x[0] * np.exp(x[1] / (45 + 5 * np.arange(1, 17) + x[2])) - MEYER),
        np.array([0.02, 4000.0, 250.0]), (87.945855170,),
    ),
    "Box three-dimensional": (squares(box), np.array([0.0, 10.0, 20.0]), (0.0,)),
    "Powell singular": (powell, np.array([3.0, -1.0, 0.0, 1.0]), (0.0,)),
    "Wood": (wood, np.array([-3.0, -1.0, -3.0, -1.0]), (0.0,)),
    "Kowalik and Osborne": (
        squares(lambda x: KOWALIK - x[0] * KOWALIK_U * (KOWALIK_U + x[1]) / (KOWALIK_U * (KOWALIK_U + x[2]) + x[3])),
        np.array([0.25, 0.39, 0.415, 0.39]), (3.0750560385e-4, 1.02734e-3),
    ),
    "Brown and Dennis": (squares(brown_dennis), np.array([25.0, 5.0, -5.0, -1.0]), (85822.201626356,)),
    "Osborne 1": (
        squares(lambda x: OSBORNE - x[0] - x[1] * np.exp(-TEN * x[3]) - x[2] * np.exp(-TEN * x[4])),
        np.array([0.5, 1.5, -1.0, 0.01, 0.02]), (5.4648946975e-5,),
    ),
    "Biggs EXP6": (squares(biggs), np.array([1.0, 2, 1, 1, 1, 1]), (0.0, 5.6556499255e-3)),
    "Watson": (squares(watson), np.zeros(6), (2.2876700536e-3,)),
    "Penalty I": (
        lambda x: 1e-5 * np.sum((x - 1) ** 2) + (np.sum(x**2) - 0.25) ** 2, np.arange(1.0, 11), (7.0876515e-5,)
    ),
    "Variably dimensioned": (variable, 1 - np.arange(1, 11) / 10, (0.0,)),
    "Trigonometric": (squares(trigonometric), np.full(10, 0.1), (0.0, 2.79506e-5, 4.21863e-5)),
    "Brown almost linear": (
        squares(lambda x: np.append(x[:-1] + np.sum(x) - 11, np.prod(x) - 1)), np.full(10, 0.5), (0.0, 1.0)
    ),
    "Discrete boundary value": (
        squares(boundary), (np.arange(1, 11) / 11) * (np.arange(1, 11) / 11 - 1), (0.0,)
    ),
    "Broyden tridiagonal": (squares(tridiagonal), np.full(10, -1.0), (0.0,)),
    "Rosenbrock in 100": (rosenbrock, np.tile([-1.2, 1.0], 50), (0.0,)),
    "Rosenbrock in 1000": (rosenbrock, np.tile([-1.2, 1.0], 500), (0.0,)),
    "Powell singular in 1000": (powell, np.tile([3.0, -1.0, 0.0, 1.0], 250), (0.0,)),
    "Broyden tridiagonal in 1000": (squares(tridiagonal), np.full(1000, -1.0), (0.0,)),
}  # fmt: skip
