"""Columns that are combinations of others: solutions, what is estimable, and what is said about it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from estimators.exact import null_space
from reference_data import fractions

from betahat import CollinearityError, CollinearityWarning, LinearRegression, PolynomialRegression, Ridge

warned = pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")


def duplicated(rng, n):
    X = rng.integers(-9, 10, (n, 3)).astype(float)
    return np.column_stack([X, X[:, 0], X[:, 1]])


def summed(rng, n):
    X = rng.integers(-9, 10, (n, 4)).astype(float)
    return np.column_stack([X[:, :2], X[:, 0] + 2 * X[:, 1] - 3, X[:, 2:]])


def one_hot(rng, n):
    levels = np.arange(n) % 4
    return np.column_stack([(levels[:, None] == np.arange(4)).astype(float), rng.integers(-9, 10, n)])


def two_one_hots(rng, n):
    a, b = np.arange(n) % 3, rng.permutation(np.arange(n) % 2)
    return (
        np.column_stack([a[:, None] == np.arange(3), b[:, None] == np.arange(2), rng.integers(-9, 10, n)])
        * 1.0
    )


def constants(rng, n):
    X = rng.integers(-9, 10, (n, 2)).astype(float)
    return np.column_stack([np.zeros(n), X[:, 0], np.full(n, 3.0), X[:, 1], np.full(n, 1e8)])


def unlike_units(rng, n):
    X = rng.integers(-9, 10, (n, 3)).astype(float)
    return np.column_stack(
        [X[:, 0] * 2.0**23, X[:, 1] * 2.0**-23, X[:, 2], X[:, 0] + X[:, 1], X[:, 1] * 2.0**23]
    )


def wide(rng, n):
    return rng.integers(-9, 10, (n // 4, n // 3)).astype(float)


DESIGNS = [duplicated, summed, one_hot, two_one_hots, constants, unlike_units, wide]
designs = pytest.mark.parametrize("make", DESIGNS, ids=lambda f: f.__name__)
intercepts = pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
forms = pytest.mark.parametrize(
    "form", [np.ascontiguousarray, np.asfortranarray, sp.csr_array, sp.csc_matrix]
)
sizes = pytest.mark.parametrize("n", [24, 27_000], ids=["numpy", "compiled"])


def sample(make, n, targets=1):
    rng = np.random.default_rng(n)
    X = make(rng, 24 if make is wide else n)
    Y = rng.normal(size=(len(X), targets)) + 2
    return X, Y[:, 0] if targets == 1 else Y


def smallest(X, y, intercept):
    """The solution of smallest norm, intercept free, by numpy's pseudo-inverse of the (centred) columns."""
    if not intercept:
        return np.linalg.pinv(X, rcond=1e-14) @ y, np.zeros(y.shape[1:])
    mean = X.mean(axis=0)
    coef = np.linalg.pinv(X - mean, rcond=1e-14) @ (y - y.mean(axis=0))
    return coef, y.mean(axis=0) - mean @ coef


@warned
@forms
@intercepts
@designs
@pytest.mark.parametrize("targets", [1, 2])
def test_minimum_norm_is_the_pseudo_inverse(make, intercept, form, targets):
    X, y = sample(make, 24, targets)
    model = LinearRegression(fit_intercept=intercept).fit(form(X), y)
    coef, constant = smallest(X, y, intercept)
    np.testing.assert_allclose(model.coef_.T, coef, rtol=1e-9, atol=1e-7 * np.abs(coef).max())
    np.testing.assert_allclose(model.intercept_, constant, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.predict(form(X)), X @ coef + constant, atol=1e-9)
    assert model.certificate_.status == "global minimum"


@warned
@intercepts
@designs
@sizes
def test_estimable_is_what_the_exact_null_space_leaves_alone(make, intercept, n):
    if make is wide and n > 24:
        pytest.skip("few rows are not many")
    X, y = sample(make, n)
    null = null_space(fractions(X[:200], intercept))
    m = X.shape[1] + intercept
    known = [all(v[j] == 0 for v in null) for j in range(m)]
    model = LinearRegression(fit_intercept=intercept).fit(X, y)
    inference = model.inference_
    np.testing.assert_array_equal(~np.isnan(inference.std_err), np.array(known) & (inference.df_resid > 0))
    assert inference.rank == m - len(null)
    assert inference.df_resid == len(X) - inference.rank
    assert model.rank_ == inference.rank - intercept
    for name, is_known in zip(inference.names, known, strict=True):
        assert is_known or name in inference.message


@warned
@forms
@intercepts
@pytest.mark.parametrize("make", DESIGNS[:-1], ids=lambda f: f.__name__)
@sizes
def test_drop_is_the_fit_of_the_columns_kept(make, intercept, form, n):
    """A column is dropped if those before it, and the intercept, explain it."""
    X, y = sample(make, n)
    exact = fractions(X[:200], intercept)
    kept: list[int] = []
    for j in range(X.shape[1] + intercept):
        if not null_space([[row[i] for i in [*kept, j]] for row in exact]):
            kept.append(j)
    columns = np.array([j - intercept for j in kept if j >= intercept])
    model = LinearRegression(fit_intercept=intercept, collinear="drop").fit(form(X), y)
    less = LinearRegression(fit_intercept=intercept).fit(X[:, columns], y)
    np.testing.assert_allclose(model.coef_[columns], less.coef_, rtol=1e-9)
    assert (np.delete(model.coef_, columns) == 0).all()
    np.testing.assert_allclose(model.intercept_, less.intercept_, rtol=1e-9)
    ours, theirs = model.inference_, less.inference_
    np.testing.assert_allclose(ours.std_err[kept], theirs.std_err, rtol=1e-8)
    assert np.isnan(np.delete(ours.std_err, kept)).all()
    assert (ours.df_resid, ours.rank, model.rank_) == (theirs.df_resid, theirs.rank, len(columns))
    np.testing.assert_allclose(ours.r_squared, theirs.r_squared, rtol=1e-10)


@warned
@forms
@designs
@pytest.mark.parametrize("collinear", ["minimum_norm", "drop"])
def test_predictions_do_not_depend_on_the_choice(make, form, collinear):
    if make is wide:
        pytest.skip("nothing is left to drop")
    X, y = sample(make, 24)
    fitted = LinearRegression(collinear=collinear).fit(form(X), y).predict(X)
    coef, constant = smallest(X, y, True)
    np.testing.assert_allclose(fitted, X @ coef + constant, atol=1e-9)


@designs
@intercepts
def test_error_is_raised_and_names_columns(make, intercept):
    X, y = sample(make, 24)
    if len(null_space(fractions(X, intercept))) == 0:
        assert LinearRegression(fit_intercept=intercept, collinear="error").fit(X, y).rank_ == X.shape[1]
        return
    with pytest.raises(CollinearityError, match=r"'x\d+' is .*minimum_norm"):
        LinearRegression(fit_intercept=intercept, collinear="error").fit(X, y)


@pytest.mark.parametrize(("make", "intercept", "words"), [
    (duplicated, True, ["'x4' is a multiple of 'x1'", "'x5' is a multiple of 'x2'"]),
    (summed, True, ["'x3' is a linear combination of 'x1', 'x2'"]),
    (one_hot, True, ["'x4' is a linear combination of 'x1', 'x2', 'x3'"]),
    (constants, True, ["'x1' is constant", "'x3' is constant", "'x5' is constant"]),
    (constants, False, ["'x1' is zero in every row", "'x5' is a multiple of 'x3'"]),
])  # fmt: skip
@pytest.mark.parametrize(("collinear", "done"), [("minimum_norm", "smallest norm"), ("drop", "dropped")])
@sizes
def test_warning_names_columns_and_what_was_done(make, intercept, words, collinear, done, n):
    X, y = sample(make, n)
    with pytest.warns(CollinearityWarning) as caught:
        LinearRegression(fit_intercept=intercept, collinear=collinear).fit(X, y)
    (message,) = (str(w.message) for w in caught)
    for word in (*words, done):
        assert word in message


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", [one_hot], ids=["one_hot"])
def test_full_rank_warns_of_nothing(make):
    """All dummies without an intercept are independent."""
    X, y = sample(make, 24)
    model = LinearRegression(fit_intercept=False).fit(X, y)
    assert model.rank_ == 5
    assert not np.isnan(model.inference_.std_err).any()


@warned
@forms
@intercepts
@pytest.mark.parametrize(("n", "p"), [(10, 40), (30, 299), (30, 300), (30, 500), (299, 300)])
def test_more_columns_than_rows(n, p, intercept, form):
    """Through p × p equations below 300 columns, through n × n above."""
    rng = np.random.default_rng(p)
    X = rng.integers(-9, 10, (n, p)) * (rng.uniform(size=(n, p)) < 0.5) + 0.0
    y = rng.normal(size=n) + 3
    model = LinearRegression(fit_intercept=intercept).fit(form(X), y)
    assert (model.solver_ == "dual") == (p >= 300)
    coef, constant = smallest(X, y, intercept)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-6, atol=1e-9 * np.abs(coef).max())
    np.testing.assert_allclose(model.intercept_, constant, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.predict(form(X)), y, atol=1e-9)
    assert model.rank_ == n - intercept
    assert np.isnan(model.inference_.std_err).all()
    assert model.inference_.df_resid == 0


@warned
@intercepts
def test_wide_with_repeated_rows(intercept):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(10, 400)), 2, axis=0)
    y = rng.normal(size=20)
    model = LinearRegression(fit_intercept=intercept).fit(X, y)
    np.testing.assert_allclose(model.predict(X), np.repeat(y.reshape(10, 2).mean(axis=1), 2), atol=1e-9)
    assert model.rank_ == 10 - intercept
    assert model.inference_.df_resid == 10


def test_wide_drop_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(CollinearityError, match="30 rows cannot determine 400 coefficients"):
        LinearRegression(collinear="drop").fit(rng.normal(size=(30, 400)), rng.normal(size=30))


@warned
@pytest.mark.parametrize("gap", [1e-3, 1e-6])
@pytest.mark.parametrize("unit", [1e-7, 1.0, 1e7])
def test_nearly_equal_is_not_equal(gap, unit):
    """Columns that differ in their seventh digit are two columns; in whatever unit they are told."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 40))
    X = np.column_stack([x, (x + gap * z) * unit])
    y = x + 2 * z
    model = LinearRegression().fit(X, y)
    assert model.rank_ == 2
    np.testing.assert_allclose(model.coef_, [1 - 2 / gap, 2 / gap / unit], rtol=1e-8)


@pytest.mark.parametrize("degree", [3, 5])
def test_polynomial_with_too_few_distinct_values(degree):
    x = np.repeat([1.0, 2.0, 4.0], 5)[:, None]
    y = np.arange(15.0)
    with pytest.warns(CollinearityWarning, match=r"'x1\^3'"):
        model = PolynomialRegression(degree).fit(x, y)
    np.testing.assert_allclose(model.predict(x), np.repeat([2.0, 7.0, 12.0], 5), rtol=1e-12)
    assert model.rank_ == 2
    with pytest.raises(CollinearityError, match=r"'x1\^3'"):
        PolynomialRegression(degree, collinear="error").fit(x, y)


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, PolynomialRegression])
def test_names_of_a_table_are_told(kind):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=30), "flat": 4.0})
    if kind is Ridge:
        assert Ridge(1.0).fit(frame, frame["size"]).coef_[1] == 0
        return
    with pytest.warns(CollinearityWarning, match="'flat'"):
        kind().fit(frame, frame["size"] + rng.normal(size=30))


def test_exact_null_space():
    """The tests' own tool: x + y = z leaves one direction."""
    rows = fractions(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0], [1.0, 1.0, 2.0]]), False)
    (v,) = null_space(rows)
    assert v[0] == v[1] == -v[2] != 0
    assert isinstance(v[0], Fraction)
