"""What the compiled programs must equal, in NumPy: every slot carries its first and second derivatives forward."""

from __future__ import annotations

import numpy as np
from scipy import special

from betahat.kernels.program import OPERATIONS, Program

_LN2, _LN10 = np.log(2.0), np.log(10.0)


def evaluate(program: Program, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f (n,), ∂f/∂β (n, p) and ∂²f/∂β² (n, p, p).

    >>> from betahat.kernels.program import MULTIPLY, program
    >>> square = program(1, np.zeros(0), np.ones((1, 1)), np.array([[MULTIPLY, 0, 0]]), 2)
    >>> [part.tolist() for part in evaluate(square, np.array([3.0]))]
    [[9.0], [[6.0]], [[[2.0]]]]
    """
    p, n = program.size, program.rows
    none = np.zeros((n, p)), np.zeros((n, p, p))
    slots = [
        (np.full(n, number), np.tile(row, (n, 1)), none[1])
        for number, row in zip(beta, np.eye(p), strict=True)
    ]
    slots += [(np.full(n, number), *none) for number in program.constants]
    slots += [(column, *none) for column in program.columns]
    with np.errstate(all="ignore"):
        for code, at, bt in program.operations.tolist():
            (a, da, Ha), (b, db, Hb) = slots[at], slots[bt]
            name = OPERATIONS[code]
            moving = bool(program.moves[at]), bool(program.moves[bt])
            u, (fa, fb), (faa, fab, fbb) = _derivatives(name, a, b, moving)
            d, H = _times(fa, da) + _times(fb, db), _times(fa, Ha) + _times(fb, Hb)
            for factor, left, right in ((faa, da, da), (fab, da, db), (fab, db, da), (fbb, db, db)):
                H = H + _times(factor, left[:, :, None] * right[:, None, :])
            slots.append((u, d, H))
    return slots[program.result]


def _times(factor: np.ndarray | float, part: np.ndarray) -> np.ndarray:
    """Row by row; what is exactly zero stays so."""
    factors = np.reshape(np.broadcast_to(factor, len(part)), (-1, *(1,) * (part.ndim - 1)))
    return np.where(part == 0, 0.0, factors * part)


def _derivatives(name: str, a: np.ndarray, b: np.ndarray, moving: tuple[bool, bool]) -> tuple:
    """Value, first derivatives by both operands, and second ones (aa, ab, bb)."""
    match name:
        case "add":
            return a + b, (1.0, 1.0), (0.0, 0.0, 0.0)
        case "subtract":
            return a - b, (1.0, -1.0), (0.0, 0.0, 0.0)
        case "multiply":
            return a * b, (b, a), (0.0, 1.0, 0.0)
        case "divide":
            return a / b, (1 / b, -a / b**2), (0.0, -1 / b**2, 2 * a / b**3)
        case "power":
            u, log = a**b, np.log(np.where(a == 0, 1.0, a)) if moving[1] else 0.0
            bent = np.where(
                (b == 0) | (b == 1), 0.0, b * (b - 1) * a ** np.where((b == 0) | (b == 1), 1.0, b - 2)
            )
            fa = np.where(b == 0, 0.0, b * a ** np.where(b == 0, 1.0, b - 1))
            return u, (fa, u * log), (bent, a ** (b - 1) * (1 + b * log), u * log * log)
    u, d, h = _of_one(name, a)
    return u, (d, 0.0), (h, 0.0, 0.0)


def _of_one(name: str, a: np.ndarray) -> tuple:
    match name:
        case "negative":
            return -a, -1.0, 0.0
        case "exp":
            return np.exp(a), np.exp(a), np.exp(a)
        case "expm1":
            return np.expm1(a), np.exp(a), np.exp(a)
        case "log":
            return np.log(a), 1 / a, -1 / a**2
        case "log1p":
            return np.log1p(a), 1 / (1 + a), -1 / (1 + a) ** 2
        case "log10":
            return np.log10(a), 1 / (a * _LN10), -1 / (a**2 * _LN10)
        case "log2":
            return np.log2(a), 1 / (a * _LN2), -1 / (a**2 * _LN2)
        case "sqrt":
            return np.sqrt(a), 0.5 * a**-0.5, -0.25 * a**-1.5
        case "square":
            return a * a, 2 * a, 2.0
        case "reciprocal":
            return 1 / a, -1 / a**2, 2 / a**3
        case "sin":
            return np.sin(a), np.cos(a), -np.sin(a)
        case "cos":
            return np.cos(a), -np.sin(a), -np.cos(a)
        case "tan":
            return np.tan(a), np.cos(a) ** -2.0, 2 * np.tan(a) * np.cos(a) ** -2.0
        case "sinh":
            return np.sinh(a), np.cosh(a), np.sinh(a)
        case "cosh":
            return np.cosh(a), np.sinh(a), np.cosh(a)
        case "tanh":
            return np.tanh(a), np.cosh(a) ** -2.0, -2 * np.tanh(a) * np.cosh(a) ** -2.0
        case "absolute":
            return np.abs(a), np.sign(a), 0.0
        case "arctan":
            return np.arctan(a), 1 / (1 + a * a), -2 * a / (1 + a * a) ** 2
        case "arcsin":
            return np.arcsin(a), (1 - a * a) ** -0.5, a * (1 - a * a) ** -1.5
        case "arccos":
            return np.arccos(a), -((1 - a * a) ** -0.5), -a * (1 - a * a) ** -1.5
        case "arcsinh":
            return np.arcsinh(a), (1 + a * a) ** -0.5, -a * (1 + a * a) ** -1.5
        case "arccosh":
            return np.arccosh(a), (a * a - 1) ** -0.5, -a * (a * a - 1) ** -1.5
        case "arctanh":
            return np.arctanh(a), 1 / (1 - a * a), 2 * a / (1 - a * a) ** 2
        case "erf":
            d = 2 / np.sqrt(np.pi) * np.exp(-a * a)
            return special.erf(a), d, -2 * a * d
        case _:
            u = special.expit(a)
            return u, u * special.expit(-a), u * special.expit(-a) * (1 - 2 * u)
