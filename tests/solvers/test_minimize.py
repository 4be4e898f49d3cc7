"""bh.minimize: every solver on the functions of Moré, Garbow & Hillstrom, and what it says without a minimum."""

from __future__ import annotations

import numpy as np
import pytest
from optimisation_problems import PROBLEMS

import betahat as bh
from betahat.solvers import DESCENTS as SOLVERS

SLOW = "a long curved valley, for which it needs nearly all iterations allowed, or more"
SCALES = "its one step length does not fit coefficients of such different scales"
PLANE = (
    "stays in the plane of symmetry it begins in, whose lowest point is far away: the way out has no slope"
)
FAILURES = {
    ("newton", "Biggs EXP6"): PLANE,
    ("dogleg", "Biggs EXP6"): PLANE,
    **{(solver, "Meyer"): SCALES for solver in ("newton_cg", "trust_region")},
    **{("conjugate_gradient", name): SCALES for name in ("Meyer", "Osborne 1")},
    **{("steepest_descent", name): SCALES for name in ("Powell badly scaled", "Meyer")},
    **{("steepest_descent", name): SLOW for name in (
        "Box three-dimensional", "Powell singular", "Wood", "Osborne 1", "Biggs EXP6", "Watson",
    )},
}  # fmt: skip
STATIONARY_ONLY = {"Biggs EXP6", "Broyden tridiagonal in 1000"}  # saddles and other minima lie on the way
MATRICES = {"Rosenbrock in 1000", "Powell singular in 1000", "Broyden tridiagonal in 1000"}
LARGE = dict.fromkeys(("trust_region", "dogleg", "newton"), MATRICES)


def reaches(value, minima):
    return any(abs(value - low) <= max(1e-5 * low, 1e-8) for low in minima)


@pytest.mark.parametrize("name", PROBLEMS)
def test_automatic_choice_solves_all(name):
    function, start, minima = PROBLEMS[name]
    found = bh.minimize(function, start)
    assert reaches(found.value, minima)
    assert found.converged
    assert found.status in ("local minimum", "flat", "stationary")
    assert found.evaluations >= found.gradients >= len(found.trace) - 1 > 0  # two solvers stand at one point


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_on_problem(solver, name):
    if name in LARGE.get(solver, ()):
        pytest.skip("made for fewer numbers")
    function, start, minima = PROBLEMS[name]
    found = bh.minimize(function, start, solver=solver)
    assert found.value < function(start)
    assert found.solver == solver
    if (solver, name) in FAILURES:
        assert found.status == "not stationary" or reaches(
            found.value, minima
        )  # a failure says that it is one
    elif name in STATIONARY_ONLY:
        assert found.status != "not stationary"
    else:
        assert reaches(found.value, minima)
        assert found.converged


@pytest.mark.parametrize("solver", SOLVERS)
def test_quadratic_to_the_last_digits(solver):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((30, 8))
    b = rng.standard_normal(30)
    found = bh.minimize(lambda x: 0.5 * np.sum((A @ x - b) ** 2), np.zeros(8), solver=solver)
    np.testing.assert_allclose(found.point, np.linalg.lstsq(A, b)[0], rtol=1e-7, atol=1e-8)
    assert found.status == "local minimum"
    assert found.stop_reason == "converged"


def test_saddles_are_named_and_left():
    def saddle(x):
        return x[0] ** 2 - x[1] ** 2 + x[1] ** 4

    stuck = bh.minimize(saddle, np.array([1.0, 0.0]), solver="lbfgs")
    assert stuck.status == "saddle"
    assert not stuck.converged
    assert stuck.smallest_eigenvalue < 0
    free = bh.minimize(saddle, np.array([1.0, 0.0]))
    assert free.status == "local minimum"
    np.testing.assert_allclose(np.abs(free.point), [0, np.sqrt(0.5)], atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_minimum(solver):
    assert bh.minimize(lambda x: np.sum(x), np.zeros(2), solver=solver).status == "not stationary"
    assert bh.minimize(lambda x: -np.sum(x**4), np.ones(2), solver=solver).stop_reason in (
        "diverged",
        "no progress",
        "budget spent",
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_flat_and_undefined(solver):
    flat = bh.minimize(lambda x: 0.0 * np.sum(x) + 3.0, np.ones(3), solver=solver)
    assert flat.status == "flat"
    assert flat.value == 3.0
    walled = bh.minimize(lambda x: np.sum(x - np.log(x)), np.array([1e-3, 5.0]), solver=solver)
    np.testing.assert_allclose(walled.point, 1, rtol=1e-5)
    undefined = bh.minimize(lambda x: np.sum(np.log(x)), np.array([-1.0]), solver=solver)
    assert undefined.stop_reason == "diverged"
    assert undefined.status == "not stationary"


KINKS = {
    "sum of sizes": (lambda x: np.sum(np.abs(x)), 0.0),
    "largest": (lambda x: np.max(np.abs(x)), 0.0),
    "length": (lambda x: np.sqrt(np.sum(x**2)), 0.0),
}


@pytest.mark.parametrize("kink", KINKS)
@pytest.mark.parametrize("solver", [None, *SOLVERS])
def test_kinks_end_in_words(solver, kink):
    """Where no derivative vanishes: a low point, and nothing claimed of it, unless it is exactly where slopes are 0."""
    function, least = KINKS[kink]
    found = bh.minimize(function, np.array([1.0, 2.0]), solver=solver)
    assert found.value < 1e-20
    assert found.value >= least
    assert found.stop_reason in ("no progress", "converged")
    assert found.converged == bool(np.abs(found.gradient).max() <= 1e-9)


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("solver", [None, *SOLVERS, "gradient_descent"])
def test_units_of_the_function_do_not_matter(solver, unit):
    found = bh.minimize(lambda x: unit * np.sum((x - 1) ** 2 * (1 + np.arange(2))), [5.0, 2.0], solver=solver)
    np.testing.assert_allclose(found.point, 1.0, rtol=1e-6)
    assert found.status == "local minimum"


def test_containers_and_counts():
    calls = []

    def f(p):
        calls.append(1)
        return np.sum((p["w"] - np.arange(6.0).reshape(2, 3)) ** 2) + (p["b"] - 4.0) ** 2

    found = bh.minimize(f, {"w": np.zeros((2, 3)), "b": 0.0})
    np.testing.assert_allclose(found.point["w"], np.arange(6.0).reshape(2, 3), atol=1e-8)
    assert found.point["b"] == pytest.approx(4.0)
    assert found.gradient["w"].shape == (2, 3)
    assert bh.minimize(lambda x: (x - 2.0) ** 2, 0.0).point == pytest.approx(2.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_gradient_may_be_given(solver):
    found = bh.minimize(
        lambda x: float(np.sum((x - 1) ** 4)) + float(np.sum(x**2)),
        np.zeros(3),
        solver=solver,
        gradient=lambda x: 4 * (x - 1) ** 3 + 2 * x,
    )
    assert found.relative_gradient < 1e-7
    assert found.status == "local minimum"
