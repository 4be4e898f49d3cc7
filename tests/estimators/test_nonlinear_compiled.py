"""Fits by compiled formulas against the same fits without: one answer, whatever a process has loaded."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from nist_nonlinear import MODELS, nist_nonlinear
from numpy.testing import assert_allclose

import betahat as bh
from betahat.kernels import running
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.nonlinear import NonlinearLeastSquares

x = np.linspace(0.1, 4.0, 40)
y = 3 * np.exp(-1.3 * x) + 0.5 + 0.05 * np.cos(9 * x)


def decay(X, a, b, c):
    return a * np.exp(-b * X) + c


@pytest.fixture
def both(monkeypatch):
    """A way to make something twice: with kernels, and in a process that has none yet."""
    running.load()
    loaded = running._kernels.modules

    def twice(make):
        monkeypatch.setattr(running._kernels, "modules", loaded)
        compiled = make()
        monkeypatch.setattr(running._kernels, "modules", None)
        monkeypatch.setattr(running._kernels, "work", 0)
        return compiled, make()

    return twice


def same(one, other, digits=1e-9):
    assert_allclose(one.coef_, other.coef_, rtol=digits)
    a, b = one.certificate_, other.certificate_
    assert (a.status, a.converged, a.message) == (b.status, b.converged, b.message)
    assert_allclose(a.loss, b.loss, rtol=1e-9)
    assert_allclose(a.condition_number, b.condition_number, rtol=1e-5)
    assert (np.abs(a.gradient) <= a.tolerances).all() == (np.abs(b.gradient) <= b.tolerances).all()
    assert_allclose(a.tolerances, b.tolerances, rtol=1e-3)
    assert one.stop_reason_ == other.stop_reason_
    assert one.solver_ == other.solver_
    assert_allclose(one.inference_.std_err, other.inference_.std_err, rtol=1e-8)
    assert_allclose(one.inference_.covariance, other.inference_.covariance, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "Lanczos1"])
def test_nist_is_the_same_with_and_without(name, start, both):
    """Lanczos1 has residuals that are rounding."""
    set_ = nist_nonlinear(name)
    one, other = both(lambda: bh.NonlinearRegression(set_.model, set_.starts[start]).fit(set_.x, set_.y))
    assert_allclose(one.coef_, set_.estimates, rtol=1e-9)
    assert_allclose(one.inference_.std_err, set_.std_errors, rtol=1e-9)
    same(one, other)


WEIGHTS = {"none": None, "unequal": 1 / (1 + x), "some zero": np.where(x > 3, 0.0, 1.0)}


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1"])
@pytest.mark.parametrize("frequency", [False, True])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(
    "f", [decay, "a * exp(-b * x) + c", lambda X, beta: beta[0] * np.exp(-beta[1] * X) + beta[2]]
)
def test_weights(f, weight, frequency, cov_type, both):
    counts = np.arange(40) % 3 + 1 if frequency else None
    one, other = both(
        lambda: bh.NonlinearRegression(f, [1.0, 1.0, 1.0], cov_type=cov_type).fit(
            x, y, WEIGHTS[weight], counts
        )
    )
    same(one, other)
    assert_allclose(one.predict(x), other.predict(x), rtol=1e-10)


OPTIONS = {
    "bounds": {"bounds": {"c": (0.6, None)}},
    "huber": {"loss": "huber"},
    "penalty": {"penalty": lambda b: 0.01 * np.sum(b**2)},
    "gauss_newton": {"solver": "gauss_newton"},
    "trust_region": {"solver": "trust_region"},
    "variable projection": {"solver": LevenbergMarquardt(linear=[0, 2])},
    "no acceleration": {"solver": LevenbergMarquardt(geodesic=False)},
    "several starts": {"start": [[1.0, 1.0, 1.0], [5.0, 0.1, 0.0]]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name, both):
    options = {"start": [1.0, 1.0, 1.0], **OPTIONS[name]}
    one, other = both(lambda: bh.NonlinearRegression(decay, **options).fit(x, y))
    assert_allclose(one.coef_, other.coef_, rtol=1e-9)
    assert one.certificate_.status == other.certificate_.status == "local minimum"
    assert_allclose(one.losses_, other.losses_, rtol=1e-9)


def test_the_same_steps(both):
    """The compiled iterations are those of the solver: the same losses on the way."""
    one, other = both(
        lambda: bh.NonlinearRegression(decay, [9.0, 0.1, -4.0], solver=LevenbergMarquardt()).fit(x, y)
    )
    k = min(len(one.trace_), len(other.trace_), 8)
    assert k >= 5
    assert_allclose(one.trace_.loss[:k], other.trace_.loss[:k], rtol=1e-5)
    assert_allclose(one.trace_.step[1:k], other.trace_.step[1:k], rtol=1e-3)
    assert (np.diff(one.trace_.seconds) >= 0).all()


@pytest.mark.parametrize("max_iter", [1, 2, 4])
def test_a_budget_is_kept(max_iter, both):
    def make():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bh.NonlinearRegression(decay, [9.0, 0.1, -4.0], max_iter=max_iter).fit(x, y)

    one, other = both(make)
    assert one.stop_reason_ == other.stop_reason_ == "budget spent"
    assert_allclose(one.coef_, other.coef_, rtol=1e-5)


def test_parameters_that_cannot_be_told_apart(both):
    def make():
        with pytest.warns(bh.errors.CertificateWarning, match="cannot tell a and d apart"):
            return bh.NonlinearRegression(lambda X, a, b, d: (a + d) * np.exp(-b * X), [1.0, 1.0, 1.0]).fit(
                x, y
            )

    one, other = both(make)
    assert_allclose(one.predict(x), other.predict(x), rtol=1e-8)


def test_saturated_rows(both):
    """exp overflows where f is zero: derivatives there are zeros, not 0 · ∞."""
    far = np.append(x, [900.0, 1000.0])
    target = 2 / (1 + np.exp(np.minimum(1.5 * (far - 2), 700))) + 0.01 * np.cos(7 * np.minimum(far, 5.0))
    with np.errstate(over="ignore"):
        one, other = both(
            lambda: bh.NonlinearRegression(
                lambda X, a, b, c: a / (1 + np.exp(b * (X - c))), [1.0, 1.0, 1.0]
            ).fit(far, target)
        )
    same(one, other)


def test_newtons_step_is_that_of_numpy(both):
    """At one point with some residuals: Hessian, gradient and step from plain NumPy."""
    running.load()
    model = NonlinearModel(decay, bh.NonlinearRegression(decay, [1.0, 1.0, 1.0]).fit(x, y)._model.taken)
    beta, weight = np.array([2.9, 1.2, 0.6]), 1 / (1 + x)
    problem = NonlinearLeastSquares(model, x, y, weight, beta)
    compiled = problem.compiled(beta)
    assert compiled is not None
    r = problem.precise_residuals(beta)
    size, gradient, step = compiled.newton(beta, r, 1e-6, 1e-16)
    e = np.exp(-beta[1] * x)
    root = np.sqrt(weight / weight.sum())
    J = np.column_stack([e, -beta[0] * x * e, np.ones(40)]) * root[:, None]
    second = np.zeros((3, 3))
    second[0, 1] = second[1, 0] = (root * r) @ (-x * e)
    second[1, 1] = (root * r) @ (beta[0] * x**2 * e)
    assert_allclose(gradient, J.T @ r, rtol=1e-12)
    assert_allclose(step, -np.linalg.solve(J.T @ J + second, J.T @ r), rtol=1e-11)
    assert_allclose(size, np.linalg.norm(np.linalg.qr(J)[0].T @ r), rtol=1e-12)


@pytest.mark.parametrize("c", [1.0, 0.0])
def test_a_function_that_deceives(c, both):
    """What is read off f is not f: seen where the descent begins, or, where f is the same there, where it ends."""

    def deceiving(X, a, b, c):
        return a * np.exp(-b * X) + (2 * c if type(a).__name__ == "Symbol" else c)

    one, other = both(lambda: bh.NonlinearRegression(deceiving, [1.0, 1.0, c]).fit(x, y))
    same(one, other)
    truth = bh.NonlinearRegression(decay, [1.0, 1.0, 1.0]).fit(x, y)
    assert_allclose(one.coef_, truth.coef_, rtol=1e-10)


@pytest.mark.parametrize("weight", [None, 1 / (1 + x)])
def test_the_proof_is_that_of_numpy(weight, both):
    """Tolerances, the estimated error, and where the gradient stands, by kernels and without."""
    one, other = both(lambda: bh.NonlinearRegression(decay, [1.0, 1.0, 1.0]).fit(x, y, weight))
    a, b = one.certificate_, other.certificate_
    assert_allclose(a.tolerance, b.tolerance, rtol=1e-3)
    assert a.gradient_norm == np.abs(a.gradient).max()
    assert a.tolerance == a.tolerances[np.argmax(np.abs(a.gradient) / a.tolerances)]
    assert (a.error_bound < 1e-12).all()
    assert (b.error_bound < 1e-12).all()
    assert (a.error_bound > 0).all()


def test_a_fitted_model_keeps_no_rows(both):
    """Nothing that a fit holds is as long as its rows, not even as the base of a view."""
    many = np.tile(x, 5000)

    def size(fitted):
        return len(pickle.dumps(fitted.__getstate__()))

    def longest(thing, seen):
        if id(thing) in seen or isinstance(thing, (str, bytes, type)):
            return 0
        seen.add(id(thing))
        own = thing.size if isinstance(thing, np.ndarray) else 0
        return max([own, *(longest(part, seen) for part in gc.get_referents(thing) if not callable(part))])

    for m in both(
        lambda: bh.NonlinearRegression("a * exp(-b * x) + c", [1.0, 1.0, 1.0]).fit(many, np.tile(y, 5000))
    ):
        assert size(m) < 20_000
        assert longest(m._result.__dict__, set()) < 1000


def test_kernels_wait_for_work_in_a_fresh_process():
    """A process that fits little never imports the compiler; one that fits much has the kernels, and its answers."""
    code = """
import sys, numpy as np, betahat as bh
from betahat.kernels import running
x = np.linspace(0.1, 4.0, 40); y = 3 * np.exp(-1.3 * x) + 0.5 + 0.05 * np.cos(9 * x)
fit = lambda: bh.NonlinearRegression(lambda X, a, b, c: a * np.exp(-b * X) + c, [1.0, 1.0, 1.0]).fit(x, y).coef_
first = fit()
assert "numba" not in sys.modules and not running.at_hand()
fits = 1
while not running.at_hand():
    fits += 1
    again = fit()
    assert fits < 1000
assert fits > 20
assert abs(fit() / first - 1).max() < 1e-12
def undecided(X, a, b, c):
    return np.where(b > -np.inf, a * np.exp(-b * X) + c, 0.0)
assert abs(bh.NonlinearRegression(undecided, [1.0, 1.0, 1.0]).fit(x, y).coef_ / first - 1).max() < 1e-12
"""
    running.load()  # so that they lie in the cache
    subprocess.run([sys.executable, "-c", code], check=True)


def test_functions_that_are_no_formulas_never_load_the_compiler():
    code = """
import sys, numpy as np, betahat as bh
x = np.linspace(0.1, 4.0, 40); y = np.maximum(3 * np.exp(-1.3 * x), 0.5) + 0.05 * np.cos(9 * x)
f = lambda X, a, b: np.where(X < 1.5, a * np.exp(-b * X), 0.5 + 0 * b)
for _ in range(150):
    bh.NonlinearRegression(f, [1.0, 1.0]).fit(x, y)
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
