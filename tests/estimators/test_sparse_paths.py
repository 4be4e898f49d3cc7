"""lasso_path and enet_path: against scikit-learn's at its tightest, over kinds of input, and what they refuse."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn.linear_model as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

import betahat as bh
from betahat import CertificateWarning, DataError, MissingValueError
from betahat.data import query

SIZES = {"tall": (80, 6), "wide": (25, 60)}
FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "pandas": lambda X: pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"c{j}" for j in range(X.shape[1])]),
    "list": lambda X: X.tolist(),
}
paths = pytest.mark.parametrize(
    ("ours", "theirs"), [(bh.lasso_path, sk.lasso_path), (bh.enet_path, sk.enet_path)], ids=["lasso", "enet"]
)
sizes = pytest.mark.parametrize("size", SIZES)


def sample(size: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, p = SIZES[size]
    rng = np.random.default_rng(seed)
    X = rng.integers(-3, 4, (n, p)).astype(float) * (rng.uniform(size=(n, p)) < 0.7)
    return X, 2 * X[:, 0] - X[:, 3] + rng.standard_normal(n), rng.integers(1, 4, n).astype(float)


def tight(path, X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rounding does not let it reach 1e-14 everywhere
        return path(X, y, tol=1e-14, max_iter=1_000_000, precompute=False, **options)


def objective(X, y, beta, alpha, ratio):
    r = y - X @ beta
    return r @ r / (2 * len(y)) + alpha * (ratio * np.abs(beta).sum() + (1 - ratio) / 2 * beta @ beta)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("form", FORMS)
@sizes
@paths
def test_scikit_learn_at_its_tightest(ours, theirs, size, form, positive):
    X, y, _ = sample(size)
    alphas, coefs, gaps = ours(FORMS[form](X), y, eps=1e-2, n_alphas=12, positive=positive)
    right = tight(theirs, sp.csc_matrix(X) if form == "csc" else X, y, eps=1e-2, alphas=12, positive=positive)
    np.testing.assert_allclose(alphas, right[0], rtol=1e-12)
    assert coefs.shape == right[1].shape
    np.testing.assert_allclose(coefs, right[1], rtol=1e-6, atol=1e-7)
    assert gaps.shape == right[2].shape
    ratio = 1.0 if ours is bh.lasso_path else 0.5
    J = np.array([objective(X, y, coefs[:, k], alphas[k], ratio) for k in range(12)])
    assert (gaps <= 1e-10 * J).all()
    best = np.array([objective(X, y, right[1][:, k], alphas[k], ratio) for k in range(12)])
    assert (best * (1 + 1e-10) >= J).all()


@sizes
@paths
def test_defaults_are_a_hundred_alphas_over_three_decades(ours, theirs, size):
    X, y, _ = sample(size)
    alphas, coefs, gaps = ours(X, y)
    right = theirs(X, y)
    np.testing.assert_allclose(alphas, right[0], rtol=1e-12)
    assert alphas[-1] == pytest.approx(alphas[0] * 1e-3)
    assert (coefs.shape, gaps.shape) == ((X.shape[1], 100), (100,))
    assert not coefs[:, 0].any()
    assert coefs[:, 1].any()


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.3, 0.99, 1.0])
@sizes
def test_shares_of_the_l1_norm(size, ratio):
    X, y, _ = sample(size)
    alphas = [3.0, 0.1, 0.7]
    found, coefs, _ = bh.enet_path(X, y, l1_ratio=ratio, alphas=alphas)
    assert found.tolist() == [3.0, 0.7, 0.1]
    for k, alpha in enumerate(found):
        if ratio == 0:
            right = np.linalg.solve(X.T @ X / len(y) + alpha * np.eye(X.shape[1]), X.T @ y / len(y))
        else:
            right = tight(sk.enet_path, X, y, l1_ratio=ratio, alphas=[alpha])[1][:, 0]
        np.testing.assert_allclose(coefs[:, k], right, rtol=1e-6, atol=1e-7)


@sizes
@paths
def test_weights_are_rows_scaled_by_their_roots(ours, theirs, size):
    """1/(2Σw) Σ w r² is the mean over n rows that were multiplied by √(w n/Σw)."""
    X, y, w = sample(size)
    root = np.sqrt(w * len(w) / w.sum())
    alphas, coefs, _ = ours(X, y, sample_weight=w, alphas=10)
    right = tight(theirs, X * root[:, None], y * root, alphas=10)
    np.testing.assert_allclose(alphas, right[0], rtol=1e-12)
    np.testing.assert_allclose(coefs, right[1], rtol=1e-6, atol=1e-7)


@sizes
@paths
def test_a_column_of_y_has_the_shape_of_one_target(ours, theirs, size):
    X, y, _ = sample(size)
    flat, column = ours(X, y, alphas=5), ours(X, y[:, None], alphas=5)
    assert column[1].shape == theirs(X, y[:, None], alphas=5)[1].shape == (1, X.shape[1], 5)
    np.testing.assert_array_equal(column[1][0], flat[1])
    np.testing.assert_array_equal(column[2], flat[2])


@paths
def test_a_path_is_of_the_estimators(ours, theirs, tmp_path):
    """Each point is the fit of the estimator without an intercept; a file gives the same."""
    X, y, _ = sample("tall")
    alphas, coefs, _ = ours(X, y, alphas=6)
    for k, alpha in enumerate(alphas):
        one = (bh.Lasso if ours is bh.lasso_path else bh.ElasticNet)(alpha, fit_intercept=False).fit(X, y)
        np.testing.assert_allclose(coefs[:, k], one.coef_, rtol=1e-7, atol=1e-9)
    pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).assign(y=y).to_parquet(
        tmp_path / "r.parquet"
    )
    again = ours(query(str(tmp_path / "r.parquet"), target="y", block_rows=13), alphas=6)
    np.testing.assert_allclose(again[0], alphas, rtol=1e-12)
    np.testing.assert_allclose(again[1], coefs, rtol=1e-7, atol=1e-9)


@paths
def test_rows_are_never_written_to(ours, theirs):
    X, y, w = sample("wide")
    before = X.copy(), y.copy(), w.copy()
    ours(X, y, sample_weight=w, alphas=5)
    for one, other in zip(before, (X, y, w), strict=True):
        np.testing.assert_array_equal(one, other)


@paths
@settings(deadline=None, max_examples=25)
@given(
    alphas=st.lists(st.floats(1e-3, 1e2), min_size=1, max_size=6),
    seed=st.integers(0, 20),
    size=st.sampled_from(sorted(SIZES)),
)
def test_order_of_alphas_does_not_matter(ours, theirs, alphas, seed, size):
    X, y, _ = sample(size, seed)
    one, other = ours(X, y, alphas=alphas), ours(X, y, alphas=sorted(alphas))
    assert (np.diff(one[0]) <= 0).all()
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# --- hard rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["constant", "zero", "equal", "far", "unlike", "last"])
@sizes
@paths
def test_hard_columns(ours, theirs, size, change):
    X, y, _ = sample(size)
    match change:
        case "constant":
            X[:, 1] = 4.0
        case "zero":
            X[:, 1] = 0.0
        case "equal":
            X[:, 1] = X[:, 0]
        case "far":
            X[:, 1] += 1e4
        case "unlike":
            X[:, 1] *= 1e-6
        case "last":
            y = X[:, 0] * 3.0  # which a small alpha explains almost wholly
    alphas, coefs, gaps = ours(X, y, eps=1e-2, alphas=8)
    right = tight(theirs, X, y, eps=1e-2, alphas=8)
    np.testing.assert_allclose(alphas, right[0], rtol=1e-12)
    np.testing.assert_allclose(X @ coefs, X @ right[1], rtol=1e-5, atol=1e-5)
    ratio = 1.0 if ours is bh.lasso_path else 0.5
    for k in range(8):
        J, least = (objective(X, y, b[:, k], alphas[k], ratio) for b in (coefs, right[1]))
        assert least * (1 + 1e-9) + 1e-14 >= J
        assert gaps[k] <= 1e-10 * J


@paths
def test_one_row_one_column(ours, theirs):
    for X, y in (([[2.0]], [3.0]), ([[2.0, 1.0]], [3.0]), ([[2.0], [1.0]], [3.0, 4.0])):
        found, right = ours(X, y, alphas=4), tight(theirs, np.array(X), np.array(y), alphas=4)
        np.testing.assert_allclose(found[0], right[0], rtol=1e-12)
        np.testing.assert_allclose(found[1], right[1], rtol=1e-7, atol=1e-9)


@paths
def test_nothing_to_explain(ours, theirs):
    X, y, _ = sample("tall")
    alphas, coefs, gaps = ours(X, 0 * y, alphas=4)
    np.testing.assert_array_equal(alphas, theirs(X, 0 * y, alphas=4)[0])
    assert not coefs.any()
    assert not gaps.any()


def test_a_spent_budget_is_told():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 400)) @ rng.standard_normal((400, 400)), rng.standard_normal(100)
    with pytest.warns(CertificateWarning, match=r"not certified at \d of 5 alphas"):
        gaps = bh.lasso_path(X, y, alphas=5, eps=1e-4, max_iter=1)[2]
    assert (gaps > 0).any()
    assert (bh.lasso_path(X, y, alphas=5, eps=1e-4)[2] <= 1e-10).all()


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "error", "says"),
    [
        ([[1.0], [np.nan]], [1.0, 2.0], MissingValueError, "x1"),
        ([[1.0], [2.0]], [1.0, np.nan], ValueError, "y contains NaN"),
        ([[1.0], [np.inf]], [1.0, 2.0], DataError, "x1"),
        ([[1.0], [2.0]], [1.0, -np.inf], ValueError, "y contains inf"),
        (np.zeros((0, 2)), np.zeros(0), ValueError, "0 sample"),
        (np.zeros((2, 0)), np.zeros(2), ValueError, "0 feature"),
        ([[1.0], [2.0]], [1.0, 2.0, 3.0], ValueError, "inconsistent|length|samples"),
        ([1.0, 2.0], [1.0, 2.0], ValueError, "2D"),
        ([["a"], ["b"]], [1.0, 2.0], (TypeError, ValueError), "number|numeric|convert"),
        ([[1e200], [2.0]], [1.0, 2.0], DataError, "1e±110"),
        ([[1.0], [2.0]], None, ValueError, "y"),
        ([[1.0], [2.0]], [[1.0, 2.0], [3.0, 4.0]], ValueError, "2 targets"),
    ],
)
@paths
def test_rows_that_cannot_be_fitted(ours, theirs, X, y, error, says):
    with pytest.raises(error, match=says):
        ours(X, y, alphas=3)
    wide = X if y is None or len(X) == 0 else np.hstack([X] * 4) if np.ndim(X) == 2 else X
    with pytest.raises(error, match=says):
        ours(wide, y, alphas=3)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"alphas": [1.0, -0.5]}, ValueError, r"alphas\[1\] \(=-0.5\)"),
        ({"alphas": [0.0]}, ValueError, "above 0"),
        ({"alphas": []}, ValueError, "empty"),
        ({"alphas": [np.nan]}, ValueError, r"alphas\[0\]"),
        ({"alphas": [np.inf]}, ValueError, r"alphas\[0\]"),
        ({"alphas": "auto"}, TypeError, "alphas"),
        ({"alphas": 0}, ValueError, "alphas"),
        ({"alphas": True}, TypeError, "alphas"),
        ({"n_alphas": 0}, ValueError, "n_alphas"),
        ({"n_alphas": 2.5}, TypeError, "n_alphas"),
        ({"eps": 0.0}, ValueError, "eps"),
        ({"eps": 1.0}, ValueError, "eps"),
        ({"eps": "small"}, TypeError, "eps"),
        ({"tol": -1.0}, ValueError, "tol"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"positive": "yes"}, TypeError, "positive"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, ValueError, "sample_weight"),
        ({"sample_weight": [0.0, 0.0, 0.0]}, ValueError, "no row counts"),
        ({"sample_weight": [1.0, 1.0]}, ValueError, "sample_weight"),
        ({"sample_weight": [1.0, np.nan, 1.0]}, ValueError, "sample_weight"),
        ({"precompute": True}, TypeError, "Gram matrix is made here"),
        ({"Xy": np.ones(1)}, TypeError, "Gram matrix is made here"),
        ({"copy_X": False}, TypeError, "never written"),
        ({"coef_init": np.ones(1)}, TypeError, "warm_start"),
        ({"verbose": True}, TypeError, "trace_"),
        ({"return_n_iter": True}, TypeError, "n_iter_"),
        ({"check_input": False}, TypeError, "always checked"),
        ({"selection": "random"}, TypeError, "chance"),
        ({"random_state": 0}, TypeError, "chance"),
        ({"fit_intercept": True}, TypeError, "subtract the means"),
        ({"alpha": 1.0}, TypeError, "unexpected keyword argument 'alpha'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
@paths
def test_parameters_that_are_refused(ours, theirs, options, error, says):
    with pytest.raises(error, match=says):
        ours([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0], **options)


@pytest.mark.parametrize(("ratio", "error"), [(-0.1, ValueError), (1.1, ValueError), ("half", TypeError)])
def test_l1_ratio_is_a_share(ratio, error):
    with pytest.raises(error, match="l1_ratio"):
        bh.enet_path([[1.0], [2.0]], [1.0, 2.0], l1_ratio=ratio)


def test_ridge_has_no_largest_alpha():
    with pytest.raises(ValueError, match=re.escape("l1_ratio (=0.0) has no largest alpha")):
        bh.enet_path([[1.0], [2.0]], [1.0, 2.0], l1_ratio=0.0)


def test_the_lasso_has_no_share_to_choose():
    with pytest.raises(TypeError, match="enet_path"):
        bh.lasso_path([[1.0], [2.0]], [1.0, 2.0], l1_ratio=0.5)
