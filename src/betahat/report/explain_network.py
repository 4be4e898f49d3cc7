"""A network explained: what was minimised, the layers as formulas and in a table, how it was trained, why it ended."""

from __future__ import annotations

import textwrap
from typing import Protocol

import numpy as np

from betahat.certificate import Certificate
from betahat.inference.text import cell, number, table
from betahat.layers.convolution import Convolution
from betahat.models.network import Network
from betahat.report.wording import bullet, formula, plural, wrap
from betahat.solvers.trace import Trace

_SHOWN = 12
_STOPPED = {
    "converged": "the loss was no longer lower by tol than the lowest before it, for more than n_iter_no_change epochs",
    "budget spent": "the epochs allowed were spent, and max_iter allows more",
    "early stopping": "the score of the rows set aside was no longer better by tol than the best before it, for more "
    "than n_iter_no_change epochs; the parameters with the best score were put back",
    "diverged": "the loss ceased to be finite, and the parameters of the epoch before were put back",
    "interrupted": "it was interrupted, and the parameters are those it had come to",
    "no progress": "no step lowered J any more",
}
_FULL = {
    "converged": "the largest derivative, relative to J, had fallen below tol",
    "budget spent": "the iterations allowed, max_iter or max_fun, were spent",
}


class TrainedLike(Protocol):
    """What a trained network must show to be explained.

    rows_are : what rows of x are taken for, a sentence, where that is not what it looks like; changes : how they are
    changed at random in training, part of a sentence; alpha : α; rows : of a
    mini-batch, None for all rows; chain : what makes a step of a gradient, as a line; standard, targets : whether
    columns, and y, were brought to units of their own; found_rate : the learning rate that a range test suggested,
    where one was asked for; ailments : what is wrong, a paragraph each.
    """

    @property
    def network(self) -> Network: ...
    @property
    def rows_are(self) -> str: ...
    @property
    def changes(self) -> str: ...
    @property
    def loss_formula(self) -> str: ...
    @property
    def outputs(self) -> str: ...
    @property
    def alpha(self) -> float: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def chain(self) -> str: ...
    @property
    def standard(self) -> bool: ...
    @property
    def targets(self) -> bool: ...
    @property
    def precision(self) -> str: ...
    @property
    def found_rate(self) -> float | None: ...
    @property
    def epochs(self) -> int: ...
    @property
    def trace(self) -> Trace: ...
    @property
    def scores(self) -> list[float]: ...
    @property
    def stop_reason(self) -> str: ...
    @property
    def certificate(self) -> Certificate: ...
    @property
    def ailments(self) -> list[str]: ...


def explain_network(model: TrainedLike) -> str:
    """A trained network in words and mathematics, for a terminal of 80 columns."""
    parts = [
        ("What was minimised", _objective(model)),
        ("The network f(x, β)", _network(model)),
        ("Where its derivative comes from", _derivative(model.network)),
        ("How it was trained", _training(model)),
        *([("What went wrong", "\n".join(map(bullet, model.ailments)))] if model.ailments else []),
        ("Is it a minimum?", wrap(f"{model.certificate.status}: {model.certificate.message}.")),
    ]
    return "\n\n".join(f"{title}\n{'─' * len(title)}\n{body}" for title, body in parts)


def _objective(model: TrainedLike) -> str:
    penalty = ""
    if model.alpha:
        penalty = f" + {number(model.alpha)}/(2 {'Σw' if model.rows is None else 'b'}) Σ βⱼ²"
    lines = [
        formula(f"J(β) = (1/Σw) Σ wᵢ L(yᵢ, f(xᵢ, β)){penalty}"),
        formula(f"L(y, f) = {model.loss_formula}"),
    ]
    words = f"f has {model.outputs}."
    if model.alpha:
        words += " The penalty is on weights, not on biases"
        words += "." if model.rows is None else ", and b the rows of a mini-batch."
    if model.standard:
        column = "channel" if len(model.network.input_shape) == 3 else "column"
        words += f" Each {column} of x enters with mean 0 and standard deviation 1 over the training rows"
        words += ", as y does." if model.targets else "."
    if model.changes:
        words += (
            f" In training each x was drawn anew whenever it came by: {model.changes}; steps lower the mean of J over "
            "such draws. Predictions, and a certificate, are of J at x as it is, which is another function."
        )
    return "\n".join([*lines, wrap(words)])


def _network(model: TrainedLike) -> str:
    network = model.network
    lines = [formula(f"{leaf.path}: {leaf.layer.formula}") for leaf in network.leaves]
    rows = [
        [
            row.name,
            cell(row.layer),
            "×".join(map(str, row.output_shape)),
            f"{row.parameters:,}",
            f"{row.flops:,}",
        ]
        for row in network.table()
    ]
    rows.append(["in all", "", "", f"{network.parameter_count:,}", f"{network.flops:,}"])
    shown = table(["place", "layer", "output", "parameters", "operations a row"], rows, rule="─")
    before = [wrap(model.rows_are)] if model.rows_are else []
    return "\n".join([*before, *lines, "", textwrap.indent(shown, "    ")])


def _derivative(network: Network) -> str:
    words = (
        "By the chain rule, from the last layer to the first: with s = ∂J/∂f of a layer, its rule gives ∂J/∂x, the s "
        "of the layer before it, and ∂J/∂β of its own parameters. For f = x W + b they are ∂J/∂x = s Wᵀ, ∂J/∂W = xᵀ s "
        "and ∂J/∂b = Σ s (Rumelhart, Hinton & Williams 1986)."
    )
    if any(isinstance(leaf.layer, Convolution) for leaf in network.leaves):
        words += (
            " A convolution is that at every window i: ∂J/∂Wₖ = Σᵢ x[i · stride + k · dilation]ᵀ sᵢ, and ∂J/∂x adds "
            "sᵢ Wₖᵀ where x was in the window (LeCun et al. 1998)."
        )
    return wrap(words)


def _training(model: TrainedLike) -> str:
    full = model.rows is None
    if full:
        words = (
            "All rows give J and its gradient at every iteration, in double precision; L-BFGS makes of the last "
            "gradients a direction, and a line search the length of the step (Liu & Nocedal 1989)."
        )
    else:
        words = (
            f"In each epoch all rows came by once, {plural(model.rows or 0, 'row')} at a time in random order, in "
            f"{model.precision}; each mini-batch's gradient made a step by {model.chain}."
        )
        if model.found_rate is not None:
            words += (
                f" The learning rate it began with, η = {number(model.found_rate)}, was found before: a copy was "
                "trained with a rate that grew from step to step, and there its loss fell steepest (Smith 2017)."
            )
    unit, reasons = ("iteration", _STOPPED | _FULL) if full else ("epoch", _STOPPED)
    parts = [wrap(words)]
    body = _table(model.trace, model.scores, unit)
    if body:
        parts += ["", textwrap.indent(body, "    "), ""]
    parts.append(
        wrap(
            f"The last fit took {plural(model.epochs, unit)} and ended as “{model.stop_reason}”: "
            f"{reasons.get(model.stop_reason, model.stop_reason)}."
        )
    )
    return "\n".join(parts)


def _table(trace: Trace, scores: list[float], unit: str) -> str:
    """J by epoch, shortened in the middle."""
    loss, seconds = trace.loss, trace.seconds
    scored = len(scores) == len(loss) > 0
    header = [unit, "J", *(["score"] if scored else []), "seconds"]
    rows = [
        [f"{k + 1:,}", number(loss[k]), *([f"{scores[k]:.4f}"] if scored else []), f"{seconds[k]:.3g}"]
        for k in _picked(len(loss))
    ]
    if len(loss) > _SHOWN:
        rows.insert(_SHOWN // 2, ["…"] * len(header))
    return table(header, rows, rule="─") if rows else ""


def _picked(count: int) -> np.ndarray:
    k = np.arange(count)
    return k if count <= _SHOWN else np.concatenate([k[: _SHOWN // 2], k[-_SHOWN // 2 :]])
