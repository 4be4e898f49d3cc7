"""The derivatives of a function: gradients, Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from betahat.autodiff.containers import as_floats, leaves, mapped, rebuild
from betahat.autodiff.trace import Carry, Tape, Variable, untraced
from betahat.errors import DerivativeError

Function = Callable[..., Any]


def value_and_grad(f: Function, argument: int | str = 0) -> Function:
    """The function x ↦ (f(x), ∂f/∂x) for an f whose value is one number.

    f : written in plain NumPy. argument : which argument to differentiate by, a place or a name; it may be a float,
    an array of floats, or dicts, lists and tuples of them, and the gradient comes in the same form.

    One run of f and one walk back over its steps: the gradient costs a few times what f does, however many numbers x
    has (Linnainmaa 1970).

    Raises TypeError for whole numbers, in-place writes and functions without a rule, ValueError where f's value is not
    one number.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        x = _argument(f, argument, args, kwargs)
        tape, value, points = _run(f, argument, x, args, kwargs)
        return _own(tape, value), _pulled(tape, value, _one(f, value), x, points)

    return both


def value_and_grad_of_vector(f: Function) -> Callable[[np.ndarray], tuple[Any, np.ndarray]]:
    """:func:`value_and_grad` for a float64 vector and nothing else, with less to look after: a descent asks it
    thousands of times. The gradient may share memory with what f holds."""

    def both(x: np.ndarray) -> tuple[Any, np.ndarray]:
        tape = Tape()
        value = _called(f, (tape.variable(x),), {})
        seed = _one(f, value)
        if type(value) is not Variable or value.owner is not tape:
            return _own(tape, value), np.zeros(x.shape)
        gradient = tape.cotangents(value, seed, 1)[0]
        known = type(gradient) is np.ndarray and gradient.dtype is x.dtype
        return _own(tape, value), gradient if known else _like(gradient, x)

    return both


def grad(f: Function, argument: int | str = 0) -> Function:
    """The function x ↦ ∂f/∂x; see :func:`value_and_grad`.

    >>> import numpy as np
    >>> grad(np.sin)(0.0)
    np.float64(1.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    >>> grad(lambda p: p["a"] * np.sum(p["b"]))({"a": 2.0, "b": np.array([1.0, 3.0])})
    {'a': np.float64(4.0), 'b': array([2., 2.])}
    """
    both = value_and_grad(f, argument)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(f: Function, x: Any, cotangent: Any) -> tuple[Any, Any]:
    """f(x) and cotangentᵀ·∂f/∂x: reverse mode for a value of any shape.

    >>> import numpy as np
    >>> vjp(lambda x: x**2, np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    (array([1., 4.]), array([ 2., 40.]))
    """
    tape, value, points = _run(f, 0, x, (x,), {})
    seed = _direction(cotangent, untraced(value), "cotangent", "f(x)")
    return _own(tape, value), _pulled(tape, value, seed, x, points)


def jvp(f: Function, x: Any, tangent: Any) -> tuple[Any, Any]:
    """f(x) and ∂f/∂x·tangent: forward mode, the derivative in one direction, at about twice the cost of f.

    >>> import numpy as np
    >>> jvp(lambda x: x**2, np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    (array([1., 4.]), array([2., 0.]))
    """
    points, directions = leaves(x), leaves(tangent)
    if len(points) != len(directions):
        raise ValueError(f"tangent has {len(directions)} arrays, and x has {len(points)}; they must be alike")
    carry = Carry()
    inputs = []
    for (path, point), (_, direction) in zip(points, directions, strict=True):
        floats = as_floats(point, path, "x")
        inputs.append(carry.variable(floats, _direction(direction, untraced(floats), "tangent", "x")))
    value = _called(f, (rebuild(x, inputs),), {})

    def split(part: Any) -> tuple[Any, Any]:
        if type(part) is Variable and part.owner is carry:
            return part.value, _real(part.mark)
        return part, np.zeros(np.shape(untraced(part)))[()]

    return mapped(lambda part: split(part)[0], value), mapped(lambda part: split(part)[1], value)


def jacobian(f: Function, argument: int | str = 0) -> Function:
    """The function x ↦ ∂f/∂x, of shape f(x).shape + x.shape, for one array x.

    Forward mode, one direction at a time, where x has no more numbers than f(x), else reverse mode.

    >>> import numpy as np
    >>> jacobian(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x)(np.array([1.0, 1.0]))
    array([[1., 2.],
           [3., 4.]])
    """

    @wraps(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        x = _argument(f, argument, args, kwargs)
        if isinstance(x, (dict, list, tuple)):
            raise DerivativeError(
                "jacobian differentiates by one array; for several, take one after the other"
            )
        x = as_floats(x, (), "x")
        shape, size = np.shape(untraced(x)), int(np.size(untraced(x)))

        def at(point: Any) -> Any:
            positional, named = _with(f, argument, point, args, kwargs)
            return f(*positional, **named)

        tape, value, points = _run(f, argument, x, args, kwargs)
        if isinstance(value, (dict, list, tuple)):
            raise DerivativeError(
                "jacobian needs a function that gives one array; stack its values (np.stack)"
            )
        out = np.shape(untraced(value))
        if size <= int(np.prod(out)):
            columns = [jvp(at, x, _unit(shape, k))[1] for k in range(size)]
            whole = np.stack(columns, -1) if columns else np.zeros((*out, 0))
            return np.reshape(whole, (*out, *shape))
        rows = [_pulled(tape, value, _unit(out, k), x, points, again=True) for k in range(int(np.prod(out)))]
        return np.reshape(np.stack(rows, 0) if rows else np.zeros((0, *shape)), (*out, *shape))

    return matrix


def hessian(f: Function, argument: int | str = 0) -> Function:
    """The function x ↦ ∂²f/∂x², of shape x.shape + x.shape: forward over reverse.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argument), argument)


def hvp(f: Function, x: Any, v: Any) -> Any:
    """∂²f/∂x²·v without the matrix, at a few times the cost of f (Pearlmutter 1994).

    >>> import numpy as np
    >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    return jvp(grad(f), x, v)[1]


def _name(f: Function) -> str:
    return getattr(f, "__name__", type(f).__name__)


_NO_NUMBER = (dict, list, tuple, str, bool, np.bool_, type(None))


def _described(value: Any) -> str:
    if isinstance(value, _NO_NUMBER):
        return "None (is a return missing?)" if value is None else f"a {type(value).__name__}"
    return f"an array of shape {np.shape(untraced(value))}"


def _one(f: Function, value: Any) -> Any:
    """1 in the form of f's value, which must be one number."""
    plain = untraced(value)
    if type(plain) is np.float64:
        return _ONE
    if isinstance(plain, _NO_NUMBER) or np.shape(plain) not in ((), (1,)):
        raise ValueError(
            f"{_name(f)} gives {_described(value)}, and a gradient needs one number: sum it (np.sum), or ask for "
            "betahat.jacobian"
        )
    return np.ones(np.shape(plain), np.result_type(plain))


_ONE = np.float64(1.0)


def _argument(f: Function, argument: int | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(argument, str):
        if argument not in kwargs:
            raise DerivativeError(
                f"argument {argument!r} of {_name(f)}, whose derivative is asked for, must be given by name"
            )
        return kwargs[argument]
    if not -len(args) <= argument < len(args):
        raise DerivativeError(
            f"{_name(f)} got {len(args)} arguments by place, and the derivative is by argument {argument}"
        )
    return args[argument]


def _with(
    f: Function, argument: int | str, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(argument, str):
        return args, {**kwargs, argument: x}
    place = argument % len(args)
    return (*args[:place], x, *args[place + 1 :]), kwargs


def _run(
    f: Function, argument: int | str, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Tape, Any, list[Any]]:
    """f with its steps on a tape, f's value, and x's leaves, which are the first variables on the tape."""
    tape = Tape()
    points = [as_floats(value, path, "x") for path, value in leaves(x)]
    args, kwargs = _with(f, argument, rebuild(x, [tape.variable(point) for point in points]), args, kwargs)
    return tape, _called(f, args, kwargs), points


def _called(f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return f(*args, **kwargs)
    except ValueError as error:  # NumPy's own words for y[0] = x[0] are about sequences
        if isinstance(error.__cause__, DerivativeError):
            raise error.__cause__ from None
        raise


def _own(tape: Tape, value: Any) -> Any:
    """The value without this derivative's trace (an outer one's stays)."""
    if type(value) is Variable and value.owner is tape:
        value = value.value
    return value[()] if type(value) is np.ndarray else value  # one number as a number


def _pulled(tape: Tape, value: Any, seed: Any, x: Any, points: list[Any], again: bool = False) -> Any:
    """The cotangents of x's leaves in a container as x's."""
    found: list[Any] = [None] * len(points)
    if type(value) is Variable and value.owner is tape:
        found = tape.cotangents(value, seed, len(points), again)
    return rebuild(x, [_like(g, point) for g, point in zip(found, points, strict=True)])


def _direction(given: Any, of: Any, what: str, name: str) -> Any:
    """A tangent or cotangent in the type of what it belongs to."""
    if np.shape(untraced(given)) != np.shape(of):
        raise ValueError(
            f"{what} has shape {np.shape(untraced(given))}, and {name} has {np.shape(of)}; they must be the same"
        )
    return given if type(given) is Variable else np.asarray(given, np.result_type(of))[()]


def _real(derivative: Any) -> Any:
    """Refused if complex numbers came into it on the way: their derivatives follow other rules."""
    if np.iscomplexobj(untraced(derivative)):
        raise DerivativeError(
            "complex numbers came into the function, and derivatives are taken of real ones; write it with real and "
            "imaginary parts (np.cos, np.sin, np.hypot, np.arctan2)"
        )
    return derivative


def _like(g: Any, point: Any) -> Any:
    """A derivative in the type of the point, in memory of its own, numbers as numbers; 0 where nothing depends."""
    if type(_real(g)) is Variable:
        return g
    plain = untraced(point)
    return np.array(np.zeros(plain.shape) if g is None else g, plain.dtype)[()]


def _unit(shape: tuple[int, ...], k: int) -> np.ndarray:
    unit = np.zeros(shape)
    unit.flat[k] = 1.0
    return unit
