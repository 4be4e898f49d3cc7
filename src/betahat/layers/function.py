"""A user's plain NumPy function as a layer: its derivative is found by autodiff."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.autodiff import check_gradient, vjp
from betahat.autodiff.trace import Variable
from betahat.errors import DerivativeError
from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape, size_of
from betahat.layers.initialisation import Values, draw

_TRIED = 3  # rows
_SAME = 1e-9  # relative difference that rounding may make between a row alone and among others
_TOLERANCE = 1e-5  # of derivatives beside difference quotients
_DIRECTIONS = 2

Start = tuple[str, Any]


@final
@dataclass(frozen=True, init=False, repr=False)
class Function(Layer):
    """f = `f(x, **parameters)`, in plain NumPy: row i of the result depends on row i of x only.

    f : of x (n, *shape) and arrays by name. parameters : for each its shape, (3, 4), or the array or float to begin
    at; a shape of two axes and more is drawn as weights are (the last axis are outputs) and decays as they do, others
    begin at 0 and do not. output_shape : of a row of the result; found by trying f where it is not given. name : for
    messages and tables.

    The derivative is that of :func:`betahat.vjp`. When a network is made, f is tried on a few rows in float64: its
    shape, its independence of other rows, and its derivatives along random directions, beside difference quotients.

    Raises ValueError where f fails, has another shape or mixes rows, and DerivativeError where derivatives cannot be
    taken or are wrong.

    >>> import numpy as np
    >>> from betahat.layers import Dense, Function
    >>> from betahat.models.network import Network
    >>> def bend(x, slope):
    ...     return np.where(x > 0, x, slope * x)
    >>> net = Network([Dense(4), Function(bend, {"slope": np.full(4, 0.25)}), Dense(1)], input_shape=3)
    >>> net.views(net.initial())["1.slope"]
    array([0.25, 0.25, 0.25, 0.25])
    """

    f: Callable[..., Any]
    parameter_starts: tuple[Start, ...]
    given_shape: Shape | None
    name: str

    def __init__(
        self,
        f: Callable[..., Any],
        parameters: Mapping[str, Any] | None = None,
        output_shape: int | Shape | None = None,
        name: str | None = None,
    ) -> None:
        if not callable(f):
            raise TypeError(f"f (={f!r}) of Function must be a function of x and parameters in plain NumPy")
        try:
            hash(f)
        except TypeError:
            raise TypeError(f"f (={f!r}) of Function cannot be hashed; wrap it: lambda x: f(x)") from None
        if not (name is None or isinstance(name, str)):
            raise TypeError(
                f"name (={name!r}) of Function must be a string, or None for that of the function"
            )
        if parameters is not None and not isinstance(parameters, Mapping):
            raise TypeError(
                f"parameters (={parameters!r}) of Function must be a dict of shapes or starts: {{'w': (3, 4)}}"
            )
        starts = tuple((str(key), _start(key, value)) for key, value in (parameters or {}).items())
        given = None if output_shape is None else checks.shape(output_shape, "output_shape of Function")
        object.__setattr__(self, "f", f)
        object.__setattr__(self, "parameter_starts", starts)
        object.__setattr__(self, "given_shape", given)
        object.__setattr__(self, "name", name or getattr(f, "__name__", type(f).__name__))

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"f = {self.name}({', '.join(['x', *(key for key, _ in self.parameter_starts)])})"

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return tuple(_parameter(key, start) for key, start in self.parameter_starts)

    def output_shape(self, shape: Shape) -> Shape:
        return self.given_shape if self.given_shape is not None else _tried(self, shape)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        f = self._value(x, parameters)
        return (f if type(f) is Variable else np.asarray(f, x.dtype)), x

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        dx, gradients = vjp(lambda at: self._value(at[0], at[1]), (saved, parameters), slope)[1]
        return dx, tuple(gradients)

    def check(self, shape: Shape) -> None:
        """Raises ValueError or DerivativeError; see the class."""
        _check(self, shape)

    def _value(self, x: Any, parameters: Arrays) -> Any:
        return self.f(x, **dict(zip((key for key, _ in self.parameter_starts), parameters, strict=True)))

    def _arguments(self) -> list[str]:
        given = [getattr(self.f, "__qualname__", repr(self.f))]
        if self.parameter_starts:
            given.append(repr(dict(self.parameter_starts)))
        if self.given_shape is not None:
            given.append(f"output_shape={self.given_shape}")
        if self.name != getattr(self.f, "__name__", type(self.f).__name__):
            given.append(f"name={self.name!r}")
        return given


def _start(key: Any, value: Any) -> Shape | Values:
    what = f"parameters[{key!r}] of Function"
    if isinstance(value, int) and not isinstance(value, bool):
        raise TypeError(
            f"{what} is {value}; write ({value},) for a shape, or {value}.0 for a number to begin at"
        )
    if isinstance(value, tuple):
        return checks.shape(value, what)
    return value if isinstance(value, Values) else Values(value, what)


def _parameter(key: str, start: Shape | Values) -> Parameter:
    shape = start.array.shape if isinstance(start, Values) else start
    weights = len(shape) > 1
    how = start if isinstance(start, Values) else "auto" if weights else "zeros"
    fan_in, fan_out = (size_of(shape[:-1]), shape[-1]) if weights else (1, 1)
    return Parameter(key, shape, how, fan_in, fan_out, penalised=weights)


Point = tuple[np.ndarray, tuple[np.ndarray, ...]]


def _points(layer: Function, shape: Shape) -> list[Point]:
    """Rows and parameters to try: of either sign, and between 0 and 1 for what has logarithms and roots."""
    generator = np.random.default_rng(0)
    starts = []
    for p in layer.parameters(shape):
        drawn = Parameter(p.name, p.shape, "lecun_normal", p.fan_in) if p.initialisation == "auto" else p
        starts.append(draw(drawn, generator))
    normal = generator.standard_normal((_TRIED, *shape))
    moved = tuple(start + 0.1 * generator.standard_normal(start.shape) for start in starts)
    positive = tuple(np.abs(start) + generator.uniform(0.1, 0.9, start.shape) for start in starts)
    return [(normal, moved), (generator.uniform(0.1, 0.9, normal.shape), positive)]


def _run(layer: Function, shape: Shape, point: Point) -> np.ndarray:
    rows = len(point[0])
    try:
        with np.errstate(all="ignore"):
            value = np.asarray(layer._value(*point))
    except Exception as error:
        raise ValueError(
            f"the function {layer.name} fails for x of shape {point[0].shape}: {type(error).__name__}: {error}. It is "
            "given x with the rows on the first axis, and its parameters by name"
        ) from error
    if value.dtype.kind != "f" or value.ndim == 0 or len(value) != rows:
        raise ValueError(
            f"the function {layer.name} gives {value.dtype} of shape {value.shape} for {rows} rows; expected floats "
            f"with {rows} rows on the first axis"
        )
    return value


def _tried(layer: Function, shape: Shape) -> Shape:
    """The shape of a row of f."""
    return _run(layer, shape, _points(layer, shape)[0]).shape[1:]


def _check(layer: Function, shape: Shape) -> None:
    for point in _points(layer, shape):
        value = _run(layer, shape, point)
        if np.isfinite(value).all():
            break
    else:
        raise ValueError(
            f"the function {layer.name} gives NaN or inf for rows of normal numbers, and for rows between 0 and 1, so "
            "that its derivative cannot be checked; usual cause: a logarithm, root or division of what may be 0 or less"
        )
    expected = layer.output_shape(shape)
    if value.shape[1:] != expected:
        raise ValueError(
            f"the function {layer.name} gives rows of shape {value.shape[1:]} for rows of {shape}; output_shape says "
            f"{expected}"
        )
    alone = _run(layer, shape, (point[0][:1], point[1]))
    if (np.abs(alone - value[:1]) > _SAME * np.abs(value).max(initial=0.0)).any():
        raise ValueError(
            f"the function {layer.name} gives a row another value when other rows come with it; no mean, sum or "
            "sorting over the first axis"
        )
    _check_derivatives(layer, point, value)


def _check_derivatives(layer: Function, point: Point, value: np.ndarray) -> None:
    """Of a random sum of f, along random directions of x and of each parameter."""
    generator = np.random.default_rng(1)
    weights = generator.standard_normal(value.shape)
    try:
        dx, gradients = layer.backward(weights, point[0], point[1])
    except DerivativeError as error:
        raise DerivativeError(f"no derivative of the function {layer.name}: {error}") from error
    places = [("x", dx), *((key, g) for (key, _), g in zip(layer.parameter_starts, gradients, strict=True))]
    for k, (name, gradient) in enumerate(places):
        for _ in range(_DIRECTIONS):
            way = generator.standard_normal(gradient.shape)

            def along(t: Any, k: int = k, way: np.ndarray = way) -> Any:
                arrays = [point[0], *point[1]]
                arrays[k] = arrays[k] + t[0] * way
                return np.sum(layer._value(arrays[0], tuple(arrays[1:])) * weights)

            slope = np.array([float(np.sum(gradient * way))])
            with np.errstate(all="ignore"):
                found = check_gradient(
                    along, np.zeros(1), gradient=lambda t, s=slope: s, tolerance=_TOLERANCE
                )
            if not found and np.isfinite(found.difference_quotient):
                raise DerivativeError(
                    f"the derivative of the function {layer.name} by {name} disagrees with difference quotients along "
                    f"a random direction: {found.derivative:.6g} and {found.difference_quotient:.6g}. Usual causes: a "
                    "rule entered with a wrong derivative, steps such as np.round, or a function that jumps"
                )
