"""Fits without an intercept by links whose predictors have an end, where β = 0 is no place to begin."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm

import betahat as bh
from betahat.errors import DataError

N = 500
LINKS = sm.families.links
MEANS = {
    "identity": (LINKS.Identity, lambda eta: eta),
    "sqrt": (LINKS.Sqrt, lambda eta: eta**2),
    "inverse": (LINKS.InversePower, lambda eta: 1 / eta),
    "inverse_squared": (LINKS.InverseSquared, lambda eta: eta**-0.5),
}
FAMILIES = {
    "poisson": (sm.families.Poisson, lambda rng, mu: rng.poisson(3 * mu).astype(float), ("identity", "sqrt")),
    "gamma": (sm.families.Gamma, lambda rng, mu: rng.gamma(5, mu / 5), ("identity", "inverse")),
    "inverse_gaussian": (
        sm.families.InverseGaussian, lambda rng, mu: rng.wald(mu, 20 * mu), ("identity", "inverse", "inverse_squared")
    ),
}  # fmt: skip
CASES = [(family, link) for family, (_, _, links) in FAMILIES.items() for link in links]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def theirs(X, y, family, link, offset):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of links that do not respect a family's domain
        return sm.GLM(y, X, family=family(link()), offset=offset).fit(tol=1e-14, maxiter=200)


@pytest.mark.parametrize("with_offset", [False, True])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("p", [1, 3])
@pytest.mark.parametrize(("family", "link"), CASES)
def test_equals_statsmodels(family, link, p, scale, with_offset, rng):
    peer, draw, _ = FAMILIES[family]
    its_link, mean = MEANS[link]
    X, offset = rng.random((N, p)) + 0.5, 0.1 * rng.random(N) if with_offset else None
    y = draw(rng, mean(X @ (rng.random(p) + 0.5)))
    model = bh.GeneralizedLinearModel(family, link, fit_intercept=False).fit(X * scale, y, offset=offset)
    wanted = theirs(X, y, peer, its_link, offset)
    assert model.certificate_.converged
    np.testing.assert_allclose(model.coef_ * scale, wanted.params, rtol=1e-10)
    if family == "poisson":  # elsewhere the peer reckons with expected curvature
        np.testing.assert_allclose(model.inference_.log_likelihood, wanted.llf, rtol=1e-10)


@pytest.mark.parametrize(("family", "link"), CASES)
def test_columns_that_no_beta_makes_positive_are_refused(family, link, rng):
    X = rng.standard_normal((N, 2))
    y = FAMILIES[family][1](rng, np.ones(N))
    with pytest.raises(DataError, match=f"(?s)between 0 and inf, as the {link} link.*fit_intercept=True"):
        bh.GeneralizedLinearModel(family, link, fit_intercept=False).fit(X, y)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton_cg", None])
def test_every_solver_begins_there(solver, rng):
    X = rng.random((N, 3)) + 0.5
    y = rng.poisson(3 * (X @ np.ones(3))).astype(float)
    known = {} if solver is None else {"solver": solver}
    model = bh.GeneralizedLinearModel("poisson", "identity", fit_intercept=False, **known).fit(X, y)
    wanted = theirs(X, y, sm.families.Poisson, LINKS.Identity, None)
    np.testing.assert_allclose(model.coef_, wanted.params, rtol=1e-7)


def test_missing_numbers_are_named_first(rng):
    X = rng.random((N, 3)) + 0.5
    X[7, 1] = np.inf
    with pytest.raises(ValueError, match="inf"):
        bh.GeneralizedLinearModel("poisson", "identity", fit_intercept=False).fit(X, rng.poisson(2.0, N))
