"""Layers as descriptions: equal, hashable, written as they are made; and what they refuse, by name."""

from __future__ import annotations

import copy
import pickle
import re

import layer_cases
import numpy as np
import pytest
from layer_cases import ACTIVATIONS, CASES

import betahat.layers as bl
from betahat.errors import DataError, DerivativeError
from betahat.layers import (
    ELU,
    GELU,
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    LayerNorm,
    LeakyReLU,
    Pass,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    as_activation,
)
from betahat.layers.named import ACTIVATIONS as NAMED
from betahat.models.network import Network

WRITTEN = [layer for layer, _ in CASES if "Function" not in repr(layer)]


@pytest.mark.parametrize("layer", WRITTEN, ids=repr)
def test_repr_is_the_call_that_makes_it(layer):
    again = eval(repr(layer), vars(bl))
    assert again == layer
    assert hash(again) == hash(layer)
    assert repr(again) == repr(layer)


def test_repr_of_functions():
    def bend(x, a):
        return x * a

    layer = Function(bend, {"a": (3,)}, output_shape=3)
    assert repr(layer).endswith("bend, {'a': (3,)}, output_shape=(3,))")
    assert layer.formula == "f = bend(x, a)"
    assert layer == Function(bend, {"a": (3,)}, (3,))
    assert layer != Function(bend, {"a": (4,)}, 3)
    assert len({layer, Function(bend, {"a": (3,)}, (3,))}) == 1
    assert repr(Function(np.tanh, name="squash")) == "Function(tanh, name='squash')"


@pytest.mark.parametrize("layer", [*WRITTEN, Dense(2, initialisation=np.ones((3, 2)))], ids=repr)
def test_layers_are_copied_and_pickled(layer):
    """As scikit-learn's clone and joblib do with the parameters of an estimator."""
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert again == layer
        assert hash(again) == hash(layer)


@pytest.mark.parametrize("layer", WRITTEN, ids=repr)
def test_layers_cannot_be_changed(layer):
    for name in ("units", "rate", "layers", "anything"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(layer, name, 3)


def test_every_layer_says_its_formula():
    for layer, _ in CASES:
        assert layer.formula.startswith("f = ")
    assert {Dense(3).formula, Dense(3, bias=False).formula} == {"f = x W + b", "f = x W"}
    assert GELU().formula != GELU("tanh").formula


REFUSED = [
    (lambda: Dense(0), ValueError, r"units of Dense \(=0\) must be at least 1"),
    (lambda: Dense(2.5), TypeError, r"units of Dense \(=2.5\) must be a whole number"),
    (lambda: Dense(True), TypeError, "units of Dense"),
    (lambda: Dense(3, bias=1), TypeError, r"bias of Dense \(=1\) must be True or False"),
    (lambda: LeakyReLU("a"), TypeError, r"slope of LeakyReLU \(='a'\) must be a number"),
    (lambda: LeakyReLU(float("nan")), ValueError, "slope of LeakyReLU"),
    (lambda: ELU(-1.0), ValueError, r"alpha of ELU \(=-1.0\) must be at least 0"),
    (lambda: GELU("exact"), ValueError, r'approximate \(=\'exact\'\) of GELU must be "none" or "tanh"'),
    (lambda: Dropout(1.0), ValueError, r"rate \(=1.0\) of Dropout drops every unit"),
    (lambda: Dropout(1 - 1e-9), ValueError, "drops every unit"),
    (lambda: Dropout(-0.1), ValueError, r"rate of Dropout \(=-0.1\) must be at least 0 and at most 1"),
    (lambda: Dropout(50), ValueError, "rate of Dropout"),
    (
        lambda: BatchNorm(momentum=0.0),
        ValueError,
        r"momentum of BatchNorm \(=0.0\) must be above 0 and at most 1",
    ),
    (lambda: BatchNorm(epsilon=0), ValueError, r"epsilon of BatchNorm \(=0\) must be above 0"),
    (lambda: LayerNorm(epsilon=float("inf")), ValueError, "epsilon of LayerNorm"),
    (lambda: Embedding(0, 3), ValueError, "categories of Embedding"),
    (lambda: Embedding(3, 0), ValueError, "size of Embedding"),
    (lambda: Sequential(), ValueError, "layers of Sequential is empty"),
    (lambda: Residual(ReLU), TypeError, r"layers of Residual\[0\] is the class ReLU; write ReLU\("),
    (
        lambda: Sequential(Dense(3), "relu"),
        TypeError,
        r"layers of Sequential\[1\] \(='relu'\) must be a layer",
    ),
    (lambda: Columns(numeric=(0, 0)), ValueError, "names column 0 twice"),
    (lambda: Columns(numeric=(0,), embedded=((0, Embedding(2, 2)),)), ValueError, "names column 0 twice"),
    (lambda: Columns(embedded=((0, 3),)), TypeError, "pairs of a column's place and its Embedding"),
    (lambda: Columns(numeric=(-1,)), ValueError, r"numeric of Columns \(=-1\) must be at least 0"),
    (lambda: Function(3), TypeError, r"f \(=3\) of Function"),
    (lambda: Function(np.tanh, {"a": 3}), TypeError, r"is 3; write \(3,\) for a shape, or 3.0 for a number"),
    (lambda: Function(np.tanh, [("a", (3,))]), TypeError, "must be a dict of shapes or starts"),
    (lambda: Function(np.tanh, {"a": "b"}), TypeError, "array of numbers"),
    (
        lambda: as_activation("rely"),
        ValueError,
        r"activation \(='rely'\) must be one of identity, logistic, tanh",
    ),
    (lambda: as_activation(ReLU), TypeError, r"write ReLU\(\)"),
    (lambda: as_activation(3), TypeError, r"activation \(=3\)"),
]


@pytest.mark.parametrize(
    ("make", "error", "message"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_wrong_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


SHAPES = [
    (
        Dense(3),
        (28, 28, 1),
        r"Dense\(3\) takes rows of one axis, and is given shape \(28, 28, 1\): put Flatten\(\)",
    ),
    (Dense(3), (), r"given single numbers: make X \(n, 1\)"),
    (Softmax(), (), "works along an axis"),
    (BatchNorm(), (), "works along an axis"),
    (LayerNorm(), (), "works along an axis"),
    (
        Residual(Dense(5)),
        (4,),
        r"make shape \(5,\) of \(4,\), and x \+ g\(x\) needs equal shapes: .* Dense\(4\)",
    ),
    (Residual(Flatten()), (2, 2), "equal shapes"),
    (Columns(numeric=(0, 1)), (3,), r"names columns \[0, 1\], and rows have 3: column 2 is in neither group"),
    (Columns(numeric=(0, 5)), (1,), "there is no column 5"),
    (Columns(numeric=(0,)), (1, 1), r"put Flatten\(\)"),
    (Sequential(Dense(2), Residual(Sequential(Dense(3)))), (4,), "equal shapes"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), SHAPES)
def test_shapes_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        Network([layer], shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("code", [-1.0, 3.0, 1.5, np.nan, np.inf, 1e30])
def test_codes_out_of_range_are_named(code, dtype):
    net = Network([Columns(numeric=(0,), embedded=((1, Embedding(3, 2)),))], 2)
    X = np.array([[0.0, 1.0], [9.0, code]])
    with pytest.raises(
        DataError,
        match=rf"0.column.1 hold {re.escape(str(dtype(code)))} in row 1; Embedding\(3, 2\) takes whole",
    ):
        net.forward(net.initial(0, dtype), X)


def test_more_categories_than_a_float_counts():
    layer = Embedding(2**24 + 2, 1)
    weight = np.zeros((2**24 + 2, 1), np.float32)
    with pytest.raises(
        ValueError, match=r"categories \(=16777218\) of Embedding is more than float32 tells apart"
    ):
        layer.forward(np.zeros(2, np.float32), (weight,), Pass())
    assert layer.forward(np.array([2.0**24 + 1]), (weight,), Pass())[0].shape == (1, 1)


def test_running_statistics_that_are_missing():
    with pytest.raises(ValueError, match="lacks 'mean', which inference needs"):
        BatchNorm().forward(np.ones((2, 2)), (np.ones(2), np.zeros(2)), Pass())


# functions -----------------------------------------------------------------------------------------------------------


def test_function_beside_the_layers_it_stands_for(rng):
    def dense(x, weight, bias):
        return np.maximum(x @ weight + bias, 0.0)

    ours = Network([Dense(4), ReLU(), Dense(2)], 3)
    theirs = Network([Function(dense, {"weight": (3, 4), "bias": (4,)}), Dense(2)], 3)
    beta, X = ours.initial(), rng.standard_normal((6, 3))
    beta[: theirs.size] += 0.1
    same = np.zeros(theirs.size)
    for name, view in theirs.views(same).items():
        view[...] = ours.views(beta)[name.replace("1.", "2.")]
    u = rng.standard_normal((6, 2))
    (f, gradient), (g, other) = ours.vjp(beta, X, u), theirs.vjp(same, X, u)
    np.testing.assert_allclose(f, g, rtol=1e-13)
    for name, view in theirs.views(other).items():
        np.testing.assert_allclose(view, ours.views(gradient)[name.replace("1.", "2.")], rtol=1e-12)
    assert [slot.penalised for slot in theirs.layout] == [True, False, True, False]


def test_function_that_needs_positive_numbers():
    net = Network([Function(lambda x, power: np.log(x) * power, {"power": 2.0})], 2)
    assert net.predict(net.initial(), [[1.0, np.e]]).tolist() == [[0.0, 2.0]]


FUNCTIONS = [
    (lambda x: x - x.mean(axis=0), ValueError, "another value when other rows come with it"),
    (lambda x: np.sum(x), ValueError, "expected floats with 3 rows"),
    (lambda x: x > 0, ValueError, "gives bool"),
    (lambda x: x @ np.ones((5, 2)), ValueError, "fails for x of shape"),
    (lambda x: np.log(-np.abs(x)), ValueError, "NaN or inf for rows of normal numbers"),
    (lambda x: np.array(x), DerivativeError, "no derivative of the function"),
    (
        lambda x: x * np.array(x > 0) + np.floor(1e6 * x),
        DerivativeError,
        "by x disagrees with difference quotients",
    ),
]


@pytest.mark.parametrize(("f", "error", "message"), FUNCTIONS, ids=[message for _, _, message in FUNCTIONS])
def test_functions_are_tried(f, error, message):
    with pytest.raises(error, match=message):
        Network([Function(f, name="mine")], 4)


def test_function_with_a_wrong_rule():
    import betahat as bh

    @bh.autodiff.rule(np.vectorize(lambda x: x**3))
    def cube(y, x):
        return (2 * x**2,)

    with pytest.raises(DerivativeError, match="of the function mine by x disagrees"):
        Network([Function(cube, name="mine")], 4)


def test_function_of_another_shape_than_said():
    with pytest.raises(
        ValueError, match=r"rows of shape \(4,\) for rows of \(4,\); output_shape says \(3,\)"
    ):
        Network([Function(np.tanh, output_shape=3)], 4)
    with pytest.raises(ValueError, match="unexpected keyword"):
        Network([Function(lambda x: x, {"w": (3,)})], 4)


@pytest.mark.parametrize("name", NAMED)
def test_activations_by_name(name):
    layer = as_activation(name)
    assert layer in [*ACTIVATIONS, Softmax()]
    assert as_activation(layer) is layer
    assert layer_cases.name((as_activation(np.sin), ())).startswith("Function(sin)")
