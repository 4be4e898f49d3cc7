"""The pictures and the table of docs/nonlinear.md, made by each build (docs/hooks.py) from real fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from descent_pictures import CONCENTRATION, VELOCITY

import betahat as bh


def enzyme() -> Any:
    """Treloar's enzyme with its bands."""
    m = bh.NonlinearRegression("michaelis_menten").fit(CONCENTRATION, 100 * VELOCITY)
    shown = bh.plots.FitDisplay.from_estimator(m, CONCENTRATION, 100 * VELOCITY)
    shown.ax_.set(xlabel="concentration  (parts per million)", ylabel="velocity  (counts/min²)")
    return shown.figure_


def wave() -> tuple[np.ndarray, np.ndarray]:
    """1.7 periods in ten units of x, and a little noise."""
    x = np.linspace(0.0, 10.0, 60)
    return x, 2.0 * np.sin(1.7 * x + 0.4) + 0.3 * np.cos(37.0 * x)


def minima() -> Any:
    """J of a wave against its frequency, the other parameters at their best, and where descents end."""
    x, y = wave()
    frequencies = np.linspace(0.2, 4.0, 400)
    values = []
    for w in frequencies:
        X = np.column_stack([np.sin(w * x), np.cos(w * x)])
        rest = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
        values.append(np.mean(rest**2) / 2)
    figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    blue, orange = _colours(ax)
    ax.plot(frequencies, values, color=blue, linewidth=1.6, label="J, the other parameters at their best")
    model = bh.NonlinearRegression("a * sin(w * x) + b * cos(w * x)", start=[[1.0, w, 1.0] for w in STARTS])
    model.fit(x, y)
    at = [np.interp(w, frequencies, values) for w in STARTS]
    ax.plot(STARTS, at, "o", color=orange, markersize=6, label="starts")
    for w, height, value in zip(STARTS, at, model.losses_, strict=True):
        beside = {"xytext": (-9, -3), "ha": "right"} if height < 0.5 else {"xytext": (0, 9), "ha": "center"}
        ax.annotate(
            f"ends at {value:.2f}", (w, height), textcoords="offset points", fontsize="small", **beside
        )
    ax.set(xlabel="frequency w", ylabel="J", ylim=(0, 1.25 * max(values)))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower right", fontsize="small")
    return figure


STARTS = (0.6, 1.5, 2.4, 3.3)


def robust() -> Any:
    """A decay of which three rows went wrong, by three losses."""
    x, y = spoiled()
    shown = None
    figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for loss, style in (("squared_error", ":"), (bh.losses.Huber(0.1), "--"), (bh.losses.Cauchy(0.1), "-")):
        m = bh.NonlinearRegression("a * exp(-b * x) + c", loss=loss).fit(x, y)
        name = loss if isinstance(loss, str) else loss.name
        if shown is None:
            shown = bh.plots.FitDisplay.from_estimator(m, x, y, bands=(), ax=ax, legend=False)
            shown.line_.set(linestyle=style, label=name)
        else:
            ax.plot(
                shown.grid,
                m.predict(shown.grid),
                style,
                color=shown.line_.get_color(),
                linewidth=1.8,
                label=name,
            )
    ax.legend(frameon=False)
    return figure


def spoiled() -> tuple[np.ndarray, np.ndarray]:
    """3 exp(−x/2) + 1 with a little noise; three values are far off."""
    x = np.linspace(0.0, 8.0, 33)
    y = 3.0 * np.exp(-0.5 * x) + 1.0 + 0.08 * np.cos(29.0 * x)
    y[[6, 17, 26]] += [2.5, 3.0, 2.0]
    return x, y


def _colours(ax: Any) -> list[str]:
    from betahat.report.plots.style import palette

    return list(palette(ax)[:2])


PICTURES: dict[str, Callable[[], Any]] = {
    "nonlinear-enzyme": enzyme,
    "nonlinear-minima": minima,
    "nonlinear-robust": robust,
}


def curves_table() -> str:
    """Every named curve, as Markdown."""
    rows = [f"| `{name}` | {curve.about} | `{curve.text}` |" for name, curve in bh.curves.CURVES.items()]
    return "\n".join(["| curve | is | expression |", "|---|---|---|", *rows])
