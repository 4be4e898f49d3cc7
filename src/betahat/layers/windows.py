"""Where windows lie over the axes of an image or sequence, told from stride, padding and dilation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Shape

NAMES = {1: ("length",), 2: ("height", "width")}
"""Of the axes that windows move along."""

Slices = tuple[slice, ...]


@final
@dataclass(frozen=True)
class Windows:
    """Windows over an array, for each axis that they move along.

    sizes : of the array; window : numbers in a window; stride : from one window to the next; dilation : from one
    number in a window to the next; before, after : how far the first and the last may reach beyond the array.

    Number k of window i is number i · stride + k · dilation − before of the axis, and lies in the padding where the
    axis has none of that number.
    """

    sizes: Shape
    window: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape

    @property
    def axes(self) -> int:
        """How many axes."""
        return len(self.sizes)

    @property
    def reach(self) -> Shape:
        """From the first number of a window to the last, (window − 1) · dilation + 1."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.window, self.dilation, strict=True))

    @property
    def padded(self) -> Shape:
        """Sizes with the padding."""
        return tuple(b + n + a for b, n, a in zip(self.before, self.sizes, self.after, strict=True))

    @property
    def output(self) -> Shape:
        """How many windows there are: ⌊(padded − reach) / stride⌋ + 1."""
        every = zip(self.padded, self.reach, self.stride, strict=True)
        return tuple((n - r) // s + 1 for n, r, s in every)

    @property
    def numbers(self) -> int:
        """Numbers in a window."""
        return prod(self.window)

    @property
    def whole(self) -> bool:
        """Whether each window is a single number and none is passed over."""
        return self.window == self.stride == (1,) * self.axes and not any((*self.before, *self.after))

    @property
    def inside(self) -> bool:
        """Whether no window reaches into the padding; it may be there all the same, past the last window."""
        return all(self._range(axis, k) == (0, self.output[axis]) for axis in range(self.axes)
                   for k in (0, self.window[axis] - 1))  # fmt: skip

    def places(self) -> Iterator[tuple[int, Slices, Slices]]:
        """For each number of a window, in order: its number, the windows of which it lies within the array, and
        where there. Left out where it lies in the padding of all of them."""
        each = [[self._slices(axis, k) for k in range(n)] for axis, n in enumerate(self.window)]
        for number, pairs in enumerate(product(*each)):
            if all(pair is not None for pair in pairs):
                yield number, tuple(p[0] for p in pairs if p), tuple(p[1] for p in pairs if p)

    def counts(self) -> np.ndarray:
        """How many numbers of each window lie within the array, (*output)."""
        found = np.zeros(self.output, np.intp)
        for _, windows, _ in self.places():
            found[windows] += 1
        return found

    def _range(self, axis: int, k: int) -> tuple[int, int]:
        """The windows of which number k lies within the axis: from the first to before the last."""
        step, offset = self.stride[axis], k * self.dilation[axis] - self.before[axis]
        last = (self.sizes[axis] - 1 - offset) // step + 1
        return max(0, -(offset // step)), min(self.output[axis], last)

    def _slices(self, axis: int, k: int) -> tuple[slice, slice] | None:
        low, high = self._range(axis, k)
        if high <= low:
            return None
        step, offset = self.stride[axis], k * self.dilation[axis] - self.before[axis]
        start = low * step + offset
        return slice(low, high), slice(start, start + (high - low - 1) * step + 1, step)


def along(value: Any, what: str, axes: int) -> int | Shape:
    """A whole number above 0, or one for each axis; equal ones as a single number."""
    if isinstance(value, (tuple, list)):
        if len(value) != axes:
            each = ", ".join(NAMES[axes])
            raise ValueError(f"{what} (={value!r}) must be a whole number or {axes} of them: ({each})")
        found = tuple(checks.whole(each, f"{what}[{k}]") for k, each in enumerate(value))
        return found[0] if len(set(found)) == 1 else found
    return checks.whole(value, what)


def spread(value: int | Shape, axes: int) -> Shape:
    """The same for each axis."""
    return (value,) * axes if isinstance(value, int) else value


Padding = int | str | tuple[tuple[int, int], ...]


def padding(value: Any, what: str, axes: int) -> Padding:
    """ "same", a whole number (0 for "valid"), or a pair of numbers for each axis."""
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise ValueError(f'{what} (={value!r}) must be "same", "valid", {_pairs(axes)}')
        return "same" if value == "same" else 0
    if not isinstance(value, (tuple, list)):
        return checks.whole(value, what, 0)
    given = (value,) if axes == 1 and len(value) == 2 and not any(map(_listed, value)) else value
    if len(given) != axes or not all(_listed(pair) and len(pair) == 2 for pair in given):
        raise ValueError(f'{what} (={value!r}) must be "same", "valid", {_pairs(axes)}')
    found = tuple((checks.whole(low, what, 0), checks.whole(high, what, 0)) for low, high in given)
    return found[0][0] if len({number for pair in found for number in pair}) == 1 else found


def _pairs(axes: int) -> str:
    sides = "(before, after)" if axes == 1 else "((top, bottom), (left, right))"
    return f"a whole number or {sides}"


def _listed(value: Any) -> bool:
    return isinstance(value, (tuple, list))


def windows_over(
    sizes: Shape,
    window: Shape,
    stride: int | Shape,
    given: Padding,
    dilation: int | Shape,
    what: str,
) -> Windows:
    """The windows over an array of these sizes, the arguments being those that the functions above have checked.

    "same" pads so that there are ⌈size / stride⌉ windows, as far as they reach, evenly, and an odd one behind: ONNX's
    SAME_UPPER and TensorFlow's "SAME".

    Raises ValueError where a window does not fit into the padded array; `what` names the layer.
    """
    axes = len(sizes)
    strides, dilations = spread(stride, axes), spread(dilation, axes)
    if min(sizes) < 1:
        raise ValueError(f"{what} is given {_times(sizes)}, in which there is nothing")
    if given == "same":
        pairs = tuple(map(_same, sizes, window, strides, dilations))
    else:
        pairs = ((given, given),) * axes if isinstance(given, int) else given
    assert not isinstance(pairs, str)
    before, after = tuple(low for low, _ in pairs), tuple(high for _, high in pairs)
    found = Windows(sizes, window, strides, dilations, before, after)
    if any(r > n for r, n in zip(found.reach, found.padded, strict=True)):
        around = f", {_times(found.padded)} with its padding" if found.padded != sizes else ""
        wide = (
            f", which reaches over {_times(found.reach)} with dilation {dilation}"
            if found.reach != window
            else ""
        )
        raise ValueError(
            f"{what} has a window of {_times(window)}{wide}, larger than what it is given: {_times(sizes)}{around}. "
            'Make the window smaller, pad (padding="same"), or pool less before it'
        )
    return found


def full(windows: Windows, where: str) -> None:
    """ValueError where a window lies in the padding with all its numbers."""
    if not windows.inside and not windows.counts().all():
        raise ValueError(
            f"{where} has a window with nothing but padding in it over {_times(windows.sizes)}; pad less"
        )


def _same(size: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    beyond = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return beyond // 2, beyond - beyond // 2


def _times(sizes: Shape) -> str:
    return " × ".join(map(str, sizes))
