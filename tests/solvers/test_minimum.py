"""What bh.minimize says of where it ended: certificate, stop reason, and every way that a descent can go wrong."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimisation_problems import PROBLEMS

import betahat as bh
from betahat.certificate import STATUSES
from betahat.solvers import DESCENTS
from betahat.solvers.trace import STOP_REASONS

ROSENBROCK, START, _ = PROBLEMS["Rosenbrock"]
SECOND_ORDER = ("trust_region", "newton", "dogleg")


def quadratic(A, b):
    return lambda x: 0.5 * x @ A @ x - b @ x


# --- the certificate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", DESCENTS)
def test_certificate_of_a_quadratic(solver):
    A = np.array([[4.0, 1.0], [1.0, 3.0]])
    found = bh.minimize(quadratic(A, np.array([1.0, 2.0])), np.zeros(2), solver=solver)
    exact = np.array([1.0, 7.0]) / 11
    proof = found.certificate
    assert (proof.status, proof.converged) == ("local minimum", True) == (found.status, found.converged)
    assert proof.loss == pytest.approx(-7.5 / 11)
    assert proof.gradient_norm <= proof.tolerance
    np.testing.assert_allclose(proof.gradient, A @ found.point - [1, 2], atol=1e-15)
    assert (np.abs(found.point - exact) <= proof.error_bound + 1e-16).all()
    # √ of the extreme eigenvalues of the Hessian scaled to unit diagonal, 1 ± 1/√12
    assert found.smallest_eigenvalue == pytest.approx(1 - 1 / np.sqrt(12))
    assert proof.condition_number == pytest.approx(np.sqrt((1 + 1 / np.sqrt(12)) / (1 - 1 / np.sqrt(12))))
    assert found.iterations == len(found.trace)
    assert not found.held.any()


@pytest.mark.parametrize("solver", SECOND_ORDER)
@given(units=st.lists(st.floats(-8, 8), min_size=3, max_size=3), unit=st.floats(-30, 30))
def test_units_do_not_matter(solver, units, unit):
    """x in other units, and J in others: the same iterations, the same answer."""
    scale, worth = 10.0 ** np.round(units), 10.0 ** round(unit)

    def f(x):
        return np.sum(np.cosh(x - np.array([1.0, 2.0, 3.0]))) + 0.1 * (x[0] * x[1] - x[2]) ** 2

    plain = bh.minimize(f, np.full(3, 0.5), solver=solver)
    other = bh.minimize(lambda x: worth * f(x / scale), 0.5 * scale, solver=solver)
    assert other.status == "local minimum" == plain.status
    np.testing.assert_allclose(other.point / scale, plain.point, rtol=1e-6)


@pytest.mark.parametrize("solver", [name for name in DESCENTS if name != "steepest_descent"])
@given(seed=st.integers(0, 2**32 - 1))
def test_never_above_the_start_and_never_a_false_claim(solver, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    root, shift = rng.standard_normal((n, n)), rng.standard_normal(n)

    def f(x):
        return np.sum(np.log1p((root @ (x - shift)) ** 2)) + 0.01 * np.sum(x**4)

    start = 3 * rng.standard_normal(n)
    found = bh.minimize(f, start, solver=solver, max_iter=200)
    assert found.value <= f(start)
    assert found.value == pytest.approx(f(found.point), rel=1e-14)
    if found.status == "local minimum":
        H = bh.hessian(f)(found.point)
        assert np.linalg.eigvalsh((H + H.T) / 2)[0] > 0
        assert np.abs(bh.grad(f)(found.point)).max() <= 1e-6 * max(1, abs(found.value))


def test_an_answer_far_from_unit_lengths_is_not_claimed():
    """Its gradient is within tolerance at the start, its minimum 1e10 away: the Hessian tells."""

    def f(x):
        return np.sum((1e-10 * x - 1) ** 2)

    assert bh.minimize(f, np.zeros(2), solver="lbfgs").status == "not stationary"
    np.testing.assert_allclose(bh.minimize(f, np.zeros(2)).point, 1e10, rtol=1e-6)


# --- how a descent ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", DESCENTS)
def test_divergence(solver):
    found = bh.minimize(lambda x: -np.sum(np.exp(x)), np.zeros(2), solver=solver)
    assert found.stop_reason in ("diverged", "no progress")
    assert found.value < -1e30
    assert found.status == "not stationary"
    straight = bh.minimize(lambda x: np.sum(x), np.zeros(2), solver=solver)
    assert straight.stop_reason == "diverged"
    assert "without end" in straight.message
    assert straight.value < -1e6


@pytest.mark.parametrize("solver", DESCENTS)
def test_nan_at_the_start_and_on_the_way(solver):
    nowhere = bh.minimize(lambda x: np.sum(np.log(x)), np.array([-1.0]), solver=solver)
    assert (nowhere.stop_reason, nowhere.status) == ("diverged", "not stationary")
    assert "NaN or infinite at the start" in nowhere.message
    # past x = 0 there are no values; the minimum, at 0.1, is close to that edge
    around = bh.minimize(lambda x: np.sum(x - 0.1 * np.log(x)), np.array([5.0, 1.0]), solver=solver)
    np.testing.assert_allclose(around.point, 0.1, rtol=1e-5)
    assert around.status == "local minimum"
    # and here the way down leads into NaN: as close to the edge as it gets, and said so
    edge = bh.minimize(lambda x: np.sum(np.sqrt(x)), np.array([1.0]), solver=solver)
    assert edge.value <= 1.0
    assert edge.status == "not stationary"
    assert edge.stop_reason in ("no progress", "budget spent")
    assert "NaN or infinity" in edge.message


@pytest.mark.parametrize("solver", DESCENTS)
def test_flat_function(solver):
    flat = bh.minimize(lambda x: 0.0 * np.sum(x) + 3.0, np.ones(3), solver=solver)
    assert (flat.status, flat.stop_reason, flat.value) == ("flat", "converged", 3.0)
    constant = bh.minimize(lambda x: 3.0, np.ones(3), solver=solver)
    assert (constant.status, constant.value) == ("flat", 3.0)


@pytest.mark.parametrize("solver", DESCENTS)
def test_exhausted_budget(solver):
    found = bh.minimize(ROSENBROCK, START, solver=solver, max_iter=3)
    assert (found.stop_reason, found.status, found.iterations) == ("budget spent", "not stationary", 3)
    assert "max_iter (=3)" in found.message
    assert found.value == ROSENBROCK(found.point) < ROSENBROCK(START)


def stops(kind, after):
    """A callback that ends the descent after some points, and the values it saw."""
    seen = []

    def callback(point, value):
        seen.append(value)
        if len(seen) == after:
            if kind is not None:
                raise kind
            return True
        return False

    return callback, seen


@pytest.mark.parametrize("kind", [None, StopIteration, KeyboardInterrupt])
@pytest.mark.parametrize("solver", DESCENTS)
def test_a_callback_ends_it(solver, kind):
    callback, seen = stops(kind, 3)
    found = bh.minimize(ROSENBROCK, START, solver=solver, callback=callback)
    assert found.stop_reason == "interrupted"
    assert len(seen) == 3
    assert found.value <= min(seen)
    assert "interrupted" in found.message
    assert found.status == "not stationary"


@pytest.mark.parametrize("solver", DESCENTS)
def test_ctrl_c_inside_the_function(solver):
    calls = []

    def f(x):
        calls.append(ROSENBROCK(np.asarray(getattr(x, "value", x))) if not hasattr(x, "owner") else None)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return ROSENBROCK(x)

    found = bh.minimize(f, START, solver=solver)
    assert found.stop_reason == "interrupted"
    assert len(calls) == 9, "nothing more is computed after Ctrl-C"
    assert found.value == ROSENBROCK(found.point) < ROSENBROCK(START)
    np.testing.assert_allclose(found.gradient, bh.grad(ROSENBROCK)(found.point))


def test_ctrl_c_before_anything_is_known():
    def f(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bh.minimize(f, START)


def test_an_error_of_the_function_is_not_swallowed():
    def f(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        bh.minimize(f, START)
    callback_calls = []

    def bad(point, value):
        callback_calls.append(value)
        raise ZeroDivisionError("mine too")

    with pytest.raises(ZeroDivisionError, match="mine too"):
        bh.minimize(ROSENBROCK, START, callback=bad)


@pytest.mark.parametrize("solver", [None, *DESCENTS])
def test_a_rule_without_second_derivatives_is_enough(solver):
    """The Hessian is then found by differences of the exact gradient."""

    @bh.autodiff.rule(lambda x: np.cosh(np.asarray(x)))
    def cosh(y, x):
        return (np.array([math.sinh(float(number)) for number in x]),)

    with pytest.raises(TypeError):
        bh.hessian(lambda x: np.sum(cosh(x)))(np.zeros(2))
    found = bh.minimize(lambda x: np.sum(cosh(x - np.array([1.0, 2.0]))), np.zeros(2), solver=solver)
    np.testing.assert_allclose(found.point, [1, 2], rtol=1e-7)
    assert found.status == "local minimum"
    assert found.smallest_eigenvalue == pytest.approx(1, rel=1e-8)


def test_a_wrong_gradient_is_suspected():
    found = bh.minimize(lambda x: np.sum(x**2), np.ones(2), gradient=lambda x: -2 * x, solver="bfgs")
    assert found.stop_reason == "no progress"
    assert "check_gradient" in found.message


# --- the face -------------------------------------------------------------------------------------------------------


def test_scipy_names_are_answered_with_ours():
    found = bh.minimize(ROSENBROCK, START)
    for theirs, ours in {"x": "point", "fun": "value", "jac": "gradient", "success": "converged", "nit": "iterations",
                         "nfev": "evaluations"}.items():  # fmt: skip
        with pytest.raises(AttributeError, match=f"no '{theirs}'.*{ours}"):
            getattr(found, theirs)
        assert hasattr(found, ours)
    with pytest.raises(AttributeError, match=r"pint.*point"):
        found.pint  # noqa: B018


def test_repr_is_a_small_table():
    lines = repr(bh.minimize(ROSENBROCK, START)).splitlines()
    assert lines[0] == "Minimum: local minimum"
    assert 6 <= len(lines) <= 9
    assert all(len(line) < 200 for line in lines)
    assert "[1. 1.]" in lines[1]
    assert "trust_region, converged after" in lines[-2]
    assert "nan" not in repr(bh.minimize(ROSENBROCK, START, max_iter=1)).lower()
    assert "..." in repr(bh.minimize(lambda x: np.sum(x**2), np.ones(1000)))


def test_a_result_can_be_copied_and_kept():
    found = bh.minimize(ROSENBROCK, START)
    for other in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert other.value == found.value
        assert other.status == found.status


def test_words_are_the_published_ones():
    for name in DESCENTS:
        found = bh.minimize(ROSENBROCK, START, solver=name, max_iter=30)
        assert found.stop_reason in STOP_REASONS
        assert found.status in STATUSES
        assert found.solver == name == getattr(bh.solvers, DESCENTS[name]).name


def test_solvers_are_imported_when_used():
    command = (
        "import sys, betahat as bh; bh.solvers; assert 'scipy.linalg' not in sys.modules; "
        "print(bh.solvers.LBFGS(memory=3).memory)"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
    assert set(dir(bh.solvers)) >= set(DESCENTS.values())
    with pytest.raises(AttributeError, match="LBFG"):
        bh.solvers.LBFG  # noqa: B018


@pytest.mark.parametrize("line_search", ["wolfe", "backtracking"])
@pytest.mark.parametrize(
    "name", ["Newton", "BFGS", "LBFGS", "LBFGSB", "ConjugateGradient", "SteepestDescent"]
)
def test_line_searches(name, line_search):
    found = bh.minimize(
        lambda x: np.sum(np.cosh(x - 1)) + np.prod(x),
        np.zeros(4),
        solver=getattr(bh.solvers, name)(line_search=line_search),
    )
    assert found.status == "local minimum"
    with pytest.raises(ValueError, match=r"line_search \(='armijo'\).*'wolfe', 'backtracking'"):
        getattr(bh.solvers, name)(line_search="armijo")


def test_memory():
    rng = np.random.default_rng(3)
    A = rng.standard_normal((40, 40))
    iterations = [
        bh.minimize(
            quadratic(A @ A.T + np.eye(40), np.ones(40)), np.zeros(40), solver=bh.solvers.LBFGS(memory=m)
        ).iterations
        for m in (1, 40)
    ]
    assert iterations[1] < iterations[0]
    with pytest.raises(ValueError, match="memory"):
        bh.solvers.LBFGS(memory=0)


def test_a_list_of_floats_is_an_array():
    found = bh.minimize(lambda x: np.sum((x - np.array([1.0, 2.0])) ** 2), [0.0, 0.0])
    np.testing.assert_allclose(found.point, [1, 2])
    with pytest.raises(TypeError, match="whole numbers"):
        bh.minimize(lambda x: np.sum(x**2), [1, 2])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"start": np.array([1, 2])}, TypeError, "whole numbers"),
        ({"start": np.array([1.0, np.nan])}, ValueError, "start holds NaN"),
        ({"start": {}}, ValueError, "no number"),
        ({"start": {"a": np.zeros(0)}}, ValueError, "no number"),
        ({"solver": "nelder"}, ValueError, "'nelder'.*trust_region"),
        ({"solver": bh.solvers.LBFGS}, TypeError, r"write it with \(\)"),
        ({"tol": 0}, ValueError, "tol"),
        ({"tol": np.nan}, ValueError, "tol"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"max_iter": 2.5}, ValueError, "max_iter"),
        ({"function": lambda x: x}, ValueError, "one number"),
        ({"function": lambda x: None}, (TypeError, ValueError), "None"),
        ({"function": 3.0}, TypeError, r"function \(=3.0\)"),
        ({"callback": 3.0}, TypeError, r"callback \(=3.0\)"),
        ({"gradient": 3.0}, TypeError, r"gradient \(=3.0\)"),
        ({"gradient": lambda x: np.zeros(3)}, ValueError, r"gradient gives .*\(3,\).*\(2,\)"),
    ],
)  # fmt: skip
def test_refusals(arguments, error, words):
    given = {"function": lambda x: np.sum(x**2), "start": np.ones(2), **arguments}
    with pytest.raises(error, match=words):
        bh.minimize(**given)
