"""Chains of transformations: each against its recurrence as the papers print it, and the laws they keep."""

from __future__ import annotations

import dataclasses
import itertools
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from betahat.solvers.schedules import Cosine, Exponential, InverseScaling
from betahat.solvers.stochastic.adaptive import ScaleByAdaGrad, ScaleByAdam, ScaleByRMS
from betahat.solvers.stochastic.average import ExponentialAverage, PolyakRuppert
from betahat.solvers.stochastic.chain import Chain
from betahat.solvers.stochastic.clip import ClipByGlobalNorm, ClipByValue
from betahat.solvers.stochastic.momentum import HeavyBall
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from betahat.solvers.stochastic.transformation import ScaleByLearningRate, Transformation
from betahat.solvers.stochastic.weight_decay import WeightDecay

NAMED = (SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW)
GRADIENTS = np.random.default_rng(0).standard_normal((20, 6)) * np.geomspace(1e-4, 1e4, 6)
START = np.random.default_rng(1).standard_normal(6)


def follow(chain, gradients=GRADIENTS, start=START):
    state = chain.start(start)
    points = []
    for gradient in gradients:
        chain.step(state, gradient)
        points.append(state.x.copy())
    return np.array(points)


# --- against the recurrences --------------------------------------------------------------------------------

RECURRENCES = {}


def recurrence(*solvers):
    def keep(function):
        RECURRENCES.update({repr(solver): (solver, function) for solver in solvers})
        return function

    return keep


@recurrence(SGD(0.1), SGD(0.1, weight_decay=0.3))
def sgd(s, x, g, k, memory):
    return x - s.learning_rate * (g + s.weight_decay * x)


@recurrence(SGD(Exponential(0.1, 0.8)), SGD(InverseScaling(0.1)))
def scheduled(s, x, g, k, memory):
    return x - s.learning_rate.at(k) * g


@recurrence(Momentum(0.1), Momentum(0.1, 0.5, weight_decay=0.2))
def heavy_ball(s, x, g, k, memory):
    """Polyak's own form, where there is no decay: x − η g + μ (x − x₋₁)."""
    before = memory.get("x", x)
    memory["x"] = x
    if not s.weight_decay:
        return x - s.learning_rate * g + s.momentum * (x - before)
    memory["v"] = s.momentum * memory.get("v", 0) + g
    return x - s.learning_rate * (memory["v"] + s.weight_decay * x)


@recurrence(Nesterov(0.1), Nesterov(0.1, 0.5, weight_decay=0.2))
def nesterov(s, x, g, k, memory):
    """y₊ = x − η g, x₊ = y₊ + μ (y₊ − y), in which x is where gradients are taken (y before the first step is x)."""
    if not s.weight_decay:
        ahead = x - s.learning_rate * g
        before = memory.get("y", x)
        memory["y"] = ahead
        return ahead + s.momentum * (ahead - before)
    memory["v"] = s.momentum * memory.get("v", 0) + g
    return x - s.learning_rate * (g + s.momentum * memory["v"] + s.weight_decay * x)


@recurrence(AdaGrad(0.5), AdaGrad(0.5, initial_accumulator=0.1, epsilon=1e-3))
def adagrad(s, x, g, k, memory):
    memory.setdefault("all", []).append(g)
    root = np.sqrt(s.initial_accumulator + np.sum(np.square(memory["all"]), axis=0))
    return x - s.learning_rate * g / (root + s.epsilon)


@recurrence(*(
    RMSProp(0.1, 0.8, momentum=momentum, centered=centered)
    for momentum, centered in itertools.product((0.0, 0.7), (False, True))
))  # fmt: skip
def rmsprop(s, x, g, k, memory):
    memory.setdefault("all", []).append(g)
    weights = (1 - s.rho) * s.rho ** np.arange(k, -1, -1.0)
    square = np.einsum("i,ij->j", weights, np.square(memory["all"]))
    if s.centered:
        square = square - np.einsum("i,ij->j", weights, memory["all"]) ** 2
    memory["v"] = s.momentum * memory.get("v", 0) + g / (np.sqrt(square) + s.epsilon)
    return x - s.learning_rate * memory["v"]


@recurrence(*(
    kind(0.1, beta_1, 0.95, amsgrad=amsgrad)
    for kind, beta_1, amsgrad in itertools.product((Adam, AdamW), (0.0, 0.9), (False, True))
))  # fmt: skip
def adam(s, x, g, k, memory):
    memory.setdefault("all", []).append(g)
    first = np.einsum("i,ij->j", s.beta_1 ** np.arange(k, -1, -1.0), memory["all"]) * (1 - s.beta_1)
    second = np.einsum("i,ij->j", s.beta_2 ** np.arange(k, -1, -1.0), np.square(memory["all"])) * (
        1 - s.beta_2
    )
    if s.amsgrad:
        second = memory["largest"] = np.maximum(memory.get("largest", 0), second)
    step = first / (1 - s.beta_1 ** (k + 1)) / (np.sqrt(second / (1 - s.beta_2 ** (k + 1))) + s.epsilon)
    return x - s.learning_rate * (step + getattr(s, "weight_decay", 0) * x)


@pytest.mark.parametrize("name", RECURRENCES)
def test_recurrence(name):
    solver, textbook = RECURRENCES[name]
    x, memory, expected = START, {}, []
    for k, gradient in enumerate(GRADIENTS):
        x = textbook(solver, x, gradient, k, memory)
        expected.append(x)
    np.testing.assert_allclose(follow(solver.chain), expected, rtol=1e-11, atol=1e-11)


def test_first_two_steps_by_hand():
    """In fractions: g = 3, 4 from x = 1 at η = 1/10, μ = 1/2; Adam's first step is η up to ε."""
    x1 = Fraction(1) - Fraction(3, 10)
    x2 = x1 - Fraction(1, 10) * (Fraction(1, 2) * 3 + 4)
    assert follow(Momentum(0.1, 0.5).chain, [[3.0], [4.0]], [1.0]).ravel() == pytest.approx(
        [float(x1), float(x2)], rel=1e-15
    )
    assert follow(Adam(0.1, epsilon=1e-300).chain, [[3.0]], [1.0])[0, 0] == pytest.approx(0.9, rel=1e-14)
    assert follow(AdaGrad(0.1).chain, [[3.0], [4.0]], [1.0])[1, 0] == pytest.approx(0.9 - 0.1 * 4 / 5)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_constant_gradients_add_up(momentum):
    """After k steps along g the heavy ball has moved η g Σᵢ (1 − μⁱ)/(1 − μ)."""
    k = np.arange(1, 51)
    expected = -0.1 * np.cumsum((1 - momentum**k) / (1 - momentum))
    found = follow(Momentum(0.1, momentum).chain, np.ones((50, 1)), np.zeros(1))[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- laws ---------------------------------------------------------------------------------------------------

finite = st.floats(-1e6, 1e6)
vectors = arrays(np.float64, st.integers(1, 8), elements=finite)


def applied(transformation, u, x=None):
    u = u.copy()
    kept = [np.zeros_like(u) for _ in transformation.keeps]
    transformation.prepare(kept)
    transformation.apply(u, np.zeros_like(u) if x is None else x, 0, kept, np.empty_like(u))
    return u


@settings(deadline=None)
@given(vectors, st.floats(1e-3, 1e3))
def test_clipping_by_norm_keeps_the_direction(u, most):
    clipped = applied(ClipByGlobalNorm(most), u)
    norm = np.linalg.norm(u)
    assert np.linalg.norm(clipped) <= most * (1 + 1e-12)
    if norm <= most * (1 - 1e-12):
        np.testing.assert_array_equal(clipped, u)
    else:
        np.testing.assert_allclose(clipped, u * (most / norm), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1.7e308])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_neither_overflows_nor_vanishes(dtype, size):
    with np.errstate(over="ignore"):
        u = np.array([3, -4], dtype) * dtype(size / 4)
    if np.isfinite(u).all() and u.any():
        expected = np.array([0.6, -0.8]) if size > 1 else u
        np.testing.assert_allclose(applied(ClipByGlobalNorm(1.0), u), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        applied(ClipByGlobalNorm(1.0), np.array([np.nan, 1.0])), [np.nan, 1.0]
    )  # what is lost is not hidden


@settings(deadline=None)
@given(vectors, st.floats(1e-3, 1e3))
def test_clipping_by_value(u, most):
    clipped = applied(ClipByValue(most), u)
    assert (np.abs(clipped) <= most).all()
    np.testing.assert_array_equal(clipped, [min(max(v, -most), most) for v in u])


def test_values_are_clipped_before_the_norm():
    found = follow(SGD(1.0, clip_value=2.0, clip_norm=1.0).chain, [[30.0, -40.0]], np.zeros(2))[0]
    np.testing.assert_allclose(found, [-math.sqrt(0.5), math.sqrt(0.5)])


@pytest.mark.parametrize(
    "scaling", [ScaleByAdaGrad(1e-300), ScaleByRMS(epsilon=1e-300), ScaleByAdam(epsilon=1e-300)]
)
@settings(deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=4))
def test_scaled_steps_know_no_units(scaling, exponents):
    """A coefficient in other units, its gradients with it, takes the same steps."""
    units = 2.0 ** np.array(exponents)
    gradients = np.random.default_rng(3).standard_normal((5, len(units)))
    chain = Chain(scaling, ScaleByLearningRate(0.1))
    plain, scaled = (follow(chain, g, np.zeros(len(units))) for g in (gradients, gradients * units))
    np.testing.assert_allclose(scaled, plain, rtol=1e-12)


@settings(deadline=None)
@given(st.integers(0, 12), st.floats(0, 5), st.integers(1, 30))
def test_mean_of_iterates(start, emphasis, count):
    """The running form against weights written out: Γ(k + q + 1)/Γ(k + 1), which is 1 for the plain mean."""
    x = np.random.default_rng(count).standard_normal((count, 3))
    average = run_average(PolyakRuppert(start, emphasis), x)
    if count <= start:
        np.testing.assert_array_equal(average, x[-1])
        return
    i = np.arange(1, count - start + 1)
    weights = np.exp([math.lgamma(k + emphasis) - math.lgamma(k) for k in i])
    if not emphasis:
        np.testing.assert_allclose(average, x[start:].mean(axis=0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(average, np.average(x[start:], axis=0, weights=weights), rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(st.floats(0, 0.999), st.integers(1, 30))
def test_exponential_mean_of_iterates(decay, count):
    x = np.random.default_rng(count).standard_normal((count, 3))
    expected = np.average(x, axis=0, weights=decay ** np.arange(count - 1, -1, -1.0))
    np.testing.assert_allclose(run_average(ExponentialAverage(decay), x), expected, rtol=1e-9, atol=1e-9)


def run_average(average, points):
    mean, scratch = np.full(3, 7.0), np.empty(3)
    for k, x in enumerate(points):
        average.learn(mean, x, k, scratch)
    return mean


@pytest.mark.parametrize(
    "average", [PolyakRuppert(), PolyakRuppert(3, 2.0), ExponentialAverage(0.8)], ids=str
)
@pytest.mark.parametrize("kind", NAMED)
def test_average_beside_the_descent(kind, average):
    """The iterates do not know of it, and it is of them."""
    points = follow(kind(0.1).chain)
    chain = kind(0.1, average=average).chain
    np.testing.assert_array_equal(follow(chain), points)
    state = chain.start(START)
    for gradient in GRADIENTS:
        chain.step(state, gradient)
    mean, scratch = START.copy(), np.empty(6)
    for k, x in enumerate(points):
        average.learn(mean, x, k, scratch)
    np.testing.assert_array_equal(state.point, mean)


# --- state --------------------------------------------------------------------------------------------------

RICH = {
    "clip_value": 5.0,
    "clip_norm": 3.0,
    "average": ExponentialAverage(0.9),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", NAMED)
def test_dtype_is_kept(kind, dtype):
    chain = kind(0.1, **RICH).chain
    state = chain.start(START.astype(dtype))
    for gradient in GRADIENTS.astype(dtype):
        chain.step(state, gradient)
    assert {a.dtype for a in (state.x, state.memory, state.average, state.update)} == {np.dtype(dtype)}
    np.testing.assert_allclose(state.x, follow(chain)[-1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", NAMED)
def test_a_step_allocates_no_vector(kind, dtype):
    n = 100_000
    chain = kind(Cosine(0.1, 10), **RICH).chain
    state, gradient = chain.start(np.ones(n, dtype)), np.ones(n, dtype)
    chain.step(state, gradient)
    where = [a.ctypes.data for a in (state.x, state.memory, state.average)]
    tracemalloc.start()
    try:
        for _ in range(3):
            chain.step(state, gradient)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n
    assert where == [a.ctypes.data for a in (state.x, state.memory, state.average)]
    assert (gradient == 1).all()


@pytest.mark.parametrize("kind", NAMED)
def test_arrays_are_all_there_is_to_remember(kind):
    """A copy of x, memory, average and step goes on to the same bits; two states do not know of one another."""
    chain = kind(Cosine(0.1, 15), **RICH).chain
    state = chain.start(START)
    for gradient in GRADIENTS[:8]:
        chain.step(state, gradient)
    copied = kind(Cosine(0.1, 15), **RICH).chain.start(state.x)
    copied.memory[:], copied.average[:], copied.step = state.memory, state.average, state.step
    for gradient in GRADIENTS[8:]:
        chain.step(state, gradient)
    for gradient in GRADIENTS[8:]:
        chain.step(copied, gradient)
    np.testing.assert_array_equal(state.x, copied.x)
    np.testing.assert_array_equal(state.point, copied.point)


@pytest.mark.parametrize("kind", NAMED)
def test_named_chains_are_values(kind):
    solver = kind(Cosine(0.1, 15), **RICH)
    assert solver == kind(Cosine(0.1, 15), **RICH) != kind(Cosine(0.1, 16), **RICH)
    assert eval(repr(solver)) == solver
    assert dataclasses.replace(solver, clip_norm=None) != solver
    assert solver.chain.resume(solver.chain.start(START)).step == 0


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("learning_rate", 0.0, ValueError),
        ("learning_rate", "auto", TypeError),
        ("clip_norm", 0.0, ValueError),
        ("clip_norm", -1, ValueError),
        ("clip_value", math.nan, ValueError),
        ("average", "ema", TypeError),
    ],
)
def test_refused_by_all(kind, argument, value, error):
    with pytest.raises(error, match=f"{argument} \\(={value!r}\\)"):
        kind(**{argument: value})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Momentum(momentum=1.0), "momentum.*below 1"),
        (lambda: Nesterov(momentum=-0.1), "momentum"),
        (lambda: SGD(weight_decay=-1), "weight_decay"),
        (lambda: AdamW(weight_decay=math.inf), "weight_decay"),
        (lambda: AdaGrad(epsilon=0), "epsilon"),
        (lambda: AdaGrad(initial_accumulator=-1), "initial_accumulator"),
        (lambda: RMSProp(rho=1.0), "rho"),
        (lambda: RMSProp(momentum=2.0), "momentum"),
        (lambda: Adam(beta_1=1.0), "beta_1"),
        (lambda: Adam(beta_2=-0.5), "beta_2"),
        (lambda: Adam(epsilon=-1e-8), "epsilon"),
        (lambda: PolyakRuppert(start=-1), "start"),
        (lambda: PolyakRuppert(emphasis=-1), "emphasis"),
        (lambda: ExponentialAverage(1.0), "decay"),
        (lambda: SGD().chain.resume(Adam().chain.start(START)), "another chain"),
        (lambda: SGD(average=PolyakRuppert()).chain.resume(SGD().chain.start(START)), "average"),
    ],
)
def test_refused_values(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Chain(Adam()), r"made of transformations.*Adam\("),
        (lambda: Chain(HeavyBall), "transformations"),
        (lambda: Chain(average=0.9), "average"),
        (lambda: SGD().chain.start([1, 2]), "float64 or float32, not of int64"),
        (lambda: SGD().chain.start(np.ones((2, 2))), r"shape \(2, 2\)"),
    ],
)
def test_refused_types(make, words):
    with pytest.raises(TypeError, match=words):
        make()


def test_users_may_write_transformations():
    class Sign(Transformation):
        def apply(self, u, x, step, kept, scratch):
            np.sign(u, out=u)

    points = follow(Chain(Sign(), WeightDecay(0.1), ScaleByLearningRate(0.5)), [[3.0, -2.0]], np.ones(2))
    np.testing.assert_allclose(points, [[1 - 0.5 * 1.1, 1 - 0.5 * -0.9]])
