"""Twenty steps of each named chain beside optax."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.solvers.schedules import Cosine, Exponential, WarmUp
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

pytestmark = pytest.mark.peers
GRADIENTS = np.random.default_rng(0).standard_normal((20, 7)) * np.geomspace(1e-3, 1e3, 7)
START = np.random.default_rng(1).standard_normal(7)
ROUNDED = {"sgd, exponential", "sgd, warm-up"}  # of which optax computes the rate in float32
NEVER = 1e-30  # so small an ε changes no digit: optax adds it under the root

CHAINS = {
    "sgd": (SGD(0.1), lambda o: o.sgd(0.1)),
    "sgd, cosine": (SGD(Cosine(0.1, 15)), lambda o: o.sgd(o.cosine_decay_schedule(0.1, 15))),
    "sgd, exponential": (
        SGD(Exponential(0.1, 0.9, 3)),
        lambda o: o.sgd(o.exponential_decay(0.1, 3, 0.9)),
    ),
    "sgd, warm-up": (
        SGD(WarmUp(Cosine(0.1, 15), 4)),
        lambda o: o.sgd(o.warmup_cosine_decay_schedule(0.0, 0.1, 4, 19)),
    ),
    "sgd, decay": (SGD(0.1, weight_decay=0.2), lambda o: o.chain(o.add_decayed_weights(0.2), o.sgd(0.1))),
    "sgd, norm": (SGD(0.1, clip_norm=5.0), lambda o: o.chain(o.clip_by_global_norm(5.0), o.sgd(0.1))),
    "sgd, value": (SGD(0.1, clip_value=0.5), lambda o: o.chain(o.clip(0.5), o.sgd(0.1))),
    "momentum": (Momentum(0.1, 0.9), lambda o: o.sgd(0.1, momentum=0.9)),
    "nesterov": (Nesterov(0.1, 0.9), lambda o: o.sgd(0.1, momentum=0.9, nesterov=True)),
    "adagrad": (
        AdaGrad(0.1, initial_accumulator=0.1, epsilon=NEVER),
        lambda o: o.adagrad(0.1, initial_accumulator_value=0.1, eps=0.0),
    ),
    "rmsprop": (RMSProp(0.1), lambda o: o.rmsprop(0.1, eps_in_sqrt=False)),
    "rmsprop, centred": (
        RMSProp(0.1, centered=True, momentum=0.7, epsilon=1e-4),
        lambda o: o.rmsprop(0.1, eps_in_sqrt=False, centered=True, momentum=0.7, eps=1e-4),
    ),
    "adam": (Adam(0.1), lambda o: o.adam(0.1)),
    "adam, other βs": (Adam(0.1, 0.5, 0.9, epsilon=1e-3), lambda o: o.adam(0.1, 0.5, 0.9, 1e-3)),
    "adamw": (AdamW(0.1, weight_decay=0.3), lambda o: o.adamw(0.1, weight_decay=0.3)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_twenty_steps(name):
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    ours, theirs = CHAINS[name][0], CHAINS[name][1](optax)
    tolerance = 1e-5 if name in ROUNDED else 1e-12
    chain = ours.chain
    state, x = chain.start(START), jax.numpy.asarray(START)
    memory = theirs.init(x)
    for gradient in GRADIENTS:
        chain.step(state, gradient)
        update, memory = theirs.update(jax.numpy.asarray(gradient), memory, x)
        x = optax.apply_updates(x, update)
        assert np.asarray(x).dtype == np.float64
        np.testing.assert_allclose(state.x, np.asarray(x), rtol=tolerance, atol=tolerance)
