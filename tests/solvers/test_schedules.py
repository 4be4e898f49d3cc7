"""Learning rates: each schedule against its formula, the laws they share, and what is refused."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.solvers.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    Schedule,
    StepDecay,
    WarmUp,
    as_schedule,
)  # fmt: skip

STEPS = (0, 1, 2, 9, 10, 11, 49, 99, 100, 1000)
FORMULAS = {
    "constant": (Constant(0.3), lambda k: 0.3),
    "step": (StepDecay(0.3, 0.5, 10), lambda k: 0.3 * 0.5 ** math.floor(k / 10)),
    "exponential": (Exponential(0.3, 0.9, 7), lambda k: 0.3 * math.exp(k / 7 * math.log(0.9))),
    "invscaling": (InverseScaling(0.3, 0.25), lambda k: 0.3 / (k + 1) ** 0.25),
    "inverse time": (InverseScaling(0.3, 1.0, 20.0), lambda k: 0.3 * 20 / (20 + k)),
    "cosine": (
        Cosine(0.3, 100, 0.1),
        lambda k: 0.1 + 0.2 * math.cos(math.pi * min(k, 100) / 200) ** 2,  # ½(1 + cos 2a) = cos² a
    ),
    "one cycle": (
        OneCycle(0.3, 101, 0.2, 10.0, 100.0),
        lambda k: (
            0.03 + 0.27 * math.sin(math.pi * k / 40) ** 2
            if k <= 20
            else 0.0003 + 0.2997 * math.cos(math.pi * (min(k, 100) - 20) / 160) ** 2
        ),
    ),
    "warm-up": (
        WarmUp(Exponential(0.3, 0.9), 10, 0.1),
        lambda k: 0.1 + 0.02 * k if k < 10 else 0.3 * 0.9 ** (k - 10),
    ),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name, step):
    schedule, formula = FORMULAS[name]
    assert schedule.at(step) == pytest.approx(formula(step), rel=1e-13, abs=1e-16)
    assert type(schedule.at(step)) is float


rates = st.floats(1e-6, 1e3)
counts = st.integers(1, 500)
shares = st.floats(0.01, 1.0)
decays = st.one_of(
    st.builds(Constant, rates),
    st.builds(StepDecay, rates, shares, counts),
    st.builds(Exponential, rates, shares, counts),
    st.builds(InverseScaling, rates, st.floats(0, 3), st.floats(0.1, 100)),
    st.builds(Cosine, rates, counts),
)
schedules = st.one_of(
    decays,
    st.builds(OneCycle, rates, counts, st.floats(0.05, 0.95)),
    st.builds(WarmUp, decays, counts, st.floats(0, 1)),
)


@settings(deadline=None)
@given(decays, st.integers(0, 1000), st.integers(0, 1000))
def test_decays_never_rise(schedule, step, more):
    assert 0 <= schedule.at(step + more) <= schedule.at(step) * (1 + 1e-15) <= schedule.at(0) * (1 + 2e-15)


@settings(deadline=None)
@given(schedules, st.integers(0, 2000))
def test_values_equal_values(schedule, step):
    """A schedule keeps no state: what it gives does not depend on what was asked before, and equal ones agree."""
    first = schedule.at(step)
    schedule.at(0)
    assert schedule.at(step) == first
    assert 0 <= first < math.inf
    assert eval(repr(schedule)) == schedule
    assert hash(eval(repr(schedule))) == hash(schedule)


@settings(deadline=None)
@given(decays, counts, st.floats(0, 1), st.integers(0, 100))
def test_warm_up_joins_on(schedule, steps, initial, beyond):
    warm = WarmUp(schedule, steps, initial)
    assert warm.at(0) == pytest.approx(initial)
    assert warm.at(steps + beyond) == schedule.at(beyond)
    rise = np.diff([warm.at(k) for k in range(steps + 1)])
    np.testing.assert_allclose(rise, (schedule.at(0) - initial) / steps, rtol=1e-6, atol=1e-12)


@settings(deadline=None)
@given(rates, st.integers(3, 300), st.floats(0.05, 0.95))
def test_one_cycle_goes_up_then_down(largest, steps, rise):
    values = np.array([OneCycle(largest, steps, rise).at(k) for k in range(steps + 5)])
    top = int(np.argmax(values))
    assert (np.diff(values[: top + 1]) >= 0).all()
    assert (np.diff(values[top:]) <= 0).all()
    assert values[0] == pytest.approx(largest / 25)
    assert values[-1] == pytest.approx(largest / 25e4)
    assert values.max() <= largest * (1 + 1e-15)


def test_robbins_and_monro():
    """Ση grows without end and Ση² does not, for ½ < q ≤ 1: doubling the steps adds ever less to the second only."""
    schedule = InverseScaling(1.0, 0.75)
    values = np.array([schedule.at(k) for k in range(2**14)])
    first, second = (np.add.reduceat(v, 2 ** np.arange(14)) for v in (values, values**2))
    assert (np.diff(first[:-1]) > 0).all()
    assert (np.diff(second[3:-1]) < 0).all()


@pytest.mark.parametrize("value", [0.1, 1, np.float64(0.1), np.float32(0.5), np.int64(2)])
def test_numbers_are_constant(value):
    assert as_schedule(value) == Constant(float(value))
    assert as_schedule(Cosine(0.1, 5)) == Cosine(0.1, 5)


def test_users_may_write_their_own():
    class Halved(Schedule):
        def at(self, step):
            return 1 / (step + 1)

    schedule = Halved()
    assert as_schedule(schedule) is schedule
    assert WarmUp(schedule, 2).at(3) == 0.5


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: as_schedule("fast"), TypeError, "learning_rate.*'fast'.*Schedule"),
        (lambda: as_schedule(True), TypeError, "learning_rate"),
        (lambda: as_schedule(None, "rate"), TypeError, "rate"),
        (lambda: as_schedule(0.0), ValueError, "learning_rate.*above 0"),
        (lambda: as_schedule(-1), ValueError, "above 0"),
        (lambda: as_schedule(math.nan), ValueError, "finite"),
        (lambda: as_schedule(math.inf), ValueError, "finite"),
        (lambda: Constant("a"), ValueError, "initial.*'a'"),
        (lambda: StepDecay(0.1, 1.5, 10), ValueError, "factor.*1.5"),
        (lambda: StepDecay(0.1, 0.5, 0), ValueError, "every"),
        (lambda: StepDecay(0.1, 0.5, 2.5), ValueError, "every.*whole"),
        (lambda: Exponential(0.1, 0), ValueError, "factor"),
        (lambda: InverseScaling(0.1, -1), ValueError, "power"),
        (lambda: InverseScaling(0.1, 0.5, 0), ValueError, "delay"),
        (lambda: Cosine(0.1, True), ValueError, "steps"),
        (lambda: Cosine(0.1, 10, -0.1), ValueError, "final"),
        (lambda: OneCycle(0.1, 10, 1.0), ValueError, "rise"),
        (lambda: OneCycle(0.1, 10, 0.5, 0), ValueError, "initial_divisor"),
        (lambda: WarmUp(0.1, 10), TypeError, r"schedule.*Constant"),
        (lambda: WarmUp(Constant(0.1), 0), ValueError, "steps"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_values_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Constant(0.1).initial = 0.2
