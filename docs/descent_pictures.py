"""The pictures of docs/gradient-descent.md, drawn by each build (docs/hooks.py) from real descents."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.contour import QuadContourSet

import betahat as bh

_INK = {"light": "#1f2933", "dark": "#dfe5ee"}
# Treloar (1974): an enzyme's velocity (hundred counts/min²) at concentrations of its substrate (parts per million).
CONCENTRATION = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10])
VELOCITY = np.array([0.76, 0.47, 0.97, 1.07, 1.23, 1.39, 1.59, 1.52, 1.91, 2.01, 2.07, 2.00])
START = {"V": 1.2, "K": 0.45}
WAYS = {
    "gradient descent": bh.solvers.GradientDescent(),
    "Nesterov": bh.solvers.GradientDescent(nesterov=True),
    "conjugate gradients": "conjugate_gradient",
    "BFGS": "bfgs",
    "Newton in a trust region": "trust_region",
}


def enzyme(beta: Any) -> Any:
    """Half the mean squared error of Michaelis and Menten's curve V x/(K + x)."""
    return np.mean((VELOCITY - beta["V"] * CONCENTRATION / (beta["K"] + CONCENTRATION)) ** 2) / 2


def bowl(beta: Any) -> Any:
    """Curvatures 1 and 10, so L = 10 and κ = 10."""
    return 0.5 * (beta[0] ** 2 + 10 * beta[1] ** 2)


def valley() -> Any:
    """Five ways down the enzyme's J."""
    shown = bh.plots.DescentDisplay.from_function(
        enzyme, START, solvers=WAYS, max_iter=5000, limits=((1.05, 2.6), (0.0, 0.5)), resolution=120
    )
    shown.ax_.set(xlabel="V  (hundred counts/min²)", ylabel="K  (parts per million)")
    return shown.figure_


def learning_rates() -> Any:
    """One bowl, three learning rates."""
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.3), layout="constrained", sharey=True)
    for ax, (rate, what) in zip(
        axes, ((0.01, "too small"), (2 / 11, "the best constant one"), (0.204, "too large")), strict=True
    ):
        shown = bh.plots.DescentDisplay.from_function(
            bowl, np.array([9.0, 2.2]), solvers=bh.solvers.GradientDescent(rate), max_iter=40, resolution=100,
            limits=((-11, 11), (-4, 4)), ax=ax, legend=False,
        )  # fmt: skip
        (path,) = shown.paths.values()
        reached = f"J = {path.values[-1]:.2g} after {len(path.values) - 1} steps"
        ax.set_title(f"η = {rate:.3g}: {what}\n{reached}", loc="left", fontsize="medium")
        ax.label_outer()
    return figure


def convergence() -> Any:
    """Loss and gradient of the five ways."""
    shown = bh.plots.ConvergenceDisplay.from_function(enzyme, START, solvers=WAYS, max_iter=5000)
    shown.ax_.set_xscale("symlog", linthresh=1)
    shown.ax_.set_xlim(0, 4000)
    return shown.figure_


PICTURES: dict[str, Callable[[], Any]] = {
    "descent-valley": valley,
    "descent-learning-rates": learning_rates,
    "descent-convergence": convergence,
}


@contextmanager
def ground(scheme: str, colour: str = "none") -> Iterator[None]:
    """matplotlib set up for text and lines on a light or dark page."""
    ink = _INK[scheme]
    looks = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink),
        "axes.facecolor": colour, "figure.facecolor": colour, "savefig.facecolor": colour, "svg.hashsalt": "betahat",
    }  # fmt: skip
    with mpl.rc_context(looks):
        yield


def as_svg(figure: Any) -> str:
    """The figure as SVG that is the same at each run, and needs no font; contours, of many thousand points, as pixels
    in it."""
    for ax in figure.axes:
        for contours in ax.findobj(QuadContourSet):
            contours.set_rasterized(True)
    text = io.StringIO()
    figure.savefig(text, format="svg", dpi=150, metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def as_png(figure: Any) -> bytes:
    """The figure as PNG of 256 colours, small enough for a repository."""
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=150)
    plt.close(figure)
    Image.open(full).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def pictures(drawn: dict[str, Callable[[], Any]]) -> Iterator[tuple[str, str]]:
    """Each picture's file name and SVG, for light and for dark pages."""
    mpl.use("Agg")
    for scheme in _INK:
        for name, draw in drawn.items():
            with ground(scheme):
                yield f"{name}-{scheme}.svg", as_svg(draw())
