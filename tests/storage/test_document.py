"""Documents taken apart into strict JSON and arrays, and put together again."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from betahat.errors import StorageError
from betahat.storage.document import join, split

arrays = hnp.arrays(
    st.sampled_from(["<f8", ">f8", "<f4", "<i8", "u1", "?"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def same(a: object, b: object) -> bool:
    """Equal, with the types, bits of floats and layout of arrays."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        native = a.dtype.newbyteorder("=")
        same_bits = a.astype(native).tobytes() == b.tobytes()
        return b.dtype == native and a.shape == b.shape and same_bits and a.flags.fnc == b.flags.fnc
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return type(a) is type(b) and a == b


@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
def test_any_document_comes_back_as_it_was(document: dict[str, object]) -> None:
    encoded, parts = split(document)
    text = json.dumps(encoded, allow_nan=False)
    assert all(part.flags.c_contiguous for part in parts.values())
    assert same(document, join(json.loads(text), parts))


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a,
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1],
        lambda a: a.T,
        lambda a: np.broadcast_to(a[0], a.shape),
    ],
)
def test_layouts_keep_their_numbers(layout) -> None:  # type: ignore[no-untyped-def]
    given_array = layout(np.arange(12.0).reshape(3, 4))
    encoded, parts = split({"a": given_array})
    back = join(encoded, parts)["a"]
    np.testing.assert_array_equal(back, given_array)
    assert back.flags.writeable
    if given_array.flags.f_contiguous:
        assert back.flags.f_contiguous


@pytest.mark.parametrize(
    ("given_value", "stored"),
    [
        (np.float64(0.1), 0.1),
        (np.int32(3), 3),
        (np.bool_(True), True),
        (Fraction(1, 4), 0.25),
        ((1, 2), [1, 2]),
    ],
)
def test_numbers_of_other_libraries_become_plain(given_value: object, stored: object) -> None:
    encoded, parts = split({"a": given_value})
    assert same(join(encoded, parts)["a"], stored)


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, np.array([object()]), np.array([1j]), np.array(["a"]), {1, 2}, 1j, b"a", print],
)
def test_what_cannot_be_stored_is_named_with_its_path(value: object) -> None:
    with pytest.raises(TypeError, match=r"fit\.inner\.0 is a .* cannot be stored"):
        split({"fit": {"inner": [value]}})


@pytest.mark.parametrize(
    "encoded",
    [
        [],
        3,
        {"a": {"$array": "b"}},
        {"a": {"$array": 3}},
        {"a": {"$array": "x", "order": "K"}},
        {"a": {"$array": "x", "other": 1}},
        {"a": {"$array": "x"}, "b": {"$array": "x"}},
        {"a": {"$float": "1.0"}, "b": {"$array": "x"}},
        {"a": {"$eval": "1"}, "b": {"$array": "x"}},
        {"a": 1},
    ],
)
def test_other_values_are_no_document(encoded: object) -> None:
    with pytest.raises(StorageError):
        join(encoded, {"x": np.zeros(2)})
