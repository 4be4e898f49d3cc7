"""Gradient descent: its iterates in closed form on quadratics, the textbook rates, and every way that it can end."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import betahat as bh
from betahat.solvers.descent.base import Limits
from betahat.solvers.descent.gradient_descent import GradientDescent
from betahat.solvers.descent.problem import Problem
from betahat.solvers.schedules import Constant, Cosine, Exponential, InverseScaling, WarmUp
from betahat.solvers.trace import Trace


class Quadratic(Problem):
    """J = ½ Σ λⱼ xⱼ², which may or may not know its largest curvature."""

    def __init__(self, eigenvalues, start, known=True):
        self.eigenvalues, self.start, self.known = (
            np.asarray(eigenvalues, float),
            np.asarray(start, float),
            known,
        )

    def value(self, x):
        self.evaluations += 1
        with np.errstate(over="ignore"):
            return float(min(0.5 * np.sum(self.eigenvalues * x * x), np.inf))

    def both(self, x):
        self.gradients += 1
        return self.value(x), self.eigenvalues * x

    def product(self, x, v):
        return self.eigenvalues * v

    def largest_curvature(self):
        return float(self.eigenvalues.max()) if self.known else None


def run(method, problem, iterations=100_000, tolerance=1e-9, callback=None):
    trace = Trace()
    return method.run(problem, Limits(tolerance, iterations), trace, callback), trace


def path(method, problem, iterations):
    """All points that the method evaluates."""
    points = [problem.start]
    run(method, problem, iterations, 1e-300, lambda x, value: points.append(x.copy()))
    return np.array(points)


EIGENVALUES = np.array([0.01, 0.3, 1.0])
START = np.array([1.0, -2.0, 0.5])


# --- closed forms -------------------------------------------------------------------------------------------

SCHEDULES = {
    "constant": Constant(0.7),
    "exponential": Exponential(1.5, 0.9),
    "cosine": Cosine(1.9, 20),
    "inverse": InverseScaling(1.0),
    "warm-up": WarmUp(Constant(1.2), 5),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_iterates_are_products(name):
    """x_k = Πᵢ (1 − ηᵢ λ) x₀, eigenvalue by eigenvalue."""
    schedule = SCHEDULES[name]
    factors = np.array([1 - schedule.at(k) * EIGENVALUES for k in range(30)])
    expected = START * np.concatenate([np.ones((1, 3)), np.cumprod(factors, axis=0)])
    np.testing.assert_allclose(
        path(GradientDescent(schedule), Quadratic(EIGENVALUES, START), 30), expected, rtol=1e-12
    )


@pytest.mark.parametrize("momentum", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("rate", [0.1, 1.0])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_a_matrix_power(nesterov, rate, momentum):
    """(x_{k+1}, x_k) is a matrix times (x_k, x_{k−1}); Nesterov's method is looked at where it takes gradients."""
    method = GradientDescent(rate, momentum=momentum, nesterov=nesterov, restart=False)
    points = path(method, Quadratic(EIGENVALUES, START), 40)
    for j, eigenvalue in enumerate(EIGENVALUES):
        shrink = 1 - rate * eigenvalue
        if nesterov:  # x_{k+1} = shrink (x_k + μ (x_k − x_{k−1}))
            M = np.array([[shrink * (1 + momentum), -shrink * momentum], [1, 0]])
            seen = np.array([1 + momentum, -momentum])
        else:
            M = np.array([[shrink + momentum, -momentum], [1, 0]])
            seen = np.array([1.0, 0.0])
        expected = [seen @ np.linalg.matrix_power(M, k) @ [START[j], START[j]] for k in range(41)]
        np.testing.assert_allclose(points[:, j], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("restart", [False, True])
def test_nesterov_without_momentum_is_the_textbooks(restart):
    """Beck & Teboulle's sequence written as they do, and O'Donoghue & Candès' gradient test."""
    points = path(GradientDescent(1.0, nesterov=True, restart=restart), Quadratic(EIGENVALUES, START), 200)
    x = y = START
    t, restarts = 1.0, 0
    for point in points:
        np.testing.assert_allclose(point, y, rtol=1e-9, atol=1e-300)
        new = y - EIGENVALUES * y
        if restart and (EIGENVALUES * y) @ (new - x) > 0:
            t, y, restarts = 1.0, new, restarts + 1
        else:
            following = (1 + math.sqrt(1 + 4 * t * t)) / 2
            y, t = new + (t - 1) / following * (new - x), following
        x = new
    assert restarts >= 2 if restart else restarts == 0


# --- rates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [10, 100, 1000, 10_000])
def test_plain_descent_needs_as_many_iterations_as_the_formula_says(kappa):
    """Along the lowest curvature |g| = (1 − 1/κ)ᵏ/κ: κ log(1/tolerance) iterations, to the last one."""
    _, trace = run(GradientDescent(), Quadratic([1 / kappa, 1.0], [1.0, 0.0]), 10**6)
    assert len(trace) - 1 == math.ceil(math.log(1e-9 * kappa) / math.log1p(-1 / kappa))


def best_ball(kappa):
    return {
        "learning_rate": 4 / (1 + kappa**-0.5) ** 2,
        "momentum": ((kappa**0.5 - 1) / (kappa**0.5 + 1)) ** 2,
    }


METHODS = {  # method at a condition number, and the power of κ with which its iterations grow
    "fixed": (lambda kappa: GradientDescent(2 / (1 + 1 / kappa)), 1.0),
    "auto": (lambda kappa: GradientDescent(), 1.0),
    "heavy ball": (lambda kappa: GradientDescent(**best_ball(kappa)), 0.5),
    "nesterov": (
        lambda kappa: GradientDescent(
            momentum=(kappa**0.5 - 1) / (kappa**0.5 + 1), nesterov=True, restart=False
        ),
        0.5,
    ),
    "accelerated": (lambda kappa: GradientDescent(nesterov=True), 0.5),
}


@pytest.mark.parametrize("method", METHODS)
def test_iterations_grow_as_the_textbook_says(method):
    kappas = np.array([30.0, 300.0, 3000.0])
    make, power = METHODS[method]
    counts = []
    for kappa in kappas:
        problem = Quadratic(np.geomspace(1 / kappa, 1, 30), np.sqrt(np.geomspace(kappa, 1, 30)))
        end, trace = run(make(kappa), problem, 10**6)
        assert end.stop_reason == "converged"
        counts.append(len(trace))
    slope = np.polyfit(np.log(kappas), np.log(counts), 1)[0]
    assert power - 0.1 < slope < power + 0.15
    if power == 1:
        assert counts[-1] > 10 * run(GradientDescent(nesterov=True), problem)[1].loss.size


def test_restart_makes_acceleration_linear():
    problem = Quadratic(np.geomspace(1e-3, 1, 30), np.ones(30))
    with_restart, without = (
        len(run(GradientDescent(nesterov=True, restart=restart), problem)[1]) for restart in (True, False)
    )
    assert 3 * with_restart < without


@pytest.mark.parametrize("kappa", [10, 1000])
@pytest.mark.parametrize("nesterov", [False, True])
def test_search_for_the_rate_costs_little(nesterov, kappa):
    """Not knowing L costs at most a few evaluations an iteration, and no more iterations than knowing it."""
    made = []
    for known in (True, False):
        problem = Quadratic(np.geomspace(1 / kappa, 1, 10), np.ones(10), known)
        end, trace = run(GradientDescent(nesterov=nesterov), problem)
        assert end.stop_reason == "converged"
        made.append((len(trace), problem.evaluations, trace.loss))
    assert made[1][0] <= 1.6 * made[0][0]
    assert made[1][1] <= 3 * made[1][0] + 40
    if not nesterov:
        assert (np.diff(made[1][2]) <= 0).all()


# --- the limit 2/L ------------------------------------------------------------------------------------------


@given(
    st.floats(0.02, 1.95),
    st.lists(st.floats(0.05, 1), min_size=1, max_size=5),
    st.floats(1e-3, 1e3),
)
@settings(deadline=None)
def test_below_the_limit_it_converges(share, eigenvalues, units):
    eigenvalues = np.array([*eigenvalues, 1.0]) * units
    problem = Quadratic(eigenvalues, np.linspace(-1, 2, len(eigenvalues)))
    end, _ = run(GradientDescent(share / units), problem, 50_000)
    assert end.stop_reason == "converged"


@pytest.mark.parametrize("over", [2.001, 2.1, 4.0, 1e3, 1e30, 1e200])
@pytest.mark.parametrize("units", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("known", [True, False])
def test_above_the_limit_it_diverges_and_keeps_the_best_point(known, units, over):
    problem = Quadratic(np.array([0.01, 0.5, 1.0]) * units, [1.0, 1.0, 1e-3], known)
    seen = []
    end, trace = run(
        GradientDescent(over / units), problem, 20_000, 1e-12, lambda x, value: seen.append(value)
    )
    assert end.stop_reason == "diverged"
    assert end.value == min([trace.loss[0], *seen]) == problem.value(end.x)
    np.testing.assert_array_equal(end.gradient, problem.eigenvalues * end.x)
    assert "learning rate" in end.remark
    if over <= 4:
        assert f"2/L = {2 / units:.6g}" in end.remark or not known


@pytest.mark.parametrize("over", [1.01, 1.5])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_has_its_own_limit(nesterov, momentum, over):
    """η < 2(1 + μ)/L for the heavy ball, 2(1 + μ)/((1 + 2μ)L) for Nesterov's method."""
    limit = 2 * (1 + momentum) / (1 + 2 * momentum if nesterov else 1)
    for share, reason in ((over, "diverged"), (1 / over, "converged")):
        method = GradientDescent(share * limit, momentum=momentum, nesterov=nesterov, restart=False)
        end, _ = run(method, Quadratic([0.1, 1.0], [1.0, 1.0]), 100_000)
        assert end.stop_reason == reason


# --- other ends ---------------------------------------------------------------------------------------------

ALL = [
    GradientDescent(**dict(zip(("learning_rate", "momentum", "nesterov"), options, strict=True)))
    for options in itertools.product(("auto", 0.5, Cosine(1.0, 2000)), (0.0, 0.5), (False, True))
]


@pytest.mark.parametrize("method", ALL, ids=str)
@pytest.mark.parametrize("known", [True, False])
def test_every_form_finds_the_minimum(known, method):
    end, trace = run(method, Quadratic([0.05, 0.3, 1.0], [3.0, -1.0, 2.0], known), 5000)
    assert end.stop_reason == "converged"
    np.testing.assert_allclose(end.x, 0, atol=1e-7)
    assert trace.gradient_norm[-1] <= 1e-9 < trace.gradient_norm[-2]
    assert end.remark == ""


@pytest.mark.parametrize("method", ALL, ids=str)
def test_flat_undefined_and_spent(method):
    flat = bh.minimize(lambda x: 0.0 * np.sum(x) + 3.0, np.ones(3), solver=method)
    assert (flat.stop_reason, flat.status, flat.value) == ("converged", "flat", 3.0)
    undefined = bh.minimize(lambda x: np.sum(np.log(x)), np.array([-1.0]), solver=method)
    assert (undefined.stop_reason, undefined.status) == ("diverged", "not stationary")
    end, trace = run(method, Quadratic([1e-5, 1.0], [1.0, 1.0]), 7)
    assert end.stop_reason == "budget spent"
    assert end.value == trace.loss.min()
    assert len(trace) == 8


@pytest.mark.parametrize("method", ALL, ids=str)
def test_callback(method):
    seen = []
    end, _ = run(
        method, Quadratic([0.01, 1.0], [1.0, 1.0]), callback=lambda x, v: seen.append(v) or len(seen) == 3
    )
    assert end.stop_reason == "interrupted"
    assert end.value == seen[-1]


class Slope(Problem):
    """J = x beside a gradient that may not be its own."""

    def __init__(self, start, gradient):
        self.start, self._gradient = np.array([start]), np.array([gradient])

    def value(self, x):
        return float(x[0])

    def both(self, x):
        return float(x[0]), self._gradient

    def product(self, x, v):
        return 0 * v


@pytest.mark.parametrize(
    ("method", "slope"),
    [
        (GradientDescent(1e-3), Slope(1e15, 1e-2)),  # a step below the last digit of x
        (GradientDescent(1e-3, momentum=0.5), Slope(1e15, 1e-2)),
        (GradientDescent("auto"), Slope(1.0, -1.0)),  # a gradient that points uphill
        (GradientDescent("auto", nesterov=True), Slope(1.0, -1.0)),
    ],
    ids=["short", "short with momentum", "uphill", "uphill with Nesterov"],
)
def test_no_progress(method, slope):
    end, trace = run(method, slope, 10_000, 1e-3)
    assert end.stop_reason == "no progress"
    assert end.value == slope.start[0]
    assert len(trace) == 1


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("nesterov", [False, True])
def test_searched_rates_do_not_depend_on_units_of_j(nesterov, scale):
    def bowl(x):
        return scale * (np.sum(np.cosh(x - 1.0)) + np.sum(x**2))

    problem_free = bh.minimize(bowl, np.zeros(4), solver=GradientDescent(nesterov=nesterov))
    root = 0.3489896468230966
    assert math.sinh(root - 1) + 2 * root == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(problem_free.point, root, atol=1e-6)


def test_the_best_of_a_walled_function():
    walled = bh.minimize(lambda x: np.sum(x - np.log(x)), np.array([1e-3, 5.0]), solver=GradientDescent())
    np.testing.assert_allclose(walled.point, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"learning_rate": "fast"}, ValueError, "'fast'.*'auto'"),
        ({"learning_rate": 0}, ValueError, "learning_rate"),
        ({"learning_rate": -0.1}, ValueError, "learning_rate"),
        ({"learning_rate": None}, TypeError, "learning_rate"),
        ({"momentum": 1.0}, ValueError, "momentum.*below 1"),
        ({"momentum": -0.1}, ValueError, "momentum"),
    ],
)
def test_refusals(arguments, error, words):
    with pytest.raises(error, match=words):
        GradientDescent(**arguments)
