"""J of all rows, in double precision: to descend it, and to certify where a training ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, final

import numpy as np

from betahat.certificate.network import RELATIVE, ExtremeCurvature, certify_network
from betahat.engines import engine_for
from betahat.estimators.network.fitting import look_for_dead_units, warn_diverged
from betahat.estimators.network.given import TrainingRows
from betahat.estimators.network.history import Epoch
from betahat.estimators.network.parameters import callbacks_of, is_full_batch
from betahat.estimators.network.progress import Bar
from betahat.objective.network import Batch, NetworkObjective
from betahat.solvers.descent.base import Limits, State
from betahat.solvers.descent.lbfgs import LBFGS
from betahat.solvers.descent.problem import Problem

if TYPE_CHECKING:
    from betahat.certificate import Certificate
    from betahat.estimators.network.base import NetworkEstimator


def objective_of(model: NetworkEstimator, given: TrainingRows) -> NetworkObjective:
    """J over the rows that count, with the penalty that the steps of the training had."""
    n = given.length
    steps = 1 if is_full_batch(model) else -(-n // model._history.batch)

    def batches(size: int) -> Iterator[Batch]:
        return given.batches(model, size)

    strength = float(model.alpha) / given.mean_weight * steps / n
    return NetworkObjective(model._network, model._loss, batches, strength, model._state.buffers)


@final
class NetworkProblem(Problem):
    """A network's J, as descents know problems."""

    def __init__(self, objective: NetworkObjective, start: np.ndarray) -> None:
        self._objective, self.start = objective, start.astype(np.float64)

    def value(self, x: np.ndarray) -> float:
        return self.both(x)[0]

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        value, gradient = self._objective.both(x)
        return (value, gradient) if np.isfinite(value) else (np.inf, np.zeros_like(x))

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        self.products += 1
        return self._objective.product(x, v)


def fit_full_batch(model: NetworkEstimator, given: TrainingRows) -> None:
    """L-BFGS on J of all rows."""
    problem = NetworkProblem(objective_of(model, given), model._state.chain.x)
    called, history = callbacks_of(model.callbacks), model._history
    last: list[State] = []
    spent, began, before = [False], time.perf_counter(), len(model.trace_)
    bar = Bar(model.verbose, model.max_iter, given.length)

    def after(x: np.ndarray, value: float) -> bool:
        last.append(State(x.copy(), value, x))
        del last[:-1]
        history.losses.append(value)
        history.best_loss = min(history.best_loss, value)
        bar.epoch(len(history.losses), value, None)
        spent[0] = problem.evaluations >= model.max_fun
        model._state.chain.x[...] = x
        epoch = Epoch(len(history.losses), value, None, time.perf_counter() - began, model)
        return any([bool(each(epoch)) for each in called]) or spent[0]  # noqa: C419  (each is called)

    first = len(history.losses)
    with np.errstate(all="ignore"), bar:
        try:
            state = LBFGS().run(problem, Limits(model.tol, model.max_iter), model.trace_, after)
            reason = "budget spent" if spent[0] else state.stop_reason
        except KeyboardInterrupt:
            state, reason = last[0] if last else State(problem.start, np.nan, problem.start), "interrupted"
    model._state.chain.x[...] = state.x
    if model._state.chain.average is not None:
        model._state.chain.average[...] = state.x
    epochs = len(history.losses) - first
    if not epochs:
        history.losses.append(state.value)
        history.best_loss = min(history.best_loss, state.value)
    history.rows += given.length * (len(model.trace_) - before)
    model._engine = engine_for(model._task(1, 1))
    model._show(reason, max(epochs, 1))
    look_for_dead_units(model, given)
    if reason == "diverged":
        warn_diverged(model)


def certified(
    model: NetworkEstimator, given: TrainingRows, curved: bool, tolerance: float = RELATIVE
) -> tuple[Certificate, ExtremeCurvature | None]:
    """The certificate over rows, at the parameters that predict."""
    beta = model._state.chain.point.astype(np.float64)
    with np.errstate(all="ignore"):
        return certify_network(objective_of(model, given), beta, curved, tolerance)
