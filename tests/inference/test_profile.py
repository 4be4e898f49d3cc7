"""Profile intervals: their ends are where an independent minimiser says that S has risen by t² s²."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import brentq, least_squares

import betahat as bh
from betahat.errors import InferenceError

RNG = np.random.default_rng(2)
x = np.linspace(0.1, 4, 30)
DOSE = np.geomspace(0.05, 20, 25)
WEIGHT = RNG.uniform(0.3, 2, 30)


def rise(f, X, y, weight, beta, place, value, bounds=None):
    """(min{S(β): βⱼ = value} − S(β̂))/s², by scipy from several starts."""
    w = np.ones(len(y)) if weight is None else weight
    p = len(beta)
    others = [k for k in range(p) if k != place]

    def residual(free):
        b = np.empty(p)
        b[place], b[others] = value, free
        return np.sqrt(w) * (f(X, *b) - y)

    lowest = float(w @ (f(X, *beta) - y) ** 2)
    if not others:
        return (float(np.sum(residual([]) ** 2)) - lowest) / (lowest / (len(y) - p))
    box = (-np.inf, np.inf) if bounds is None else tuple(np.array(side)[others] for side in bounds)
    found = least_squares(
        residual, beta[others], bounds=box, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac", jac="3-point",
        max_nfev=2000,
    )  # fmt: skip
    return (2 * found.cost - lowest) / (lowest / (len(y) - p))


MODELS = {
    "line": (lambda X, a, b: a + b * X, [1.0, 2.0], x, 0.5),
    "decay": (lambda X, a, b, c: a * np.exp(-b * X) + c, [2.0, 0.8, 1.0], x, 0.05),
    "michaelis_menten": (lambda X, v, k: v * X / (k + X), [3.0, 1.0], DOSE, 0.15),
    "logistic": (lambda X, c, r, m: c / (1 + np.exp(-r * (X - m))), [2.0, 2.0, 2.0], x, 0.1),
    "one parameter": (lambda X, k: np.exp(-k * X), [0.7], x, 0.1),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("name", MODELS)
def test_ends_are_where_the_sum_of_squares_has_risen(name, level, weighted):
    f, truth, X, noise = MODELS[name]
    y = f(X, *truth) + noise * np.random.default_rng(1).normal(size=len(X))
    weight = np.resize(WEIGHT, len(X)) if weighted else None
    model = bh.NonlinearRegression(f, truth).fit(X, y, sample_weight=weight)
    found = model.profile_interval(X, y, weight, level=level)
    t = stats.t.ppf((1 + level) / 2, len(X) - len(truth))
    for place, (low, high) in enumerate(found):
        assert low < model.coef_[place] < high
        for end in (low, high):
            assert_allclose(rise(f, X, y, weight, model.coef_, place, end), t**2, rtol=2e-6)


def test_a_linear_model_has_its_usual_intervals():
    y = 1 + 2 * x + RNG.normal(size=30)
    model = bh.NonlinearRegression("a + b * x", [0.0, 0.0]).fit(x, y)
    assert_allclose(model.profile_interval(x, y, level=0.9), model.inference_.conf_int(0.9), rtol=1e-8)


def test_one_crooked_parameter_is_its_exact_interval():
    y = np.exp(-0.7 * x) + 0.1 * RNG.normal(size=30)
    model = bh.NonlinearRegression("exp(-k * x)", [1.0]).fit(x, y)

    def above(k):
        return np.sum((np.exp(-k * x) - y) ** 2) - lowest * (1 + stats.t.ppf(0.975, 29) ** 2 / 29)

    (k,) = model.coef_
    lowest = np.sum((np.exp(-k * x) - y) ** 2)
    ends = [brentq(above, k - 0.5, k, xtol=1e-14), brentq(above, k, k + 2, xtol=1e-14)]
    assert_allclose(model.profile_interval(x, y)[0], ends, rtol=1e-8)


def test_an_end_that_is_nowhere_is_infinite():
    """Of a saturation far beyond the doses only a lower limit is known; behind a pole there is no way down to it."""
    dose, rate = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.11, 0.19, 0.33, 0.37, 0.5])
    model = bh.NonlinearRegression("michaelis_menten").fit(dose, rate)
    (v_low, v_high), (k_low, k_high) = model.profile_interval(dose, rate)
    assert v_high == k_high == np.inf
    f, t2 = MODELS["michaelis_menten"][0], stats.t.ppf(0.975, 3) ** 2
    for place, end in enumerate((v_low, k_low)):
        assert 0 < end < model.coef_[place]
        assert_allclose(rise(f, dose, rate, None, model.coef_, place, end), t2, rtol=1e-6)
    assert rise(f, dose, rate, None, model.coef_, 0, 1e6) < t2


def test_frequencies_are_rows():
    f, truth, X, noise = MODELS["decay"]
    y = f(X, *truth) + noise * RNG.normal(size=30)
    count = RNG.integers(0, 4, 30)
    again = np.repeat(np.arange(30), count)
    short = bh.NonlinearRegression(f, truth).fit(X, y, frequency_weight=count)
    long = bh.NonlinearRegression(f, truth).fit(X[again], y[again])
    assert_allclose(
        short.profile_interval(X, y, None, count), long.profile_interval(X[again], y[again]), rtol=1e-8
    )


DECAY, TRUTH, _, _ = MODELS["decay"]
Y = DECAY(x, *TRUTH) + 0.05 * np.random.default_rng(3).normal(size=30)
FITTED = bh.NonlinearRegression(DECAY, TRUTH).fit(x, Y)


def test_bounds_end_the_search():
    b = FITTED.coef_[1]
    low, high = FITTED.profile_interval(x, Y, parameters="b")[0]
    near = (b - (b - low) / 3, b + (high - b) / 3)
    model = bh.NonlinearRegression(DECAY, TRUTH, bounds={"b": near}).fit(x, Y)
    found = model.profile_interval(x, Y)
    assert_array_equal(found[1], near)
    t2 = stats.t.ppf(0.975, 27) ** 2
    box = ([-np.inf, near[0], -np.inf], [np.inf, near[1], np.inf])
    for end in found[0]:  # the others stay within their bounds on the way
        assert_allclose(rise(DECAY, x, Y, None, model.coef_, 0, end, box), t2, rtol=1e-5)


def test_a_parameter_on_its_bound_has_an_interval_on_the_other_side():
    edge = FITTED.coef_[1] * 1.05
    model = bh.NonlinearRegression(DECAY, TRUTH, bounds={"b": (edge, None), "c": (None, 5)}).fit(x, Y)
    assert model.coef_[1] == edge
    low, high = model.profile_interval(x, Y, parameters="b")[0]
    assert low == edge < high
    s2, t2 = model.inference_.scale, stats.t.ppf(0.975, 28) ** 2
    lowest = model.inference_.statistics.residual_ss[0]
    both = least_squares(
        lambda p: DECAY(x, p[0], high, p[1]) - Y, [2.0, 1.0], xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert_allclose((2 * both.cost - lowest) / s2, t2, rtol=1e-6)
    fixed = bh.NonlinearRegression(DECAY, TRUTH, bounds={"b": (0.8, 0.8)}).fit(x, Y)
    assert_array_equal(fixed.profile_interval(x, Y, parameters="b"), [[0.8, 0.8]])


@pytest.mark.parametrize("cov_type", ["HC3", "cluster"])
def test_the_covariance_type_is_no_part_of_it(cov_type):
    groups = {"groups": np.arange(30) % 6} if cov_type == "cluster" else {}
    model = bh.NonlinearRegression(DECAY, TRUTH, cov_type=cov_type).fit(x, Y, **groups)
    assert_allclose(model.profile_interval(x, Y), FITTED.profile_interval(x, Y), rtol=1e-7)


def test_functions_that_mix_rows():
    y = 2 * np.cumsum(np.exp(-0.5 * x)) + 0.05 * RNG.normal(size=30)
    f = mixing
    model = bh.NonlinearRegression(f, [1.0, 1.0]).fit(x, y)
    t2 = stats.t.ppf(0.975, 28) ** 2
    for place, ends in enumerate(model.profile_interval(x, y)):
        for end in ends:
            assert_allclose(rise(f, x, y, None, model.coef_, place, end), t2, rtol=1e-6)


def mixing(X, a, b):
    return a * np.cumsum(np.exp(-b * X))


def test_a_perfect_fit_has_ends_at_rounding():
    y = DECAY(x, *TRUTH)
    model = bh.NonlinearRegression(DECAY, TRUTH).fit(x, y)
    assert_allclose(model.profile_interval(x, y), np.column_stack([TRUTH, TRUTH]), rtol=1e-13)


def test_which_parameters():
    whole = FITTED.profile_interval(x, Y)
    assert_array_equal(FITTED.profile_interval(x, Y, parameters=["c", "a"]), whole[[2, 0]])
    assert_array_equal(FITTED.profile_interval(x, Y, parameters="b"), whole[[1]])
    assert FITTED.profile_interval(x, Y, parameters=[]).shape == (0, 2)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (
            lambda m: m.profile_interval(x, Y + 1),
            ValueError,
            "are not the rows of the fit: their sum of squares",
        ),
        (lambda m: m.profile_interval(x[:9], Y[:9]), ValueError, "are not the rows of the fit"),
        (lambda m: m.profile_interval(x, Y, WEIGHT), ValueError, "are not the rows of the fit"),
        (lambda m: m.profile_interval(x, Y, parameters="q"), ValueError, "names 'q'; there are a, b, c"),
        (lambda m: m.profile_interval(x, Y, parameters=[0]), ValueError, "names 0; there are a, b, c"),
        (lambda m: m.profile_interval(x, Y, parameters=0), TypeError, "a name, or a list of names"),
        (lambda m: m.profile_interval(x, Y, level=95), ValueError, "write level=0.95"),
        (lambda m: m.profile_interval(x[:, None], Y[:-1]), ValueError, "inconsistent"),
    ],
)
def test_questions_that_make_no_sense(ask, error, words):
    with pytest.raises(error, match=words):
        ask(FITTED)


def test_losses_and_penalties_have_none():
    for parameters in ({"loss": "huber"}, {"penalty": lambda b: b @ b}):
        model = bh.NonlinearRegression(DECAY, TRUTH, **parameters).fit(x, Y)
        with pytest.raises(InferenceError):
            model.profile_interval(x, Y)


def test_coverage_of_a_crooked_model():
    """Of 150 intervals at 90 % about 135 cover the truth (σ = 3.7), few doses or not."""
    f, truth, _, _ = MODELS["michaelis_menten"]
    rng, dose, covered = np.random.default_rng(0), np.linspace(0.2, 2, 9), 0
    for _ in range(150):
        rate = f(dose, *truth) + 0.1 * rng.normal(size=9)
        model = bh.NonlinearRegression("michaelis_menten", truth).fit(dose, rate)
        low, high = model.profile_interval(dose, rate, level=0.9, parameters="km")[0]
        covered += low <= truth[1] <= high
    assert abs(covered - 135) < 4 * 3.7
