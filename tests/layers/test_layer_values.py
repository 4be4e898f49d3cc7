"""What layers give: shapes, dtypes, values beside exact ones, extremes."""

from __future__ import annotations

import layer_cases
import mpmath as mp
import numpy as np
import pytest
from layer_cases import ACTIVATIONS, CASES

from betahat.kernels.random import bits, derive
from betahat.layers import (
    ELU,
    GELU,
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    LeakyReLU,
    Pass,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from betahat.models.network import Network

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("case", CASES, ids=layer_cases.name)
def test_shapes_are_as_said(case, n, training, rng):
    layer, shape = case
    net, beta, buffers = layer_cases.network(case, rng)
    f, saved, after = net.forward(beta, layer_cases.rows(*case, n, rng), training=training, buffers=buffers)
    assert f.shape == (n, *layer.output_shape(shape)) == (n, *net.output_shape)
    assert np.isfinite(f).all()
    assert np.isfinite(after).all()
    gradient, dX = net.backward(beta, saved, np.ones_like(f))
    assert gradient.shape == (net.size,)
    assert dX.shape == (n, *shape)
    assert np.isfinite(gradient).all()
    assert np.isfinite(dX).all()


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("case", CASES, ids=layer_cases.name)
def test_float32_is_float64_rounded(case, training, rng):
    net, beta, buffers = layer_cases.network(case, rng)
    X = layer_cases.rows(*case, 6, rng)
    results = []
    for dtype in DTYPES:
        how = {"training": training, "key": 8, "buffers": buffers.astype(dtype)}
        own = beta.astype(np.float32).astype(dtype)
        f, saved, after = net.forward(own, X.astype(np.float32), **how)
        u = np.linspace(-1, 1, f.size).reshape(f.shape)
        results.append([f, after, *net.backward(own, saved, u)])
        assert {array.dtype for array in results[-1]} == {np.dtype(dtype)}
    for single, double in zip(*results, strict=True):
        np.testing.assert_allclose(single, double, rtol=2e-5, atol=2e-6 * np.abs(double).max(initial=1))


def test_no_rows(rng):
    for case in CASES:
        net, beta, buffers = layer_cases.network(case, rng)
        f, saved, _ = net.forward(beta, np.zeros((0, *case[1])), buffers=buffers)
        assert f.shape == (0, *net.output_shape)
        assert not net.backward(beta, saved, f)[0].any()
    with pytest.raises(ValueError, match="no rows"):
        Network([BatchNorm()], 2).forward(np.ones(32), np.zeros((0, 2)), training=True)


# activations ---------------------------------------------------------------------------------------------------------

EXACT = {
    ReLU(): lambda x: max(x, mp.mpf(0)),
    LeakyReLU(0.25): lambda x: x if x > 0 else x / 4,
    ELU(0.5): lambda x: x if x > 0 else mp.expm1(x) / 2,
    GELU(): lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    SiLU(): lambda x: x / (1 + mp.exp(-x)),
    Sigmoid(): lambda x: 1 / (1 + mp.exp(-x)),
    Tanh(): mp.tanh,
    Softplus(): lambda x: mp.log1p(mp.exp(x)),
}
POINTS = [
    -1e4,
    -700.0,
    -80.0,
    -30.0,
    -8.0,
    -3.0,
    -1.0,
    -0.1,
    -1e-4,
    0.0,
    1e-4,
    0.1,
    1.0,
    3.0,
    8.0,
    30.0,
    80.0,
    700.0,
    1e4,
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", EXACT, ids=repr)
def test_values_beside_fifty_digits(layer, dtype):
    """All digits, in the tails too, but for what rounding x does to exp(x) there."""
    points = np.array(POINTS, dtype)
    with mp.workdps(50):
        exact = np.array([float(EXACT[layer](mp.mpf(float(x)))) for x in points])
    found = layer.value(points)
    tiny, eps = np.finfo(dtype).tiny, np.finfo(dtype).eps
    reached = np.abs(exact) > tiny * 100
    allowed = eps * (
        8 + 2 * np.minimum(points.astype(float) ** 2, 1e4 if layer == GELU() else np.abs(points))
    )
    assert (np.abs(found - exact)[reached] <= (allowed * np.abs(exact))[reached]).all()
    assert (np.abs(found[~reached]) <= tiny * 100).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", [*ACTIVATIONS, Softmax()], ids=repr)
def test_no_overflow(layer, dtype):
    """Neither a warning nor an infinity for |x| up to 1e4, and NaN stays NaN."""
    x = np.array([[-1e4, -100.0, -1.0, 0.0, 1.0, 100.0, 1e4]], dtype)
    f, saved = layer.forward(x, (), Pass())
    dx = layer.backward(np.ones_like(f), saved, ())[0]
    assert f.dtype == dx.dtype == dtype
    assert np.isfinite(f).all()
    assert np.isfinite(dx).all()
    assert np.isnan(layer.forward(np.array([[np.nan]], dtype), (), Pass())[0]).all()


def test_approximate_gelu_is_near(rng):
    x = np.linspace(-6, 6, 1001)
    assert 1e-4 < np.abs(GELU("tanh").value(x) - GELU().value(x)).max() < 5e-4


# dropout -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(50,), (5, 5, 2)])
def test_dropout_keeps_its_share_and_the_mean(rate, shape, dtype):
    x = np.ones((2000, *shape), dtype)
    f, mask = Dropout(rate).forward(x, (), Pass(training=True, key=2))
    assert set(np.unique(f)) == {dtype(0), dtype(1 / (1 - rate))}
    error = 5 * np.sqrt(rate * (1 - rate) / x.size)
    assert mask.mean() == pytest.approx(1 - rate, abs=error)
    assert f.mean(dtype=float) == pytest.approx(1.0, abs=error / (1 - rate))
    slope = Dropout(rate).backward(x, mask, ())[0]
    np.testing.assert_array_equal(slope, f)


def test_dropout_by_the_letter():
    """Bits, counters and keys as the docstring says, which compiled code makes too."""
    net = Network([Dropout(0.25), Dense(3, initialisation=np.ones((4, 3))), Dropout(0.5)], 4)
    X = np.arange(1.0, 25.0).reshape(6, 4)
    f, _, _ = net.forward(net.initial(), X, training=True, key=77)

    def mask(layer, rate, units):
        drawn = bits(derive(77, layer), np.arange(6 * units)).reshape(6, units)
        return (drawn >> np.uint64(40)) >= round(rate * 2**24)

    hidden = (X * mask(0, 0.25, 4) * (1 / 0.75)).sum(axis=1, keepdims=True) * mask(2, 0.5, 3) * 2
    np.testing.assert_allclose(f, hidden, rtol=1e-14)


@pytest.mark.parametrize("cut", [1, 3, 8])
def test_dropout_does_not_depend_on_how_a_batch_is_cut(cut, rng):
    net = Network([Dense(6), Dropout(0.4), Dense(6), Dropout(0.4)], 5)
    beta, X = net.initial(), rng.standard_normal((10, 5))
    whole = net.forward(beta, X, training=True, key=4)[0]
    parts = [
        net.forward(beta, X[start : start + cut], training=True, key=4, first_row=start)[0]
        for start in range(0, 10, cut)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-13)
    assert (np.concatenate(parts) == 0).tolist() == (whole == 0).tolist()
    other = net.forward(beta, X, training=True, key=5)[0]
    assert (other == 0).tolist() != (whole == 0).tolist()


def test_dropout_leaves_infinities_out():
    """What is dropped is 0, not 0 · inf."""
    f = Dropout(0.5).forward(np.full((1, 64), np.inf), (), Pass(training=True, key=1))[0]
    assert set(np.unique(f)) == {0.0, np.inf}


# normalisation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (4, 5, 3)])
def test_batch_norm_standardises_and_remembers(shape, rng):
    net = Network([BatchNorm(momentum=0.2, epsilon=1e-12)], shape)
    X = rng.normal(7.0, 3.0, (16, *shape))
    flat = X.reshape(-1, 3)
    f, _, after = net.forward(net.initial(), X, training=True)
    np.testing.assert_allclose(f.reshape(-1, 3).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(f.reshape(-1, 3).std(axis=0), 1, rtol=1e-9)
    views = net.buffer_views(after)
    np.testing.assert_allclose(views["0.mean"], 0.2 * flat.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(views["0.variance"], 0.8 + 0.2 * flat.var(axis=0, ddof=1), rtol=1e-13)
    used = net.predict(net.initial(), X, after)
    expected = (X - views["0.mean"]) / np.sqrt(views["0.variance"] + 1e-12)
    np.testing.assert_allclose(used, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_normalisation_of_what_does_not_vary(dtype, offset):
    """One row, or constant columns: the shift, and finite derivatives."""
    for layer, X in (
        (BatchNorm(), [[1.0, 2.0]]),
        (BatchNorm(), [[3.0, 4.0]] * 5),
        (LayerNorm(), [[2.0, 2.0]]),
    ):
        net = Network([layer], 2)
        beta = net.initial(0, dtype)
        net.views(beta)["0.shift"][:] = [5.0, 6.0]
        f, saved, after = net.forward(beta, np.array(X) + offset, training=True)
        np.testing.assert_array_equal(f, np.broadcast_to(np.array([5.0, 6.0], dtype), f.shape))
        gradient, dX = net.backward(beta, saved, np.ones_like(f))
        assert np.isfinite(gradient).all()
        assert np.isfinite(dX).all()
        assert np.isfinite(after).all()


def test_layer_norm_is_the_same_in_training(rng):
    net = Network([LayerNorm()], (2, 5))
    X = rng.normal(3.0, 2.0, (4, 2, 5))
    expected = (X - X.mean(axis=-1, keepdims=True)) / np.sqrt(X.var(axis=-1, keepdims=True) + 1e-5)
    for training in (False, True):
        np.testing.assert_allclose(net.forward(net.initial(), X, training=training)[0], expected, rtol=1e-12)


def test_long_sums_in_float32(rng):
    """Half a million numbers about 1000: added in double precision, whatever the network's dtype."""
    X = rng.normal(1000.0, 1.0, (500_000, 3)).astype(np.float32)
    net = Network([BatchNorm(momentum=1.0)], 3)
    after = net.buffer_views(net.forward(net.initial(0, np.float32), X, training=True)[2])
    np.testing.assert_allclose(after["0.mean"], X.mean(axis=0, dtype=float), rtol=1e-7)
    np.testing.assert_allclose(after["0.variance"], X.var(axis=0, dtype=float, ddof=1), rtol=1e-5)
    dense = Network([Dense(3)], 3)
    _, saved, _ = dense.forward(dense.initial(0, np.float32), X)
    bias = dense.views(dense.backward(dense.initial(0, np.float32), saved, X)[0])["0.bias"]
    np.testing.assert_allclose(bias, X.sum(axis=0, dtype=float), rtol=1e-7)


# tables --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 2)])
def test_embedding_takes_rows_of_its_table(dtype, shape, rng):
    net = Network([Embedding(2, 4)], shape)
    codes = rng.integers(0, 2, (5, *shape))
    beta = net.initial(3)
    f = net.forward(beta, codes.astype(dtype))[0]
    np.testing.assert_array_equal(f, net.views(beta)["0.weight"][codes])


def test_embedding_is_dense_on_indicators(rng):
    codes = rng.integers(0, 4, 9)
    table = Network([Embedding(4, 3)], ())
    dense = Network([Dense(3, bias=False)], 4)
    beta, u = table.initial(), rng.standard_normal((9, 3))
    f, saved, _ = table.forward(beta, codes)
    g, kept, _ = dense.forward(beta, np.eye(4)[codes])
    np.testing.assert_array_equal(f, g)
    np.testing.assert_allclose(
        table.backward(beta, saved, u)[0], dense.backward(beta, kept, u)[0], rtol=1e-14
    )


def test_columns_are_laid_side_by_side(rng):
    layer = Columns(numeric=(3, 0), embedded=((2, Embedding(4, 2)), (1, Embedding(3, 3))))
    net = Network([layer, Dense(1)], 4)
    assert [slot.name for slot in net.layout] == [
        "0.column.2.weight",
        "0.column.1.weight",
        "1.weight",
        "1.bias",
    ]
    X = np.column_stack(
        [rng.normal(size=6), rng.integers(0, 3, 6), rng.integers(0, 4, 6), rng.normal(size=6)]
    )
    beta = net.initial()
    two, one = (net.views(beta)[f"0.column.{k}.weight"] for k in (2, 1))
    weight, bias = net.views(beta)["1.weight"], net.views(beta)["1.bias"]
    wide = np.column_stack([X[:, 3], X[:, 0], two[X[:, 2].astype(int)], one[X[:, 1].astype(int)]])
    np.testing.assert_allclose(net.predict(beta, X), wide @ weight + bias, rtol=1e-13)
    assert net.views(beta)["1.weight"].shape == (7, 1)
