"""Newton's method for likelihoods: what is read at each step, and what the last step says without a reading."""

from __future__ import annotations

import numpy as np
import pytest
from exact_likelihood import maximum

from betahat import LogisticRegression
from betahat.data.source import ArraySource
from betahat.losses import Bernoulli
from betahat.objective.smooth import EVERYTHING, GRADIENT, SmoothObjective
from betahat.objective.softmax import SoftmaxObjective
from betahat.penalties import L2, NoPenalty
from betahat.solvers.likelihood.newton import _end, direction, hessian_at, newton, roughly, start_at
from betahat.solvers.likelihood.solve import begin
from betahat.solvers.trace import Trace


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-10])
def test_a_tolerance_costs_no_more_readings(
    tol: float, classes: int, alpha: float, monkeypatch: pytest.MonkeyPatch
):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))
    y = np.argmax(X[:, :1] * np.arange(classes) + rng.gumbel(size=(400, classes)), axis=1)
    read: list[int] = []
    for kind in (SmoothObjective, SoftmaxObjective):
        own = kind.sums

        def sums(self: object, theta: np.ndarray, much: int, own: object = own):
            read.append(much)
            return own(self, theta, much)  # pyright: ignore[reportCallIssue]

        monkeypatch.setattr(kind, "sums", sums)
    found = []
    for given in (None, tol):
        read.clear()
        model = LogisticRegression(alpha=alpha, tol=given).fit(X, y)
        assert model.stop_reason_ == "converged"
        found.append((len(read), sum(much == EVERYTHING for much in read), model))
    usual, asked = found
    assert asked[0] <= usual[0]
    assert asked[1] <= usual[1]
    np.testing.assert_allclose(asked[2].coef_, usual[2].coef_, atol=10 * tol)


def objective_of(alpha: float, intercept: bool, n: int = 300):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, 4)) + 0.3
    y = (rng.random(n) < 1 / (1 + np.exp(-X @ [0.5, -0.3, 0.2, 0.0]))).astype(float)
    source = ArraySource(X, y[:, None])
    penalty = L2(alpha) if alpha else NoPenalty()
    return X, y, SmoothObjective(source, Bernoulli(), penalty, begin(source, intercept, None))


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_the_last_step_says_what_a_reading_would(alpha: float, intercept: bool):
    _, _, objective = objective_of(alpha, intercept)
    size = objective.at.size
    there = newton(objective, start_at(objective, np.zeros(size)), 50, None, Trace()).theta
    near = there + 1e-9 * np.random.default_rng(2).standard_normal(size)
    point = start_at(objective, near)
    g = objective.pulled(objective.whole_gradient(point.sums, near))
    point.step = direction(hessian_at(objective, point), g)
    _end(objective, point)
    read = start_at(objective, point.theta)
    np.testing.assert_allclose(point.theta, there, rtol=1e-14, atol=1e-15)
    assert point.value == pytest.approx(read.value, rel=1e-15)
    H = read.sums.hessian
    np.testing.assert_allclose(point.sums.hessian, H, rtol=0, atol=3e-9 * H.max())
    size = read.sums.magnitude
    assert (np.abs(point.sums.gradient - read.sums.gradient) < 1e-14 * size).all()
    assert (np.abs(point.sums.gradient) >= 2e-16 * size).all() or alpha  # never less than what rounding hides


@pytest.mark.parametrize("tolerance", [None, 1e-12])
@pytest.mark.parametrize("begun", [1e-6, 1e-4, 8e-4, 0.03])
def test_a_step_bent_by_the_hessian_before_costs_no_digits(begun, tolerance, monkeypatch):
    X, y, objective = objective_of(0.0, True)
    wanted = maximum(X, y, "logit", np.zeros(5))
    theta = objective.theta(np.array(wanted[1:], float), float(wanted[0]))
    read: list[int] = []
    own = SmoothObjective.sums
    monkeypatch.setattr(
        SmoothObjective, "sums", lambda self, *given: read.append(given[1]) or own(self, *given)
    )
    point = newton(objective, start_at(objective, theta * (1 + begun)), 50, tolerance, Trace())
    assert point.stop_reason == "converged"
    assert (GRADIENT in read) == (begun >= 1e-4)
    assert read.count(EVERYTHING) <= 2
    np.testing.assert_allclose(
        objective.raw(point.theta)[0], np.array(wanted[1:], float), rtol=1e-12, atol=1e-14
    )


def _rare_level(n: int = 400_000):
    """A level of 1 % of the rows, of both classes, but of one in almost every 17th row, as samples have them."""
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.standard_normal((n, 3)), np.arange(n) % 101 == 0])
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0] + 1.0))).astype(float)
    rows = np.flatnonzero(X[:, 3])
    y[rows] = (rows % 17 == 8) & (rows % 2 == 0)
    return X, y


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_level_that_a_sample_separates_costs_few_readings(order):
    X, y = _rare_level()
    model = LogisticRegression().fit(np.asarray(X, order=order), y)
    assert model.certificate_.status == "global minimum"
    assert model.certificate_.readings <= 8  # 11 where steps went on from the sample
    residuals = y - model.predict_proba(X)[:, 1]
    assert (
        np.abs(np.column_stack([np.ones(len(X)), X]).T @ residuals).max() < 1e-8
    )  # Σ x L' = 0 at the maximum


def test_a_sample_without_a_maximum_is_given_up():
    X, y = _rare_level()
    found = []
    for rows in (slice(None, None, 17), slice(None)):
        source = ArraySource(X[rows], y[rows, None])
        objective = SmoothObjective(source, Bernoulli(), NoPenalty(), begin(source, True, None))
        found.append(roughly(objective, np.zeros(objective.at.size), 12))
    assert found[0] is None
    assert found[1] is not None
