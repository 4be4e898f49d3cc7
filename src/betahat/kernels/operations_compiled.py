"""The operations of one number that straight-line programs have, with their first and second derivatives, compiled."""

from __future__ import annotations

import math

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.program import (
    ABSOLUTE,
    ARCCOS,
    ARCCOSH,
    ARCSIN,
    ARCSINH,
    ARCTAN,
    ARCTANH,
    COS,
    COSH,
    ERF,
    EXP,
    EXPIT,
    EXPM1,
    LOG,
    LOG1P,
    LOG2,
    LOG10,
    RECIPROCAL,
    SIN,
    SINH,
    SQRT,
    TAN,
    TANH,
)  # fmt: skip

_LN2, _LN10, _ERF = math.log(2), math.log(10), 2 / math.sqrt(math.pi)


@compiled
def one(code, a):
    """An operation of one number; exp and log are made a register at a time, see `block_math`."""
    if code == SQRT:
        return np.sqrt(a)
    if code == RECIPROCAL:
        return 1.0 / a
    if code == SIN:
        return np.sin(a)
    if code == COS:
        return np.cos(a)
    if code == TAN:
        return np.tan(a)
    if code == ARCTAN:
        return np.arctan(a)
    if code == SINH:
        return np.sinh(a)
    if code == COSH:
        return np.cosh(a)
    if code == TANH:
        return np.tanh(a)
    if code == ABSOLUTE:
        return np.abs(a)
    if code == EXPM1:
        return np.expm1(a)
    if code == LOG1P:
        return np.log1p(a)
    if code == LOG10:
        return np.log10(a)
    if code == LOG2:
        return np.log2(a)
    if code == ARCSIN:
        return np.arcsin(a)
    if code == ARCCOS:
        return np.arccos(a)
    if code == ARCSINH:
        return np.arcsinh(a)
    if code == ARCCOSH:
        return np.arccosh(a)
    if code == ARCTANH:
        return np.arctanh(a)
    if code == ERF:
        return math.erf(a)
    return 1.0 / (1.0 + np.exp(-a))  # expit


@compiled
def slope_of_one(code, a, u):
    """Its derivative; u : its value."""
    if code == EXP:
        return u
    if code == LOG:
        return 1.0 / a
    if code == SQRT:
        return 0.5 / u
    if code == RECIPROCAL:
        return -u * u
    if code == SIN:
        return np.cos(a)
    if code == COS:
        return -np.sin(a)
    if code == TAN:
        return 1.0 + u * u
    if code == ARCTAN:
        return 1.0 / (1.0 + a * a)
    if code == SINH:
        return np.cosh(a)
    if code == COSH:
        return np.sinh(a)
    if code == TANH:
        return 1.0 - u * u
    if code == ABSOLUTE:
        return np.sign(a)
    if code == EXPM1:
        return u + 1.0
    if code == LOG1P:
        return 1.0 / (1.0 + a)
    if code == LOG10:
        return 1.0 / (a * _LN10)
    if code == LOG2:
        return 1.0 / (a * _LN2)
    if code == ARCSIN:
        return 1.0 / np.sqrt((1.0 - a) * (1.0 + a))
    if code == ARCCOS:
        return -1.0 / np.sqrt((1.0 - a) * (1.0 + a))
    if code == ARCSINH:
        return 1.0 / np.sqrt(a * a + 1.0)
    if code == ARCCOSH:
        return 1.0 / np.sqrt((a - 1.0) * (a + 1.0))
    if code == ARCTANH:
        return 1.0 / ((1.0 - a) * (1.0 + a))
    if code == ERF:
        return _ERF * np.exp(-a * a)
    return u / (1.0 + np.exp(a))  # expit


@compiled
def bend_of_one(code, a, u, d):
    """Its second derivative; u, d : its value and derivative."""
    if code in (EXP, SINH, COSH):
        return u
    if code == EXPM1:
        return d
    if code in (SIN, COS):
        return -u
    if code in (LOG, LOG10, LOG2):
        return -d / a
    if code == SQRT:
        return -0.5 * d / a
    if code == RECIPROCAL:
        return -2.0 * u * d
    if code == TAN:
        return 2.0 * u * d
    if code == ARCTAN:
        return -2.0 * a * d * d
    if code == ARCTANH:
        return 2.0 * a * d * d
    if code == TANH:
        return -2.0 * u * d
    if code == LOG1P:
        return -d * d
    if code in (ARCSIN, ARCCOS):
        return a * d * d * d
    if code in (ARCSINH, ARCCOSH):
        return -a * d * d * d
    if code == ERF:
        return -2.0 * a * d
    if code == EXPIT:
        return d * (1.0 - 2.0 * u)
    return 0.0  # absolute
