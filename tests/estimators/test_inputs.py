"""Whatever kind of array or table is handed over gives the same numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from input_forms import MODELS, frame_of, models, sample, sizes

from betahat import (
    LinearRegression,
)


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
