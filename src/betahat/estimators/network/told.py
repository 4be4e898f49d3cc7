"""What reports see of a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from betahat.certificate import Certificate
from betahat.estimators.network.chains import chain_of
from betahat.estimators.network.fitting import against_divergence
from betahat.estimators.network.parameters import is_full_batch, is_one_cycle
from betahat.losses.base import Loss
from betahat.losses.family import Family
from betahat.losses.vector import VectorLoss
from betahat.models.network import Network
from betahat.report.network_health import ailments
from betahat.solvers.trace import Trace

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator


@final
@dataclass(frozen=True)
class Told:
    """See `betahat.report.explain_network.TrainedLike`."""

    network: Network
    rows_are: str
    changes: str
    loss_formula: str
    outputs: str
    alpha: float
    rows: int | None
    chain: str
    standard: bool
    targets: bool
    precision: str
    found_rate: float | None
    epochs: int
    trace: Trace
    scores: list[float]
    stop_reason: str
    certificate: Certificate
    ailments: list[str]


def told(model: NetworkEstimator) -> Told:
    """What there is to say of a fitted model."""
    full = is_full_batch(model)
    shift, spread = getattr(model, "_shift", np.zeros(1)), getattr(model, "_spread", np.ones(1))
    moved = bool(shift.any() or (spread != 1).any())
    return Told(
        network=model._network,
        rows_are=model._rows_are,
        changes=model._changes,
        loss_formula=formula_of(model._loss),
        outputs=outputs_of(model._loss, model.n_outputs_),
        alpha=float(model.alpha),
        rows=None if full else model._history.batch,
        chain="" if full else repr(chain_of(model, *_steps(model))),
        standard=model._units is not None,
        targets=moved,
        precision=f"{np.dtype(model._kind).name}",
        found_rate=model._found_rate,
        epochs=model.n_iter_,
        trace=model.trace_,
        scores=model._history.scores,
        stop_reason=model.stop_reason_,
        certificate=model.certificate_,
        ailments=ailments(
            model._dead,
            model._asked,
            model.trace_.layer_norms,
            {slot.name for slot in model._network.layout if slot.penalised},
            against_divergence(model) if model.stop_reason_ == "diverged" else "",
        ),
    )


def _steps(model: NetworkEstimator) -> tuple[int, int]:
    """Steps and rows of an epoch, by which schedules are told."""
    rows = model._history.rows // max(model._history.epochs, 1) if is_one_cycle(model) else 1
    return max(1, -(-rows // model._history.batch)), max(rows, 1)


def formula_of(loss: Loss | VectorLoss) -> str:
    """L in one line."""
    return str(getattr(loss, "formula", loss.name))


def outputs_of(loss: Loss | VectorLoss, outputs: int) -> str:
    """How many outputs there are, and what becomes of them."""
    if isinstance(loss, VectorLoss):
        return f"{outputs} outputs, one for each class, and P(y = k) = exp(fₖ) / Σⱼ exp(fⱼ)"
    many = "one output" if outputs == 1 else f"{outputs} outputs, whose losses are added"
    if isinstance(loss, Family) and loss.link != "identity":
        return f"{many}; the mean of y is the inverse of the {loss.link} link of it"
    return many
