"""Maxima at an edge of what a link allows, proven by their multipliers (Karush 1939, Kuhn & Tucker 1951)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import nnls

import betahat as bh
from betahat.losses.choose_family import as_family
from betahat.solvers.likelihood.edge import Barred

LINKS = [("binomial", "log"), ("binomial", "identity"), ("poisson", "identity"), ("poisson", "sqrt")]
AT_THE_EDGE = {0, 4, 5}  # seeds whose maximum lies there by every link; the others' by some


def table(seed, family, link):
    """X and y whose means come near to an edge."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(20, 200)), int(rng.integers(1, 4))
    X = rng.standard_normal((n, p))
    slopes = rng.standard_normal(p)
    if family == "poisson":
        return X, rng.poisson(np.maximum(2 + 0.6 * X @ slopes, 0.05) ** (2 if link == "sqrt" else 1)) * 1.0
    mean = np.exp(-1 + 0.4 * X @ slopes) if link == "log" else 0.5 + 0.15 * X @ slopes
    return X, (rng.random(n) < np.clip(mean, 0.001, 0.999)) * 1.0


def fitted(family, link, X, y, weight=None, offset=None, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.CertificateWarning)
        warnings.simplefilter("ignore", bh.CollinearityWarning)
        return bh.GeneralizedLinearModel(family, link=link, **given).fit(
            X, y, sample_weight=weight, offset=offset
        )


def proven(model, X, y, weight=None, offset=None, alpha=0.0):
    """Σ w ∂L is, up to rounding, that of multipliers ≥ 0 of rows at the edge, whose distance they make worth
    nothing: of a convex J with linear bounds, proof that no β within them is better; and how many rows lie there."""
    family = as_family(model.family, model.link)
    w = np.ones(len(y)) if weight is None else weight
    kept = w > 0
    X, y, w = X[kept], y[kept], w[kept]
    Z = np.column_stack([np.ones(len(y)), X]) if model.fit_intercept else X
    eta = X @ model.coef_ + model.intercept_ + (0.0 if offset is None else offset[kept])
    assert np.isfinite(family.value(y, eta)).all()
    slope = Z.T @ (w * family.first_derivative(y, eta)) / w.sum()
    slope[int(model.fit_intercept) :] += alpha * model.coef_
    low, high = family.domain
    distance = np.minimum(eta - low, high - eta)
    on = distance < 1e-6 * distance.mean()
    ways = np.where(eta - low < high - eta, 1.0, -1.0)[on, None]
    multipliers, left = nnls((ways * Z[on]).T, slope) if on.any() else (np.zeros(0), np.linalg.norm(slope))
    assert left <= 1e-8 * np.abs(Z).max()
    assert multipliers @ distance[on] <= 1e-10
    return int(on.sum())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("family", "link"), LINKS)
def test_no_point_within_the_edge_is_better(family, link, seed):
    X, y = table(seed, family, link)
    model = fitted(family, link, X, y)
    rows = proven(model, X, y)
    assert model.stop_reason_ == ("at the edge" if rows else "converged")
    assert model.certificate_.converged == (rows == 0)
    assert rows or seed not in AT_THE_EDGE


@pytest.mark.parametrize("given", ["weights", "offset", "alpha", "frame", "scaled", "collinear"])
@pytest.mark.parametrize("seed", sorted(AT_THE_EDGE))
@pytest.mark.parametrize(("family", "link"), LINKS)
def test_with_all_that_a_fit_takes(family, link, seed, given):
    X, y = table(seed, family, link)
    rng = np.random.default_rng(7)
    weight = rng.random(len(y)) * (rng.random(len(y)) > 0.1) if given == "weights" else None
    offset = 0.05 * rng.random(len(y)) * (-1 if link == "log" else 1) if given == "offset" else None
    X = X * 1e6 + 1e7 if given == "scaled" else X
    X = np.column_stack([X, X[:, 0]]) if given == "collinear" else X
    rows = X
    if given == "frame":
        import pandas as pd

        rows = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    alpha = 0.01 if given == "alpha" else 0.0
    model = fitted(family, link, rows, y, weight, offset, alpha=alpha)
    assert proven(model, X, y, weight, offset, alpha) == 0 or model.stop_reason_ == "at the edge"


@pytest.mark.parametrize(("family", "link"), LINKS)
def test_it_is_said_and_there_are_no_standard_errors(family, link):
    X, y = table(4, family, link)
    with pytest.warns(
        bh.CertificateWarning, match=f"highest at an edge of what the {link} link allows"
    ) as caught:
        model = bh.GeneralizedLinearModel(family, link=link).fit(X, y)
    eta = model.intercept_ + X @ model.coef_
    means = as_family(family, link).mean(eta)
    number = int(np.argmin(np.minimum(means, 1 - means) if family == "binomial" else means))
    assert f" {number}" in str(caught[0].message)
    assert np.isnan(model.certificate_.error_bound).all()
    assert "β*" not in model.certificate_.line()
    with pytest.raises(bh.InferenceError, match="edge"):
        _ = model.inference_.std_err


@pytest.mark.parametrize("solver", ["lbfgs", "newton_cg", "gradient_descent"])
def test_other_solvers_name_what_finds_it(solver):
    X, y = table(4, "poisson", "identity")
    with pytest.warns(bh.CertificateWarning, match="solver='newton' finds"):
        bh.GeneralizedLinearModel("poisson", link="identity", solver=solver).fit(X, y)


def test_with_l1_it_is_said():
    X, y = table(4, "poisson", "identity")
    with pytest.warns(bh.CertificateWarning, match="edge of what the identity link allows"):
        bh.GeneralizedLinearModel("poisson", link="identity", alpha=0.01, l1_ratio=1.0).fit(X, y)


def test_what_the_budget_asks_for_is_kept():
    X, y = table(4, "poisson", "identity")
    assert fitted("poisson", "identity", X, y, max_iter=5).stop_reason_ == "budget spent"


@pytest.mark.parametrize(("family", "link"), LINKS)
def test_barrier_has_its_derivatives(family, link):
    """Central differences, in the middle of the domain and near its ends."""
    its = as_family(family, link)
    barred = Barred(its, 0.3)
    low, high = (np.clip(end, -1.0, 2.0) for end in its.domain)
    eta, y, h = np.linspace(low, high, 9)[1:-1], np.arange(7.0) % 2, 1e-6
    slope = (barred.value(y, eta + h) - barred.value(y, eta - h)) / (2 * h)
    bend = (barred.first_derivative(y, eta + h) - barred.first_derivative(y, eta - h)) / (2 * h)
    np.testing.assert_allclose(barred.first_derivative(y, eta), slope, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(barred.second_derivative(y, eta), bend, rtol=1e-7)
    outside = np.array([end for end in its.domain if np.isfinite(end)])
    assert np.isinf(barred.value(np.zeros(len(outside)), outside)).all()
