"""The pictures of docs/logistic.md, drawn by each build (docs/hooks.py) from real fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import betahat as bh
from betahat.report.plots.style import palette

# Dalal, Fowlkes & Hoadley (1989): launches of the space shuttle, °F, and whether an O-ring was distressed.
TEMPERATURE = np.array(
    [66.0, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58]
)
DISTRESS = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1])
DOSE = np.tile(np.arange(1.0, 9.0), 2)
WARD_B = np.repeat([0.0, 1.0], 8)
DIED = np.array([0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
WAYS = {"Newton": "newton", "gradient descent": "gradient_descent", "BFGS": "bfgs"}


def sigmoid() -> Any:
    """The rings with the probability, its confidence band, and the morning of 31 °F."""
    m = bh.LogisticRegression().fit(TEMPERATURE[:, None], DISTRESS)
    grid = np.linspace(29.0, 84.0, 300)[:, None]
    low, high = m.probability_interval(grid).T
    figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    blue, orange = palette(ax)[:2]
    ax.fill_between(grid[:, 0], low, high, color=blue, alpha=0.18, linewidth=0, label="95 % confidence")
    ax.plot(grid[:, 0], m.predict_proba(grid)[:, 1], color=blue, linewidth=1.8, label="P(distress)")
    nudge = 0.025 * np.array([np.sum(TEMPERATURE[:i] == t) for i, t in enumerate(TEMPERATURE)])
    ax.plot(
        TEMPERATURE, np.where(DISTRESS, 1 - nudge, nudge), "o", color=orange, markersize=5, label="launches"
    )
    ax.axvline(31, color=blue, linewidth=1, linestyle=":")
    ax.annotate("31 °F", (31, 0.04), xytext=(5, 0), textcoords="offset points", fontsize="small")
    ax.set(xlabel="temperature  (°F)", ylabel="an O-ring was distressed", ylim=(-0.04, 1.04))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="center right", fontsize="small")
    return figure


def negative_log_likelihood(beta: Any) -> Any:
    """J of the rings, β₀ at the mean temperature."""
    eta = beta["level"] + beta["slope"] * (TEMPERATURE - TEMPERATURE.mean())
    return np.mean(np.logaddexp(0.0, eta) - DISTRESS * eta)


def newton() -> Any:
    """J of the rings and ways down it."""
    shown = bh.plots.DescentDisplay.from_function(
        negative_log_likelihood, {"level": 0.0, "slope": 0.0}, solvers=WAYS, max_iter=300,
        limits=((-2.4, 0.6), (-0.5, 0.06)), resolution=120,
    )  # fmt: skip
    shown.ax_.set(xlabel="β₀ at the mean temperature", ylabel="β₁  (per °F)")
    return shown.figure_


def profile() -> Any:
    """Twice the log-likelihood below its maximum, by the coefficient of a column that separates, with and without
    Firth's term."""
    grid = np.linspace(-10.0, 2.0, 61)
    figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for colour, (label, firth) in zip(
        palette(ax), (("maximum likelihood", False), ("Firth", True)), strict=False
    ):
        heights = np.array([_height(b, firth) for b in grid])
        ax.plot(
            grid, heights - _least(heights, firth), color=colour, linewidth=1.8, label=label,
            linestyle="--" if firth else "-",
        )  # fmt: skip
    ax.axhline(3.841, color=palette(ax)[2], linewidth=1, linestyle=":")
    ax.annotate("95 %", (2.0, 3.841), xytext=(0, 4), textcoords="offset points", ha="right", fontsize="small")
    ax.set(xlabel="coefficient of ward B", ylabel="fall of 2 × log-likelihood", ylim=(-0.2, 10))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="upper left", fontsize="small")
    return figure


def _height(b: float, firth: bool) -> float:
    """−2 log-likelihood (less log |I| with `firth`) at its best over intercept and dose, the ward's held at b."""
    X = np.column_stack([np.ones(16), DOSE, WARD_B])

    def objective(beta: Any) -> Any:
        eta = beta[0] + beta[1] * DOSE + b * WARD_B
        value = 2 * np.sum(np.logaddexp(0.0, eta) - DIED * eta)
        if not firth:
            return value
        pi = 1 / (1 + np.exp(-eta))
        return value - np.linalg.slogdet((X.T * (pi * (1 - pi))) @ X)[1]

    return bh.minimize(objective, np.array([-2.0, 0.4])).value


def _least(heights: np.ndarray, firth: bool) -> float:
    """The smallest height; where it falls for ever, its limit."""
    return float(heights.min()) if firth else _height(-40.0, False)


PICTURES: dict[str, Callable[[], Any]] = {
    "logistic-sigmoid": sigmoid,
    "logistic-newton": newton,
    "logistic-profile": profile,
}
