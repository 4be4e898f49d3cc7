"""Curves with names: what scientists fit most, each with values worth trying for what it is not linear in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

Candidates = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


@final
@dataclass(frozen=True)
class Curve:
    """A curve of one column x.

    text : its expression; about : in words, with its source; candidates : from x and y to values to try for the
    parameters that the curve is not linear in (the others follow by least squares); peaks : how many times the
    expression repeats one shape, found one after the other.
    """

    text: str
    about: str
    candidates: Candidates
    peaks: int = 1


def _range(x: np.ndarray) -> float:
    return float(np.ptp(x)) or 1.0


def _rates(x: np.ndarray, most: int = 24) -> np.ndarray:
    """Slow to fast beside the range of x, growing and falling."""
    sizes = np.logspace(-1.5, 2.2, most) / _range(x)
    return np.concatenate([-sizes, sizes])


def _places(x: np.ndarray, count: int = 13) -> np.ndarray:
    """Along the range of x, and at its quantiles."""
    even = np.linspace(x.min(), x.max(), count)
    return np.unique(np.concatenate([even, np.quantile(x, np.linspace(0.05, 0.95, count))]))


def _widths(x: np.ndarray) -> np.ndarray:
    return _range(x) * np.logspace(-2.3, 0.2, 9)


def _positive(x: np.ndarray, low: float = -2.0, high: float = 1.0, count: int = 20) -> np.ndarray:
    """Sizes of x itself."""
    return np.logspace(low, high, count) * (float(np.abs(x).max()) or 1.0)


def _frequencies(x: np.ndarray) -> np.ndarray:
    """From a fourth of a period in the range of x up to one for every two rows."""
    count = int(min(2 * len(np.unique(x)) + 4, 500))
    return np.arange(1, count + 1) / (4 * _range(x))


def _gaussians(peaks: int) -> Curve:
    shape = "height{k} * exp(-0.5 * ((x - center{k}) / width{k})**2)"
    text = " + ".join(shape.format(k=k + 1 if peaks > 1 else "") for k in range(peaks))
    return Curve(
        text + " + offset",
        f"{'a Gaussian peak' if peaks == 1 else f'{peaks} Gaussian peaks'} on a constant background",
        lambda x, y: {"center": _places(x, 25), "width": _widths(x)},
        peaks,
    )


CURVES: dict[str, Curve] = {
    "exponential": Curve("a * exp(b * x)", "growth (b > 0) or decay (b < 0)", lambda x, y: {"b": _rates(x)}),
    "exponential_offset": Curve(
        "a * exp(b * x) + c", "growth or decay towards c", lambda x, y: {"b": _rates(x)}
    ),
    "logistic": Curve(
        "capacity / (1 + exp(-rate * (x - midpoint)))",
        "growth that saturates (Verhulst 1838)",
        lambda x, y: {"rate": _rates(x, 14), "midpoint": _places(x)},
    ),
    "logistic_offset": Curve(
        "offset + capacity / (1 + exp(-rate * (x - midpoint)))",
        "a sigmoid between two levels",
        lambda x, y: {"rate": np.abs(_rates(x, 14))[:14], "midpoint": _places(x)},
    ),
    "gompertz": Curve(
        "capacity * exp(-exp(-rate * (x - midpoint)))",
        "growth that saturates, faster at first (Gompertz 1825)",
        lambda x, y: {"rate": _rates(x, 14), "midpoint": _places(x)},
    ),
    "gaussian": Curve(
        "height * exp(-0.5 * ((x - center) / width)**2)",
        "a Gaussian peak",
        lambda x, y: {"center": _places(x, 25), "width": _widths(x)},
    ),
    "gaussian_offset": _gaussians(1),
    "gaussian_2": _gaussians(2),
    "gaussian_3": _gaussians(3),
    "lorentzian": Curve(
        "height / (1 + ((x - center) / width)**2)",
        "a resonance (Lorentz; Cauchy's density)",
        lambda x, y: {"center": _places(x, 25), "width": _widths(x)},
    ),
    "michaelis_menten": Curve(
        "vmax * x / (km + x)",
        "an enzyme's velocity against the concentration (Michaelis & Menten 1913)",
        lambda x, y: {"km": _positive(x, -3, 1.5, 30)},
    ),
    "hill": Curve(
        "vmax * x**n / (k**n + x**n)",
        "a response against the dose, x ≥ 0 (Hill 1910)",
        lambda x, y: {"n": np.array([-4, -2, -1, 0.5, 1, 1.5, 2, 3, 4, 6, 8.0]), "k": _positive(x, -3, 1)},
    ),
    "power": Curve(
        "a * x**b", "a power law, x > 0", lambda x, y: {"b": np.r_[np.linspace(-4, 4, 33) + 0.01]}
    ),
    "power_offset": Curve(
        "a * x**b + c",
        "a power law on a constant, x > 0",
        lambda x, y: {"b": np.r_[np.linspace(-4, 4, 33) + 0.01]},
    ),
    "sinusoid": Curve(
        "amplitude * sin(2 * pi * frequency * x + phase) + offset",
        "a wave; frequency in periods per unit of x, phase in radians",
        lambda x, y: {"frequency": _frequencies(x), "phase": np.array([0.0, 0.8, 1.6, 2.4])},
    ),
}
"""Every named curve, by name."""
