"""Convolution, pooling and batch normalisation by ONNX's definitions: its reference evaluator, and onnxruntime.

The adapters turn a layer into the operator of the same meaning: attributes by name, images and filters channels first.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from betahat.layers import (
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    MaxPool1d,
    MaxPool2d,
    Pass,
)

pytestmark = pytest.mark.peers
onnx = pytest.importorskip("onnx")

OPSET, IR = 21, 10
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


def channels_first(a):
    """(n, places, C) as ONNX has it; filters (places, C, K) likewise are (K, C, places)."""
    return np.ascontiguousarray(np.moveaxis(a, -1, 1))


def filters_first(w):
    return np.ascontiguousarray(np.moveaxis(w, (-1, -2), (0, 1)))


def attributes(layer, shape, names):
    """Of an operator with windows. "same" is SAME_UPPER, and written as numbers where the evaluators have none: with
    dilation, and with windows so small that some numbers are passed over (they would pad by less than 0)."""
    windows = layer.windows(shape)
    known = {"kernel_shape": windows.window, "strides": windows.stride, "dilations": windows.dilation}
    found = {name: list(known[name]) for name in names}
    sized = all(k >= s for k, s in zip(windows.window, windows.stride, strict=True))
    if layer.padding == "same" and sized and windows.reach == windows.window:
        return {**found, "auto_pad": "SAME_UPPER"}
    return {**found, "pads": [*windows.before, *windows.after]}


def operator(layer, shape, parameters):
    """The name, the attributes, and the inputs after x."""
    every = ("kernel_shape", "strides", "dilations")
    if isinstance(layer, (Conv1d, Conv2d)):
        inputs = [filters_first(parameters[0]), *parameters[1:]]
        return "Conv", {**attributes(layer, shape, every), "group": layer.groups}, inputs
    if isinstance(layer, (MaxPool1d, MaxPool2d)):
        return "MaxPool", attributes(layer, shape, every), []
    if isinstance(layer, (AvgPool1d, AvgPool2d)):
        counted = {"count_include_pad": int(layer.count_include_pad)}
        return "AveragePool", {**attributes(layer, shape, every[:2]), **counted}, []
    if isinstance(layer, GroupNorm):
        return "GroupNormalization", {"num_groups": layer.groups, "epsilon": layer.epsilon}, list(parameters)
    if isinstance(layer, BatchNorm):
        return "BatchNormalization", {"epsilon": layer.epsilon}, list(parameters)
    return {GlobalAvgPool: "GlobalAveragePool", GlobalMaxPool: "GlobalMaxPool"}[type(layer)], {}, []


def run(evaluator, kind, given, x, inputs):
    """The operator on x, by one of the two evaluators."""
    helper = onnx.helper
    number = {np.float32: onnx.TensorProto.FLOAT, np.float64: onnx.TensorProto.DOUBLE}[x.dtype.type]
    names = [f"x{k}" for k in range(len(inputs) + 1)]
    arrays = dict(zip(names, [x, *inputs], strict=True))
    graph = helper.make_graph(
        [helper.make_node(kind, names, ["y"], **given)], "one",
        [helper.make_tensor_value_info(name, number, a.shape) for name, a in arrays.items()],
        [helper.make_tensor_value_info("y", number, None)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    if evaluator == "reference":
        reference = pytest.importorskip("onnx.reference")
        return reference.ReferenceEvaluator(model).run(None, arrays)[0]
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, arrays)[0]


def same(evaluator, layer, x, parameters, f=None, tolerance=None):
    f = layer.forward(x, parameters, Pass())[0] if f is None else f
    kind, given, inputs = operator(layer, x.shape[1:], parameters)
    y = run(evaluator, kind, given, channels_first(x), inputs)
    f = channels_first(f).reshape(y.shape)
    assert f.dtype == y.dtype
    tolerance = tolerance or TOLERANCE[x.dtype.type]
    np.testing.assert_allclose(f, y, rtol=tolerance, atol=tolerance * max(1.0, abs(y).max()))


BY = pytest.mark.parametrize(  # onnxruntime convolves and averages in float32 only
    ("evaluator", "dtype"),
    [("reference", np.float32), ("reference", np.float64), ("runtime", np.float32)],
    ids=["reference-float32", "reference-float64", "runtime"],
)
PADDINGS = ["same", "valid", 1, ((0, 1), (1, 0))]
STRIDES = [1, 2, (1, 3)]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@BY
@pytest.mark.parametrize(("groups", "size"), list(product([1, 2, 4], [(7, 9), (6, 5)])), ids=str)
@pytest.mark.parametrize("dilation", [1, 2, (1, 2)], ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_conv(stride, padding, dilation, groups, size, dtype, evaluator, rng):
    layer = Conv2d(8, (3, 2), stride=stride, padding=padding, dilation=dilation, groups=groups)
    x = rng.standard_normal((2, *size, 4)).astype(dtype)
    parameters = tuple(rng.standard_normal(p.shape).astype(dtype) for p in layer.parameters(x.shape[1:]))
    same(evaluator, layer, x, parameters)


@BY
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_max_pool(stride, padding, dilation, dtype, evaluator, rng):
    x = rng.standard_normal((2, 7, 9, 3)).astype(dtype)
    same(evaluator, MaxPool2d((3, 2), stride, padding, dilation), x, ())


@BY
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_average_pool(stride, padding, whole, dtype, evaluator, rng):
    x = rng.standard_normal((2, 7, 9, 3)).astype(dtype)
    same(evaluator, AvgPool2d((3, 2), stride, padding, count_include_pad=whole), x, ())


@BY
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("layer", [Conv1d, MaxPool1d, AvgPool1d])
def test_sequences(layer, stride, dtype, evaluator, rng):
    x = rng.standard_normal((2, 9, 3)).astype(dtype)
    if evaluator == "reference" and layer is MaxPool1d and stride == 1:
        pytest.skip("onnx's own MaxPool looks for sequences beyond their end with stride 1")
    made = Conv1d(5, 3, stride=stride, padding=(2, 1)) if layer is Conv1d else layer(3, stride, 1)
    parameters = tuple(rng.standard_normal(p.shape).astype(dtype) for p in made.parameters(x.shape[1:]))
    same(evaluator, made, x, parameters)


@BY
@pytest.mark.parametrize("shape", [(5, 7, 4), (6, 4), (1, 1, 4)])
@pytest.mark.parametrize("layer", [GlobalAvgPool(), GlobalMaxPool()], ids=repr)
def test_global_pools(layer, shape, dtype, evaluator, rng):
    if evaluator == "reference" and len(shape) == 2 and layer == GlobalMaxPool():
        pytest.skip("onnx's own GlobalMaxPool goes over the last two axes only")
    same(evaluator, layer, rng.standard_normal((3, *shape)).astype(dtype), ())


@BY
@pytest.mark.parametrize("shape", [(5, 7, 4), (6, 4), (4,)])
def test_batch_normalization(shape, dtype, evaluator, rng):
    x = rng.normal(2.0, 3.0, (4, *shape)).astype(dtype)
    scale, shift, mean, variance = rng.uniform(0.5, 2.0, (4, 4)).astype(dtype)
    layer = BatchNorm(epsilon=1e-3)
    used = Pass(buffers={"mean": mean, "variance": variance})
    f, _ = layer.forward(x, (scale, shift), used)
    same(evaluator, layer, x, (scale, shift, mean, variance), f)


@BY
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_normalization(groups, dtype, evaluator, rng):
    x = rng.normal(2.0, 3.0, (4, 5, 7, 4)).astype(dtype)
    scale, shift = rng.standard_normal((2, 4)).astype(dtype)
    same(evaluator, GroupNorm(groups, epsilon=1e-3), x, (scale, shift), tolerance=1e-5)  # added up in float32
