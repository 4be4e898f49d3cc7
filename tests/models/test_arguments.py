"""How functions take their parameters, and what starts they accept."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betahat.autodiff.containers import leaves
from betahat.errors import DerivativeError
from betahat.models.arguments import Arguments, arguments, parameters_of


def three(X, a, b, c):
    return a * np.exp(-b * X) + c


def defaulted(X, a, b=0.5, c=1.0):
    return three(X, a, b, c)


class Model:
    def method(self, X, a, b):
        return a * X + b

    def __call__(self, X, a, b):
        return a * X + b

    @staticmethod
    def static(X, a, b):
        return a * X + b

    @classmethod
    def of_class(cls, X, a, b):
        return a * X + b


SIGNATURES = {
    "names": (three, (["a", "b", "c"], 3, False)),
    "array": (lambda X, beta: beta[0] * X, (["beta"], 1, False)),
    "defaults": (defaulted, (["a", "b", "c"], 1, False)),
    "partial": (functools.partial(defaulted, c=2.0), (["a", "b"], 1, False)),
    "method": (Model().method, (["a", "b"], 2, False)),
    "callable": (Model(), (["a", "b"], 2, False)),
    "static": (Model.static, (["a", "b"], 2, False)),
    "class method": (Model.of_class, (["a", "b"], 2, False)),
    "any number": (lambda X, *p: p[0] * X, ([], 0, True)),
    "one and any number": (lambda X, a, *p: a * X, (["a"], 1, True)),
    "everything": (lambda *everything: everything[1] * everything[0], ([], 0, True)),
    "keyword with default": (lambda X, a, *, k=2: a * X * k, (["a"], 1, False)),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_signatures(kind):
    f, expected = SIGNATURES[kind]
    assert parameters_of(f) == expected


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda X: X, r"must take X and then its parameters.*it takes 1"),
        (lambda: 1, "it takes 0"),
        (lambda X, *, a: a * X, "takes a by name only"),
    ],
)
def test_functions_without_parameters(f, words):
    with pytest.raises(TypeError, match=words):
        parameters_of(f)


FORMS = {
    "sequence": (three, [1, 2.0, np.float32(3)], ("a", "b", "c"), (1.0, 2.0, 3.0)),
    "array": (three, np.array([1.0, 2.0, 3.0]), ("a", "b", "c"), (1.0, 2.0, 3.0)),
    "dict in another order": (three, {"c": 3.0, "a": 1.0, "b": 2}, ("a", "b", "c"), (1.0, 2.0, 3.0)),
    "one with defaults": (defaulted, [1.0], ("a",), (1.0,)),
    "two with defaults": (defaulted, {"a": 1.0, "b": 2.0}, ("a", "b"), (1.0, 2.0)),
    "any number": (lambda X, *p: X, [1.0, 2.0], ("b1", "b2"), (1.0, 2.0)),
    "any number by name": (lambda X, *p: X, {"u": 1.0, "v": 2.0}, ("u", "v"), (1.0, 2.0)),
    "one and any number": (lambda X, a, *p: X, [1.0, 2.0], ("a", "b1"), (1.0, 2.0)),
    "number": (lambda X, a: X, 4, ("a",), (4.0,)),
    "named number": (lambda X, a: X, {"a": 4.0}, ("a",), (4.0,)),
}


@pytest.mark.parametrize("kind", FORMS)
def test_numbers_are_handed_over_one_by_one(kind):
    f, start, names, values = FORMS[kind]
    taken, beta = arguments(f, start)
    assert taken.names == names
    np.testing.assert_array_equal(beta, values)
    built = taken.build(taken.split(beta))
    assert built == values
    assert all(np.ndim(part) == 0 for part in built)


def test_one_array():
    taken, beta = arguments(lambda X, beta: X, [1.0, 2.0])
    assert taken.names == ("beta[0]", "beta[1]")
    (built,) = taken.build(taken.split(2 * beta))
    np.testing.assert_array_equal(built, [2.0, 4.0])


@pytest.mark.parametrize(
    "form",
    [
        {"w": np.arange(6.0).reshape(2, 3), "b": 1.0},
        {"layers": [{"w": np.ones((2, 2)), "b": np.zeros(2)}, {"w": np.ones(2), "b": 0.5}]},
        {"only": 3.0},
        {7: 3.0},
    ],
    ids=["matrix", "nested", "single", "key that is no name"],
)
def test_containers_come_back_in_their_form(form):
    taken, beta = arguments(lambda X, parameters: X, form)
    assert taken.size == taken.counted == len(beta) == len(set(taken.names))
    (built,) = taken.build(taken.split(beta))
    for (path, leaf), (expected_path, expected) in zip(leaves(built), leaves(form), strict=True):
        assert path == expected_path
        np.testing.assert_array_equal(leaf, expected)
    (columns,) = taken.build(taken.split(np.repeat(beta[:, None], 5, axis=1)))
    assert type(columns) is dict


def test_names_of_a_container():
    taken, _ = arguments(lambda X, p: X, {"w": np.zeros((2, 1)), "b": [0.0, 1.0]})
    assert taken.names == ("w[0,0]", "w[1,0]", "b.0", "b.1")


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=2).map(tuple), min_size=1, max_size=4), st.integers(0, 4)
)
def test_split_and_build_lose_nothing(shapes, behind):
    rng = np.random.default_rng(0)
    form = {f"k{i}": rng.normal(size=shape) for i, shape in enumerate(shapes)}
    size = sum(np.size(leaf) for leaf in form.values())
    taken = Arguments((form,), tuple(f"n{i}" for i in range(size)))
    beta = rng.normal(size=(size, behind)) if behind else rng.normal(size=size)
    parts = taken.split(beta)
    assert [np.shape(part)[: len(shape)] for part, shape in zip(parts, shapes, strict=True)] == shapes
    flat = [np.reshape(part, (-1, behind) if behind else -1) for part in parts if np.size(part)]
    if flat:
        np.testing.assert_array_equal(np.concatenate(flat), beta)


@pytest.mark.parametrize(
    ("f", "start", "error", "words"),
    [
        (three, [1.0], ValueError, "start has 1 numbers, and f takes 3: a, b, c"),
        (three, [1.0] * 4, ValueError, "start has 4 numbers"),
        (three, [], ValueError, "start has 0 numbers"),
        (three, {"a": 1.0}, ValueError, "'b' has no value; 'c' has no value"),
        (three, {"a": 1.0, "b": 1.0, "q": 1.0}, ValueError, "'q' is not among f's parameters"),
        (three, {}, ValueError, "'a' has no value"),
        (three, [1.0, np.nan, 1.0], ValueError, "start of 'b' is nan"),
        (three, [1.0, np.inf, 1.0], ValueError, "start of 'b' is inf"),
        (three, np.ones((1, 1, 3)), ValueError, r"start has shape \(1, 1, 3\)"),
        (three, {"a": [1.0, 2.0], "b": 1.0, "c": 1.0}, ValueError, r"start\['a'\] has shape \(2,\)"),
        (three, "abc", DerivativeError, "start .*expected floats"),
        (three, ["a", "b", "c"], DerivativeError, "start .*expected an array of floats"),
        (three, [1j, 1, 1], DerivativeError, "start is complex"),
        (three, [None, 1.0, 1.0], DerivativeError, "start"),
        (three, object(), DerivativeError, "start"),
        (lambda X, a, *p: X, [], ValueError, "f takes a and more"),
        (lambda X, a, *p: X, {"b": 1.0, "a": 2.0}, ValueError, "f takes a first"),
        (lambda X, p: X, {"w": np.zeros(0)}, ValueError, "no number"),
        (lambda X, p: X, {"w": "text"}, DerivativeError, "start"),
    ],
)
def test_starts_that_do_not_fit(f, start, error, words):
    with pytest.raises(error, match=words):
        arguments(f, start)
