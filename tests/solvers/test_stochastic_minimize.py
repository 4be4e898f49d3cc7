"""Chains of transformations on functions of all rows at once: where they end, and what is said of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import betahat as bh
from betahat.solvers.schedules import Cosine
from betahat.solvers.stochastic.average import ExponentialAverage
from betahat.solvers.stochastic.chain import Chain
from betahat.solvers.stochastic.momentum import NesterovMomentum
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from betahat.solvers.stochastic.transformation import ScaleByLearningRate

NAMED = (SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW)


def bowl(x):
    return 0.5 * np.sum(np.array([0.2, 1.0, 2.0]) * (x - np.array([3.0, -1.0, 0.5])) ** 2)


DESCENTS = {
    "sgd": SGD(0.5),
    "momentum": Momentum(0.2, 0.8),
    "nesterov": Nesterov(0.2, 0.8),
    "adagrad": AdaGrad(1.0),
    "rmsprop": RMSProp(Cosine(0.5, 900)),
    "adam": Adam(Cosine(0.5, 900)),
    "adamw": AdamW(Cosine(0.5, 900), weight_decay=0.0),
    "ema": Momentum(0.2, 0.8, average=ExponentialAverage(0.9)),
    "clipped": SGD(0.5, clip_norm=0.5, clip_value=0.4),
    "own": Chain(NesterovMomentum(0.5), ScaleByLearningRate(0.3)),
}


@pytest.mark.parametrize("name", DESCENTS)
def test_deterministic_function(name):
    found = bh.minimize(bowl, np.zeros(3), solver=DESCENTS[name], max_iter=3000)
    assert (found.stop_reason, found.status) == ("converged", "local minimum")
    np.testing.assert_allclose(found.point, [3.0, -1.0, 0.5], atol=1e-7)
    assert found.relative_gradient <= 1e-9
    assert len(found.trace) > 2


@pytest.mark.parametrize("name", bh.solvers.LEARNING_RATES)
def test_names(name):
    found = bh.minimize(bowl, np.zeros(3), solver=name, max_iter=200)
    assert found.solver == name
    assert found.value < bowl(np.zeros(3))
    assert found.stop_reason in ("converged", "budget spent")
    if found.stop_reason == "budget spent":
        assert found.status == "not stationary"
        assert "max_iter (=200)" in found.message
    assert type(getattr(bh.solvers, bh.solvers.LEARNING_RATES[name])()).name == name


LINEAR = [
    kind(rate, average=average)
    for kind, rate, average in itertools.product(
        (SGD, Momentum, Nesterov), (3.0, 30.0, 1e200), (None, ExponentialAverage(0.5))
    )
    if not (kind is Momentum and rate == 3.0)  # which its momentum allows
]


@pytest.mark.parametrize("solver", LINEAR, ids=str)
def test_divergence_keeps_the_best_point(solver):
    found = bh.minimize(bowl, np.array([2.0, -0.9, 0.6]), solver=solver)
    assert found.stop_reason == "diverged"
    assert found.value == found.trace.loss.min() <= bowl(np.array([2.0, -0.9, 0.6]))
    assert "learning rate" in found.message


@pytest.mark.parametrize("kind", NAMED)
def test_interrupted_undefined_and_flat(kind):
    seen = []
    stopped = bh.minimize(
        bowl, np.zeros(3), solver=kind(), callback=lambda x, value: seen.append(value) or len(seen) == 3
    )
    assert (stopped.stop_reason, len(seen), stopped.value) == ("interrupted", 3, seen[-1])
    undefined = bh.minimize(lambda x: np.sum(np.log(x)), np.array([-1.0]), solver=kind())
    assert undefined.stop_reason == "diverged"
    flat = bh.minimize(lambda x: 0.0 * np.sum(x) + 3.0, np.ones(3), solver=kind())
    assert (flat.stop_reason, flat.status) == ("converged", "flat")


def test_weight_decay_is_no_penalty():
    """At rest AdamW has ∂J/∂x ≠ 0, and says so."""
    found = bh.minimize(bowl, np.zeros(3), solver=AdamW(Cosine(0.1, 2000), weight_decay=0.5), max_iter=2500)
    assert found.status == "not stationary"
