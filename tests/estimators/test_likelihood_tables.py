"""Real tables × families: the same coefficients, standard errors and sums as statsmodels and scikit-learn.

Peers are given standardised columns and are iterated until nothing changes (10 digits need both); their answers are
carried back to the columns' own units.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.linear_model as sklm
import statsmodels.api as sm
from real_tables import (
    BINARY,
    CLASSES,
    COUNTS,
    POSITIVE,
    PROPORTIONS,
    Said,
    Table,
    back_from_units,
    statsmodels_glm,
)

import betahat as bh

links, families = sm.families.links, sm.families


def estimates(model):
    return np.column_stack([np.atleast_1d(model.intercept_), np.atleast_2d(model.coef_)])


def assert_agrees(model, said: Said, *, digits=10, sums=9):
    """10 digits of coefficients, 8 of standard errors, 9 of sums."""
    np.testing.assert_allclose(estimates(model), said.estimate, rtol=10.0**-digits, atol=0)
    inference = model.inference_
    np.testing.assert_allclose(np.atleast_2d(inference.std_err), said.std_err, rtol=1e-8)
    for name, value in said.numbers.items():
        found = getattr(inference, name)
        assert found == pytest.approx(value, rel=10.0**-sums), f"{name}: {found!r}, expected {value!r}"
    assert model.certificate_.converged


def label_of_one(y):
    """Labels as 0 and 1, in the order of numpy.unique."""
    return np.unique(y, return_inverse=True)[1].astype(float)


@pytest.mark.parametrize("table", BINARY)
def test_logistic_regression(table):
    data: Table = BINARY[table]
    model = bh.LogisticRegression().fit(data.frame, data.y)
    assert_agrees(model, statsmodels_glm(data, families.Binomial(), label_of_one(data.y)))
    assert model.certificate_.error_bound_kind == "bound"


@pytest.mark.parametrize("table", ["Default", "birthwt", "spector", "fair", "titanic", "Cowles"])
@pytest.mark.parametrize("information", ["expected", "observed"])
def test_probit(table, information):
    data = BINARY[table]
    y = label_of_one(data.y)
    model = bh.GeneralizedLinearModel("binomial", "probit", information=information).fit(data.frame, y)
    if information == "expected":
        said = statsmodels_glm(data, families.Binomial(links.Probit()), y)
    else:
        Z, T = back_from_units(data.X)
        found = sm.Probit(y, Z).fit(method="newton", tol=1e-15, disp=0)
        errors = np.sqrt((T @ found.cov_params() @ T.T).diagonal())
        said = Said((T @ found.params)[None], errors[None], {"log_likelihood": found.llf})
    assert_agrees(model, said)


@pytest.mark.parametrize("table", ["birthwt", "fair", "infert", "titanic"])
@pytest.mark.parametrize("link", ["cloglog", "cauchit", "loglog"])
def test_other_links_of_the_binomial(table, link):
    data = BINARY[table]
    y = label_of_one(data.y)
    its_link = {"cloglog": links.CLogLog, "cauchit": links.Cauchy, "loglog": links.LogLog}[link]()
    model = bh.GeneralizedLinearModel("binomial", link).fit(data.frame, y)
    assert_agrees(model, statsmodels_glm(data, families.Binomial(its_link), y))


@pytest.mark.parametrize("table", PROPORTIONS)
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_proportions(table, link):
    data = PROPORTIONS[table]
    its_link = {"logit": links.Logit, "probit": links.Probit, "cloglog": links.CLogLog}[link]()
    model = bh.GeneralizedLinearModel("binomial", link).fit(data.frame, data.y, **data.beside())
    said = statsmodels_glm(data, families.Binomial(its_link))
    assert_agrees(model, said)
    counts = np.column_stack([data.y, 1 - data.y]) * data.beside()["sample_weight"][:, None]
    twice = bh.GeneralizedLinearModel("binomial", link).fit(data.frame, counts.round())
    np.testing.assert_allclose(estimates(twice), said.estimate, rtol=1e-10)


@pytest.mark.parametrize("table", COUNTS)
def test_poisson(table):
    data = COUNTS[table]
    model = bh.PoissonRegressor().fit(data.frame, data.y, **data.beside())
    assert_agrees(model, statsmodels_glm(data, families.Poisson()))


@pytest.mark.parametrize("table", ["quine", "bioChemists", "warpbreaks", "NMES1988"])
@pytest.mark.parametrize("link", ["log", "sqrt"])
def test_negative_binomial_and_square_roots(table, link):
    data = COUNTS[table]
    if link == "log":
        from betahat.losses import NegativeBinomial

        model = bh.GeneralizedLinearModel(NegativeBinomial(0.8)).fit(data.frame, data.y)
        family = families.NegativeBinomial(alpha=1 / 0.8)
    else:
        model = bh.GeneralizedLinearModel("poisson", "sqrt").fit(data.frame, data.y)
        family = families.Poisson(links.Sqrt())
    assert_agrees(model, statsmodels_glm(data, family))


@pytest.mark.parametrize("table", POSITIVE)
@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian"])
def test_gamma_and_inverse_gaussian(table, family):
    data = POSITIVE[table]
    made = bh.GammaRegressor() if family == "gamma" else bh.GeneralizedLinearModel(family)
    peer = {"gamma": families.Gamma, "inverse_gaussian": families.InverseGaussian}[family](links.Log())
    assert_agrees(made.fit(data.frame, data.y), statsmodels_glm(data, peer))


@pytest.mark.parametrize("table", ["scotland", "warpbreaks", "ccard"])
def test_inverse_links(table):
    data = POSITIVE[table]
    model = bh.GeneralizedLinearModel("gamma", "inverse").fit(data.frame, data.y)
    assert_agrees(model, statsmodels_glm(data, families.Gamma(links.InversePower())))


@pytest.mark.parametrize(
    ("table", "power"), [("quine", 1.5), ("Affairs", 1.2), ("NMES1988", 1.7), ("Insurance", 1.5)]
)
def test_tweedie(table, power):
    data = COUNTS[table]
    model = bh.TweedieRegressor(power=power).fit(data.frame, data.y, **data.beside())
    assert_agrees(model, statsmodels_glm(data, families.Tweedie(links.Log(), var_power=power)))


@pytest.mark.parametrize("table", ["scotland", "ccard", "gss_wages"])
def test_gaussian(table):
    data = POSITIVE[table]
    said = statsmodels_glm(data, families.Gaussian())
    assert_agrees(bh.GeneralizedLinearModel().fit(data.frame, data.y), said)


@pytest.mark.parametrize("table", CLASSES)
def test_multinomial(table):
    data = CLASSES[table]
    weight = data.beside().get("sample_weight")
    model = bh.LogisticRegression().fit(data.frame, data.y, frequency_weight=weight)
    X, y = data.X, data.y
    if weight is not None:
        X, y = np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int))
    Z, T = back_from_units(X)
    found = sm.MNLogit(label_of_one(y), Z).fit(method="newton", tol=1e-15, maxiter=100, disp=0)
    gamma = np.asarray(found.params).T  # classes but the first × columns
    whole = np.kron(np.eye(len(gamma)), T)
    covariance = whole @ np.asarray(found.cov_params()) @ whole.T
    shown = estimates(model)
    np.testing.assert_allclose(shown[1:] - shown[:1], gamma @ T.T, rtol=1e-10)
    np.testing.assert_allclose(shown.sum(axis=0), 0, atol=1e-12 * np.abs(shown).max())
    inference = model.inference_
    np.testing.assert_allclose(
        inference.std_err, np.sqrt(covariance.diagonal()).reshape(gamma.shape), rtol=1e-8
    )
    assert inference.log_likelihood == pytest.approx(found.llf, rel=1e-12)
    assert inference.null_log_likelihood == pytest.approx(found.llnull, rel=1e-9)
    assert model.certificate_.error_bound_kind == "bound"


# --- penalised, against scikit-learn ------------------------------------------------------------------------


def units(table: Table):
    return back_from_units(table.X)[0][:, 1:], table.y


@pytest.mark.parametrize("table", [*BINARY, *CLASSES])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_penalised_logistic_regression(table, C):
    data = {**BINARY, **CLASSES}[table]
    X, y = units(data)
    given = data.beside()
    peer = sklm.LogisticRegression(C=C, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    peer.fit(X, y, **given)
    model = bh.LogisticRegression(C=C).fit(X, y, **given)
    scale = np.abs(peer.coef_).max()
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-10, atol=1e-12 * scale)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), rtol=1e-9)
    total = given.get("sample_weight", np.ones(len(y))).sum()
    same = bh.LogisticRegression(alpha=1 / (C * total)).fit(X, y, **given)
    np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-10, atol=1e-12 * scale)
    with pytest.raises(bh.InferenceError, match="penal"):
        _ = model.inference_.std_err


def test_penalised_breast_cancer():
    """Separated without a penalty."""
    import sklearn.datasets

    X, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    peer = sklm.LogisticRegression(C=10.0, solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(X, y)
    model = bh.LogisticRegression(C=10.0).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-10)
    with pytest.warns(bh.SeparationWarning, match="complete separation"):
        free = bh.LogisticRegression().fit(X, y)
    assert free.certificate_.status == "no minimum exists"
    assert free.score(X, y) == 1.0


@pytest.mark.parametrize("table", ["quine", "RandHIE", "NMES1988", "bioChemists", "scotland", "ccard"])
@pytest.mark.parametrize("alpha", [1e-3, 1.0])
@pytest.mark.parametrize("family", ["poisson", "gamma", "tweedie"])
def test_penalised_regressors(table, alpha, family):
    data = {**COUNTS, **POSITIVE}[table]
    X, y = units(data)
    if family == "gamma":
        y = y + 0.5
    parameters = {"alpha": alpha}
    ours = {"poisson": bh.PoissonRegressor, "gamma": bh.GammaRegressor, "tweedie": bh.TweedieRegressor}[
        family
    ]
    peer = {"poisson": sklm.PoissonRegressor, "gamma": sklm.GammaRegressor, "tweedie": sklm.TweedieRegressor}[
        family
    ]
    if family == "tweedie":
        parameters |= {"power": 1.5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reports that it cannot get better than its rounding
        other = peer(**parameters, solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(X, y)
    model = ours(**parameters).fit(X, y)
    scale = np.abs(other.coef_).max()
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-10, atol=1e-11 * scale)
    assert model.intercept_ == pytest.approx(other.intercept_, rel=1e-10)
    assert model.score(X, y) == pytest.approx(other.score(X, y), rel=1e-9)


# --- through a formula --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "table", "formula", "model"),
    [
        (BINARY, "Default", "default ~ student + balance + income", "logistic"),
        (COUNTS, "quine", "Days ~ Eth + Sex + Age + Lrn", "poisson"),
        (POSITIVE, "ccard", "AVGEXP ~ AGE + INCOME + INCOMESQ + OWNRENT", "gamma"),
        (COUNTS, "Insurance", "Claims ~ District + Group + Age + offset(np.log(Holders))", "poisson"),
        (CLASSES, "Womenlf", "partic ~ hincome + children + region", "logistic"),
    ],
)
def test_formulas(kind, table, formula, model):
    data = kind[table]
    found = bh.fit(formula, data.data, model=model)
    made = {"logistic": bh.LogisticRegression, "poisson": bh.PoissonRegressor, "gamma": bh.GammaRegressor}[
        model
    ]()
    plain = made.fit(data.frame, data.y, **data.beside())
    np.testing.assert_allclose(estimates(found), estimates(plain), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.inference_.std_err, plain.inference_.std_err, rtol=1e-9)
