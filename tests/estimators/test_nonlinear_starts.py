"""Where nonlinear regression begins, and the bounds it keeps: all forms, found or given."""

from __future__ import annotations

import numpy as np
import pytest
from estimators.nonlinear_data import TEXT, decay, minimised, x, y
from numpy.testing import assert_allclose, assert_array_equal

import betahat as bh
from betahat.models.expression import Expression

TRUTH = bh.NonlinearRegression(decay, [1.0, 1.0, 1.0]).fit(x, y).coef_


# --- starts ---------------------------------------------------------------------------------------------------------

STARTS = {
    "list": [1.0, 1.0, 1.0],
    "tuple": (1.0, 1.0, 1.0),
    "array": np.ones(3),
    "dict": {"b": 1.0, "a": 1.0, "c": 1.0},
    "several lists": [[1.0, 1.0, 1.0], [2.0, 0.1, 0.0]],
    "several dicts": [{"a": 1.0, "b": 1.0, "c": 1.0}, {"c": 0.0, "b": 0.1, "a": 2.0}],
    "several arrays": [np.ones(3), np.array([2.0, 0.1, 0.0])],
    "rows of a matrix": np.array([[1.0, 1.0, 1.0], [2.0, 0.1, 0.0]]),
    "function": lambda X, y: [np.ptp(y), 1 / np.ptp(X), y.min()],
    "function that gives several": lambda X, y: [[1.0, 1.0, 1.0], [2.0, 0.1, 0.0]],
    "none": None,
    "one of them hopeless": [[1.0, -800.0, 1.0], [1.0, 1.0, 1.0]],
}


@pytest.mark.parametrize("f", [decay, TEXT], ids=["function", "text"])
@pytest.mark.parametrize("start", STARTS)
def test_every_form_of_start(start, f):
    model = bh.NonlinearRegression(f, STARTS[start]).fit(x, y)
    assert_allclose(model.coef_, TRUTH, rtol=1e-10)
    assert model.starts_.shape == (len(model.losses_), 3)
    assert model.losses_.min() == model.certificate_.loss
    if start == "one of them hopeless":
        assert model.losses_[0] == np.inf


def test_the_lowest_of_several_ends_is_kept():
    target = np.sin(3 * x)
    starts = [[1.0], [2.9], [5.0]]
    model = bh.NonlinearRegression(lambda X, b: np.sin(b[0] * X), starts).fit(x, target)
    assert_allclose(model.coef_, [3.0], rtol=1e-12)
    each = [bh.NonlinearRegression("sin(k * x)", s) for s in ([1.0], [2.9], [5.0])]
    losses = [one.fit(x, target).certificate_.loss for one in each]
    assert_allclose(model.losses_, losses, rtol=1e-6, atol=1e-25)
    assert model.losses_[0] > 0.01 < model.losses_[2]


def test_more_starts_are_tried_where_none_is_given():
    model = bh.NonlinearRegression(TEXT).fit(x, y)
    assert 2 <= len(model.starts_) <= 5


@pytest.mark.parametrize(
    ("f", "start", "words"),
    [
        (decay, [1.0], "start has 1 numbers, and f takes 3: a, b, c"),
        (decay, [[1.0, 1.0, 1.0], [1.0]], "start has 1 numbers"),
        (decay, {"a": 1.0}, "'b' has no value"),
        (decay, [1.0, -800.0, 1.0], r"f is inf in row 8 \(X = 0.9\) at a = 1, b = -800, c = 1"),
        (decay, [[1.0, -800.0, 1.0], [1.0, -900.0, 1.0]], "not finite at the other starts"),
        (decay, lambda X: 1, r"start\(X, y\) fails for X of shape \(40,\)"),
        (decay, lambda X, y: None, r"start\(X, y\) gives None"),
        (TEXT, [1.0], r"start has shape \(1,\); the parameters are a, b, c"),
        (TEXT, {"a": 1.0, "b": 1.0, "q": 1.0}, "start names a, b, q; the parameters are a, b, c"),
        (TEXT, [1.0, np.nan, 1.0], "must hold finite numbers"),
        (lambda X, beta: X, None, "start is missing: f takes its parameters as one argument"),
        (lambda X, *p: X, None, "start is missing"),
        (lambda X, W: X @ W, np.ones((2, 3)), r"can be one matrix 'W' or several starts: write \[start\]"),
        ("log(a) * sqrt(-x)", None, "f is finite at none of the points tried"),
        ("exponential", [1.0], "the parameters are a, b"),
    ],
)
def test_starts_that_cannot_be(f, start, words):
    with pytest.raises(ValueError, match=words):
        bh.NonlinearRegression(f, start).fit(x, y)


def test_curves_take_one_column():
    with pytest.raises(ValueError, match="the curve 'exponential' takes one column, and X has 2"):
        bh.NonlinearRegression("exponential").fit(np.column_stack([x, x]), y)


# --- curves find their own starts -----------------------------------------------------------------------------------

SIGNS = (2.0, -30.0)
CURVES = {
    "exponential": [(a, b) for a in SIGNS for b in (-3.0, -0.01, 1.5)],
    "exponential_offset": [(a, b, 5.0) for a in SIGNS for b in (-3.0, -0.3, 1.5)],
    "logistic": [(c, r, m) for c in (1e-5, -50.0) for r, m in ((0.8, 1.0), (3.0, 3.0), (20.0, 4.5), (-2.0, 1.0))],
    "logistic_offset": [(o, c, r, 3.0) for o in (0.0, 10.0) for c in SIGNS for r in (1.5, 6.0)],
    "gompertz": [(c, r, m) for c in (1e4, -50.0) for r, m in ((0.8, 1.0), (3.0, 3.0), (-2.0, 3.0))],
    "gaussian": [(h, c, w) for h in (1e-5, -50.0) for c in (0.5, 4.8) for w in (0.2, 2.0)],
    "gaussian_offset": [(h, c, w, 7.0) for h in SIGNS for c in (0.5, 4.5) for w in (0.2, 1.0)],
    "gaussian_2": [
        (h, c, w, 1.0, d, 0.15, 3.0) for h in (-2.0, 5.0) for c, d in ((1.0, 3.0), (2.0, 2.9)) for w in (0.2, 0.4)
    ],
    "gaussian_3": [(h, 1.0, w, 2.0, 2.5, 0.3, 1.5, 4.0, 0.15, 3.0) for h in (1.0, 3.0) for w in (0.2, 0.4)],
    "lorentzian": [(h, c, w) for h in SIGNS for c in (0.5, 4.8) for w in (0.1, 2.0)],
    "michaelis_menten": [(v, k) for v in (200.0, -3.0) for k in (0.05, 3.0, 20.0)],
    "hill": [(v, n, k) for v in (1.0, 200.0) for n in (0.7, 2.0, 6.0) for k in (0.5, 3.0)],
    "power": [(a, b) for a in SIGNS for b in (-2.0, 0.3, 2.7, 6.0)],
    "power_offset": [(a, b, 5.0) for a in SIGNS for b in (-2.0, 0.5, 2.7)],
    "sinusoid": [(a, f, p, 10.0) for a in (1.0, 40.0) for f in (0.08, 1.0, 7.0) for p in (0.0, 2.5)],
}  # fmt: skip
GRIDS = {
    "even": (0.02, lambda rng, n: np.linspace(0.05, 5, n)),
    "random": (0.05, lambda rng, n: rng.uniform(0.05, 5, n)),
}


def test_every_curve_is_tried():
    assert set(CURVES) == set(bh.curves.CURVES)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", CURVES)
def test_curves_find_the_best_fit(name, grid):
    """What a fit begun at the truth finds, whatever the signs and sizes."""
    f = bh.curves.CURVES[name].text
    (noise, places), lost = GRIDS[grid], 0
    for k, truth in enumerate(CURVES[name]):
        rng = np.random.default_rng(k)
        X = places(rng, 120 if "_2" in name or "_3" in name else 60)
        clean = curve(f, X, truth)
        target = clean + noise * np.ptp(clean) * rng.normal(size=len(X))
        found = bh.NonlinearRegression(name).fit(X, target)
        best = bh.NonlinearRegression(name, truth).fit(X, target)
        lost += not found.certificate_.loss <= best.certificate_.loss * (1 + 1e-6)
    assert lost <= 0.05 * len(CURVES[name])


def curve(text, X, truth):
    return Expression(text, ["x"])(X, *truth)


@pytest.mark.parametrize(
    "name", ["logistic", "gaussian_offset", "gompertz", "hill", "sinusoid", "exponential_offset"]
)
def test_text_and_functions_find_it_too(name):
    text = bh.curves.CURVES[name].text
    expression = Expression(text, ["x"])
    rng = np.random.default_rng(1)
    X, truth = np.linspace(0.05, 5, 60), CURVES[name][1]
    clean = curve(text, X, truth)
    target = clean + 0.02 * np.ptp(clean) * rng.normal(size=60)
    best = bh.NonlinearRegression(name, truth).fit(X, target)
    assert bh.NonlinearRegression(text).fit(X, target).certificate_.loss <= best.certificate_.loss * (
        1 + 1e-6
    )
    names = ", ".join(expression.parameters)
    named = eval(f"lambda X, {names}: expression(X, {names})", {"expression": expression})
    assert bh.NonlinearRegression(named).fit(X, target).certificate_.loss <= best.certificate_.loss * (
        1 + 1e-6
    )


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
@pytest.mark.parametrize("which", ["x", "y"])
def test_starts_have_the_units_of_the_data(which, scale):
    X, target = (x * scale, y) if which == "x" else (x, y * scale)
    units = [1.0, 1 / scale, 1.0] if which == "x" else [scale, 1.0, scale]
    for f in (TEXT, "exponential_offset"):
        found = bh.NonlinearRegression(f).fit(X, target).coef_ / units
        assert_allclose(np.abs(found), TRUTH, rtol=1e-7)


def test_narrow_peaks_and_fast_waves_are_found():
    rng = np.random.default_rng(0)
    X = np.linspace(0, 10, 1500)
    peak = 3 * np.exp(-0.5 * ((X - 7.77) / 0.02) ** 2) + 1 + 0.1 * rng.normal(size=1500)
    assert_allclose(
        bh.NonlinearRegression("gaussian_offset").fit(X, peak).coef_, [3, 7.77, 0.02, 1], rtol=0.1
    )
    wave = 2 * np.sin(2 * np.pi * 60.3 * X + 1) + 0.5 * rng.normal(size=1500)
    amplitude, frequency, _, _ = bh.NonlinearRegression("sinusoid").fit(X, wave).coef_
    assert_allclose([abs(amplitude), frequency], [2, 60.3], rtol=0.05)


# --- bounds ---------------------------------------------------------------------------------------------------------

INF = np.inf
BOUNDS = {
    "inactive": {"b": (0, 5)},
    "active below": {"b": (0.6, 5)},
    "active above": {"b": (0, 0.4)},
    "two active": {"b": (0.6, 5), "c": (None, 0.9)},
    "pairs": [(0, 1.5), (0, 9), None],
    "array of pairs": np.array([(0, 1.5), (0, 9), (-INF, INF)]),
    "fixed": {"c": (1, 1)},
    "fixed and active": {"c": (1, 1), "b": (0.6, None)},
    "narrow": {"b": (0.6, 0.6 + 1e-12)},
    "none at all": {"b": (-INF, None)},
}


def pairs_of(bounds):
    pairs = [bounds.get(name) for name in "abc"] if isinstance(bounds, dict) else list(bounds)
    pairs = [(None, None) if pair is None else pair for pair in pairs]
    low = [-INF if low is None else float(low) for low, _ in pairs]
    high = [INF if high is None else float(high) for _, high in pairs]
    return np.array(low), np.array(high)


@pytest.mark.parametrize(
    ("solver", "start"),
    [
        (None, None),
        *((None, start) for start in ([1.0, 1.0, 1.0], [1.0, 50.0, 0.5], [3.0, 0.0, -1.0])),
        *((solver, [3.0, 0.0, -1.0]) for solver in ("gauss_newton", "trust_region", "lbfgsb", "newton_cg")),
    ],
    ids=str,
)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_bounded_minima_are_scipys(bounds, solver, start):
    low, high = pairs_of(BOUNDS[bounds])
    model = bh.NonlinearRegression(decay, start, bounds=BOUNDS[bounds], solver=solver, max_iter=2000).fit(
        x, y
    )
    free = high > low
    near = np.clip(TRUTH, low, high)

    def residual(b):
        near[free] = b
        return decay(x, *near) - y

    wide = high - low > 1e-6
    assert (low <= model.coef_).all()
    assert (model.coef_ <= high).all()
    if wide[free].all():
        best, squares = minimised(
            residual, near[free] + 1e-3 * (near[free] == low[free]), (low[free], high[free])
        )
        assert_allclose(model.coef_[free], best, rtol=1e-6)
        assert 80 * model.certificate_.loss <= squares * (1 + 1e-12)
    held = (model.coef_ == low) | (model.coef_ == high)
    assert model.certificate_.status == "local minimum"
    assert_array_equal(np.isnan(model.inference_.std_err), held)
    assert ("On a bound" in model.inference_.message) == held.any()
    assert model.inference_.df_resid == 40 - (~held).sum()


def test_standard_errors_beside_a_bound_are_those_of_the_smaller_model():
    model = bh.NonlinearRegression(decay, [1.0, 1.0, 1.0], bounds={"c": (1.3, 2)}).fit(x, y)
    assert model.coef_[2] == 1.3
    smaller = bh.NonlinearRegression(lambda X, a, b: decay(X, a, b, 1.3), [1.0, 1.0]).fit(x, y)
    assert_allclose(model.inference_.std_err[:2], smaller.inference_.std_err, rtol=1e-9)
    assert_allclose(model.inference_.correlation[0, 1], smaller.inference_.correlation[0, 1], rtol=1e-9)


def test_all_fixed():
    model = bh.NonlinearRegression(decay, [9.0, 9.0, 9.0], bounds=[(2, 2), (0.5, 0.5), (1, 1)]).fit(x, y)
    assert_array_equal(model.coef_, [2, 0.5, 1])
    assert np.isnan(model.inference_.std_err).all()


@pytest.mark.parametrize("name", ["gaussian", "gaussian_2", "sinusoid", "exponential_offset"])
def test_bounds_on_what_curves_are_linear_in(name):
    """Heights bounded from below by zero: the search solves for them all the same."""
    truth = CURVES[name][-1]
    X = np.linspace(0.05, 5, 120)
    clean = curve(bh.curves.CURVES[name].text, X, truth)
    target = clean + 0.02 * np.ptp(clean) * np.random.default_rng(2).normal(size=120)
    best = bh.NonlinearRegression(name, truth).fit(X, target)
    names = best.parameter_names_
    bounds = {
        n: (0, None) if v > 0 else (None, 0) for n, v in zip(names, best.coef_, strict=True) if n[0] in "aho"
    }
    found = bh.NonlinearRegression(name, bounds=bounds).fit(X, target)
    assert found.certificate_.loss <= best.certificate_.loss * (1 + 1e-6)


@pytest.mark.parametrize(
    ("bounds", "error", "words"),
    [
        ({"c": (2, 1)}, ValueError, r"bounds of 'c' \(=\(2, 1\)\): low must not exceed high"),
        ({"c": (np.nan, 1)}, ValueError, "neither may be NaN"),
        ({"c": (INF, INF)}, ValueError, "leave no finite number"),
        ({"q": (0, 1)}, ValueError, "bounds names 'q'; the parameters are a, b, c"),
        ({"a": 3}, ValueError, "must be a pair"),
        ({"a": (0, 1, 2)}, ValueError, "must be a pair"),
        ({"a": ("low", "high")}, ValueError, "must be a pair"),
        ([(0, 1)], ValueError, "bounds has 1 entries, and there are 3 parameters"),
        (([0, 0, 0], [1, 1, 1]), ValueError, r"as in scipy, becomes list\(zip\(lows, highs\)\)"),
        ("a", TypeError, "must be a dict"),
    ],
)
def test_bounds_that_cannot_be(bounds, error, words):
    with pytest.raises(error, match=words):
        bh.NonlinearRegression(decay, [1.0, 1.0, 1.0], bounds=bounds).fit(x, y)


def test_lows_and_highs_of_two_parameters_are_not_taken_for_pairs():
    with pytest.raises(ValueError, match="can be read as"):
        bh.NonlinearRegression("a * exp(-b * x)", [1.0, 1.0], bounds=([0, 0], [9, 9])).fit(x, y)


@pytest.mark.parametrize("solver", ["bfgs", "newton", "adam", "gradient_descent", bh.solvers.LBFGS()])
def test_solvers_that_do_not_keep_bounds(solver):
    with pytest.raises(ValueError, match="does not keep bounds; those that do: 'trust_region'"):
        bh.NonlinearRegression(decay, [1.0, 1.0, 1.0], bounds={"b": (0.6, 1)}, solver=solver).fit(x, y)
