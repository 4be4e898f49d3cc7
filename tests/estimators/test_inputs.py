"""Whatever kind of array or table is handed over gives the same numbers; what cannot be fitted is refused by name."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from betahat import (
    CollinearityWarning,
    DataError,
    InferenceError,
    LinearRegression,
    PolynomialRegression,
    Ridge,
)
from betahat.errors import MissingValueError
from betahat.kernels.gram import COMPILED_FROM

SIZES = {"numpy": 60, "compiled": 44_000}  # × 3 columns: both sides of COMPILED_FROM
assert 3 * SIZES["numpy"] < COMPILED_FROM < 3 * SIZES["compiled"]
MODELS = {
    "ols": LinearRegression, "origin": lambda: LinearRegression(fit_intercept=False), "ridge": Ridge,
    "polynomial": lambda: PolynomialRegression(1),
}  # fmt: skip
models = pytest.mark.parametrize("model", MODELS)
sizes = pytest.mark.parametrize("size", SIZES)


def sample(size):
    """Whole numbers that every type holds, 0 or 1 in the last column."""
    n = SIZES[size]
    rng = np.random.default_rng(n)
    X = np.column_stack([rng.integers(0, 100, (n, 2)), rng.integers(0, 2, n)]).astype(np.float64)
    return X, X @ [1.0, -2.0, 3.0] + rng.integers(-20, 21, n)


def strided(X):
    wide = np.full((2 * len(X), 3 * X.shape[1]), np.nan)
    wide[::2, 1::3] = X
    return wide[::2, 1::3]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def misaligned(X):
    raw = np.zeros(X.nbytes + 1, np.uint8)
    view = raw[1:].view(np.float64).reshape(X.shape)
    view[:] = X
    assert not view.flags.aligned
    return view


def offset_memmap(X, tmp_path):
    stored = np.memmap(tmp_path / "X.bin", np.float64, "w+", shape=X.shape)
    stored[:] = X
    stored.flush()
    return np.memmap(tmp_path / "X.bin", np.float64, "r", shape=X.shape)


def frame_of(X, kind):
    columns = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    return {"pandas": pd.DataFrame, "polars": pl.DataFrame, "lazy": pl.LazyFrame, "arrow": pa.table}[kind](
        columns
    )


KINDS = {
    "F order": np.asfortranarray,
    "strided": strided,
    "reversed": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "reversed F": lambda X: np.asfortranarray(X[::-1, ::-1])[::-1, ::-1],
    "transposed": lambda X: np.ascontiguousarray(X.T).T,
    "broken rows": lambda X: np.repeat(X, 2, axis=0)[::2],
    "read-only": read_only,
    "misaligned": misaligned,
    "big endian": lambda X: X.astype(">f8"),
    "big endian float32": lambda X: X.astype(">f4"),
    "object numbers": lambda X: X.astype(object),
    **{
        name: lambda X, name=name: X.astype(name)
        for name in (
            "float32", "float16", "longdouble", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint64",
        )
    },
    "float32 F": lambda X: np.asfortranarray(X.astype(np.float32)),
    "list": lambda X: X.tolist(),
    "tuple": lambda X: tuple(map(tuple, X.tolist())),
    "list of arrays": list,
    "matrix-like": lambda X: np.array(X, order="C", subok=True).view(),
    "csr_matrix": sp.csr_matrix, "csr_array": sp.csr_array, "csc_matrix": sp.csc_matrix, "csc_array": sp.csc_array,
    "coo_matrix": sp.coo_matrix, "coo_array": sp.coo_array, "lil": sp.lil_matrix, "dok": sp.dok_array,
    "csr float32": lambda X: sp.csr_array(X.astype(np.float32)),
    "csr int64": lambda X: sp.csr_array(X.astype(np.int64)),
    "csr explicit zeros": lambda X: sp.csr_array(
        (X.ravel(), np.tile(np.arange(3), len(X)), np.arange(0, X.size + 1, 3)), shape=X.shape
    ),
    **{name: lambda X, name=name: frame_of(X, name) for name in ("pandas", "polars", "lazy", "arrow")},
    "pandas int": lambda X: pd.DataFrame(X.astype(np.int64), columns=["a", "b", "c"]),
    "pandas mixed": lambda X: pd.DataFrame(X, columns=["a", "b", "c"]).astype({"a": "float32", "b": "int8", "c": bool}),
    "pandas nullable": lambda X: pd.DataFrame(X, columns=["a", "b", "c"]).astype({"a": "Float64", "b": "Int64"}),
    "pandas odd index": lambda X: pd.DataFrame(X, index=np.arange(len(X))[::-1] * 7, columns=["a", "b", "c"]),
    "polars float32": lambda X: pl.DataFrame(X, schema=["a", "b", "c"]).cast(pl.Float32),
}  # fmt: skip


def numbers(model):
    return np.append(model.coef_, model.intercept_)


DENSE_ONLY = "Sparse data was passed"


@models
@sizes
@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_array_does_not_matter(kind, size, model):
    if size == "compiled" and kind in ("lil", "dok", "list", "tuple", "object numbers"):
        X, y = (part[:20_000] for part in sample(size))  # slow to make
    else:
        X, y = sample(size)
    given = KINDS[kind](X)
    before = given.copy() if isinstance(given, np.ndarray) else None
    if model == "polynomial" and sp.issparse(given):
        with pytest.raises(TypeError, match=DENSE_ONLY):
            MODELS[model]().fit(given, y)
        return
    expected = MODELS[model]().fit(X, y)
    found = MODELS[model]().fit(given, y)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-12)
    np.testing.assert_allclose(found.predict(given)[:50], expected.predict(X)[:50], rtol=1e-12)
    assert found.certificate_.converged
    if before is not None:
        np.testing.assert_array_equal(given, before)


@models
@sizes
def test_bool_and_memmap(size, model, tmp_path):
    X, y = sample(size)
    expected = MODELS[model]().fit(X, y)
    np.testing.assert_allclose(
        numbers(MODELS[model]().fit(offset_memmap(X, tmp_path), y)), numbers(expected), rtol=1e-13
    )
    flags = np.median(X[:, 0]) / 2 < X
    flags[:, 2] = X[:, 2] == 1
    expected = MODELS[model]().fit(flags.astype(np.float64), y)
    np.testing.assert_allclose(numbers(MODELS[model]().fit(flags, y)), numbers(expected), rtol=1e-12)


Y_KINDS = {
    "list": lambda y: y.tolist(), "tuple": tuple, "int": lambda y: y.astype(np.int64), "int8": None,
    "float32": lambda y: y.astype(np.float32), "float16": None, "longdouble": lambda y: y.astype(np.longdouble),
    "big endian": lambda y: y.astype(">f8"), "strided": lambda y: np.repeat(y, 3)[::3],
    "reversed": lambda y: y[::-1].copy()[::-1], "read-only": read_only, "object": lambda y: y.astype(object),
    "pandas": lambda y: pd.Series(y, name="target"), "pandas int": lambda y: pd.Series(y.astype(int)),
    "pandas nullable": lambda y: pd.Series(y).astype("Float64"),
    "polars": lambda y: pl.Series("target", y), "arrow": pa.array,
    "chunked": lambda y: pa.chunked_array([y[:9], y[9:]]),
}  # fmt: skip


@models
@sizes
@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
@pytest.mark.parametrize("kind", [kind for kind, make in Y_KINDS.items() if make])
def test_kind_of_y_does_not_matter(kind, frame, size, model):
    X, y = sample(size)
    table = frame_of(X, "polars") if frame else X
    expected = MODELS[model]().fit(X, y)
    found = MODELS[model]().fit(table, Y_KINDS[kind](y))
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-12)
    assert found.coef_.shape == (3,)


@models
@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
def test_column_of_y_is_a_target_of_its_own(model, frame):
    X, y = sample("numpy")
    table = frame_of(X, "pandas") if frame else X
    flat, column = MODELS[model]().fit(table, y), MODELS[model]().fit(table, y[:, None])
    assert column.coef_.shape == (1, 3)
    assert column.predict(table).shape == (60, 1)
    np.testing.assert_allclose(column.coef_[0], flat.coef_, rtol=1e-13)
    both = MODELS[model]().fit(table, np.column_stack([y, -y]))
    np.testing.assert_allclose(both.coef_, [flat.coef_, -flat.coef_], rtol=1e-12)


W_KINDS = {
    "list": lambda w: w.tolist(), "int": lambda w: w.astype(int), "float32": lambda w: w.astype(np.float32),
    "strided": lambda w: np.repeat(w, 2)[::2], "big endian": lambda w: w.astype(">f8"), "pandas": pd.Series,
    "polars": lambda w: pl.Series(w), "arrow": pa.array,
}  # fmt: skip


@sizes
@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
@pytest.mark.parametrize("which", ["sample_weight", "frequency_weight"])
@pytest.mark.parametrize("kind", W_KINDS)
def test_kind_of_weight_does_not_matter(kind, which, frame, size):
    X, y = sample(size)
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(np.float64)
    expected = LinearRegression().fit(X, y, **{which: weight})
    found = LinearRegression().fit(frame_of(X, "pandas") if frame else X, y, **{which: W_KINDS[kind](weight)})
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-13)


# --- refused ------------------------------------------------------------------------------------------------


def forms_of(forms=("array", "csr", "pandas")):
    """Each form of X with each model that takes it."""
    return pytest.mark.parametrize(
        ("form", "model"),
        [(f, m) for f in forms for m in MODELS if not (m == "polynomial" and f in ("csr", "csc"))],
    )


def put(values, value, row=7, column=1):
    values = np.array(values, np.float64)
    values[(row, column) if values.ndim == 2 else row] = value
    return values


FORMS = {
    "array": np.asarray, "F": np.asfortranarray, "float32": lambda X: X.astype(np.float32), "csr": sp.csr_array,
    "csc": sp.csc_array, "pandas": lambda X: frame_of(X, "pandas"), "polars": lambda X: frame_of(X, "polars"),
    "arrow": lambda X: frame_of(X, "arrow"), "list": lambda X: X.tolist(),
}  # fmt: skip


@sizes
@forms_of(forms=FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_in_columns(value, form, size, model):
    X, y = sample(size)
    given = FORMS[form](put(X, value, row=len(X) - 3))
    with pytest.raises(DataError, match=r"NaN|missing|infinit") as caught:
        MODELS[model]().fit(given, y)
    assert isinstance(caught.value, MissingValueError) == bool(np.isnan(value))
    assert "'x2'" in str(caught.value) or "'b'" in str(caught.value)


@sizes
@forms_of()
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_in_y(value, form, size, model):
    X, y = sample(size)
    for target in (put(y, value), np.column_stack([y, put(y, value)])):
        with pytest.raises(
            ValueError, match=r"Input y contains (NaN|infinity)|(missing|infinite) values in 'y"
        ):
            MODELS[model]().fit(FORMS[form](X), target)


@sizes
@forms_of()
@pytest.mark.parametrize("which", ["sample_weight", "frequency_weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_no_weights(value, which, form, size, model):
    X, y = sample(size)
    weight = put(np.ones(len(y)), value)
    with pytest.raises(DataError, match=which):
        MODELS[model]().fit(FORMS[form](X), y, **{which: weight})


X60, Y60 = sample("numpy")
ONES = np.ones(60)
REFUSED = {
    # name: (X, y, further arguments, kinds of error, what the message says)
    "no rows": (np.zeros((0, 3)), np.zeros(0), {}, ValueError, r"0 sample"),
    "no columns": (np.zeros((60, 0)), Y60, {}, ValueError, r"0 feature"),
    "one dimension": (X60[:, 0], Y60, {}, ValueError, r"Expected 2D array, got 1D"),
    "three dimensions": (X60[:, :, None], Y60, {}, ValueError, r"dim 3|Expected 2D|<= 2 expected"),
    "no dimension": (3.0, Y60, {}, ValueError, r"Expected 2D array, got scalar"),
    "y too short": (X60, Y60[:-1], {}, ValueError, r"(?i)inconsistent|y.*59"),
    "y too long": (X60, np.append(Y60, 1.0), {}, ValueError, r"(?i)inconsistent|y.*61"),
    "y with three dimensions": (X60, Y60[:, None, None], {}, ValueError, r"y|dim 3"),
    "no y": (X60, None, {}, ValueError, r"requires y.*y is None"),
    "text": ([["a", "b"], ["c", "d"]] * 30, Y60, {}, ValueError, r"(?i)X|string|numeric"),
    "objects": (np.array([[{}, 1.0]] * 60, dtype=object), Y60, {}, (TypeError, ValueError), r"(?i)X|float|argument"),
    "ragged": ([[1.0, 2.0], [1.0]] * 30, Y60, {}, ValueError, r"(?i)X|inhomogeneous|sequence"),
    "complex X": (X60 * 1j, Y60, {}, ValueError, r"(?i)complex data not supported"),
    "complex y": (X60, Y60 * 1j, {}, (ValueError, TypeError), r"(?i)complex"),
    "text y": (X60, np.array(["1"] * 59 + ["b"]), {}, (ValueError, TypeError), r"(?i)y|numeric|string"),
    "weight too short": (X60, Y60, {"sample_weight": ONES[:-1]}, DataError, r"sample_weight.*59"),
    "weight of two columns": (X60, Y60, {"sample_weight": np.ones((60, 2))}, DataError, r"sample_weight.*\(60, 2\)"),
    "weight of text": (X60, Y60, {"sample_weight": ["a"] * 60}, TypeError, r"sample_weight"),
    "weight of zeros": (X60, Y60, {"sample_weight": 0 * ONES}, DataError, r"sample_weight is zero in every row"),
    "complex weight": (X60, Y60, {"sample_weight": ONES * 1j}, (TypeError, ValueError), r"sample_weight"),
    "frequency too short": (X60, Y60, {"frequency_weight": ONES[:-1]}, DataError, r"frequency_weight.*59"),
    "fraction of a row": (X60, Y60, {"frequency_weight": ONES / 2}, DataError, r"frequency_weight.*whole numbers"),
    "frequency of zeros": (X60, Y60, {"frequency_weight": 0 * ONES}, DataError, r"frequency_weight is zero"),
    "weights never both positive": (
        X60, Y60, {"sample_weight": np.arange(60) % 2, "frequency_weight": (np.arange(60) + 1) % 2}, DataError,
        r"sample_weight.*frequency_weight|weight",
    ),
    "groups too short": (X60, Y60, {"groups": np.zeros(59)}, DataError, r"groups.*59"),
    "groups of three columns": (X60, Y60, {"groups": np.zeros((60, 3))}, DataError, r"groups.*3 columns"),
    "groups missing": (X60, Y60, {"groups": [None] + [1] * 59}, DataError, r"groups.*missing"),
}  # fmt: skip


@models
@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case, model):
    X, y, further, kinds, words = REFUSED[case]
    with pytest.raises(kinds, match=words):
        MODELS[model]().fit(X, y, **further)


FRAME_REFUSED = ["y too short", "y too long", "y with three dimensions", "no y", "complex y", "text y",
                 "weight too short", "weight of two columns", "weight of text", "weight of zeros", "complex weight",
                 "frequency too short", "fraction of a row", "frequency of zeros", "weights never both positive",
                 "groups too short", "groups of three columns", "groups missing"]  # fmt: skip


@models
@pytest.mark.parametrize("case", FRAME_REFUSED)
def test_refused_by_name_beside_a_table(case, model):
    _, y, further, kinds, _ = REFUSED[case]
    argument = next(iter(further), "y").split("_")[0]
    with pytest.raises(
        (*((kinds,) if isinstance(kinds, type) else kinds), TypeError, ValueError), match=argument
    ):
        MODELS[model]().fit(frame_of(X60, "pandas"), y, **further)


PARAMETERS = {
    "fit_intercept": ["yes", 2, None, np.array([True])],
    "cov_type": ["HC9", "robust", None, 3],
    "collinear": ["ignore", None, 1],
    "missing": ["skip", None, 0],
    "maxlags": [-1, 1.5, "3"],
}


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, PolynomialRegression])
@pytest.mark.parametrize(("name", "value"), [(k, v) for k, values in PARAMETERS.items() for v in values])
def test_wrong_parameter(kind, name, value):
    further = {"cov_type": "HAC"} if name == "maxlags" else {}
    if name == "maxlags" and kind is Ridge:
        pytest.skip("a penalised fit has no covariance")
    with pytest.raises((ValueError, TypeError), match=name):
        kind(**{name: value}, **further).fit(X60, Y60)


@pytest.mark.parametrize(("degree", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError),
                                               (None, TypeError), (True, TypeError)])  # fmt: skip
def test_wrong_degree(degree, error):
    with pytest.raises(error, match="degree"):
        PolynomialRegression(degree).fit(X60, Y60)


@models
def test_cluster_needs_groups(model):
    if model == "ridge":
        return
    with pytest.raises(DataError, match="groups"):
        MODELS[model]().set_params(cov_type="cluster").fit(X60, Y60)


# --- predict ------------------------------------------------------------------------------------------------

PREDICTING = ["predict", "prediction_interval"]


@models
@pytest.mark.parametrize("method", PREDICTING)
def test_not_fitted(method, model):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(MODELS[model](), method)(X60)
    for name in ("inference_",):
        with pytest.raises(NotFittedError):
            getattr(MODELS[model](), name)
    for name in ("summary", "explain"):
        with pytest.raises(NotFittedError):
            getattr(MODELS[model](), name)()


@models
@pytest.mark.parametrize("method", PREDICTING)
@pytest.mark.parametrize(("X", "words"), [
    (X60[:, :2], "2 features.*expecting 3"), (X60[:, 0], "Expected 2D"), (put(X60, np.nan), "NaN"),
    (put(X60, np.inf), "infinity"), (X60 * 1j, "(?i)complex"), (X60[:0], "0 sample"),
    ([["a", "b", "c"]], "(?i)string|numeric"),
    (sp.csr_array(X60[:, :2]), "2 features.*expecting 3|Sparse data was passed"),
])  # fmt: skip
def test_wrong_rows_to_predict(method, model, X, words):
    fitted = MODELS[model]().fit(X60, Y60)
    if model == "ridge" and method == "prediction_interval":
        with pytest.raises((InferenceError, ValueError)):
            fitted.prediction_interval(X)
        return
    with pytest.raises((ValueError, TypeError), match=words):
        getattr(fitted, method)(X)


@models
@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_columns_are_found_by_name(kind, model):
    fitted = MODELS[model]().fit(frame_of(X60, kind), Y60)
    assert list(fitted.feature_names_in_) == ["a", "b", "c"]
    expected = fitted.predict(frame_of(X60, kind))
    turned = {"c": X60[:, 2], "extra": Y60, "a": X60[:, 0], "b": X60[:, 1]}
    other = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[kind](turned)
    np.testing.assert_array_equal(fitted.predict(other), expected)
    with pytest.raises(ValueError, match=r"\bb\b|'b'"):
        fitted.predict(pd.DataFrame({"a": X60[:, 0], "c": X60[:, 2]}))


# --- edges that have an answer ------------------------------------------------------------------------------


@models
def test_one_row_or_one_column(model):
    one = MODELS[model]().fit(X60[:, :1], Y60)
    assert one.coef_.shape == (1,)
    assert one.certificate_.converged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearityWarning)
        row = MODELS[model]().fit(X60[:1], Y60[:1])
    np.testing.assert_allclose(row.predict(X60[:1]), Y60[:1], rtol=1e-3 if model == "ridge" else 1e-12)


@pytest.mark.parametrize("model", ["ols", "origin", "polynomial"])
@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
def test_warnings_point_at_the_line_of_the_user(model, frame):
    X = np.column_stack([X60, X60[:, 0]])
    if model == "polynomial":
        X[:, 3] = 0.0
    given = pd.DataFrame(X, columns=list("abcd")) if frame else X
    with pytest.warns(CollinearityWarning, match=r"'x4'|'d'") as caught:
        MODELS[model]().fit(given, Y60)
    assert [w.filename for w in caught] == [__file__]


@models
@sizes
@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e8, 0.1])
def test_constant_y(value, size, model):
    X, _ = sample(size)
    fitted = MODELS[model]().fit(X, np.full(len(X), value))
    if model == "origin" and value:
        assert fitted.certificate_.converged
        return
    np.testing.assert_allclose(fitted.coef_, 0, atol=1e-15 * abs(value))
    np.testing.assert_allclose(fitted.intercept_, value if model != "origin" else 0, rtol=1e-15)
    if model != "ridge":
        assert np.isnan(fitted.inference_.r_squared)
        assert "constant" in fitted.inference_.message
    assert fitted.certificate_.converged


@sizes
@pytest.mark.parametrize("model", ["ols", "origin", "polynomial"])
@pytest.mark.parametrize("x_power", [-996, -664, -300, 0, 300, 664, 996])
@pytest.mark.parametrize("y_power", [-996, -664, 0, 664, 996])
def test_units_at_the_ends_of_double_precision(x_power, y_power, size, model):
    """Powers of two near 1e±300: the same digits, or a refusal; standard errors may be refused, never wrong."""
    X, y = sample(size)
    X[:, :2] += 1  # nothing is zero
    x_unit, y_unit = 2.0**x_power, 2.0**y_power
    one = MODELS[model]().fit(X, y)
    if model == "polynomial" and max(abs(x_power), abs(y_power)) > 600:
        with pytest.raises(DataError, match=r"'(x1|y)' holds numbers as large as .*rescale"):
            MODELS[model]().fit(X * x_unit, y * y_unit)
        return
    if abs(y_power - x_power) > 1000:
        with pytest.raises(DataError, match="range of double precision"):
            MODELS[model]().fit(X * x_unit, y * y_unit)
        return
    two = MODELS[model]().fit(X * x_unit, y * y_unit)
    np.testing.assert_allclose(two.coef_ * 2.0 ** (x_power - y_power), one.coef_, rtol=1e-12)
    np.testing.assert_allclose(two.intercept_ / y_unit, one.intercept_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(two.predict(X[:9] * x_unit) / y_unit, one.predict(X[:9]), rtol=1e-12)
    assert two.certificate_.status == "global minimum"
    if max(abs(x_power), abs(y_power)) > 600:
        with pytest.raises(InferenceError, match="rescale"):
            _ = two.inference_
        return
    units = 2.0 ** (y_power - x_power)
    inference = two.inference_
    np.testing.assert_allclose(inference.std_err[-3:] / units, one.inference_.std_err[-3:], rtol=1e-9)
    np.testing.assert_allclose(inference.r_squared, one.inference_.r_squared, rtol=1e-12)
    np.testing.assert_allclose(inference.p_value, one.inference_.p_value, rtol=1e-7)


@sizes
@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_one_column_at_the_ends_of_double_precision(size, scale):
    X, y = sample(size)
    one = LinearRegression().fit(X, y)
    Z = X.copy()
    Z[:, 1] *= scale
    two = LinearRegression().fit(Z, y)
    np.testing.assert_allclose(two.coef_ * [1, scale, 1], one.coef_, rtol=1e-12)


@models
@pytest.mark.parametrize("rows", [100_000, 200_000])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_large_arrays_are_searched_too(rows, value, model):
    X = np.random.default_rng(0).normal(size=(rows, 5))
    y = X[:, 0].copy()
    X[rows - 1, 4] = value
    with pytest.raises(DataError, match=f"'x5'.*row {rows - 1}"):
        MODELS[model]().fit(X, y)


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
@pytest.mark.parametrize("model", ["ols", "origin", "ridge"])
@pytest.mark.parametrize(
    "form", [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array, lambda X: X.astype(np.float32)]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_wide_arrays_are_searched_too(value, form, model):
    """More columns than rows are solved by other equations."""
    X = np.random.default_rng(0).normal(size=(20, 400))
    y = X[:, 0].copy()
    with pytest.raises(DataError, match=r"'x301'.*row 11"):
        MODELS[model]().fit(form(put(X, value, 11, 300)), y)
    with pytest.raises(ValueError, match=r"y.*(NaN|infinity)"):
        MODELS[model]().fit(form(X), put(y, value))
    weight = np.ones(20)
    expected = MODELS[model]().fit(X, y).predict(X)
    np.testing.assert_allclose(
        MODELS[model]().fit(form(X), y, sample_weight=weight).predict(X), expected, rtol=1e-5
    )


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
@pytest.mark.parametrize("power", [-996, -664, 664, 996])
@pytest.mark.parametrize("p", [40, 400])
@pytest.mark.parametrize("model", ["ols", "origin"])
def test_smallest_norm_at_the_ends_of_double_precision(model, p, power):
    """The norm is that of the coefficients in the units of the data, whatever was scaled on the way."""
    X = np.random.default_rng(0).normal(size=(20, p))
    y = X[:, 0].copy()
    one, two = MODELS[model]().fit(X, y), MODELS[model]().fit(X * 2.0**power, y)
    np.testing.assert_allclose(two.coef_ * 2.0**power, one.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.predict(X * 2.0**power), y, rtol=1e-9)
