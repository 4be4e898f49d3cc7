"""A range test of learning rates: a throw-away copy of a model, trained with a rate that grows from step to step."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.engines import engine_for
from betahat.estimators.network.feed import gathered
from betahat.estimators.network.fitting import batch_rows, split
from betahat.estimators.network.history import copied
from betahat.estimators.network.parameters import LARGEST, SMALLEST, STEPS, growing, is_full_batch
from betahat.estimators.network.training import Plan, penalty
from betahat.report.range_test import RangeTest
from betahat.solvers.growing_rates import Growing, findings, has_risen
from betahat.solvers.schedules import Schedule
from betahat.solvers.stochastic.chain import Chain, ChainSolver
from betahat.solvers.stochastic.transformation import ScaleByLearningRate

if TYPE_CHECKING:
    from betahat.estimators.network.base import Given, NetworkEstimator


def find(model: NetworkEstimator, X: Any, y: Any, sample_weight: Any, schedule: Growing) -> RangeTest:
    """The test of a model that need not be fitted, and stays as it is."""
    trial = trial_of(model)
    put_schedule(trial, schedule)
    if isinstance(trial.learning_rate_init, str):
        trial.learning_rate_init = schedule.smallest  # neither is taken
    trial._check_parameters()
    again = bool(trial.warm_start) and hasattr(trial, "_state")
    given = trial._read(X, y, sample_weight, reset=not again)
    trial._prepare(given, again)
    return range_test(trial, given.held(), schedule)


def found_rate(model: NetworkEstimator, given: Given) -> float:
    """The rate that a test of a model with learning_rate_init="auto" suggests.

    Raises ValueError where it suggests none.
    """
    found = range_test(model, given, growing(SMALLEST, LARGEST, STEPS))
    if found.suggestion is None:
        raise ValueError(
            f"learning_rate_init='auto' tried {len(found.learning_rate)} learning rates from {SMALLEST:g} to "
            f"{found.learning_rate[-1]:g}, and the loss fell at none of them by more than its noise: batches may be "
            "small, the targets constant, or all units dead; give a number"
        )
    return found.suggestion


def trial_of(model: NetworkEstimator) -> NetworkEstimator:
    """A copy that nothing of the model is changed by, whatever is done with it."""
    trial = copy.copy(model)
    trial.random_state = copy.deepcopy(model.random_state)  # generators, which are drawn from
    if hasattr(model, "_state"):
        trial._state = copied(model._state)
    return trial


def range_test(prepared: NetworkEstimator, given: Given, schedule: Growing) -> RangeTest:
    """Train from where a model stands, with the rates of the schedule; the model stays as it is.

    Raises ValueError where its solver has no learning rate.
    """
    trial = trial_of(prepared)
    put_schedule(trial, schedule)
    which, _ = split(trial, given)
    size = batch_rows(trial, len(which))
    rows, mean = trial._rows(given, which)
    task = trial._task(-(-len(which) // size), len(which), mean)
    state, engine = trial._state, engine_for(task)
    state.chain = task.chain.start(state.chain.point)
    plan = Plan(
        which, 1, size, trial._seed, bool(trial.shuffle), 0.0, np.inf, False, bool(trial._network.buffer_size)
    )
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for batch in _batches(plan, trial._history.epochs):
            share = penalty(task, state.chain.x) / len(batch)
            losses.append(float(engine.train(state, *gathered(rows, batch), size)[0]) + share)
            if len(losses) == schedule.steps or has_risen(losses):
                break
    found = np.array(losses)
    rates = np.array([schedule.at(k) for k in range(len(found))])
    return RangeTest(rates, found, *findings(schedule, found))


def _batches(plan: Plan, epoch: int) -> Iterator[np.ndarray]:
    """Mini-batches without end, in the order that a training has them, but for those that are not full."""
    while True:
        order = plan.order(epoch)
        for start in range(0, len(order) - plan.batch_size + 1, plan.batch_size):
            yield order[start : start + plan.batch_size]
        epoch += 1


def put_schedule(trial: Any, schedule: Schedule) -> None:
    """Let a copy's solver have these learning rates.

    Raises ValueError where it has none to be replaced.
    """
    if is_full_batch(trial):
        raise ValueError(
            "solver='lbfgs' has no learning rate to be found: a line search makes its steps as long as they should be; "
            "use a solver that takes mini-batches, such as 'adam'"
        )
    if isinstance(trial.solver, ChainSolver):
        trial.solver = replace(trial.solver, learning_rate=schedule)
    elif isinstance(trial.solver, Chain):
        trial.solver = _with_schedule(trial.solver, schedule)
    else:
        trial.learning_rate = schedule


def _with_schedule(chain: Chain, schedule: Schedule) -> Chain:
    links = chain.transformations
    places = [k for k, link in enumerate(links) if isinstance(link, ScaleByLearningRate)]
    if len(places) != 1:
        raise ValueError(
            f"solver (={chain!r}) has {len(places)} links ScaleByLearningRate; a learning rate can be found for "
            "a chain that has one"
        )
    changed = [ScaleByLearningRate(schedule) if k in places else link for k, link in enumerate(links)]
    return Chain(*changed, average=chain.average)
