"""The pictures of docs/neural-networks.md, drawn by each build (docs/hooks.py) from real trainings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import load_digits, make_moons

import betahat as bh
from betahat.layers import Dense, ReLU, Sigmoid, Tanh
from betahat.models.network import Network
from betahat.report.plots.style import calm, mixed, palette

GROWING = {
    "no hidden unit": (),
    "3 hidden units": (3,),
    "8 hidden units": (8,),
    "two layers of 64": (64, 64),
}
_DEPTH, _UNITS = 12, 50


def moons(n: int = 300, seed: int = 0) -> Any:
    """Two crescents, each with noise of standard deviation 0.25."""
    return make_moons(n, noise=0.25, random_state=seed)


@cache
def grown(sizes: tuple[int, ...]) -> Any:
    """A network that is trained to the end on the moons, all but unpenalised."""
    return bh.MLPClassifier(
        sizes, "tanh", solver="lbfgs", alpha=0.01, max_iter=600, tol=1e-7, random_state=0
    ).fit(*moons())


def regions(names: tuple[str, ...] = tuple(GROWING)) -> Any:
    """P(orange) over the plane, as the network grows."""
    X, y = moons()
    unseen, truth = moons(5000, seed=1)
    figure, axes = plt.subplots(
        1, len(names), figsize=(2.75 * len(names), 2.75), layout="constrained", sharey=True, squeeze=False
    )
    a, b = np.meshgrid(np.linspace(-2.0, 3.0, 160), np.linspace(-1.7, 2.2, 130))
    for ax, name in zip(axes[0], names, strict=True):
        m = grown(GROWING[name])
        P = m.predict_proba(np.column_stack([a.ravel(), b.ravel()]))[:, 1].reshape(a.shape)
        blue, orange = palette(ax)[:2]
        shades = [mixed(ax, 0.45, blue), mixed(ax, 0.0), mixed(ax, 0.45, orange)]
        ax.contourf(a, b, P, np.linspace(0, 1, 13), cmap=LinearSegmentedColormap.from_list("P", shades))
        ax.contour(a, b, P, [0.5], colors=[mixed(ax, 1.0)], linewidths=1.2)
        for label, colour in ((0, blue), (1, orange)):
            ax.plot(*X[y == label].T, "o", color=colour, markersize=2.4, markeredgewidth=0.0)
        share = f"correct: {m.score(X, y):.0%} seen, {m.score(unseen, truth):.0%} new"
        ax.set_title(f"{name}\n{share}", loc="left", fontsize="small")
        ax.set(xticks=[], yticks=[], aspect="equal")
    return figure


@cache
def overfitted() -> Any:
    """A network with more room than the moons need, followed long after its best epoch."""
    return bh.MLPClassifier(
        (64, 64), early_stopping=True, validation_fraction=0.3, scoring="neg_log_loss", n_iter_no_change=150,
        max_iter=300, learning_rate_init=0.01, batch_size=32, random_state=0,
    ).fit(*moons())  # fmt: skip


def course() -> Any:
    """Loss and validation score of a training that goes on too long."""
    shown = bh.plots.TrainingDisplay.from_estimator(overfitted(), name="two layers of 64")
    shown.axes_[1].set_ylabel("validation score\n(log-likelihood)")
    return shown.figure_


def rates() -> Any:
    """The loss of the digits' first mini-batches, while the learning rate grows."""
    X, y = load_digits(return_X_y=True)
    tests = {
        solver: bh.MLPClassifier(solver=solver, random_state=0).find_learning_rate(X, y)
        for solver in ("adam", "sgd")
    }
    return bh.plots.LearningRateDisplay.from_results(tests).figure_


def slopes() -> Any:
    """Activations, their derivatives, and how large a gradient is when it arrives at each layer."""
    figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.2), layout="constrained")
    z = np.linspace(-5.0, 5.0, 401)
    sigmoid = 1 / (1 + np.exp(-z))
    curves = {
        "ReLU": (np.maximum(z, 0.0), np.where(z > 0, 1.0, 0.0)),
        "tanh": (np.tanh(z), 1 - np.tanh(z) ** 2),
        "sigmoid": (sigmoid, sigmoid * (1 - sigmoid)),
    }
    colours = dict(zip(curves, palette(axes[0]), strict=False))
    for name, (value, slope) in curves.items():
        axes[0].plot(z, value, color=colours[name], linewidth=1.6, label=name)
        axes[1].plot(z, slope, color=colours[name], linewidth=1.6, label=name)
    axes[0].set(ylim=(-1.3, 2.6), xlabel="z", title="a(z)")
    axes[1].set(xlabel="z", title="a′(z)")
    layers = np.arange(1, _DEPTH + 1)
    for name, (layer, how) in arriving().items():
        line = axes[2].semilogy(layers, sizes_of_gradients(layer, how), linewidth=1.6, label=name)[0]
        line.set_color(colours[name.split(",")[0]])
        line.set_linestyle(":" if "small" in name else "-")
    axes[2].set(xlabel="layer", xticks=layers[::2], title="size of ∂J/∂W at the start")
    for ax in axes:
        calm(ax)
        ax.legend(frameon=False, fontsize="small")
    return figure


def arriving() -> dict[str, tuple[Any, str | float]]:
    """Activations by name, and how the weights before them begin: "auto", or normal with a standard deviation."""
    return {
        "ReLU": (ReLU(), "auto"),
        "tanh": (Tanh(), "auto"),
        "sigmoid": (Sigmoid(), "auto"),
        "ReLU, weights too small": (ReLU(), 0.1),
    }


def sizes_of_gradients(activation: Any, how: str | float) -> np.ndarray:
    """Root mean squares of ∂J/∂W of twelve layers of 50 units, J the mean of half squares of f − y."""
    rng = np.random.default_rng(0)
    layers: list[Any] = []
    for _ in range(_DEPTH):
        weight = how if isinstance(how, str) else how * rng.standard_normal((_UNITS, _UNITS))
        layers += [Dense(_UNITS, initialisation=weight), activation]
    net = Network([*layers, Dense(1)], _UNITS)
    beta, X, y = net.initial(seed=0), rng.normal(size=(256, _UNITS)), rng.normal(size=(256, 1))
    f, saved, _ = net.forward(beta, X)
    found = net.views(net.backward(beta, saved, (f - y) / len(X))[0])
    return np.array([np.sqrt(np.mean(found[f"{2 * k}.weight"] ** 2)) for k in range(_DEPTH)])


PICTURES: dict[str, Callable[[], Any]] = {
    "network-regions": regions,
    "network-course": course,
    "network-rates": rates,
    "network-slopes": slopes,
}
