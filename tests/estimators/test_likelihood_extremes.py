"""Where likelihoods are hard or have no maximum: the numbers are right, or refused by name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from estimators.likelihood_data import COUNTS, LABELS, POSITIVE, X
from exact_likelihood import assert_bound_holds, maximum
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import betahat as bh

Logistic, GLM = bh.LogisticRegression, bh.GeneralizedLinearModel
NAN, INF = np.nan, np.inf


def estimates(model):
    return np.append(np.ravel(model.intercept_), np.ravel(model.coef_))


# --- the numbers are right ----------------------------------------------------------------------------------

MODELS = {
    "logit": (Logistic, LABELS), "poisson": (bh.PoissonRegressor, COUNTS), "gamma": (bh.GammaRegressor, POSITIVE)
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("mean", [0.0, 1e4, 1e8])
def test_units_and_means_of_columns(kind, scale, mean):
    """The columns as doubles are the truth, not what they were made of."""
    made, y = MODELS[kind]
    Z = np.column_stack([X[:, 0] * scale, X[:, 1] + mean, (X[:, 2] + mean) / scale])
    model = made().fit(Z, y)
    truth = maximum(Z, y, kind, estimates(model))
    tolerance = 1e-12 if mean == 0 else 4e-16 * mean + 1e-10
    np.testing.assert_allclose(estimates(model), [float(b) for b in truth], rtol=tolerance * 10)
    assert model.certificate_.status == "global minimum"
    assert model.certificate_.error_bound_kind == "bound"
    assert_bound_holds(model, truth)
    plain = made().fit(X, y)
    np.testing.assert_allclose(model.predict(Z), plain.predict(X), rtol=1e-6)
    np.testing.assert_allclose(
        model.inference_.std_err[1:] * [scale, 1.0, 1 / scale], plain.inference_.std_err[1:], rtol=1e-6
    )


@pytest.mark.parametrize("power", [-150, -100, 100, 150])
@pytest.mark.parametrize("kind", MODELS)
def test_units_that_squares_do_not_survive(kind, power):
    made, y = MODELS[kind]
    model, plain = made().fit(X * [10.0**power, 1.0, 1.0], y), made().fit(X, y)
    np.testing.assert_allclose(np.ravel(model.coef_) * [10.0**power, 1, 1], np.ravel(plain.coef_), rtol=1e-11)
    assert model.certificate_.converged


@pytest.mark.parametrize("kind", ["poisson", "gamma"])
@pytest.mark.parametrize("unit", [1e-300, 1e-100, 1e100, 1e300])
def test_units_of_the_target(kind, unit):
    made, y = MODELS[kind]
    model, plain = made().fit(X, y * unit), made().fit(X, y)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9, atol=1e-11)
    assert model.intercept_ == pytest.approx(plain.intercept_ + np.log(unit), rel=1e-12)


@pytest.mark.parametrize("family", ["inverse_gaussian", "tweedie"])
@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units_of_other_targets(family, unit):
    model, plain = GLM(family).fit(X, POSITIVE * unit), GLM(family).fit(X, POSITIVE)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("link", ["identity", "inverse", "sqrt", "power(0.3)"])
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_links_that_carry_a_unit(link, unit):
    """Steps end by what they change, in whatever unit predictors are."""
    y = 5 + 0.3 * X[:, 0] + 0.1 * POSITIVE
    power = {"identity": 1.0, "inverse": -1.0, "sqrt": 0.5, "power(0.3)": 0.3}[link]
    model, plain = GLM("gamma", link).fit(X, y * unit), GLM("gamma", link).fit(X, y)
    np.testing.assert_allclose(estimates(model), estimates(plain) * unit**power, rtol=1e-10)


def test_one_row_of_a_class_among_a_hundred_thousand():
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(100_001, 2))
    y = np.r_[np.zeros(100_000, int), 1]
    Z[-1] = [1.5, -0.5]
    model = Logistic().fit(Z, y)
    assert model.certificate_.error_bound_kind == "bound"
    assert model.separation_ is None
    p = model.predict_proba(Z)[:, 1]
    residual = np.column_stack([np.ones(len(Z)), Z]).T @ (y - p)
    np.testing.assert_allclose(residual, 0, atol=1e-9)
    assert p.sum() == pytest.approx(1.0, rel=1e-10)
    balanced = Logistic(class_weight="balanced").fit(Z, y)
    assert balanced.predict_proba(Z)[:, 1].mean() > 0.1


@pytest.mark.parametrize("shift", [600.0, -600.0, 1e4, -1e4])
@pytest.mark.parametrize("kind", ["logit", "poisson", "gamma"])
def test_offsets_to_ten_thousand(kind, shift):
    """A constant offset moves the intercept by as much, and nothing else."""
    family, y = {"logit": ("binomial", LABELS), "poisson": ("poisson", COUNTS), "gamma": ("gamma", POSITIVE)}[
        kind
    ]
    plain = GLM(family).fit(X, y)
    model = GLM(family).fit(X, y, offset=np.full(60, shift))
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
    assert model.intercept_ + shift == pytest.approx(plain.intercept_, abs=1e-9)
    np.testing.assert_allclose(model.predict(X, offset=np.full(60, shift)), plain.predict(X), rtol=1e-9)


def test_probabilities_of_1e_minus_300():
    model = Logistic().fit(X, LABELS)
    far = np.array([[-700.0], [700.0]]) * model.coef_ / (model.coef_ @ model.coef_.T)
    logs = model.predict_log_proba(far)
    eta = model.decision_function(far)
    np.testing.assert_allclose(logs[0, 1], eta[0], rtol=1e-14)
    np.testing.assert_allclose(logs[1, 0], -eta[1], rtol=1e-14)
    assert 0 < model.predict_proba(far)[0, 1] < 1e-290
    np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1)
    very = model.predict_log_proba(far * 1e4)
    assert np.isfinite(very).all()


def test_fits_with_probabilities_of_1e_minus_300():
    """Rows predicted at 1e-300 add what they should to the loss, the deviance and the likelihood."""
    offset = np.where(np.arange(60) % 7 == 0, -690.0, 0.0)
    y = np.where(offset < 0, 0, LABELS)
    model = Logistic().fit(X, y, offset=offset)
    kept = offset == 0
    plain = Logistic().fit(X[kept], y[kept])
    np.testing.assert_allclose(estimates(model), estimates(plain), rtol=1e-11)
    assert model.inference_.log_likelihood == pytest.approx(plain.inference_.log_likelihood, rel=1e-12)


# --- bounds hold --------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_bounds_of_small_tables(data):
    kind = data.draw(st.sampled_from(["logit", "poisson", "gamma"]))
    n, p = data.draw(st.integers(6, 12)), data.draw(st.integers(1, 2))
    tenth = st.integers(-20, 20).map(lambda v: v / 10)
    Z = np.array(data.draw(st.lists(st.lists(tenth, min_size=p, max_size=p), min_size=n, max_size=n)))
    values = {"logit": st.integers(0, 1), "poisson": st.integers(0, 5), "gamma": st.integers(1, 40)}[kind]
    y = np.array(data.draw(st.lists(values, min_size=n, max_size=n)))
    w = np.array(data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n)))
    alpha = data.draw(st.sampled_from([0.0, 0.0, 0.1]))
    design = np.column_stack([np.ones(n), Z])
    assume(np.linalg.svd(design, compute_uv=False)[-1] > 0.3)
    assume(len(set(y)) > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.SeparationWarning)
        model = MODELS[kind][0](alpha=alpha).fit(Z, y, sample_weight=w)
    if model.separation_ is not None:
        assert model.certificate_.status == "no minimum exists"
        assert model.certificate_.error_bound_kind != "bound"
        return
    truth = maximum(Z, y, kind, estimates(model), w, alpha=alpha)
    assert model.certificate_.error_bound_kind == "bound"
    assert_bound_holds(model, truth)
    np.testing.assert_allclose(estimates(model), [float(b) for b in truth], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("parameters", [
    {"max_iter": 2}, {"max_iter": 3}, {"max_iter": 4}, {"tol": 1e-2}, {"tol": 1e-4},
    {"solver": "lbfgs", "tol": 1e-3}, {"solver": "gradient_descent", "max_iter": 30},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("kind", ["logit", "poisson"])
def test_bounds_hold_where_a_fit_stopped_early(kind, parameters):
    made, y = MODELS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.CertificateWarning)
        model = made(**parameters).fit(X, y)
    truth = maximum(X, y, kind, estimates(made().fit(X, y)))
    assert_bound_holds(model, truth, 1.0 if model.certificate_.error_bound_kind == "bound" else 3.0)


# --- collinear columns --------------------------------------------------------------------------------------

COLLINEAR = {
    "duplicated": (np.column_stack([X, X[:, 0]]), "x4.*multiple"),
    "constant": (np.column_stack([X, np.full(60, 3.0)]), "x4.*constant"),
    "combination": (np.column_stack([X, X @ [1.0, -2.0, 0.5]]), "linear combination"),
    "dummies of all levels": (np.column_stack([X, np.eye(4)[np.arange(60) % 4]]), "linear combination"),
}


@pytest.mark.parametrize("case", COLLINEAR)
@pytest.mark.parametrize("kind", [*MODELS, "multinomial"])
def test_collinear_columns(case, kind):
    Z, words = COLLINEAR[case]
    made, y = MODELS.get(kind, (Logistic, np.arange(60) % 3))
    with pytest.raises(bh.CollinearityError, match=words):
        made(collinear="error").fit(Z, y)
    with pytest.warns(bh.CollinearityWarning, match=words):
        dropped = made(collinear="drop").fit(Z, y)
    with pytest.warns(bh.CollinearityWarning, match=words):
        shortest = made(collinear="minimum_norm").fit(Z, y)
    zero = (np.atleast_2d(dropped.coef_) == 0).all(axis=0)
    assert zero.sum() == 1
    plain = made().fit(Z[:, ~zero], y)
    np.testing.assert_allclose(
        np.atleast_2d(dropped.coef_)[:, ~zero], np.atleast_2d(plain.coef_), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(shortest.predict(Z), plain.predict(Z[:, ~zero]), rtol=1e-9)
    assert np.linalg.norm(shortest.coef_) <= np.linalg.norm(dropped.coef_) * (1 + 1e-12)
    assert shortest.inference_.log_likelihood == pytest.approx(plain.inference_.log_likelihood, rel=1e-12)
    assert shortest.inference_.df_resid == plain.inference_.df_resid
    for model in (dropped, shortest):
        assert model.certificate_.status == "global minimum"


def test_all_columns_constant():
    with pytest.warns(bh.CollinearityWarning, match="x1' is constant"):
        model = Logistic().fit(np.ones((60, 1)), LABELS)
    share = LABELS.mean()
    assert model.intercept_[0] == pytest.approx(np.log(share / (1 - share)), rel=1e-12)


@pytest.mark.parametrize("kind", ["poisson", "gamma"])
def test_more_columns_than_rows(kind):
    made, y = MODELS[kind]
    Z = np.random.default_rng(1).normal(size=(10, 25))
    with pytest.warns(bh.CollinearityWarning):
        model = made().fit(Z, y[:10] + 1)
    np.testing.assert_allclose(model.predict(Z), y[:10] + 1, rtol=1e-9)
    ridge = made(alpha=0.1).fit(Z, y[:10] + 1)
    assert ridge.certificate_.error_bound_kind == "bound"


# --- no maximum exists --------------------------------------------------------------------------------------

DUMMY = np.column_stack([X, np.repeat([1.0, 0.0], [10, 50])])
SEPARATED = {
    "complete": (X, (X[:, 0] > 0.2).astype(int), "complete", "x1"),
    "complete by a combination": (X, (X @ [1.0, 2.0, -1.0] > 0.3).astype(int), "complete", "x1, x2, x3"),
    "quasi-complete by a dummy": (DUMMY, np.r_[np.ones(10, int), LABELS[10:]], "quasi-complete", "x4 = 1"),
    "three classes": (X, np.digitize(X[:, 0], [-0.5, 0.5]), "complete", "x1"),
    "three classes by a dummy": (DUMMY, np.r_[np.full(10, 2), np.arange(50) % 3], "quasi-complete", "x4"),
}  # fmt: skip


@pytest.mark.parametrize("case", SEPARATED)
def test_separated_classes(case):
    Z, y, kind, column = SEPARATED[case]
    with pytest.warns(bh.SeparationWarning, match=rf"{kind} separation.*{column}"):
        model = Logistic().fit(Z, y)
    assert model.certificate_.status == "no minimum exists"
    assert not model.certificate_.converged
    assert column in model.separation_
    with pytest.raises(bh.SeparationError, match=f"{kind} separation"):
        Logistic(separation="error").fit(Z, y)
    assert np.isinf(model.certificate_.error_bound).any()
    errors = np.ravel(model.inference_.std_err)
    assert np.isnan(errors).any()
    assert not (errors > 1e3).any(), "a large number with a standard error as if it were an estimate"
    np.testing.assert_array_equal(np.isnan(errors), np.ravel(model.inference_.infinite))
    assert np.isnan(np.ravel(model.inference_.p_value)[np.isnan(errors)]).all()
    if kind == "complete":
        assert model.score(Z, y) == 1.0
    str(model.summary())
    model.explain()
    Logistic(alpha=0.01, separation="error").fit(Z, y)


def test_what_is_finite_beside_a_dummy_is_the_fit_to_the_other_rows():
    Z, y, _, _ = SEPARATED["quasi-complete by a dummy"]
    with pytest.warns(bh.SeparationWarning):
        model = Logistic().fit(Z, y)
    others = Logistic().fit(X[10:], y[10:])
    np.testing.assert_allclose(model.coef_[0, :3], others.coef_[0], rtol=1e-8)
    np.testing.assert_allclose(model.inference_.std_err[:4], others.inference_.std_err, rtol=1e-7)
    assert list(model.inference_.infinite.ravel()) == [False, False, False, False, True]


@pytest.mark.parametrize("link", ["probit", "cloglog", "loglog", "cauchit"])
@pytest.mark.parametrize("case", ["complete", "quasi-complete by a dummy"])
def test_separation_under_other_links(case, link):
    Z, y, kind, _ = SEPARATED[case]
    with pytest.warns(bh.SeparationWarning, match=f"{kind} separation"):
        model = GLM("binomial", link).fit(Z, y)
    assert model.certificate_.status == "no minimum exists"


@pytest.mark.parametrize("made", [
    bh.PoissonRegressor(), bh.TweedieRegressor(power=1.5), GLM("negative_binomial"),
], ids=repr)  # fmt: skip
def test_separated_counts(made):
    y = np.r_[np.zeros(10), COUNTS[10:]]
    with pytest.warns(bh.SeparationWarning, match="counts of zero.*x4 = 1"):
        model = made.fit(DUMMY, y)
    others = made.__class__(**made.get_params()).fit(X[10:], y[10:])
    np.testing.assert_allclose(model.coef_[:3], others.coef_, rtol=1e-7)
    assert model.predict(DUMMY)[:10].max() < 1e-6
    share = 1.0 if model.inference_.statistics.dispersion_known else np.sqrt(46 / 55)  # of degrees of freedom
    np.testing.assert_allclose(model.inference_.std_err[:4], share * others.inference_.std_err, rtol=1e-6)


ONE_SIDED = {
    "weights leave one class": (Logistic, LABELS, LABELS * 1.0, "both classes"),
    "all zero": (lambda **k: GLM("binomial", **k), np.zeros(60), None, "both classes"),
    "no counts": (bh.PoissonRegressor, np.zeros(60), None, "counts above zero"),
    "no claims": (lambda **k: bh.TweedieRegressor(power=1.3, **k), np.zeros(60), None, "counts above zero"),
}


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("case", ONE_SIDED)
def test_targets_at_one_edge_have_no_maximum(case, alpha):
    """A penalty does not help: the intercept is free of it."""
    made, y, weight, words = ONE_SIDED[case]
    with pytest.warns(bh.SeparationWarning, match=rf"every row has y = .*{words}"):
        model = made(alpha=alpha).fit(X, y, sample_weight=weight)
    assert model.certificate_.status == "no minimum exists"
    with pytest.raises(bh.SeparationError, match="the intercept goes to infinity"):
        made(alpha=alpha, separation="error").fit(X, y, sample_weight=weight)


# --- weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-200, 1e-8, 1e8, 1e200])
@pytest.mark.parametrize("kind", MODELS)
def test_huge_and_tiny_weights(kind, unit):
    made, y = MODELS[kind]
    w = np.random.default_rng(2).uniform(0.5, 2, 60)
    model, plain = made().fit(X, y, sample_weight=w * unit), made().fit(X, y, sample_weight=w)
    np.testing.assert_allclose(estimates(model), estimates(plain), rtol=1e-10)


@pytest.mark.parametrize("solver", [None, "lbfgs", "newton_cg"])
@pytest.mark.parametrize("rubbish", [NAN, INF, 1e300])
@pytest.mark.parametrize("kind", [*MODELS, "multinomial"])
def test_rows_of_no_weight_may_hold_anything(kind, rubbish, solver):
    made, y = MODELS.get(kind, (Logistic, np.arange(60) % 3))
    Z = np.vstack([X, [[rubbish, 0.0, 1.0]]])
    w = np.append(np.ones(60), 0.0)
    model = made(solver=solver).fit(Z, np.append(y, y[0]), sample_weight=w)
    np.testing.assert_allclose(estimates(model), estimates(made().fit(X, y)), rtol=1e-7, atol=1e-9)
    assert model.inference_.n_obs == 60
