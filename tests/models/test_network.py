"""A network as a model: its flat parameters, its passes, its products, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.layers import (
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from betahat.models.network import Network

BLOCK = [Dense(5), BatchNorm(), ReLU(), Residual(Dense(7), Tanh(), Dropout(0.2), Dense(5)), Dense(2)]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_slots_are_aligned_and_named():
    net = Network([Sequential(Dense(3), LayerNorm()), Residual(Dense(17), Residual(Dense(17)), Dense(3))], 2)
    expected = {
        "0.0.weight": (2, 3), "0.0.bias": (3,), "0.1.scale": (3,), "0.1.shift": (3,),
        "1.residual.0.weight": (3, 17), "1.residual.0.bias": (17,),
        "1.residual.1.residual.0.weight": (17, 17), "1.residual.1.residual.0.bias": (17,),
        "1.residual.2.weight": (17, 3), "1.residual.2.bias": (3,),
    }  # fmt: skip
    assert {slot.name: slot.shape for slot in net.layout} == expected
    end = 0
    for slot in net.layout:
        assert slot.offset % 16 == 0
        assert 0 <= slot.offset - end < 16
        assert slot.stop - slot.offset == slot.size == np.prod(slot.shape)
        assert slot.penalised == slot.name.endswith("weight")
        assert slot.name.startswith(slot.layer + ".")
        assert slot.layer == net.leaves[slot.leaf].path
        end = slot.stop
    assert net.size % 16 == 0
    assert 0 <= net.size - end < 16
    assert net.parameter_count == sum(np.prod(shape) for shape in expected.values())


def test_gaps_hold_zeros(rng):
    net = Network(BLOCK, 3)
    gaps = np.ones(net.size, bool)
    for slot in net.layout:
        gaps[slot.offset : slot.stop] = False
    assert gaps.any()
    beta = net.initial(0)
    f, saved, _ = net.forward(beta, rng.standard_normal((9, 3)), training=True)
    gradient = net.backward(beta, saved, f)[0]
    assert not beta[gaps].any()
    assert not gradient[gaps].any()
    disturbed = np.where(gaps, np.nan, beta)  # and nothing reads them
    np.testing.assert_array_equal(
        net.forward(disturbed, np.ones((1, 3)))[0], net.forward(beta, np.ones((1, 3)))[0]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_views_share_memory(dtype):
    net = Network(BLOCK, 3)
    beta, buffers = net.initial(1, dtype), net.initial_buffers(dtype)
    for flat, views in ((beta, net.views(beta)), (buffers, net.buffer_views(buffers))):
        for view in views.values():
            assert np.shares_memory(view, flat)
            assert view.dtype == dtype
            view[...] = 7
        assert set(flat) == {0.0, 7.0}


@pytest.mark.parametrize("training", [False, True])
def test_forward_and_backward_by_hand(training, rng):
    """Dense, ReLU, Dense: the formulas of a textbook."""
    net = Network([Dense(4), ReLU(), Dense(2)], 3)
    beta, X, u = net.initial(2) + 0.0, rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    v = net.views(beta)
    v["0.bias"][:] = rng.standard_normal(4)
    hidden = np.maximum(X @ v["0.weight"] + v["0.bias"], 0)
    f, saved, buffers = net.forward(beta, X, training=training)
    np.testing.assert_allclose(f, hidden @ v["2.weight"] + v["2.bias"], rtol=1e-14)
    gradient, dX = net.backward(beta, saved, u)
    g = net.views(gradient)
    back = (u @ v["2.weight"].T) * (hidden > 0)
    np.testing.assert_allclose(g["2.weight"], hidden.T @ u, rtol=1e-13)
    np.testing.assert_allclose(g["2.bias"], u.sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(g["0.weight"], X.T @ back, rtol=1e-13)
    np.testing.assert_allclose(g["0.bias"], back.sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(dX, back @ v["0.weight"].T, rtol=1e-13)
    assert buffers.shape == (0,)


def test_nesting_changes_names_only(rng):
    flat = Network([Dense(4), BatchNorm(), ReLU(), Dense(2)], 3)
    nested = Network([Sequential(Dense(4), Sequential(BatchNorm(), ReLU())), Dense(2)], 3)
    beta, X = flat.initial(), rng.standard_normal((5, 3))
    assert flat.size == nested.size
    one, two = (net.forward(beta, X, training=True) for net in (flat, nested))
    for a, b in ((one[0], two[0]), (one[2], two[2])):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(
        flat.backward(beta, one[1], X[:, :2]), nested.backward(beta, two[1], X[:, :2]), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_buffers_move_in_training_only(rng):
    net = Network([BatchNorm(momentum=0.5), Dense(2), Sequential(BatchNorm())], 3)
    beta, X, start = net.initial(), rng.normal(2.0, 1.0, (8, 3)), net.initial_buffers()
    kept = start.copy()
    assert net.forward(beta, X, buffers=start)[2] is start
    after = net.forward(beta, X, training=True, buffers=start)[2]
    np.testing.assert_array_equal(start, kept)
    views = net.buffer_views(after)
    assert list(views) == ["0.mean", "0.variance", "2.0.mean", "2.0.variance"]
    np.testing.assert_allclose(views["0.mean"], 0.5 * X.mean(axis=0), rtol=1e-13)
    twice = net.buffer_views(net.forward(beta, X, training=True, buffers=after)[2])
    np.testing.assert_allclose(twice["0.mean"], 0.75 * X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(twice["0.variance"], 0.25 + 0.75 * X.var(axis=0, ddof=1), rtol=1e-13)
    assert after.shape == (net.buffer_size,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 5, 23])
def test_prediction_in_batches(n, dtype, rng):
    """A layer so wide that four rows make a batch."""
    net = Network([Dense(2**18), BatchNorm(), Tanh(), Dense(2)], 1)
    beta, buffers = net.initial(0, dtype), net.initial_buffers(dtype)
    buffers[0] = 0.3
    X = rng.standard_normal((n, 1))
    found = net.predict(beta, X, buffers)
    assert found.shape == (n, 2)
    assert found.dtype == dtype
    whole = net.forward(beta, X, buffers=buffers)[0]
    tolerance = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, whole, atol=tolerance)
    for i in range(n):
        np.testing.assert_allclose(net.predict(beta, X[i : i + 1], buffers)[0], found[i], atol=tolerance)


def test_batches_of_a_prediction_are_small():
    """The widest layer of a batch holds a million numbers."""
    seen = []

    def watch(x):
        seen.append(len(x))
        return x

    net = Network([Dense(2**10), Function(watch), Dense(1)], 1)
    seen.clear()
    assert net.predict(net.initial(), np.zeros((5000, 1))).shape == (5000, 1)
    assert seen == [1024] * 4 + [904]


@pytest.mark.parametrize("kind", ["u1", "i8", "f2", "f4", "f8", ">f8", "?", "g", "list"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_any_type(kind, dtype):
    net = Network([Flatten(), Dense(3), ReLU(), Dense(1)], (2, 2))
    beta = net.initial(0, dtype)
    X = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 1]]])
    given = X.tolist() if kind == "list" else X.astype(kind)
    found = net.predict(beta, given)
    np.testing.assert_array_equal(found, net.predict(beta, X.astype(float)))
    assert found.dtype == net.forward(beta, given)[0].dtype == dtype


def test_table_and_flops():
    net = Network(
        [Columns((0, 1), ((2, Embedding(7, 4)),)), Dense(10), ReLU(), Residual(Dense(10)), Dense(3)], 3
    )
    found = [(row.name, row.output_shape, row.parameters, row.flops) for row in net.table()]
    assert found == [
        ("0.column.2", (4,), 28, 0),
        ("1", (10,), 70, 120),
        ("2", (10,), 0, 10),
        ("3.residual.0", (10,), 110, 200),
        ("4", (3,), 33, 60),
    ]
    assert sum(row.parameters for row in net.table()) == net.parameter_count
    assert net.flops == 400  # ten sums of x + g(x) among them
    assert repr(Network([Dense(2)], 3)) == "Network([Dense(2)], input_shape=(3,))"


def test_derivative_in_the_rows(rng):
    """∂f/∂x through `bh.jvp`: rows can be variables too."""
    import betahat as bh

    net = Network([Dense(5), Tanh(), LayerNorm(), Dense(1)], 3)
    beta, X, d = net.initial(), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    _, tangent = bh.jvp(lambda x: net.forward(beta, x)[0], X, d)
    f, saved, _ = net.forward(beta, X)
    dX = net.backward(beta, saved, np.ones_like(f))[1]
    np.testing.assert_allclose(tangent[:, 0], np.sum(dX * d, axis=1), rtol=1e-12)


def make(**changes):
    arguments = {"layers": [Dense(2), ReLU()], "input_shape": 3, **changes}
    return Network(**arguments)


NET = Network([Dense(2), BatchNorm()], 3)
BETA = NET.initial()
ROWS = np.ones((4, 3))

REFUSED = [
    (lambda: make(layers=[]), ValueError, "layers is empty"),
    (lambda: make(layers=Dense(2)), TypeError, r"must be a list of layers: \[Dense\(2\)\]"),
    (lambda: make(layers=3), TypeError, r"layers \(=3\) must be a list of layers"),
    (lambda: make(layers=[Dense(2), ReLU]), TypeError, r"layers\[1\] is the class ReLU; write ReLU\("),
    (lambda: make(layers=[Dense(2), "relu"]), TypeError, r"layers\[1\] \(='relu'\) must be a layer, such as"),
    (lambda: make(input_shape=0), ValueError, r"input_shape\[0\] \(=0\) must be at least 1"),
    (lambda: make(input_shape="3"), TypeError, r"input_shape \(='3'\) must be a tuple"),
    (lambda: make(input_shape=(3, 3)), ValueError, r"Dense\(2\) takes rows of one axis, .* put Flatten\(\) before it"),
    (lambda: NET.initial(-1), ValueError, r"seed \(=-1\) must be at least 0"),
    (lambda: NET.initial(1.5), TypeError, r"seed \(=1.5\) must be a whole number"),
    (lambda: NET.initial(0, np.float16), TypeError, "must be float32 or float64"),
    (lambda: NET.initial_buffers("int32"), TypeError, "must be float32 or float64"),
    (lambda: NET.views(BETA[:-1]), ValueError, r"beta has shape \(63,\); expected \(64,\)"),
    (lambda: NET.views(list(BETA)), TypeError, "beta holds list"),
    (lambda: NET.forward(BETA.astype(int), ROWS), TypeError, "beta holds int64; expected an array of float32"),
    (lambda: NET.forward(BETA, ROWS[:, :2]), ValueError, r"X has shape \(4, 2\); expected \(n, 3\)"),
    (lambda: NET.forward(BETA, ROWS[0]), ValueError, r"X has shape \(3,\); expected \(n, 3\)"),
    (lambda: NET.predict(BETA, np.float64(3)), ValueError, r"X has shape \(\)"),
    (lambda: NET.forward(BETA, ROWS.astype(str)), TypeError, "X holds <U"),
    (lambda: NET.forward(BETA, ROWS.astype(complex)), TypeError, "X holds complex128"),
    (lambda: NET.forward(BETA, ROWS, buffers=np.zeros(3)), ValueError, r"buffers has shape \(3,\); expected \(32,\)"),
    (lambda: NET.vjp(BETA, ROWS, np.ones(4)), ValueError, r"slope has shape \(4,\); expected \(4, 2\)"),
    (lambda: NET.jvp(BETA, ROWS, np.ones(3)), ValueError, r"v has shape \(3,\); expected \(64,\)"),
    (lambda: NET.vjp_change(BETA, ROWS, BETA, np.ones((4, 2)), np.ones(4)), ValueError, "shape"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_wrong_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
