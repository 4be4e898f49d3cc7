"""Refusals of numbers that a method's parameter cannot be; each names the parameter and its value."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np


def is_real(value: Any) -> bool:
    """Whether it is a number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    try:
        return is_real(value) and math.isfinite(value)
    except OverflowError:  # of whole numbers beyond 1e308
        return False


def check_positive(name: str, value: Any) -> None:
    """Only finite numbers above 0."""
    if not (is_finite(value) and value > 0):
        raise ValueError(f"{name} (={value!r}) must be a finite number above 0")


def check_not_negative(name: str, value: Any) -> None:
    """Only finite numbers of 0 or more."""
    if not (is_finite(value) and value >= 0):
        raise ValueError(f"{name} (={value!r}) must be a finite number, 0 or more")


def check_decay(name: str, value: Any) -> None:
    """Only what a thing can be multiplied by again and again without growing: above 0 and at most 1."""
    if not (is_real(value) and 0 < value <= 1):
        raise ValueError(f"{name} (={value!r}) must be above 0 and at most 1, so that nothing grows by it")


def check_memory(name: str, value: Any) -> None:
    """Only shares of the past that can be kept: at least 0 and below 1."""
    if not (is_real(value) and 0 <= value < 1):
        raise ValueError(
            f"{name} (={value!r}) must be at least 0 and below 1: the share of the past that a step keeps"
        )


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Only whole numbers from `least`."""
    if not (isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least):
        raise ValueError(f"{name} (={value!r}) must be a whole number of {least} or more")
