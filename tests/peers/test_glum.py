"""The same fits by glum (Martinez et al.), on tables that ship with statsmodels and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_diabetes

import betahat as bh

pytestmark = pytest.mark.peers


def longley():
    data = sm.datasets.longley.load()
    return data.exog.to_numpy(float), data.endog.to_numpy(float)


def stackloss():
    data = sm.datasets.stackloss.load()
    return data.exog.to_numpy(float), data.endog.to_numpy(float)


def fair():
    data = sm.datasets.fair.load()
    return data.exog.to_numpy(float), data.endog.to_numpy(float)


TABLES = {
    "diabetes": lambda: load_diabetes(return_X_y=True),
    "longley": longley,
    "stackloss": stackloss,
    "fair": fair,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("name", TABLES)
def test_glum(name, alpha, weighted):
    from glum import GeneralizedLinearRegressor

    X, y = TABLES[name]()
    scale = X.std(axis=0)
    X = X / scale  # glum's own accuracy suffers from unlike columns
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    peer = GeneralizedLinearRegressor(
        family="normal", alpha=alpha, l1_ratio=0, gradient_tol=1e-12, max_iter=1000
    )
    peer.fit(X, y, sample_weight=weight)
    ours = bh.LinearRegression(alpha=alpha).fit(X, y, sample_weight=weight)
    digits = 1e-6 if name == "longley" and not alpha else 1e-9
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=digits, atol=digits * np.abs(peer.coef_).max())
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=digits, atol=digits * np.abs(y).max())
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-9, atol=1e-9 * np.abs(y).max())


@pytest.mark.parametrize("name", ["diabetes", "stackloss", "fair"])
def test_standard_errors(name):
    from glum import GeneralizedLinearRegressor

    X, y = TABLES[name]()
    X = X / X.std(axis=0)
    peer = GeneralizedLinearRegressor(family="normal", alpha=0, gradient_tol=1e-12).fit(X, y)
    theirs = peer.std_errors(X, y, robust=False, expected_information=True)
    ours = bh.LinearRegression().fit(X, y)
    # glum corrects for degrees of freedom a second time, beside the dispersion's own
    twice = np.sqrt(len(y) / (len(y) - X.shape[1] - 1))
    np.testing.assert_allclose(ours.inference_.std_err * twice, theirs, rtol=1e-8)
