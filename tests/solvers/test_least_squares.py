"""bh.least_squares: residual functions against scipy, known minima, bounds, and what is said where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares as scipys

import betahat as bh

T = np.arange(1.0, 11.0)
BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
U = np.arange(1.0, 16.0)
KOWALIK_Y = np.array([0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])

PROBLEMS = {  # residuals of Moré, Garbow & Hillstrom (1981), starts, Σr² at the minima
    "Rosenbrock": (lambda x: [10 * (x[1] - x[0] ** 2), 1 - x[0]], [-1.2, 1.0], [0.0]),
    "Freudenstein and Roth": (
        lambda x: [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]],
        [0.5, -2.0],
        [0.0, 48.98425],
    ),
    "Powell badly scaled": (
        lambda x: [1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001],
        [0.0, 1.0],
        [0.0],
    ),
    "Brown badly scaled": (lambda x: [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2], [1.0, 1.0], [0.0]),
    "Beale": (
        lambda x: np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** np.array([1.0, 2.0, 3.0])),
        [1.0, 1.0],
        [0.0],
    ),
    "Jennrich and Sampson": (
        lambda x: 2 + 2 * T - (np.exp(T * x[0]) + np.exp(T * x[1])),
        [0.3, 0.4],
        [124.36218],
    ),
    "Bard": (
        lambda x: BARD - (x[0] + U / ((16 - U) * x[1] + np.minimum(U, 16 - U) * x[2])),
        [1.0, 1.0, 1.0],
        [8.21487e-3, 17.4287],
    ),
    "Kowalik and Osborne": (
        lambda x: KOWALIK_Y - x[0] * (KOWALIK_U**2 + KOWALIK_U * x[1]) / (KOWALIK_U**2 + KOWALIK_U * x[2] + x[3]),
        [0.25, 0.39, 0.415, 0.39],
        [3.07505e-4, 1.02734e-3],
    ),
    "Powell singular": (
        lambda x: np.stack([
            x[0] + 10 * x[1], np.sqrt(5) * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, np.sqrt(10) * (x[0] - x[3]) ** 2,
        ]),
        [3.0, -1.0, 0.0, 1.0],
        [0.0],
    ),
    "Broyden tridiagonal in 30": (
        lambda x: (3 - 2 * x) * x - np.concatenate([[0], x[:-1]]) - 2 * np.concatenate([x[1:], [0]]) + 1,
        np.full(30, -1.0),
        [0.0],
    ),
}  # fmt: skip
SOLVERS = {
    "levenberg_marquardt": bh.solvers.LevenbergMarquardt(),
    "without acceleration": bh.solvers.LevenbergMarquardt(geodesic=False),
    "gauss_newton": bh.solvers.GaussNewton(),
    "trust_region": bh.solvers.TrustRegion(),
}
FAILURES = {
    ("gauss_newton", "Brown badly scaled"): "J is singular on the way",
    ("gauss_newton", "Powell singular"): "J is singular at the minimum, where steps halve the error only",
    ("gauss_newton", "Jennrich and Sampson"): "residuals stay large, and their second derivatives matter",
    ("gauss_newton", "Powell badly scaled"): "J is singular at the start",
    ("gauss_newton", "Kowalik and Osborne"): "J is nearly singular on the way, and steps become too short",
    ("gauss_newton", "Bard"): "J is nearly singular on the way, and steps become too short",
}


def flat(residuals, x):
    return np.concatenate([np.ravel(r) for r in residuals(x)])


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_on_problem(solver, problem):
    residuals, start, minima = PROBLEMS[problem]
    found = bh.least_squares(residuals, start, solver=SOLVERS[solver])
    total = 2 * found.value
    reached = any(abs(total - low) <= max(1e-5 * low, 1e-10) for low in minima)
    if (solver, problem) in FAILURES and not reached:
        assert found.stop_reason != "converged" or found.status != "local minimum"
        return
    assert reached, total
    assert found.converged
    assert found.value == pytest.approx(
        0.5 * np.sum(np.concatenate([np.ravel(r) for r in residuals(found.point)]) ** 2)
    )


@pytest.mark.parametrize(
    "problem", ["Rosenbrock", "Jennrich and Sampson", "Bard", "Kowalik and Osborne", "Beale"]
)
def test_agrees_with_scipy(problem):
    residuals, start, _ = PROBLEMS[problem]
    theirs = scipys(lambda x: flat(residuals, x), start, xtol=1e-15, ftol=1e-15,
                    gtol=1e-15)  # fmt: skip
    ours = bh.least_squares(residuals, start)
    np.testing.assert_allclose(ours.point, theirs.x, rtol=1e-6)
    assert ours.value <= theirs.cost * (1 + 1e-12) + 1e-20


BOXES = {
    "one bound holds": ("Rosenbrock", [(None, None), (1.5, None)]),
    "a corner": ("Beale", [(1.0, 2.0), (0.6, 1.0)]),
    "none holds": ("Bard", [(0, 1), (0, 5), (0, 5)]),
    "several": ("Kowalik and Osborne", [(0.2, 1), (0.3, 1), (0.2, 1), (0.3, 1)]),
}


@pytest.mark.parametrize("case", BOXES)
@pytest.mark.parametrize("solver", ["levenberg_marquardt", "trust_region"])
def test_bounds(solver, case):
    problem, bounds = BOXES[case]
    residuals, start, _ = PROBLEMS[problem]
    low = np.array([-np.inf if a is None else a for a, _ in bounds])
    high = np.array([np.inf if b is None else b for _, b in bounds])
    start = np.clip(start, low + 0.01 * np.isfinite(low), high)
    inside = np.clip(start, low + 1e-6, high - 1e-6)
    theirs = scipys(
        lambda x: flat(residuals, x), inside, bounds=(low, high), xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    ours = bh.least_squares(residuals, start, bounds=bounds, solver=solver)
    assert (ours.point >= low).all()
    assert (ours.point <= high).all()
    assert ours.value <= theirs.cost * (1 + 1e-9) + 1e-12
    np.testing.assert_allclose(ours.point, theirs.x, rtol=1e-4, atol=1e-5)
    assert ours.converged


def test_fixed_numbers_stay():
    found = bh.least_squares(
        PROBLEMS["Bard"][0], [0.1, 1.0, 1.0], bounds=[(0.1, 0.1), (None, None), (None, None)]
    )
    assert found.point[0] == 0.1
    free = bh.least_squares(lambda z: PROBLEMS["Bard"][0](np.stack([0.1, z[0], z[1]])), [1.0, 1.0])
    np.testing.assert_allclose(found.point[1:], free.point, rtol=1e-9)


def test_linear_residuals_are_solved_in_one_step():
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((20, 4)), rng.standard_normal(20)
    found = bh.least_squares(lambda x: A @ x - b, np.zeros(4))
    np.testing.assert_allclose(found.point, np.linalg.lstsq(A, b)[0], rtol=1e-12)
    assert found.iterations <= 12
    assert found.status == "local minimum"


def test_containers_and_callback():
    met = []
    x = np.linspace(0, 3, 12)
    y = 2 * np.exp(-0.7 * x) + 0.5

    def residuals(p):
        return p["a"] * np.exp(-p["rates"][0] * x) + p["c"] - y

    found = bh.least_squares(residuals, {"a": 1.0, "rates": np.array([1.0]), "c": 0.0},
                             callback=lambda point, value: met.append((point["a"], value)) and None)  # fmt: skip
    assert set(found.point) == {"a", "rates", "c"}
    assert found.point["a"] == pytest.approx(2, rel=1e-10)
    assert found.point["rates"][0] == pytest.approx(0.7, rel=1e-10)
    values = [value for _, value in met]
    assert values == sorted(values, reverse=True)


def test_residuals_that_mix_rows():
    """Sums over what looks like rows must not be taken for elementwise functions."""
    x = np.linspace(0.1, 1, 8)
    target = np.exp(-1.3 * x) / np.sum(np.exp(-1.3 * x))

    def residuals(b):
        weights = np.exp(-b[0] * x)
        return weights / np.sum(weights) - target

    found = bh.least_squares(residuals, [0.2])
    assert found.point[0] == pytest.approx(1.3, rel=1e-9)
    assert found.converged


def test_not_identified_is_flat():
    x = np.linspace(0, 1, 9)
    found = bh.least_squares(lambda b: b[0] * b[1] * x - 2 * x, [1.0, 1.0])
    assert found.status == "flat"
    assert found.value == pytest.approx(0, abs=1e-20)


def test_endings():
    spent = bh.least_squares(PROBLEMS["Rosenbrock"][0], [-1.2, 1.0], max_iter=2)
    assert spent.stop_reason == "budget spent"
    assert spent.status == "not stationary"
    undefined = bh.least_squares(lambda x: np.log(x), np.array([-1.0]))
    assert undefined.stop_reason == "diverged"
    assert not undefined.converged
    calls = []

    def interrupted(x):
        calls.append(1)
        if len(calls) > 12:
            raise KeyboardInterrupt
        return np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    stopped = bh.least_squares(interrupted, [-1.2, 1.0])
    assert stopped.stop_reason == "interrupted"
    assert stopped.value <= 0.5 * 24.2 + 1e-9


REFUSED = {
    "no function": (lambda: bh.least_squares(3, [1.0]), TypeError, "residuals"),
    "nothing given": (lambda: bh.least_squares(lambda x: None, [1.0]), TypeError, "return"),
    "no residual": (lambda: bh.least_squares(lambda x: x[:0], [1.0]), ValueError, "no number"),
    "complex": (lambda: bh.least_squares(lambda x: x + 1j, [1.0]), TypeError, "complex"),
    "no start": (lambda: bh.least_squares(lambda x: x, []), ValueError, "start"),
    "nan start": (lambda: bh.least_squares(lambda x: x, [np.nan]), ValueError, "start"),
    "solver": (lambda: bh.least_squares(lambda x: x, [1.0], solver="lm"), ValueError, "levenberg_marquardt"),
    "bounds": (lambda: bh.least_squares(lambda x: x, [1.0], bounds=[(2, 1)]), ValueError, "bounds"),
    "unbounded solver": (
        lambda: bh.least_squares(lambda x: x, [1.0], bounds=[(0, 2)], solver="bfgs"), ValueError, "bounds",
    ),
    "tol": (lambda: bh.least_squares(lambda x: x, [1.0], tol=0), ValueError, "tol"),
    "damping": (lambda: bh.solvers.LevenbergMarquardt(damping=0), ValueError, "damping"),
    "damping as text": (lambda: bh.solvers.LevenbergMarquardt(damping="x"), ValueError, "damping"),
    "geodesic": (lambda: bh.solvers.LevenbergMarquardt(geodesic="no"), TypeError, "geodesic"),
    "negative place": (lambda: bh.solvers.LevenbergMarquardt(linear=(-1,)), ValueError, "linear"),
    "places as text": (lambda: bh.solvers.LevenbergMarquardt(linear="ab"), ValueError, "linear"),
    "no such place": (
        lambda: bh.least_squares(lambda x: x, [1.0], solver=bh.solvers.LevenbergMarquardt(linear=(1,))), ValueError,
        "linear holds 1",
    ),
    "bounded place": (
        lambda: bh.least_squares(
            lambda x: x - 3, [1.0, 1.0], bounds=[(0, 2), (None, None)],
            solver=bh.solvers.LevenbergMarquardt(linear=(0,)),
        ), ValueError, "bounds",
    ),
    "another number of residuals": (
        lambda: bh.least_squares(lambda x: (x[0] - 3) * np.ones(3 if x[0] < 2 else 4), [1.0]), ValueError, "gave 3",
    ),
    "lost squares": (lambda: bh.least_squares(lambda x: (x - 3) * 1e-200, [1.0]), ValueError, "squares"),
    "of one number": (
        lambda: bh.minimize(lambda x: np.sum(x**2), np.ones(2), solver="levenberg_marquardt"), ValueError,
        "least_squares",
    ),
    "object for one number": (
        lambda: bh.minimize(lambda x: np.sum(x**2), np.ones(2), solver=bh.solvers.GaussNewton()), TypeError,
        "least_squares",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        call()
