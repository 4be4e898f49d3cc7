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
        return sm.GLM(y, X, family=family(link()), offset=offset).fit(
            tol=1e-14, tol_criterion="params", maxiter=200
        )


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


def test_targets_where_the_link_is_not_finite_are_refused():
    X = np.random.default_rng(5).random((N, 2)) + 0.5
    with pytest.raises(
        DataError, match="the mean of y is 0, where the inverse link of the poisson likelihood"
    ):
        bh.GeneralizedLinearModel("poisson", "inverse", fit_intercept=False).fit(X, np.zeros(N))


SPARSE = [(f, link) for f, link in CASES if (f, link) not in {("gamma", "identity"), ("inverse_gaussian", "identity"),
                                                             ("inverse_gaussian", "inverse")}]  # fmt: skip


@pytest.mark.parametrize("with_offset", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 0.03, 10.0])
@pytest.mark.parametrize(("family", "link"), SPARSE)
def test_sparse_fits_stay_inside(family, link, alpha, intercept, with_offset, rng):
    """By the conditions of the minimum: slopes of the loss, as the peer's family has them, balance the penalty."""
    peer, draw, _ = FAMILIES[family]
    its_link, mean = MEANS[link]
    X, offset = rng.random((N, 4)) + 0.5, 0.1 * rng.random(N) if with_offset else None
    y = draw(rng, mean(X @ [1.0, 0.7, 0.4, 0.1]))
    l1_ratio = 0.7
    model = bh.GeneralizedLinearModel(family, link, alpha=alpha, l1_ratio=l1_ratio, fit_intercept=intercept)
    model.fit(X, y, offset=offset)
    assert model.certificate_.converged
    eta = X @ model.coef_ + model.intercept_ + (0.0 if offset is None else offset)
    theirs = peer(its_link())
    mu = theirs.link.inverse(eta)
    assert (eta > 0).all()
    slopes = (mu - y) / (theirs.variance(mu) * theirs.link.deriv(mu))
    g, beta = X.T @ slopes / N, model.coef_
    least = alpha * l1_ratio
    rest = g + alpha * (1 - l1_ratio) * beta
    unit = np.abs(X.T) @ np.abs(slopes) / N
    assert (np.abs(rest + least * np.sign(beta))[beta != 0] < 1e-6 * unit[beta != 0]).all()
    assert (np.abs(g)[beta == 0] <= least + 1e-6 * unit[beta == 0]).all()
    assert not intercept or abs(slopes.mean()) < 1e-6 * np.abs(slopes).mean()
    assert alpha < 10 or not intercept or not beta.any()
