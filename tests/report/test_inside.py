"""What a network sees: scores, slopes, Grad-CAM and maps against finite differences, hand-written sums and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d
from scipy.special import expit, softmax
from seeing_models import NAMES, STACKS, model, regressor, rows

import betahat as bh
from betahat.layers import Conv2d, Dense, GlobalAvgPool, ReLU


@pytest.mark.parametrize("name", STACKS)
def test_outputs_are_the_scores_that_predict_uses(name: str) -> None:
    m, X = model(name), rows(STACKS[name][0], seed=1)
    f = m.inside(X).outputs
    p = softmax(f, axis=1) if f.shape[1] > 1 else np.column_stack([1 - expit(f[:, 0]), expit(f[:, 0])])
    np.testing.assert_allclose(p, m.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("target", [None, 0])
def test_slopes_are_finite_differences_of_scores(name: str, target: int | None) -> None:
    m, X = model(name), rows(STACKS[name][0], seed=2)[:2]
    label = None if target is None else m.classes_[target]
    inside = m.inside(X)
    which = inside.chosen(label)
    np.testing.assert_array_equal(m.classes_[which], m.predict(X) if target is None else [label] * 2)

    def score(Z: np.ndarray) -> np.ndarray:
        f = m.inside(Z).outputs
        if f.shape[1] == 1:
            return np.where(which == 1, f[:, 0], -f[:, 0])
        return f[np.arange(2), which]

    expected = np.zeros(X.shape)
    for place in np.ndindex(X.shape[1:]):
        step = np.zeros(X.shape)
        step[:, *place] = 1e-5
        expected[:, *place] = (score(X + step) - score(X - step)) / 2e-5
    if name == "first":
        expected = np.moveaxis(expected, 1, 3)
    expected = expected.reshape(inside.images.shape)
    np.testing.assert_allclose(inside.slope(label), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(inside.saliency(label), np.abs(expected).max(axis=-1), rtol=1e-5, atol=1e-7)


def test_images_are_rows_channels_last() -> None:
    X = rows((2, 6, 5))
    np.testing.assert_array_equal(model("first").inside(X).images, X.transpose(0, 2, 3, 1))
    flat = rows((36,))
    np.testing.assert_array_equal(model("flat").inside(flat).images, flat.reshape(-1, 6, 6, 1))


def test_outputs_of_a_regressor_by_number() -> None:
    m, X = regressor(), rows((7, 6, 1), seed=3)[:3]
    inside = m.inside(X)
    step = np.zeros(X.shape)
    step[:, 2, 3, 0] = 1e-5
    moved = (m.inside(X + step).outputs - m.inside(X - step).outputs) / 2e-5
    for target, column in ((None, 0), (1, 1), ([1, 0, 1], [1, 0, 1])):
        np.testing.assert_allclose(inside.slope(target)[:, 2, 3, 0], moved[np.arange(3), column], rtol=1e-6)


def test_maps_are_those_of_scipy() -> None:
    m, X = model("grey"), rows((7, 6, 1), seed=4)[:1]
    walk = m.inside(X).walk
    Z = (X[0, ..., 0] - rows((7, 6, 1)).mean()) / rows((7, 6, 1)).std()
    found = m.parameters_
    for k in range(4):
        z = correlate2d(Z, found["0.weight"][:, :, 0, k], mode="valid") + found["0.bias"][k]
        np.testing.assert_allclose(walk.values[0][0, ..., k], z, rtol=1e-10)
        np.testing.assert_allclose(walk.values[1][0, ..., k], np.tanh(z), rtol=1e-10)
    assert [step.path for step in walk.steps] == ["0", "1", "2", "3"]


def test_blocks_are_opened_and_residuals_are_not() -> None:
    walk = model("colour").inside(rows((8, 8, 3))[:1]).walk
    assert [step.path for step in walk.steps] == ["0.0", "0.1", "0.2", "1", "2", "3", "4", "5"]
    network, x = model("colour").network_, walk.rows
    parts = network.layers
    assert np.array_equal(walk.values[-1][0].ravel(), model("colour").inside(rows((8, 8, 3))[:1]).outputs[0])
    assert walk.values[2].shape == (1, *parts[0].output_shape(x.shape[1:]))


@pytest.mark.parametrize("k", range(3))
def test_grad_cam_by_hand(k: int) -> None:
    """s = Σ V[i, j, c] A[i, j, c] + b: its derivative in A is V, so α_c is V's mean over places."""
    m, X = model("grey"), rows((7, 6, 1), seed=5)[:3]
    cam, step = m.inside(X).grad_cam(NAMES[np.argsort(NAMES)][k])
    assert step.path == "1"
    A = m.inside(X).walk.values[1]
    V = m.parameters_["3.weight"][:, k].reshape(A.shape[1:])
    for row in range(3):
        expected = np.zeros(A.shape[1:3])
        for i, j in np.ndindex(*expected.shape):
            expected[i, j] = max(0.0, sum(V[..., c].mean() * A[row, i, j, c] for c in range(4)))
        np.testing.assert_allclose(cam[row], expected, rtol=1e-10, atol=1e-14)


def test_grad_cam_behind_a_global_mean_is_cam() -> None:
    """There α_c is the weight of the class over the number of places: the map of Zhou et al. (2016), divided by it."""
    X = rows((7, 7, 1))
    stack = [Conv2d(5, 3), ReLU(), GlobalAvgPool(), Dense(3)]
    m = bh.NetworkClassifier(stack, max_iter=2, random_state=0, dtype="float64").fit(X, np.arange(len(X)) % 3)
    inside = m.inside(X[:4])
    cam, _ = inside.grad_cam(2)
    A, w = inside.walk.values[1], m.parameters_["3.weight"][:, 2]
    np.testing.assert_allclose(cam, np.maximum(A @ w, 0) / 25, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("layer", ["0.0", "1", "2"])
def test_slopes_at_a_layer_are_finite_differences(layer: str) -> None:
    """The layers behind one are a network of their own, whose input is moved."""
    m, X = model("colour"), rows((8, 8, 3), seed=6)[:1]
    walk = m.inside(X).walk
    place = walk.place(layer, "layer")
    u = np.array([[1.0, 0.0, 0.0]])
    slope = walk.slope(u, after=place)
    direction = np.random.default_rng(0).normal(size=slope.shape)

    def score(h: np.ndarray) -> float:
        for step, own, within in behind:
            h = step.layer.forward(h, own, within)[0]
        return float(h[0, 0])

    from betahat.layers import Pass

    buffers = m.network_.buffer_views(m._state.buffers)
    behind = []
    for number, step in enumerate(walk.steps):
        if number > place:
            behind.append((step, walk._parameters[number], Pass(buffers=buffers, path=f"{step.path}.")))
    h = walk.values[place]
    moved = (score(h + 1e-6 * direction) - score(h - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(np.sum(slope * direction), moved, rtol=1e-6)


def test_refusals() -> None:
    grey, X = model("grey"), rows((7, 6, 1))[:2]
    table: Any = bh.MLPClassifier(4, max_iter=1, random_state=0).fit(rows((5,)), np.arange(40) % 2)
    for message, call in (
        ("must be one of", lambda: grey.inside(X).slope("nothing")),
        ("3 labels for 2 images", lambda: grey.inside(X).slope(list(NAMES))),
        ("must be the path of a layer", lambda: grey.inside(X).grad_cam(layer="9")),
        ("no places to mark", lambda: grey.inside(X).grad_cam(layer="3")),
        ("are no images", lambda: table.inside(rows((5,))).saliency()),
        ("no convolution over images", lambda: table.inside(rows((5,))).grad_cam()),
        ("was fitted to rows of shape", lambda: grey.inside(rows((7, 7, 1)))),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_convnet_opens_for_images_and_for_flat_rows() -> None:
    X = rows((6, 6, 1)).round().astype(np.uint8)
    y = NAMES[np.arange(len(X)) % 3]
    for given in (X, X.reshape(len(X), -1)):
        m = bh.ConvNetClassifier(channels=(4,), max_iter=1, random_state=0).fit(given, y)
        inside = m.inside(given[:4])
        np.testing.assert_array_equal(inside.images, X[:4])
        np.testing.assert_allclose(
            softmax(inside.outputs, axis=1), m.predict_proba(given[:4]), rtol=1e-4, atol=1e-6
        )
        assert inside.saliency().shape == (4, 6, 6)
