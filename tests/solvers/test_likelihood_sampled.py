"""A fit that begins with a sample of the rows, and a sample of that, has the answer of all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import betahat as bh

N, P = 60_000, 40


def rows(n=N, p=P, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.geomspace(0.01, 100, p)
    eta = X @ (rng.standard_normal(p) / np.sqrt(p) / np.geomspace(0.01, 100, p)) - 0.5
    return X, eta, rng


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


def same(one, two):
    """To 10 digits, or 11 of a standard error where a coefficient is zero by chance."""
    errors = two.inference_.std_err.reshape(-1, P + 1)[:, 1:]
    b = two.coef_.reshape(-1, P)
    errors = errors if len(errors) == len(b) else np.full_like(b, errors.min(0))
    assert (np.abs(one.coef_.reshape(-1, P) - b) <= 1e-10 * np.abs(b) + 1e-11 * errors).all()


def test_the_answer_is_that_of_all_rows(fitted):
    model, X, y, peer = fitted
    assert model.certificate_.status == "global minimum"
    assert np.max(model.certificate_.error_bound) < 1e-9
    begun = type(model)(alpha=0.0, warm_start=True)
    begun.fit(X[:30_000], y[:30_000]).fit(X, y)  # without a sample
    same(model, begun)
    np.testing.assert_allclose(model.inference_.std_err, begun.inference_.std_err, rtol=1e-9)
    if peer is not None:
        found = peer(y, sm.add_constant(X)).fit(disp=0, tol=1e-13)
        np.testing.assert_allclose(model.inference_.std_err, found.bse, rtol=1e-8)


def test_a_file_has_the_answer_of_memory(fitted, tmp_path):
    model, X, y, _ = fitted
    path = str(tmp_path / "rows.parquet")
    pd.DataFrame({**{f"x{j}": X[:, j] for j in range(P)}, "y": y}).to_parquet(path)
    source = bh.data.query(path, target="y", labels=hasattr(model, "classes_"))
    found = type(model)(alpha=0.0).fit(source)
    same(found, model)
    np.testing.assert_allclose(found.inference_.std_err, model.inference_.std_err, rtol=1e-9)
