"""Whatever holds the rows, however they are weighted and whichever solver descends: the same estimates."""

from __future__ import annotations

import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression as Peer

import betahat as bh
from betahat.kernels.gram import COMPILED_FROM
from betahat.objective.smooth import SmoothSums

N, NAMES = 160, ["a", "b", "c"]
RNG = np.random.default_rng(11)
X = np.column_stack([RNG.integers(0, 9, N), RNG.integers(0, 5, N), RNG.integers(0, 2, N)]).astype(float)
ETA = 0.25 * X[:, 0] - 0.3 * X[:, 1] + 0.5 * X[:, 2] - 0.5
TARGETS = {
    "binary": np.where(RNG.random(N) < 1 / (1 + np.exp(-ETA)), "yes", "no"),
    "three": np.array(["p", "q", "r"])[(ETA + RNG.logistic(size=N) > 0).astype(int) + (RNG.random(N) > 0.6)],
    "count": RNG.poisson(np.exp(ETA)),
    "positive": RNG.gamma(2.0, np.exp(ETA)),
}
MODELS = {
    "logistic": (bh.LogisticRegression, "binary", {"model": "logistic"}),
    "multinomial": (bh.LogisticRegression, "three", {"model": "logistic"}),
    "penalised": (lambda **k: bh.LogisticRegression(alpha=0.05, **k), "binary", {"model": "logistic", "alpha": 0.05}),
    "poisson": (bh.PoissonRegressor, "count", {"model": "poisson"}),
    "gamma": (bh.GammaRegressor, "positive", {"model": "gamma"}),
    "tweedie": (lambda **k: bh.TweedieRegressor(power=1.5, **k), "count", {"model": "tweedie"}),
    "probit": (
        lambda **k: bh.GeneralizedLinearModel("binomial", "probit", **k), "zero_one",
        {"model": "binomial", "link": "probit"},
    ),
    "gaussian": (bh.GeneralizedLinearModel, "positive", {"model": "gaussian"}),
}  # fmt: skip
TARGETS["zero_one"] = (TARGETS["binary"] == "yes").astype(int)
models = pytest.mark.parametrize("model", MODELS)


def made(model, **parameters):
    make, target, _ = MODELS[model]
    return make(**parameters), TARGETS[target]


def estimates(model):
    return np.column_stack([np.atleast_1d(model.intercept_), np.atleast_2d(model.coef_)])


def same(model, other, rtol=1e-10):
    np.testing.assert_allclose(estimates(model), estimates(other), rtol=rtol, atol=rtol)


def memory_map(values, folder):
    path = folder / "rows.dat"
    mapped = np.memmap(path, dtype=values.dtype, mode="w+", shape=values.shape)
    mapped[:] = values
    mapped.flush()
    return np.memmap(path, dtype=values.dtype, mode="r", shape=values.shape)


KINDS = {
    "fortran": lambda _: np.asfortranarray(X),
    "strided": lambda _: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda _: X[::-1].copy()[::-1],
    "float32": lambda _: X.astype(np.float32),
    "float16": lambda _: X.astype(np.float16),
    "int64": lambda _: X.astype(np.int64),
    "uint8": lambda _: X.astype(np.uint8),
    "objects": lambda _: X.astype(object),
    "list": lambda _: X.tolist(),
    "read-only memory map": lambda folder: memory_map(X, folder),
    "pandas": lambda _: pd.DataFrame(X, columns=NAMES),
    "pandas integers": lambda _: pd.DataFrame(X.astype(int), columns=NAMES),
    "pandas nullable": lambda _: pd.DataFrame(X, columns=NAMES).convert_dtypes(),
    "polars": lambda _: pl.DataFrame(X, schema=NAMES),
    "lazy": lambda _: pl.DataFrame(X, schema=NAMES).lazy(),
    "pyarrow": lambda _: pa.table(dict(zip(NAMES, X.T, strict=True))),
    "csr": lambda _: sp.csr_array(X),
    "csc": lambda _: sp.csc_array(X),
    "csr matrix": lambda _: sp.csr_matrix(X.astype(np.float32)),
}


@models
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_matrix(model, kind, tmp_path):
    estimator, y = made(model)
    expected = made(model)[0].fit(X, y)
    given = KINDS[kind](tmp_path)
    estimator.fit(given, y)
    same(estimator, expected)
    probabilities = hasattr(estimator, "classes_")
    predict = "predict_proba" if probabilities else "predict"
    np.testing.assert_allclose(getattr(estimator, predict)(given), getattr(expected, predict)(X), rtol=1e-9)
    if expected.alpha == 0:
        np.testing.assert_allclose(estimator.inference_.std_err, expected.inference_.std_err, rtol=1e-9)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    columns = {**dict(zip(NAMES, X.T, strict=True)), **TARGETS, "w": WEIGHT, "f": FREQUENCY, "o": OFFSET}
    frame = pd.DataFrame(columns)
    with duckdb.connect() as connection:
        connection.register("t", frame)
        connection.execute(f"COPY t TO '{path}'")
    return path, frame


WEIGHT = RNG.uniform(0.3, 2.0, N)
FREQUENCY = RNG.integers(0, 4, N)
OFFSET = RNG.normal(0, 0.3, N)


@models
@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "parquet", "sql"])
def test_formulas_and_files(model, kind, parquet):
    path, frame = parquet
    estimator, y = made(model)
    estimator.fit(X, y, sample_weight=WEIGHT, frequency_weight=FREQUENCY)
    data = {
        "pandas": frame, "polars": pl.from_pandas(frame), "pyarrow": pa.Table.from_pandas(frame), "parquet": str(path),
        "sql": f"SELECT * FROM '{path}'",
    }[kind]  # fmt: skip
    _, target, options = MODELS[model]
    found = bh.fit(f"{target} ~ a + b + c", data, sample_weight="w", frequency_weight="f", **options)
    same(found, estimator)
    predict = "predict_proba" if hasattr(found, "classes_") else "predict"
    np.testing.assert_allclose(getattr(found, predict)(frame), getattr(estimator, predict)(X), rtol=1e-9)
    source = bh.data.query(
        str(path), target=target, columns=NAMES, weights="w", frequency="f", block_rows=37,
        labels=hasattr(estimator, "classes_"),
    )  # fmt: skip
    same(made(model)[0].fit(source), estimator)


# --- weights and offsets ------------------------------------------------------------------------------------


@models
@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, bool])
def test_a_frequency_is_so_many_rows(model, dtype):
    estimator, y = made(model)
    times = (FREQUENCY > 1).astype(dtype) if dtype is bool else FREQUENCY.astype(dtype)
    estimator.fit(X, y, frequency_weight=times)
    repeated = made(model)[0].fit(np.repeat(X, times.astype(int), axis=0), np.repeat(y, times.astype(int)))
    same(estimator, repeated)
    if repeated.alpha:
        return
    one, other = estimator.inference_, repeated.inference_
    np.testing.assert_allclose(one.std_err, other.std_err, rtol=1e-9)
    for name in (
        "log_likelihood",
        "null_log_likelihood",
        "deviance",
        "null_deviance",
        "n_obs",
        "df_resid",
        "bic",
    ):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-10)
    weighted = made(model)[0].fit(X, y, sample_weight=times.astype(float))
    same(weighted, repeated)


@pytest.mark.parametrize("model", ["logistic", "multinomial"])
@pytest.mark.parametrize("solver", [None, "lbfgs"])
def test_class_weights_are_weights_of_rows(model, solver):
    estimator, y = made(model, class_weight="balanced", solver=solver)
    estimator.fit(X, y, sample_weight=WEIGHT)
    classes, codes = np.unique(y, return_inverse=True)
    share = np.bincount(codes, WEIGHT)
    each = WEIGHT.sum() / (len(classes) * share)
    by_row = made(model, solver=solver)[0].fit(X, y, sample_weight=WEIGHT * each[codes])
    same(estimator, by_row, 1e-8)
    said = made(model, class_weight=dict(zip(classes, each, strict=True)), solver=solver)[0]
    same(said.fit(X, y, sample_weight=WEIGHT), by_row, 1e-8)
    peer = Peer(C=2.0, class_weight="balanced", tol=1e-12, solver="newton-cholesky").fit(
        X, y, sample_weight=WEIGHT
    )
    ours = bh.LogisticRegression(C=2.0, class_weight="balanced", solver=solver).fit(
        X, y, sample_weight=WEIGHT
    )
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-6)


def test_class_weights_of_a_file(parquet):
    path, _ = parquet
    source = bh.data.query(str(path), target="binary", columns=NAMES, labels=True, block_rows=50)
    from_file = bh.LogisticRegression(class_weight="balanced").fit(source)
    same(from_file, bh.LogisticRegression(class_weight="balanced").fit(X, TARGETS["binary"]))


@pytest.mark.parametrize("model", ["logistic", "poisson", "gamma", "tweedie", "probit", "gaussian"])
def test_offsets_in_fit_and_predict(model, parquet):
    """An offset is a column whose coefficient is 1: with that column, the estimates move by 1."""
    path, frame = parquet
    estimator, y = made(model)
    estimator.fit(X, y, offset=0.1 * X[:, 0] + 0.5)
    plain = made(model)[0].fit(X, y)
    np.testing.assert_allclose(
        estimates(estimator)[0] + [0.5, 0.1, 0, 0], estimates(plain)[0], rtol=1e-9, atol=1e-11
    )
    predict = "predict_proba" if model == "logistic" else "predict"
    found = getattr(estimator, predict)(X, offset=0.1 * X[:, 0] + 0.5)
    np.testing.assert_allclose(found, getattr(plain, predict)(X), rtol=1e-9)
    assert estimator.inference_.deviance == pytest.approx(plain.inference_.deviance, rel=1e-10)
    _, target, options = MODELS[model]
    free = made(model)[0].fit(X, y, offset=OFFSET)
    for by in (
        bh.fit(f"{target} ~ a + b + c + offset(o)", frame, **options),
        bh.fit(f"{target} ~ a + b + c", frame, offset="o", **options),
        bh.fit(f"{target} ~ a + b + c + offset(o)", str(path), **options),
    ):
        same(by, free)
        np.testing.assert_allclose(
            getattr(by, predict)(frame), getattr(free, predict)(X, offset=OFFSET), rtol=1e-9
        )


@pytest.mark.parametrize("model", ["poisson", "gamma", "tweedie"])
def test_exposures(model, parquet):
    _, frame = parquet
    _, target, options = MODELS[model]
    y, hours = TARGETS[target], np.exp(OFFSET)
    by_offset = made(model)[0].fit(X, y, offset=OFFSET)
    by_exposure = made(model)[0].fit(X, y, exposure=hours)
    same(by_exposure, by_offset)
    np.testing.assert_allclose(
        by_exposure.predict(X, exposure=hours), by_offset.predict(X, offset=OFFSET), rtol=1e-12
    )
    timed = frame.assign(hours=hours)
    same(bh.fit(f"{target} ~ a + b + c", timed, exposure="hours", **options), by_offset)
    if model == "poisson":  # a rate weighted by its time has the same likelihood
        same(made(model)[0].fit(X, y / hours, sample_weight=hours), by_offset)
    with pytest.raises(ValueError, match="exposure"):
        made(model)[0].fit(X, y, exposure=-hours)
    with pytest.raises(ValueError, match="link here is 'probit'"):
        made("probit")[0].fit(X, TARGETS["zero_one"], exposure=hours)


def test_offsets_are_refused_for_more_classes():
    with pytest.raises(ValueError, match="offset is for two classes"):
        bh.LogisticRegression().fit(X, TARGETS["three"], offset=OFFSET)


# --- solvers ------------------------------------------------------------------------------------------------

SOLVERS = {
    "newton": ({}, 1e-10), "newton_cg": ({}, 1e-7), "lbfgs": ({}, 1e-7), "bfgs": ({}, 1e-7),
    "conjugate_gradient": ({"max_iter": 5000}, 1e-6), "trust_region": ({}, 1e-7),
    "gradient_descent": ({"max_iter": 50_000, "tol": 1e-8}, 1e-5),
    "nesterov": ({"max_iter": 50_000, "tol": 1e-8}, 1e-5),
}  # fmt: skip


def known(solver):
    from betahat.solvers.named import named

    try:
        named(solver)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("solver", [name for name in SOLVERS if known(name)])
@models
def test_solvers_reach_the_same(model, solver):
    parameters, digits = SOLVERS[solver]
    estimator, y = made(model, solver=solver, **parameters)
    estimator.fit(X, y, sample_weight=WEIGHT)
    expected = made(model)[0].fit(X, y, sample_weight=WEIGHT)
    same(estimator, expected, digits)
    assert estimator.certificate_.converged
    assert estimator.stop_reason_ == "converged"
    if model != "multinomial" or expected.alpha:  # whose bounds are of differences to the first class
        gap = np.abs(estimates(estimator) - estimates(expected)).ravel()
        assert (gap <= 3 * np.ravel(estimator.certificate_.error_bound) + 1e-12).all()


@pytest.mark.parametrize("solver", [None, "lbfgs", "newton_cg"])
@models
def test_warm_starts_take_fewer_steps_to_the_same(model, solver):
    cold, y = made(model, solver=solver)
    cold.fit(X, y)
    warm, _ = made(model, solver=solver, warm_start=True)
    warm.fit(X, y)
    same(warm, cold)
    warm.fit(X, y)
    assert np.max(warm.n_iter_) <= min(2, int(np.max(cold.n_iter_)))
    same(warm, cold, 1e-8)
    warm.fit(X[:100], y[:100])
    same(warm, made(model)[0].fit(X[:100], y[:100]), 1e-6)
    warm.fit(X[:, :2], y)  # another width begins anew
    same(warm, made(model)[0].fit(X[:, :2], y), 1e-6)


# --- the compiled path --------------------------------------------------------------------------------------

FAMILIES = {
    "logit": ("binomial", None), "probit": ("binomial", "probit"), "cloglog": ("binomial", "cloglog"),
    "poisson": ("poisson", None), "gamma": ("gamma", None), "tweedie": ("tweedie", None),
    "inverse_gaussian": ("inverse_gaussian", None), "gaussian": ("gaussian", None),
}  # fmt: skip


def many(family):
    rng = np.random.default_rng(5)
    n, p = 13_000, 11
    assert n * p > COMPILED_FROM
    Z = rng.normal(size=(n, p)) + np.linspace(-3, 3, p)
    eta = (Z - Z.mean(axis=0)) @ np.linspace(-0.3, 0.3, p)
    y = {
        "binomial": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "tweedie": lambda: rng.gamma(1.0, np.exp(eta)) * (rng.random(n) < 0.7),
        "gaussian": lambda: eta + rng.normal(size=n),
    }.get(family, lambda: rng.gamma(2.0, np.exp(eta)))()  # fmt: skip
    return Z, y, rng.uniform(0.5, 2.0, n), rng.normal(0, 0.2, n)


def plainly(monkeypatch):
    """NumPy in the place of compiled kernels."""
    monkeypatch.setattr(SmoothSums, "_is_fused", lambda self, block: False)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_sums_are_those_of_numpy(name, beside, monkeypatch):
    family, link = FAMILIES[name]
    Z, y, w, offset = many(family)
    given = {"sample_weight": w, "offset": offset} if beside else {}
    fast = bh.GeneralizedLinearModel(family, link).fit(Z, y, **given)
    fast_numbers = fast.inference_
    plainly(monkeypatch)
    slow = bh.GeneralizedLinearModel(family, link).fit(Z, y, **given)
    same(fast, slow, 1e-11)
    np.testing.assert_allclose(fast_numbers.std_err, slow.inference_.std_err, rtol=1e-9)
    for number in ("deviance", "null_deviance", "pearson_chi2", "log_likelihood"):
        assert getattr(fast_numbers, number) == pytest.approx(getattr(slow.inference_, number), rel=1e-10)
    assert fast.certificate_.error_bound_kind == slow.certificate_.error_bound_kind


@pytest.mark.parametrize("kind", ["fortran", "float32", "strided", "int8"])
def test_compiled_layouts(kind):
    Z, y, w, _ = many("binomial")
    Z = np.round(Z * 4)
    given = {
        "fortran": np.asfortranarray, "float32": lambda v: v.astype(np.float32),
        "strided": lambda v: np.repeat(v, 2, axis=0)[::2], "int8": lambda v: v.astype(np.int8),
    }[kind](Z)  # fmt: skip
    labels = y.astype(int)
    one, other = bh.LogisticRegression(), bh.LogisticRegression()
    same(one.fit(given, labels, sample_weight=w), other.fit(Z, labels, sample_weight=w), 1e-11)


@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_many_rows_of_more_classes(alpha):
    """Against blocks too small for compiled kernels."""
    Z, y, w, _ = many("binomial")
    labels = (y + (Z[:, 0] > -3)).astype(int)
    fast = bh.LogisticRegression(alpha=alpha).fit(Z, labels, sample_weight=w)
    slow = bh.LogisticRegression(alpha=alpha).fit(sp.csr_array(Z), labels, sample_weight=w)
    same(fast, slow, 1e-9)
    peer = Peer(C=1 / (0.01 * w.sum()), solver="newton-cholesky", tol=1e-12).fit(Z, labels, sample_weight=w)
    if alpha:
        np.testing.assert_allclose(fast.coef_, peer.coef_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("given", [{}, {"tol": 1e-6}, {"max_iter": 3000}], ids=str)
@pytest.mark.parametrize("classes", [2, 3])
def test_more_coefficients_than_newtons_equations_are_solved_for(classes, given):
    rng = np.random.default_rng(8)
    Z = rng.normal(size=(400, 1005))
    y = (rng.random(400) < 1 / (1 + np.exp(-Z[:, 0]))).astype(int) + (classes - 2) * (Z[:, 1] > 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = bh.LogisticRegression(alpha=0.1, **given).fit(Z, y)
    assert model.solver_ in ("newton_cg", "lbfgs")
    peer = Peer(C=1 / (0.1 * 400), solver="newton-cholesky", tol=1e-12).fit(Z, y)
    rough = "tol" in given
    np.testing.assert_allclose(
        model.coef_, peer.coef_, rtol=1e-2 if rough else 1e-5, atol=1e-5 if rough else 1e-8
    )
    assert model.certificate_.converged
    assert "Newton's equations would cost more" in " ".join(model.explain().split())
