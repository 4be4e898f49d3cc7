"""Curves with names: what scientists fit most, each with values worth trying for what it is not linear in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

_ROWS = 2000  # rows that a wave is looked for in
_TRIED = 12_000  # frequencies

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
    """From half a row to more than the range of x."""
    return _range(x) * np.geomspace(min(0.5 / len(x), 0.005), 1.6, 12)


def _positive(x: np.ndarray, low: float = -2.0, high: float = 1.0, count: int = 20) -> np.ndarray:
    """Sizes of x itself."""
    return np.logspace(low, high, count) * (float(np.abs(x).max()) or 1.0)


def _bumps(x: np.ndarray, y: np.ndarray, count: int = 10) -> np.ndarray:
    """Where y stands out most from its median, as it is and as a moving average: peaks may be narrow."""
    order = np.argsort(x, kind="stable")
    found = []
    for length in {1, 3, max(1, len(y) // 60)}:
        if length >= len(y):
            continue
        smooth = np.convolve(y[order], np.full(length, 1 / length), mode="valid")
        places = x[order][(length - 1) // 2 :][: len(smooth)]
        for sign in (1.0, -1.0):
            height = sign * (smooth - np.median(y))
            before, after = np.r_[-np.inf, height[:-1]], np.r_[height[1:], -np.inf]
            height[(height < before) | (height < after)] = -np.inf
            found.append(places[np.argsort(-height)[: count // 2]])
    return np.concatenate(found) if found else x[:1]


def _peaks(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Centers along the range of x and where y stands out, and widths."""
    return {"center": np.unique(np.concatenate([_places(x, 25), _bumps(x, y)])), "width": _widths(x)}


def _frequencies(x: np.ndarray, y: np.ndarray, kept: int = 40) -> np.ndarray:
    """Those of the waves that leave least of y, each fitted by least squares (Lomb 1976; Zechmeister & Kürster 2009),
    from a fourth of a period in the range of x up to one for every two steps of x."""
    steps, slowest = np.diff(np.unique(x)), 0.25 / _range(x)
    count = int(min(0.5 / float(np.median(steps)) / slowest, _TRIED)) if len(steps) else 1
    tried = slowest * np.arange(1, max(count, 1) + 1)
    if len(x) > _ROWS:
        some = np.sort(np.random.default_rng(0).permutation(len(x))[:_ROWS])
        x, y = x[some], y[some]
    rest, left = y - y.mean(), np.empty(len(tried))
    for start in range(0, len(tried), 256):
        turns = 2 * np.pi * np.outer(tried[start : start + 256], x - x[0])
        S, C = np.sin(turns), np.cos(turns)
        S, C = S - S.mean(axis=1, keepdims=True), C - C.mean(axis=1, keepdims=True)
        ss, cc, sc = (S * S).sum(axis=1), (C * C).sum(axis=1), (S * C).sum(axis=1)
        s, c = S @ rest, C @ rest
        own = np.maximum(ss * cc - sc * sc, 1e-12 * (ss + cc) ** 2 + 1e-300)
        left[start : start + 256] = -(cc * s * s - 2 * sc * s * c + ss * c * c) / own
    lowest = np.argsort(left)[:kept]
    return np.sort(tried[lowest])


def gaussian_peaks(peaks: int) -> Curve:
    """So many Gaussian peaks on a constant background."""
    shape = "height{k} * exp(-0.5 * ((x - center{k}) / width{k})**2)"
    text = " + ".join(shape.format(k=k + 1 if peaks > 1 else "") for k in range(peaks))
    return Curve(
        text + " + offset",
        f"{'a Gaussian peak' if peaks == 1 else f'{peaks} Gaussian peaks'} on a constant background",
        _peaks,
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
        _peaks,
    ),
    "gaussian_offset": gaussian_peaks(1),
    "gaussian_2": gaussian_peaks(2),
    "gaussian_3": gaussian_peaks(3),
    "lorentzian": Curve(
        "height / (1 + ((x - center) / width)**2)",
        "a resonance (Lorentz; Cauchy's density)",
        _peaks,
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
        lambda x, y: {"frequency": _frequencies(x, y), "phase": np.array([0.0, 0.8, 1.6, 2.4])},
    ),
}
"""Every named curve, by name."""
