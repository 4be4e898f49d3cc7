"""Reference data for tests: NIST StRD files beside the checkout, and exact rational least squares."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


def needs_reference_data() -> None:
    """Skip where the reference files are absent; fail in CI, where they must be there."""
    if FOLDER.is_dir():
        return
    message = f"the reference data folder {FOLDER} is absent"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@dataclass(frozen=True)
class LinearReference:
    name: str
    estimates: np.ndarray
    std_errors: np.ndarray
    residual_sd: float
    r_squared: float
    data: np.ndarray


def nist_linear(name: str) -> LinearReference:
    needs_reference_data()
    lines = (FOLDER / "nist" / f"{name}.dat").read_text().splitlines()
    first, last = map(int, re.findall(r"Data\s*\(lines\s*(\d+)\s*to\s*(\d+)\)", "\n".join(lines[:10]))[0])
    rows = [re.match(r"\s*B\d+\s+(\S+)\s+(\S+)\s*$", line) for line in lines[:60]]
    values = [(float(m[1]), float(m[2])) for m in rows if m]
    sd = next(float(line.split()[-1]) for line in lines if line.strip().startswith("Standard Deviation  "))
    r2 = next(float(line.split()[-1]) for line in lines if line.strip().startswith("R-Squared"))
    data = np.array([[float(v) for v in line.split()] for line in lines[first - 1 : last] if line.strip()])
    estimates, errors = np.array(values).T
    return LinearReference(name, estimates, errors, sd, r2, data)


def correct_digits(value: float, certified: float) -> float:
    """The log relative error: about how many significant digits agree (at most 15)."""
    if value == certified:
        return 15.0
    error = abs(value - certified) / (abs(certified) if certified != 0 else 1.0)
    return min(15.0, -float(np.log10(error)))


def exact_least_squares(
    X: list[list[Fraction]], Y: list[Fraction], weights: list[Fraction] | None = None
) -> tuple[list[Fraction], list[list[Fraction]], Fraction]:
    """β, (XᵀWX)⁻¹ and the weighted residual sum of squares by Gauss–Jordan in rational arithmetic."""
    n, m = len(X), len(X[0])
    w = weights or [Fraction(1)] * n
    G = [[sum(w[i] * X[i][a] * X[i][b] for i in range(n)) for b in range(m)] for a in range(m)]
    h = [sum(w[i] * X[i][a] * Y[i] for i in range(n)) for a in range(m)]
    A = [[*G[a], *(Fraction(int(a == b)) for b in range(m))] for a in range(m)]
    for c in range(m):
        pivot = next(r for r in range(c, m) if A[r][c] != 0)
        A[c], A[pivot] = A[pivot], A[c]
        A[c] = [v / A[c][c] for v in A[c]]
        for r in range(m):
            if r != c and A[r][c] != 0:
                A[r] = [a - A[r][c] * b for a, b in zip(A[r], A[c], strict=True)]
    inverse = [row[m:] for row in A]
    beta = [sum((inverse[a][b] * h[b] for b in range(m)), Fraction(0)) for a in range(m)]
    rss = sum(
        (w[i] * (Y[i] - sum((X[i][a] * beta[a] for a in range(m)), Fraction(0))) ** 2 for i in range(n)),
        Fraction(0),
    )
    return beta, inverse, rss


def fractions(X: np.ndarray, intercept: bool) -> list[list[Fraction]]:
    return [[*([Fraction(1)] if intercept else []), *(Fraction(float(v)) for v in row)] for row in X]
