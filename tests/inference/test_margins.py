"""Marginal effects as statsmodels' get_margeff, and against numerical derivatives."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import narwhals as nw
import numpy as np
import pytest
import statsmodels.api as sm
from inference import likelihood_fits as fits
from scipy import special, stats

from betahat.errors import InferenceError
from betahat.inference import LikelihoodInference
from betahat.inference.likelihood import marginal_effects
from betahat.inference.likelihood.margins import factors_of, refuse_functions
from betahat.losses import as_link


def logit_mean(eta, order):
    p = special.expit(eta)
    return (p, p * (1 - p), p * (1 - p) * (1 - 2 * p))[order]


def probit_mean(eta, order):
    density = stats.norm.pdf(eta)
    return (special.ndtr(eta), density, -eta * density)[order]


def log_mean(eta, order):
    return np.exp(eta)


MODELS = {
    "logit": (fits.spector, fits.LOGIT, logit_mean, sm.Logit),
    "probit": (fits.spector, fits.PROBIT, probit_mean, sm.Probit),
    "poisson": (fits.randhie, fits.POISSON, log_mean, sm.Poisson),
}


def binary_columns(X):
    return [j for j in range(X.shape[1]) if set(np.unique(X[:, j])) == {0.0, 1.0}]


def same(ours, theirs, rtol=1e-8):
    """Rows of statsmodels are columns, those of a class beside each other."""
    for name, values in (
        ("effect", theirs.margeff), ("std_err", theirs.margeff_se), ("statistic", theirs.tvalues),
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(ours, name), np.asarray(values).T, rtol=rtol, atol=1e-13)
    np.testing.assert_allclose(ours.p_value, np.asarray(theirs.pvalues).T, rtol=1e-5, atol=1e-300)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("at", ["overall", "mean"])
@pytest.mark.parametrize("dummies", [False, True])
@pytest.mark.parametrize("centre", [False, True])
def test_as_get_margeff(model, at, dummies, centre):
    load, family, mean, theirs = MODELS[model]
    X, y, names = load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = theirs(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    expected = result.get_margeff(at=at, dummy=dummies)
    information = "observed" if family.observed else "expected"
    inference = LikelihoodInference(
        fits.fit(X, y, family, names=names, centre=centre, information=information)
    )
    factors = [names[j] if dummies and j in binary_columns(X) else None for j in range(X.shape[1])]
    rows = [(part, None, None) for part in np.array_split(X, 3)]
    found = marginal_effects(inference, mean, rows, factors=factors, at=at)
    same(found, expected, 2e-8)
    np.testing.assert_allclose(found.conf_int(0.9), expected.conf_int(0.1), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("at", ["overall", "mean"])
def test_multinomial_as_get_margeff(at):
    """Of continuous columns; statsmodels' standard errors of discrete changes fail for more than three classes."""
    X, y, names = fits.anes96()
    result = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    expected = result.get_margeff(at=at)
    inference = LikelihoodInference(fits.fit_multinomial(X, y, names=names, centre=True))
    found = marginal_effects(inference, None, [(X[:400], None, None), (X[400:], None, None)], at=at)
    same(found, expected, 1e-7)
    np.testing.assert_allclose(found.effect.sum(axis=0), 0, atol=1e-14)
    assert found.classes == tuple("abcdefg")


@pytest.mark.parametrize("at", ["overall", "mean"])
@pytest.mark.parametrize("kind", ["single", "multinomial"])
def test_weights_offsets_and_factors_against_numerical_derivatives(at, kind):
    """The definition itself: means of differences of predictions, their derivatives in β by central differences."""
    rng = np.random.default_rng(3)
    n = 200
    level = rng.integers(0, 3, n)
    X = np.column_stack([5 + rng.normal(size=n), level == 1, level == 2]).astype(float)
    w = rng.uniform(0.5, 2, n)
    if kind == "single":
        y = (rng.random(n) < special.expit(X @ [0.5, 1.0, -1.0] - 2.5)).astype(float)
        s = fits.fit(X, y, centre=True, names=("x", "kind[b]", "kind[c]"))
        offset = rng.normal(size=n)
    else:
        s = fits.fit_multinomial(X, rng.integers(0, 3, n), centre=True, names=("x", "kind[b]", "kind[c]"))
        offset = None
    t, m = s.estimate.shape

    def level_of(X, beta):
        eta = np.column_stack([np.zeros(len(X)), np.column_stack([np.ones(len(X)), X]) @ beta.T])
        if offset is not None:
            eta[:, 1] += offset if len(X) == n else w @ offset / w.sum()
        P = special.softmax(eta, axis=1)
        return P[:, 1:] if kind == "single" else P

    where = X if at == "overall" else (w @ X / w.sum())[None]
    weight = w if at == "overall" else np.ones(1)

    def effects(flat):
        beta = flat.reshape(t, m)
        h = 1e-4 * np.array([1.0, 0, 0])
        slope = (
            8 * (level_of(where + h, beta) - level_of(where - h, beta))
            - (level_of(where + 2 * h, beta) - level_of(where - 2 * h, beta))
        ) / 12e-4
        none, b, c = (where.copy() for _ in range(3))
        none[:, 1:], b[:, 1:], c[:, 1:] = 0, (1, 0), (0, 1)
        changes = [slope, *(level_of(z, beta) - level_of(none, beta) for z in (b, c))]
        return np.stack([weight @ change / weight.sum() for change in changes], axis=1)

    found = marginal_effects(
        LikelihoodInference(s), logit_mean if kind == "single" else None, [(X, w, offset)], at=at
    )
    expected = effects(s.estimate.ravel())
    np.testing.assert_allclose(np.atleast_2d(found.effect), expected, rtol=1e-8)
    steps = 1e-3 * np.eye(t * m)
    flat = s.estimate.ravel()
    G = np.stack(
        [
            (
                8 * (effects(flat + e) - effects(flat - e)) - (effects(flat + 2 * e) - effects(flat - 2 * e))
            ).ravel()
            / 12e-3
            for e in steps
        ],
        axis=1,
    )
    V = LikelihoodInference(s).covariance
    np.testing.assert_allclose(found.std_err.ravel(), np.sqrt(np.diag(G @ V @ G.T)), rtol=1e-6)


def test_large_means_cost_no_digits():
    X, y, names = fits.spector()
    rows = [(X, None, None)]
    plain = marginal_effects(LikelihoodInference(fits.fit(X, y, names=names, centre=True)), logit_mean, rows)
    s = fits.fit(X, y, names=names, centre=True)
    far = np.array([0.0, 1e8, 0.0])  # exact in double precision for TUCE, whole numbers
    moved = replace(s, centre=s.centre + far, estimate=s.estimate - np.r_[s.estimate[0, 1:] @ far, 0, 0, 0])
    shifted = marginal_effects(LikelihoodInference(moved), logit_mean, [(X + far, None, None)])
    np.testing.assert_allclose(shifted.std_err, plain.std_err, rtol=1e-6)


def test_table_frame_and_json():
    X, y, names = fits.spector()
    found = marginal_effects(LikelihoodInference(fits.fit(X, y, names=names)), logit_mean, [(X, None, None)])
    assert str(found).startswith("Average marginal effects on the mean of y")
    assert f"{found.effect[0]:.6g}" in str(found)
    frame = nw.from_native(found.frame("polars"), eager_only=True)
    assert frame.columns == ["name", "effect", "std_err", "statistic", "p_value", "conf_low", "conf_high"]
    rows = json.loads(json.dumps(found.to_dict(), allow_nan=False))["rows"]
    assert [row["name"] for row in rows] == list(names)
    assert found.table(0.9)["conf_low"].tolist() == found.conf_int(0.9)[:, 0].tolist()
    assert "GPA" in found._repr_html_()


def test_estimated_dispersion_gives_t():
    X, y, names = fits.scotland()
    inference = LikelihoodInference(fits.fit(X, y, fits.GAUSSIAN, names=names))
    found = marginal_effects(inference, as_link("identity").mean, [(X, None, None)])
    np.testing.assert_allclose(found.effect, inference.estimate[1:], rtol=1e-12)
    np.testing.assert_allclose(found.p_value, inference.p_value[1:], rtol=1e-7)
    assert found.df == 24


def test_penalised_effects_have_no_standard_errors():
    X, y, names = fits.spector()
    inference = LikelihoodInference(fits.fit(X, y, names=names, penalised=True))
    found = marginal_effects(inference, logit_mean, [(X, None, None)])
    assert np.isfinite(found.effect).all()
    assert np.isnan(found.std_err).all()
    assert "penalty shrinks" in str(found)


def test_refusals():
    X, y, names = fits.spector()
    s = fits.fit(X, y, names=names)
    infinite = np.array([[False, False, True, False]])
    with pytest.raises(InferenceError, match="TUCE have no finite estimate"):
        marginal_effects(LikelihoodInference(replace(s, infinite=infinite)), logit_mean, [(X, None, None)])
    with pytest.raises(ValueError, match="at \\(='median'\\)"):
        marginal_effects(LikelihoodInference(s), logit_mean, [(X, None, None)], at="median")
    with pytest.raises(ValueError, match="2 entries"):
        marginal_effects(LikelihoodInference(s), logit_mean, [(X, None, None)], factors=[None, None])
    for at in ("overall", "mean"):
        with pytest.raises(InferenceError, match="need rows"):
            marginal_effects(LikelihoodInference(s), logit_mean, [], at=at)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (("a", "b", "a:b"), "'a:b' is made of a, b"),
        (("a", "a:kind[T.b]", "kind[T.b]"), "made of a, kind"),
        (("age", "I(age ** 2)"), "'I\\(age \\*\\* 2\\)' is made of age"),
        (("age", "np.log(age)"), "made of age"),
        (("a:b",), "made of others"),
    ],
)
def test_columns_that_do_not_change_alone_are_refused(names, match):
    with pytest.raises(InferenceError, match=match):
        refuse_functions(names)


@pytest.mark.parametrize(
    "names",
    [
        ("mean radius", "worst radius"), ("C(port)[T.Q]", "C(port)[T.S]"), ("np.log(age)", "income"),
        ("x", "kind[a:b]"), ("petal length (cm)", "petal width (cm)"),
    ],
)  # fmt: skip
def test_other_columns_are_not(names):
    refuse_functions(names)
    assert len(factors_of(names)) == len(names)
