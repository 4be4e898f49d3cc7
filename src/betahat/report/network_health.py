"""What went wrong in a training, and what helps, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from betahat.inference.text import number
from betahat.report.wording import plural
from betahat.solvers.trace import LayerNorms

_DEAD = 0.1  # share of a layer's units that is worth a word
_RATIO = 1e4  # between the gradients of the first and the last weights


def ailments(
    dead: Mapping[str, tuple[int, int]],
    sampled: int,
    norms: LayerNorms | None,
    weights: set[str],
    diverged: str,
) -> list[str]:
    """A paragraph for each thing that is wrong.

    dead : of each ReLU, how many units are 0 for all of `sampled` rows, and how many there are; weights : the names of
    arrays of weights, without biases; diverged : what helps against that, "" where it did not
    """
    found = [
        f"Dead units: {count:,} of the {plural(units, 'unit')} of the ReLU at place {place} are 0 for every one of "
        f"{plural(sampled, 'row')} of the training. No slope goes through them, so that they learn no more. What "
        "helps: a smaller learning_rate_init, inputs in like units (standardize=True), or an activation that is flat "
        "nowhere, such as “leaky_relu”, “elu” or “gelu”."
        for place, (count, units) in dead.items()
        if count >= _DEAD * units
    ]
    if (words := _gradients(norms, weights)) is not None:
        found.append(words)
    if diverged:
        found.append(f"Divergence: the loss grew beyond what numbers can hold. What helps: {diverged}.")
    return found


def _gradients(norms: LayerNorms | None, weights: set[str]) -> str | None:
    """Whether gradients vanish or explode on their way to the first layer, in the last epoch."""
    if norms is None:
        return None
    places = [k for k, name in enumerate(norms.names) if name in weights]
    if len(places) < 2:
        return None
    a, b = places[0], places[-1]
    first, last = norms.gradient[-1, a], norms.gradient[-1, b]
    if not (np.isfinite(first) and last > 0):
        return None
    told = (
        f"in the last epoch's last mini-batch its norm was {number(first)} for {norms.names[a]} and {number(last)} for "
        f"{norms.names[b]}"
    )
    if first < last / _RATIO:
        return (
            f"Vanishing gradients: {told}, so that the first layer hardly learns. What helps: ReLU or its kin in the "
            "place of “tanh” and “logistic”, batch_norm=True or layer_norm=True, Residual layers, or fewer of them."
        )
    if first > last * _RATIO:
        return (
            f"Exploding gradients: {told}, so that steps that suit one layer are too long for the other. What helps: "
            "clip_norm, such as 1.0, layer_norm=True or batch_norm=True, smaller weights to begin at, or fewer layers."
        )
    return None
