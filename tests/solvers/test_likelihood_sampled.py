"""What a sample adds to Newton's method on all rows: steps that bend with the objective, and no other answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import betahat as bh
from betahat.data import ArraySource
from betahat.losses.bernoulli import Bernoulli
from betahat.objective.smooth import Coordinates, SmoothObjective
from betahat.penalties import L2, NoPenalty
from betahat.solvers.likelihood.newton import direction
from betahat.solvers.likelihood.sampled import Sample

N, P = 60_000, 40


def rows(n=N, p=P, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.geomspace(0.01, 100, p)
    eta = X @ (rng.standard_normal(p) / np.sqrt(p) / np.geomspace(0.01, 100, p)) - 0.5
    return X, eta, rng


def objective_of(X, y, penalty):
    at = Coordinates(X.mean(0), X.std(0), None, True)
    return SmoothObjective(ArraySource(X, y), Bernoulli(), penalty, at)


@pytest.mark.parametrize("penalty", [NoPenalty(), L2(0.1)], ids=["free", "L2"])
def test_a_sample_of_all_rows_tells_all(penalty):
    """H at another point exactly, and a step whose error is of third order where Newton's is of second."""
    X, eta, rng = rows(4000, 5)
    y = (rng.random(4000) < 1 / (1 + np.exp(-eta))).astype(float)
    J = objective_of(X, y, penalty)
    sample = Sample(J, next(J.source.blocks()), J.at.size, dear=False)
    theta = np.zeros(6)
    for _ in range(12):
        _, g, H = J.second_order(theta)
        theta = theta + direction(H, g)
    lengths = []
    for t in (0.02, 0.01):
        begin = theta + t * np.array([1.0, -1.0, 1.0, 0.5, 0.0, -1.0])
        _, g, H = J.second_order(begin)
        step = direction(H, g)
        there = begin + step
        change = sample.change(begin, there)
        assert change is not None
        np.testing.assert_allclose(H + change, J.second_order(there)[2], rtol=1e-12, atol=1e-14)
        bend = sample.bend(begin, step, H)
        assert bend is not None
        lengths.append([np.abs(there - theta).max(), np.abs(there + bend - theta).max()])
    newton, bent = np.array(lengths).T
    assert newton[0] / newton[1] == pytest.approx(4, rel=0.1)
    assert bent[0] / bent[1] == pytest.approx(8, rel=0.3)
    assert (bent < 0.1 * newton).all()


def test_where_a_sample_tells_nothing_the_step_stays():
    X, eta, rng = rows(4000, 5)
    y = (rng.random(4000) < 1 / (1 + np.exp(-eta))).astype(float)
    J = objective_of(X, y, NoPenalty())
    sample = Sample(J, next(J.source.blocks()), J.at.size, dear=False)
    H = J.second_order(np.zeros(6))[2]
    assert sample.bend(np.zeros(6), np.full(6, 50.0), H) is None, "too far for what bends to be small"
    assert sample.bend(np.zeros(6), np.full(6, np.nan), H) is None


MODELS = {
    "logistic": (bh.LogisticRegression, sm.Logit),
    "poisson": (bh.PoissonRegressor, lambda y, X: sm.GLM(y, X, sm.families.Poisson())),
    "classes": (bh.LogisticRegression, None),
}


def target(model, eta, rng):
    if model == "poisson":
        return rng.poisson(np.exp(0.5 * eta)).astype(float)
    y = (eta + rng.logistic(size=len(eta)) > 0).astype(int)
    return y if model == "logistic" else y + (rng.random(len(eta)) < 0.4)


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    X, eta, rng = rows()
    y = target(request.param, eta, rng)
    made, peer = MODELS[request.param]
    return made(alpha=0.0).fit(X, y), X, y, peer


def test_the_answer_is_that_of_all_rows(fitted):
    model, X, y, peer = fitted
    assert model.certificate_.status == "global minimum"
    assert np.max(model.certificate_.error_bound) < 1e-9
    begun = type(model)(alpha=0.0, warm_start=True)
    begun.fit(X[:30_000], y[:30_000]).fit(X, y)  # without a sample
    size = np.abs(begun.coef_)
    assert (np.abs(model.coef_ - begun.coef_) <= 1e-11 * size.max(axis=None) + 1e-9 * size).all()
    np.testing.assert_allclose(model.inference_.std_err, begun.inference_.std_err, rtol=1e-9)
    if peer is not None:
        found = peer(y, sm.add_constant(X)).fit(disp=0, tol=1e-13)
        np.testing.assert_allclose(model.inference_.std_err, found.bse, rtol=1e-8)


def test_readings(fitted):
    model, *_ = fitted
    assert model.certificate_.readings <= 5, "the gradient, the Hessian twice, the gradient, and everything"


def test_a_file_is_read_as_often_or_less(fitted, tmp_path):
    model, X, y, _ = fitted
    path = str(tmp_path / "rows.parquet")
    pd.DataFrame({**{f"x{j}": X[:, j] for j in range(P)}, "y": y}).to_parquet(path)
    source = bh.data.query(path, target="y", labels=hasattr(model, "classes_"))
    found = type(model)(alpha=0.0).fit(source)
    np.testing.assert_allclose(found.coef_, model.coef_, rtol=1e-9, atol=1e-12 * np.abs(model.coef_).max())
    np.testing.assert_allclose(found.inference_.std_err, model.inference_.std_err, rtol=1e-9)
    assert source.readings <= 6
