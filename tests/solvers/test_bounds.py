"""bh.minimize(bounds=...): known minima, scipy's answers, and laws that hold whatever the bounds."""

from __future__ import annotations

import numpy as np
import pytest
from bounded_problems import BOUNDED
from hypothesis import given
from hypothesis import strategies as st
from optimisation_problems import PROBLEMS

import betahat as bh
from betahat.solvers.descent.bounds import read_bounds

SOLVERS = ("trust_region", "newton_cg", "lbfgsb")
SCALES = "its one radius does not fit coefficients of such different scales"
FAILURES = {("newton_cg", "Brown badly scaled, held"): SCALES}
LARGE = {
    "trust_region": {"Obstacle in 1000", "Rosenbrock in 1000, half held", "Nonnegative least squares in 200"}
}


def stationarity(found, function, box):
    """max |x − P(x − g)|, which vanishes at a minimum within the box and nowhere else."""
    x = np.asarray(found.point)
    return float(np.abs(x - np.clip(x - bh.grad(function)(x), box.lower, box.upper)).max())


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("solver", [None, *SOLVERS])
def test_known_minima(solver, name):
    if name in LARGE.get(solver, ()):
        pytest.skip("made for fewer numbers")
    function, start, bounds, lowest = BOUNDED[name]
    found = bh.minimize(function, start, solver=solver, bounds=bounds)
    box = read_bounds(bounds, start)
    assert box.contains(found.point)
    assert found.value <= function(start)
    if (solver, name) in FAILURES:
        assert found.status == "not stationary"
        return
    assert found.value == pytest.approx(lowest, rel=1e-8, abs=1e-9)
    assert found.status == ("local minimum" if len(start) <= 500 else "stationary")
    assert found.stop_reason == "converged"
    on_bound = (found.point <= box.lower) | (found.point >= box.upper)
    assert on_bound[found.held].all()
    assert stationarity(found, function, box) <= 1e-6 * max(1, abs(lowest))


NO_COMPARISON = {
    "Powell badly scaled": "the box leaves a valley that falls for ever",
    "Biggs EXP6": "many minima",
}
SMALL = [name for name, (_, start, _) in PROBLEMS.items() if len(start) <= 10 and name not in NO_COMPARISON]


@pytest.mark.parametrize("name", SMALL)
def test_half_boxes_around_the_start_against_scipy(name):
    """Bounds that the way to the free minimum crosses: nowhere is scipy lower."""
    from scipy.optimize import minimize

    function, start, _ = PROBLEMS[name]
    middle = (start + np.asarray(bh.minimize(function, start).point)) / 2
    lower, upper = np.minimum(start, middle), np.maximum(start, middle)
    lower[1::2], upper[1::2] = -np.inf, np.inf
    found = bh.minimize(
        function, start, bounds=(lower, upper) if len(start) > 2 else np.stack([lower, upper], -1)
    )
    assert found.converged
    both, box = bh.value_and_grad(function), list(zip(lower, upper, strict=True))
    precise = {"maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-9}
    with np.errstate(all="ignore"):
        theirs = min(
            minimize(both, start, jac=True, bounds=box, method="L-BFGS-B", options=precise).fun,
            minimize(both, start, jac=True, bounds=box, method="TNC", options={"maxfun": 20_000}).fun,
        )
    assert found.value <= theirs + 1e-7 * abs(theirs) + 1e-9


@pytest.mark.parametrize("solver", SOLVERS)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_box_around_a_convex_function(solver, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    root, shift = rng.standard_normal((n, n)), 2 * rng.standard_normal(n)

    def f(x):
        return np.sum(np.logaddexp(0, root @ (x - shift))) + 0.05 * np.sum(x**2)

    lower = np.where(rng.random(n) < 0.3, -np.inf, rng.standard_normal(n) - 1)
    upper = np.where(
        rng.random(n) < 0.3, np.inf, np.maximum(lower, -1.0) + rng.random(n).round(1)
    )  # some fixed
    upper = np.maximum(lower, upper)
    start = np.clip(np.zeros(n), lower, upper)
    found = bh.minimize(f, start, solver=solver, bounds=list(zip(lower, upper, strict=True)))
    box = read_bounds(list(zip(lower, upper, strict=True)), start)
    if box is None:
        return
    assert box.contains(found.point)
    assert found.status == "local minimum"
    g = bh.grad(f)(found.point)
    assert stationarity(found, f, box) < 1e-6
    # multipliers: at a lower bound J rises inwards, at an upper one it falls outwards
    assert (g[found.held & (found.point == lower) & (lower < upper)] > 0).all()
    assert (g[found.held & (found.point == upper) & (lower < upper)] < 0).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_point_outside_is_asked_for(solver):
    """x = 0 is where the function ends, and where its lowest point is."""
    asked = []

    def f(x):
        plain = x
        while hasattr(plain, "owner"):
            plain = plain.value
        asked.append(np.array(plain))
        return np.sum(x * np.log(x + 1e-12) + 3 * x)

    found = bh.minimize(f, np.ones(3), solver=solver, bounds=(0, [np.inf, 2.0, 1.0]))
    assert len(asked) >= found.evaluations
    assert (np.array(asked) >= 0).all()
    assert (np.array(asked) <= [np.inf, 2.0, 1.0]).all()
    np.testing.assert_allclose(found.point, np.exp(-4), rtol=1e-6)
    at_edge = bh.minimize(lambda x: np.sum(np.sqrt(x + 1e-3)), np.ones(3), solver=solver, bounds=(0, None))
    np.testing.assert_array_equal(at_edge.point, 0)
    assert at_edge.held.all()
    assert at_edge.status == "local minimum"


def test_a_saddle_within_bounds_is_named():
    found = bh.minimize(
        lambda x: x[0] ** 2 - x[1] ** 2, np.array([1.0, 0.0]), solver="lbfgsb", bounds=(-1, 1)
    )
    assert found.status == "saddle"
    down = bh.minimize(lambda x: x[0] ** 2 - x[1] ** 2, np.array([1.0, 0.0]), bounds=(-1, 1))
    assert down.status == "local minimum"
    np.testing.assert_allclose(np.abs(down.point), [0, 1], atol=1e-15)


FORMS = {
    "pairs": [(0.0, 1.0), (None, 0.5), (-np.inf, np.inf)],
    "array of pairs": np.array([(0.0, 1.0), (-np.inf, 0.5), (-np.inf, np.inf)]),
    "sides": (np.array([0.0, -np.inf, -np.inf]), np.array([1.0, 0.5, np.inf])),
    "sides as lists": ([0.0, None, None], [1.0, 0.5, None]),
    "sides, one of them a number": ([0.0, -9.0, -9.0], [1.0, 0.5, np.inf]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_bounds(form):
    found = bh.minimize(lambda x: np.sum((x - 2.0) ** 2), np.zeros(3), bounds=FORMS[form])
    np.testing.assert_allclose(found.point, [1, 0.5, 2])
    assert found.held.tolist() == [True, True, False]
    assert "2 of 3 parameters lie on their bounds" in found.message


def test_forms_of_bounds_for_scipy_users_and_containers():
    from scipy.optimize import Bounds

    found = bh.minimize(lambda x: np.sum((x - 2.0) ** 2), np.zeros(2), bounds=Bounds(-np.inf, [1.0, np.inf]))
    np.testing.assert_allclose(found.point, [1, 2])
    one = bh.minimize(lambda x: (x - 2.0) ** 2, 0.0, bounds=(None, 1.5))
    assert one.point == 1.5
    start = {"w": np.zeros((2, 2)), "b": 0.0}
    sides = ({"w": None, "b": -1.0}, {"w": np.array([[1.0, 9.0], [9.0, 0.5]]), "b": None})
    held = bh.minimize(lambda p: np.sum((p["w"] - 2) ** 2) + (p["b"] + 3) ** 2, start, bounds=sides)
    np.testing.assert_allclose(held.point["w"], [[1, 2], [2, 0.5]])
    assert held.point["b"] == -1
    assert held.held["w"].tolist() == [[True, False], [False, True]]
    assert held.held["b"]
    matrix = bh.minimize(lambda x: np.sum((x - 2.0) ** 2), np.zeros((2, 2)), bounds=(None, np.eye(2)))
    np.testing.assert_allclose(matrix.point, np.eye(2))
    fixed = bh.minimize(lambda x: np.sum((x - 2.0) ** 2), np.zeros(2), bounds=[(0, 0), (None, None)])
    np.testing.assert_allclose(fixed.point, [0, 2])


@pytest.mark.parametrize(
    ("start", "bounds", "words"),
    [
        (np.zeros(2), [(0, 1)], "1 pairs, and start has 2"),
        (np.zeros(2), [(1, 0), (0, 1)], "number 0.*low > high"),
        (np.zeros(2), [(np.nan, 1), (0, 1)], "holds nan"),
        (np.zeros(2), [("a", 1), (0, 1)], "holds 'a'"),
        (np.zeros(2), [(1, 2), (0, 1)], "start holds 0.0 where the bounds are \\(1.0, 2.0\\)"),
        (np.zeros(2), [(np.inf, np.inf), (0, 1)], "no finite number"),
        (np.zeros(2), (np.zeros(2), np.ones(2)), "two pairs"),
        (np.zeros(2), ([0, 0], [1, 1]), "two pairs"),
        (np.zeros(3), (np.zeros(3), np.ones(4)), "upper bounds have shape"),
        (np.zeros(3), 5.0, "must be one pair"),
        (np.zeros(3), "ab", "must be one pair"),
        (np.zeros(3), (0, 1, 2), "must be one pair"),
        ({"a": 0.0, "b": 0.0}, ({"a": 0.0}, {"a": 1.0, "b": 1.0}), "not in the form of start"),
        ({"a": 0.0}, [(0, 1), (0, 1), (0, 1)], "must be one pair"),
        ((0.0, 0.0), ((0.0, 1.0), (0.0, 1.0)), "a pair for each part"),
    ],
)  # fmt: skip
def test_refusals(start, bounds, words):
    def f(x):
        return sum(np.sum(part**2) for part in (x.values() if isinstance(x, dict) else x))

    with pytest.raises(ValueError, match=words):
        bh.minimize(f, start, bounds=bounds)


@pytest.mark.parametrize(
    "solver", ["bfgs", "newton", "dogleg", "lbfgs", "conjugate_gradient", "steepest_descent"]
)
def test_solvers_without_bounds_name_those_with(solver):
    with pytest.raises(
        ValueError, match=rf"'{solver}'\) does not keep bounds.*'trust_region', 'newton_cg', 'lbfgsb'"
    ):
        bh.minimize(lambda x: np.sum(x**2), np.ones(2), solver=solver, bounds=(0, 2))
    # bounds that bound nothing are none
    assert bh.minimize(lambda x: np.sum(x**2), np.ones(2), solver=solver, bounds=(None, np.inf)).converged


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_given_gradient_is_asked_within_bounds_only(solver):
    def gradient(x):
        assert (x >= 0).all()
        return 3 * x**2 - 1

    found = bh.minimize(
        lambda x: float(np.sum(x**3 - x)),
        np.array([0.0, 2.0]),
        solver=solver,
        bounds=(0, None),
        gradient=gradient,
    )
    np.testing.assert_allclose(found.point, 1 / np.sqrt(3), rtol=1e-6)
