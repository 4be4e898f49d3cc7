"""Receptive fields: what is computed from windows is what a change of a pixel reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from betahat.layers import (
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    Image,
    MaxPool2d,
    ReceptiveField,
    ReLU,
    Residual,
    Sequential,
    receptive_field,
)
from betahat.models.network import Network

STACKS: dict[str, list[Any]] = {
    "one": [Conv2d(2, 3)],
    "two": [Conv2d(2, 3), Conv2d(2, 3, padding="same")],
    "strides": [Conv2d(2, 5, stride=2, padding=2), Conv2d(1, 3, stride=2)],
    "dilation": [Conv2d(2, 3, dilation=2, padding=1), Conv2d(1, (1, 3))],
    "pooling": [Conv2d(2, 3, padding="same"), AvgPool2d(2), BatchNorm(), Conv2d(2, 3, padding="same"), AvgPool2d(3)],
    "oblong": [Conv2d(2, (5, 1), stride=(2, 1), padding=((2, 1), (0, 0))), AvgPool2d((1, 2))],
    "residual": [
        Residual(Conv2d(3, 3, stride=2, padding="same"), Conv2d(3, 3, padding="same"), projection="auto"),
        Residual(Sequential(Conv2d(3, 3, padding="same"), BatchNorm())),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("size", [(19, 16), (24, 25)])
def test_a_place_depends_on_its_field_and_nothing_else(name: str, size: tuple[int, int]) -> None:
    shape = (*size, 1)
    net, field = Network(STACKS[name], shape), receptive_field(STACKS[name], shape)
    assert field is not None
    beta = np.abs(net.initial(seed=1)) + 0.1  # nothing cancels
    base = net.predict(beta, np.zeros((1, *shape)))[0]
    pixels = np.eye(size[0] * size[1]).reshape(-1, *shape)
    reached = (np.abs(net.predict(beta, pixels) - base) > 1e-12).any(axis=-1)  # (pixel, place, place)
    for i, j in np.ndindex(*base.shape[:2]):
        seen = reached[:, i, j].reshape(size)
        for axis, place in ((0, i), (1, j)):
            found = np.flatnonzero(seen.any(axis=1 - axis))
            first = field.first[axis] + place * field.stride[axis]
            last = first + field.size[axis] - 1
            assert found[0] >= max(first, 0)
            assert found[-1] <= min(last, size[axis] - 1)
            if first >= 0 and last < size[axis]:
                assert (found[0], found[-1]) == (first, last)


def test_textbook_numbers() -> None:
    """Two 3 × 3 see 5 × 5 and three 7 × 7 (Simonyan & Zisserman 2015); a pooling doubles what comes behind."""
    assert receptive_field([Conv2d(1, 3)] * 2, (32, 32, 1)) == ReceptiveField((0, 0), (5, 5), (1, 1))
    assert receptive_field([Conv2d(1, 3)] * 3, (32, 32, 1)) == ReceptiveField((0, 0), (7, 7), (1, 1))
    pooled = receptive_field(
        [Image(32, 32), Conv2d(1, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(1, 3)], 1024
    )
    assert pooled == ReceptiveField((-1, -1), (8, 8), (2, 2))
    assert pooled.centre(0) == (2.5, 2.5)
    assert receptive_field([Conv1d(1, 3, dilation=4)], (50, 2)) == ReceptiveField((0,), (9,), (1,))


@pytest.mark.parametrize("last", [[Flatten()], [GlobalAvgPool()], [Flatten(), Dense(3)]])
def test_no_places_no_field(last: list[Any]) -> None:
    assert receptive_field([Conv2d(2, 3), *last], (8, 8, 1)) is None


def test_a_layer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than what it is given"):
        receptive_field([Conv2d(2, 9)], (8, 8, 1))
