"""Activations, convolution, pooling and normalisation as plain functions of arrays: no overflow, the dtype kept, and
derivatives right at 0 too.

Each is written so that :func:`betahat.grad`, :func:`betahat.jvp` and the others can follow it. Choices are made by
`np.where` on x itself: `np.abs`, `np.maximum` and `np.minimum` have no derivative, or half of one, where their
arguments meet.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from betahat.autodiff.trace import Variable, untraced
from betahat.layers import checks
from betahat.layers.batch_norm import standard
from betahat.layers.convolving import convolve
from betahat.layers.group_norm import grouped_standard
from betahat.layers.pooled import largest, mean_of_places, most_of_places, sums, weights_of
from betahat.layers.windows import Windows, along, full, spread, windows_over
from betahat.layers.windows import padding as padded

_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), with all digits for x far below 0.

    >>> import numpy as np
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    above = x > 0
    t = np.exp(np.where(above, -x, x))
    return np.where(above, 1.0, t) / (1.0 + t)


def softplus(x: Any) -> Any:
    """log(1 + eˣ).

    >>> import numpy as np
    >>> softplus(np.array([-1000.0, 0.0, 10.0])).round(4)
    array([ 0.    ,  0.6931, 10.    ])
    """
    above = x > 0
    return np.where(above, x, 0.0) + np.log1p(np.exp(np.where(above, -x, x)))


def softmax(x: Any) -> Any:
    """eˣ / Σ eˣ along the last axis.

    >>> import numpy as np
    >>> softmax(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """
    weight = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return weight / np.sum(weight, axis=-1, keepdims=True)


def normal_distribution(x: Any) -> Any:
    """Φ(x), with all digits for x far below 0."""
    from scipy.special import erfc  # takes time to import

    return 0.5 * erfc(-_ROOT_HALF * x)


def normal_density(x: Any) -> Any:
    """φ(x)."""
    return np.exp(-0.5 * x * x) / _ROOT_TWO_PI


def gelu_tanh(x: Any) -> tuple[Any, Any]:
    """½ (1 + tanh u) and its derivative, for u = √(2/π) (x + 0.044715 x³): nearly Φ(x)."""
    square = x * x
    t = np.tanh(_TANH_SCALE * x * (1.0 + _TANH_CUBE * square))
    return 0.5 * (1.0 + t), (0.5 * _TANH_SCALE) * (1.0 - t) * (1.0 + t) * (1.0 + 3 * _TANH_CUBE * square)


# convolution ---------------------------------------------------------------------------------------------------------


def conv2d(
    x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """y[n, i, j, o] = Σ over k, l, c of x[n, i·s + k·d − top, j·s + l·d − left, c] w[k, l, c, o] + b[o]: the layer
    :class:`~betahat.layers.Conv2d` as a function.

    x : images (n, height, width, channels). w : filters (kh, kw, channels/groups, K). b : (K,) or None. stride (s),
    dilation (d), padding, groups : as of the layer. Returns (n, height', width', K) in the common dtype of x and w.

    With u = ∂J/∂y:  ∂J/∂w[k, l] = Σ x[i·s + k·d − top, j·s + l·d − left]ᵀ u[i, j],  ∂J/∂b = Σ u,  and ∂J/∂x adds
    w[k, l] u[i, j] to each number of window (i, j). y and both derivatives are linear in each of their arguments, so
    that derivatives of every order are made of these three functions.

    Raises TypeError for arrays of whole numbers, ValueError for shapes that do not fit.

    >>> import numpy as np, betahat as bh
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> w = np.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)
    >>> conv2d(x, w)[0, :, :, 0]
    array([[-4., -4.],
           [-4., -4.]])
    >>> bh.grad(lambda w: np.sum(conv2d(x, w)))(w)[:, :, 0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    return _convolved(x, w, b, stride, padding, dilation, groups, 2)


def conv1d(
    x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """y[n, i, o] = Σ over k, c of x[n, i·s + k·d − before, c] w[k, c, o] + b[o]: :func:`conv2d` along the one axis of
    sequences x (n, length, channels), with filters w (k, channels/groups, K) and padding also as (before, after).

    >>> import numpy as np
    >>> conv1d(np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1), np.array([-1.0, 1.0]).reshape(2, 1, 1)).ravel()
    array([1., 2.])
    """
    return _convolved(x, w, b, stride, padding, dilation, groups, 1)


def _convolved(
    x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: Any, axes: int
) -> Any:
    name = f"conv{axes}d"
    x, w = _images(x, name, axes), _floats(w, "w", name)
    groups = checks.whole(groups, f"groups of {name}")
    channels = x.shape[-1]
    checks.divisible(channels, "in_channels", groups, name)
    if len(w.shape) != axes + 2 or min(w.shape) < 1 or w.shape[-2] * groups != channels:
        window = "kh, kw" if axes == 2 else "k"
        raise ValueError(
            f"w of {name} has shape {w.shape}; expected ({window}, {channels // groups}, filters), with {channels} "
            f"channels of x in {groups} groups. PyTorch's weights have another order: w.transpose("
            f"{'2, 3, 1, 0' if axes == 2 else '2, 1, 0'})"
        )
    checks.divisible(w.shape[-1], "filters", groups, name)
    windows = _windows(x, w.shape[:-2], stride, padding, dilation, name)
    y = convolve(x, w, windows, groups)
    if b is None:
        return y
    b = _floats(b, "b", name)
    if b.shape != w.shape[-1:]:
        raise ValueError(
            f"b of {name} has shape {b.shape}; expected {w.shape[-1:]}, a number for each filter"
        )
    return y + b


# pooling -------------------------------------------------------------------------------------------------------------


def max_pool2d(x: Any, window: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """y[n, i, j, c] = max over k, l of x[n, i·s + k·d − top, j·s + l·d − left, c]: the layer
    :class:`~betahat.layers.MaxPool2d` as a function of images x (n, height, width, channels).

    Its slope goes to the largest number, the first of equal ones. window, stride (None: the window), padding, dilation
    : as of the layer.

    Raises TypeError for arrays of whole numbers, ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _largest(x, window, stride, padding, dilation, 2)


def max_pool1d(x: Any, window: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """y[n, i, c] = max over k of x[n, i·s + k·d − before, c]: :func:`max_pool2d` for sequences x (n, length, channels).

    >>> import numpy as np
    >>> max_pool1d(np.array([3.0, 1.0, 2.0, 5.0]).reshape(1, 4, 1), 2).ravel()
    array([3., 5.])
    """
    return _largest(x, window, stride, padding, dilation, 1)


def avg_pool2d(
    x: Any, window: Any, stride: Any = None, padding: Any = 0, count_include_pad: bool = False
) -> Any:
    """y[n, i, j, c] = (1/m) Σ over k, l of x[n, i·s + k − top, j·s + l − left, c]: the layer
    :class:`~betahat.layers.AvgPool2d` as a function of images x (n, height, width, channels).

    m counts the numbers of the window within the image, or with count_include_pad all of it. window, stride (None: the
    window), padding : as of the layer.

    Raises TypeError for arrays of whole numbers, ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return _mean(x, window, stride, padding, count_include_pad, 2)


def avg_pool1d(
    x: Any, window: Any, stride: Any = None, padding: Any = 0, count_include_pad: bool = False
) -> Any:
    """y[n, i, c] = (1/m) Σ over k of x[n, i·s + k − before, c]: :func:`avg_pool2d` for sequences x (n, length,
    channels).

    >>> import numpy as np
    >>> avg_pool1d(np.array([3.0, 1.0, 2.0, 5.0]).reshape(1, 4, 1), 2).ravel()
    array([2. , 3.5])
    """
    return _mean(x, window, stride, padding, count_include_pad, 1)


def global_avg_pool(x: Any) -> Any:
    """y[n, c] = the mean of x over all places, for images (n, height, width, channels) and sequences (n, length,
    channels).

    >>> import numpy as np
    >>> global_avg_pool(np.array([[[1.0, 10.0], [3.0, 30.0]]]))
    array([[ 2., 20.]])
    """
    return mean_of_places(_with_places(x, "global_avg_pool"))


def global_max_pool(x: Any) -> Any:
    """y[n, c] = the largest of x over all places, for images (n, height, width, channels) and sequences (n, length,
    channels). Its slope goes to the first of equal ones.

    >>> import numpy as np
    >>> global_max_pool(np.array([[[1.0, 30.0], [3.0, 10.0]]]))
    array([[ 3., 30.]])
    """
    return most_of_places(_with_places(x, "global_max_pool"))[0]


def _largest(x: Any, window: Any, stride: Any, padding: Any, dilation: Any, axes: int) -> Any:
    name = f"max_pool{axes}d"
    x, windows = _pooled(x, window, stride, padding, dilation, name, axes)
    return largest(x, windows)[0]


def _mean(x: Any, window: Any, stride: Any, padding: Any, count_include_pad: Any, axes: int) -> Any:
    name = f"avg_pool{axes}d"
    checks.flag(count_include_pad, f"count_include_pad of {name}")
    x, windows = _pooled(x, window, stride, padding, 1, name, axes)
    return sums(x, windows) * weights_of(windows, count_include_pad, x.dtype)


def _pooled(
    x: Any, window: Any, stride: Any, padding: Any, dilation: Any, name: str, axes: int
) -> tuple[Any, Windows]:
    x = _images(x, name, axes)
    size = spread(along(window, f"window of {name}", axes), axes)
    windows = _windows(x, size, size if stride is None else stride, padding, dilation, name)
    full(windows, name)
    return x, windows


# normalisation -------------------------------------------------------------------------------------------------------


def batch_norm(
    x: Any,
    scale: Any = None,
    shift: Any = None,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 1e-5,
) -> Any:
    """y = scale · (x − mean) / √(variance + epsilon) + shift, for each channel (place on the last axis).

    scale, shift : (channels,), 1 and 0 where they are None. mean, variance : (channels,), as training kept them; where
    both are None those of the batch, over all other axes, with derivatives through them: what the layer
    :class:`~betahat.layers.BatchNorm` does in training.

    Raises TypeError for arrays of whole numbers, ValueError for shapes that do not fit, for one of mean and variance
    without the other, and for a batch without rows whose mean is asked for.

    >>> import numpy as np
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> batch_norm(x).round(4)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> batch_norm(x, mean=np.array([1.0, 1.0]), variance=np.array([4.0, 4.0])).round(4)
    array([[0., 2.],
           [1., 2.]])
    """
    x, epsilon = _with_channels(x, "batch_norm"), _epsilon(epsilon, "batch_norm")
    if (mean is None) != (variance is None):
        raise ValueError(
            "mean and variance of batch_norm belong together: give both, or none for those of the batch"
        )
    if mean is None:
        return _scaled(standard(x, epsilon)[0], scale, shift, "batch_norm")
    mean, variance = (
        _of_channels(each, what, x, "batch_norm") for each, what in ((mean, "mean"), (variance, "variance"))
    )
    if np.any(untraced(variance) < 0):
        raise ValueError(
            "variance of batch_norm has numbers below 0; is it a standard deviation's logarithm?"
        )
    return _scaled((x - mean) * (1.0 / np.sqrt(variance + epsilon)), scale, shift, "batch_norm")


def group_norm(x: Any, groups: int, scale: Any = None, shift: Any = None, epsilon: float = 1e-5) -> Any:
    """y = scale · (x − mean) / √(variance + epsilon) + shift, mean and variance being those of a group of channels in a
    row, over all its places: the layer :class:`~betahat.layers.GroupNorm` as a function.

    x : (n, …, channels). scale, shift : (channels,), 1 and 0 where they are None.

    Raises TypeError for arrays of whole numbers, ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2).round(4)
    array([[-1.,  1., -1.,  1.]])
    """
    x, epsilon = _with_channels(x, "group_norm"), _epsilon(epsilon, "group_norm")
    groups = checks.whole(groups, "groups of group_norm")
    checks.divisible(x.shape[-1], "channels", groups, "group_norm")
    return _scaled(grouped_standard(x, groups, epsilon)[0], scale, shift, "group_norm")


def _scaled(z: Any, scale: Any, shift: Any, name: str) -> Any:
    if scale is not None:
        z = z * _of_channels(scale, "scale", z, name)
    return z if shift is None else z + _of_channels(shift, "shift", z, name)


# arguments -----------------------------------------------------------------------------------------------------------


def _floats(x: Any, what: str, name: str) -> Any:
    if type(x) is not Variable:
        x = np.asarray(x)
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"{what} of {name} holds {x.dtype}; expected float32 or float64: {what}.astype(np.float32)"
        )
    return x


def _images(x: Any, name: str, axes: int) -> Any:
    x = _floats(x, "x", name)
    if len(x.shape) != axes + 2:
        expected = "(n, height, width, channels)" if axes == 2 else "(n, length, channels)"
        hint = "; one row is x[None], and one channel x[..., None]" if len(x.shape) == axes + 1 else ""
        raise ValueError(f"x of {name} has shape {x.shape}; expected {expected}{hint}")
    return _filled(x, name)


def _with_places(x: Any, name: str) -> Any:
    x = _floats(x, "x", name)
    if len(x.shape) < 3:
        raise ValueError(
            f"x of {name} has shape {x.shape}; expected (n, height, width, channels) or (n, length, channels)"
        )
    return _filled(x, name)


def _with_channels(x: Any, name: str) -> Any:
    x = _floats(x, "x", name)
    if len(x.shape) < 2:
        raise ValueError(f"x of {name} has shape {x.shape}; expected (n, …, channels)")
    return _filled(x, name)


def _filled(x: Any, name: str) -> Any:
    """Rows may be none, but not empty."""
    if min(x.shape[1:]) < 1:
        raise ValueError(f"x of {name} has shape {x.shape}, rows in which there is nothing")
    return x


def _of_channels(value: Any, what: str, x: Any, name: str) -> Any:
    value = _floats(value, what, name)
    if value.shape != x.shape[-1:]:
        raise ValueError(
            f"{what} of {name} has shape {value.shape}; expected {x.shape[-1:]}, one for each channel"
        )
    return value


def _epsilon(epsilon: Any, name: str) -> float:
    return checks.number(epsilon, f"epsilon of {name}", 0.0, above=True)


def _windows(x: Any, window: Any, stride: Any, padding: Any, dilation: Any, name: str) -> Windows:
    axes = len(window)
    strides, dilations = (
        along(stride, f"stride of {name}", axes),
        along(dilation, f"dilation of {name}", axes),
    )
    return windows_over(
        x.shape[1:-1], window, strides, padded(padding, f"padding of {name}", axes), dilations, name
    )
