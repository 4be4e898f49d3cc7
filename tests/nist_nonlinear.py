"""The 27 sets of NIST StRD for nonlinear regression (public domain): data, starts, certified values, models."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reference_data import FOLDER, needs_reference_data

HERE = Path(__file__).with_name("nist")
"""Sets that do not lie with the other reference data."""


def saturating(x, b1, b2):
    return b1 * (1 - np.exp(-b2 * x))


def gaussians(x, b1, b2, b3, b4, b5, b6, b7, b8):
    peaks = b3 * np.exp(-((x - b4) ** 2) / b5**2) + b6 * np.exp(-((x - b7) ** 2) / b8**2)
    return b1 * np.exp(-b2 * x) + peaks


def exponentials(x, b1, b2, b3, b4, b5, b6):
    return b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)


def cubics(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def chwirut(x, b1, b2, b3):
    return np.exp(-b1 * x) / (b2 + b3 * x)


def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
    turn = 2 * np.pi * x
    year = b2 * np.cos(turn / 12) + b3 * np.sin(turn / 12)
    others = b5 * np.cos(turn / b4) + b6 * np.sin(turn / b4) + b8 * np.cos(turn / b7) + b9 * np.sin(turn / b7)
    return b1 + year + others


MODELS: dict[str, Callable[..., Any]] = {
    "Misra1a": saturating,
    "Chwirut2": chwirut,
    "Chwirut1": chwirut,
    "Lanczos3": exponentials,
    "Gauss1": gaussians,
    "Gauss2": gaussians,
    "DanWood": lambda x, b1, b2: b1 * x**b2,
    "Misra1b": lambda x, b1, b2: b1 * (1 - (1 + b2 * x / 2) ** (-2)),
    "Kirby2": lambda x, b1, b2, b3, b4, b5: (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2),
    "Hahn1": cubics,
    "Nelson": lambda x, b1, b2, b3: b1 - b2 * x[:, 0] * np.exp(-b3 * x[:, 1]),  # of log(y)
    "MGH17": lambda x, b1, b2, b3, b4, b5: b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5),
    "Lanczos1": exponentials,
    "Lanczos2": exponentials,
    "Gauss3": gaussians,
    "Misra1c": lambda x, b1, b2: b1 * (1 - (1 + 2 * b2 * x) ** (-0.5)),
    "Misra1d": lambda x, b1, b2: b1 * b2 * x * ((1 + b2 * x) ** (-1)),
    "Roszman1": lambda x, b1, b2, b3, b4: b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi,
    "ENSO": enso,
    "MGH09": lambda x, b1, b2, b3, b4: b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4),
    "Thurber": cubics,
    "BoxBOD": saturating,
    "Rat42": lambda x, b1, b2, b3: b1 / (1 + np.exp(b2 - b3 * x)),
    "MGH10": lambda x, b1, b2, b3: b1 * np.exp(b2 / (x + b3)),
    "Eckerle4": lambda x, b1, b2, b3: (b1 / b2) * np.exp(-0.5 * ((x - b3) / b2) ** 2),
    "Rat43": lambda x, b1, b2, b3, b4: b1 / ((1 + np.exp(b2 - b3 * x)) ** (1 / b4)),
    "Bennett5": lambda x, b1, b2, b3: b1 * (b2 + x) ** (-1 / b3),
}
"""In the order of difficulty that NIST gives: lower, average, higher."""


@dataclass(frozen=True)
class NonlinearReference:
    """x (n,) or (n, 2), y (n,), two starting points, and the certified minimum."""

    name: str
    x: np.ndarray
    y: np.ndarray
    starts: tuple[np.ndarray, np.ndarray]
    estimates: np.ndarray
    std_errors: np.ndarray
    residual_ss: float

    @property
    def model(self) -> Callable[..., Any]:
        return MODELS[self.name]


def nist_nonlinear(name: str) -> NonlinearReference:
    """One set, read from its file."""
    path = HERE / f"{name}.dat"
    if not path.exists():
        needs_reference_data()
        path = FOLDER / "nist" / f"{name}.dat"
    lines = path.read_text().splitlines()
    first, last = map(int, re.findall(r"Data\s*\(lines\s*(\d+)\s*to\s*(\d+)\)", "\n".join(lines[:10]))[0])
    rows = [re.match(r"\s*b\d+\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)", line) for line in lines[: first - 1]]
    start1, start2, estimates, errors = np.array([[float(v) for v in m.groups()] for m in rows if m]).T
    rss = next(float(line.split()[-1]) for line in lines if line.startswith("Residual Sum of Squares"))
    data = np.array([[float(v) for v in line.split()] for line in lines[first - 1 : last] if line.strip()])
    y, x = data[:, 0], data[:, 1:] if data.shape[1] > 2 else data[:, 1]
    return NonlinearReference(
        name, x, np.log(y) if name == "Nelson" else y, (start1, start2), estimates, errors, rss
    )
