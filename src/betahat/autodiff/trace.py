"""A function is run once on traced values; each NumPy call in it is written down with its derivative rule.

The chain rule then needs nothing else: reverse mode walks the list backwards with cotangents ∂out/∂·, forward mode
carries tangents along. (Wengert 1964; Linnainmaa 1970; Griewank & Walther 2008.)
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, final

import numpy as np

from betahat.autodiff.table import COMPOSED, CONSTANT, METHODS, RULES, Rule, find, refuse_options, shape_of
from betahat.errors import DerivativeError

_levels = count()


class Trace(ABC):
    """One derivative being taken. Of nested ones the innermost, made last, has the highest level: a call is its
    business first, and all traced values of outer derivatives are constants to it."""

    def __init__(self) -> None:
        self.level = next(_levels)

    @abstractmethod
    def step(
        self, rule: Rule, function: Any, out: Any, args: list[Any], kwargs: dict[str, Any], marks: list[Any]
    ) -> Any:
        """The traced result of `out = function(*args, **kwargs)`; `marks` holds this trace's mark of each argument,
        None where it is a constant to it."""


@final
class Tape(Trace):
    """Reverse mode: the calls in order. Cotangents flow from the last to the first."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...] | None] = []

    def variable(self, value: Any) -> Any:
        """A value that derivatives are asked for."""
        self.calls.append(None)
        return Variable(value, self, len(self.calls) - 1)

    def step(
        self, rule: Rule, function: Any, out: Any, args: list[Any], kwargs: dict[str, Any], marks: list[Any]
    ) -> Any:
        self.calls.append((rule, out, args, kwargs, marks))
        return Variable(out, self, len(self.calls) - 1)

    def cotangents(self, last: Any, seed: Any, wanted: int, again: bool = False) -> list[Any]:
        """∂⟨seed, last⟩/∂· of the first `wanted` variables, None where `last` does not depend on one. The tape is used
        up, so that memory is free as soon as may be, unless it is needed again."""
        calls = self.calls.copy() if again else self.calls
        del calls[last.mark + 1 :]
        flowing: list[Any] = [None] * len(calls)
        flowing[last.mark] = seed
        while len(calls) > wanted:
            cotangent, call = flowing.pop(), calls.pop()
            if cotangent is None or call is None:
                continue
            rule, out, args, kwargs, marks = call
            for place, mark in enumerate(marks):
                if mark is not None:
                    part, before = rule.pull(place, cotangent, out, args, kwargs), flowing[mark]
                    if part is not None:
                        flowing[mark] = part if before is None else before + part
        return (flowing + [None] * wanted)[:wanted]


@final
class Carry(Trace):
    """Forward mode: every value has its tangent beside it."""

    def variable(self, value: Any, tangent: Any) -> Any:
        """A value that moves along `tangent`."""
        return Variable(value, self, tangent)

    def step(
        self, rule: Rule, function: Any, out: Any, args: list[Any], kwargs: dict[str, Any], marks: list[Any]
    ) -> Any:
        tangent: Any = None
        for place, mark in enumerate(marks):
            if mark is not None:
                part = rule.push(place, mark, function, out, args, kwargs)
                tangent = part if tangent is None else tangent + part
        return Variable(out, self, tangent)


def call(function: Any, args: Sequence[Any], kwargs: dict[str, Any], run: Any = None) -> Any:
    """function(*args, **kwargs) with traced values among the arguments; `run` computes the same where it is given."""
    rule = RULES.get(function)
    if rule is None:
        return _call_without_rule(function, args, kwargs)
    if kwargs or len(args) > 2:
        refuse_options(function, rule.written, rule.before, args, kwargs)
    trace: Any = None
    for value in args:
        if type(value) is Variable and (trace is None or value.owner.level > trace.level):
            trace = value.owner
    marks: list[Any] = []
    plain: list[Any] = []
    for value in args:
        if type(value) is Variable and value.owner is trace:
            marks.append(value.mark)
            plain.append(value.value)
        else:
            marks.append(None)
            plain.append(_as_now(value) if type(value) in _WRITABLE else value)
    if not kwargs:
        return trace.step(rule, function, (run or function)(*plain), plain, kwargs, marks)
    for name, value in kwargs.items():
        if type(value) is Variable:
            raise DerivativeError(
                f"{function.__name__}({name}=…) holds a value that derivatives are taken of; pass it by position, or "
                "keep it constant"
            )
    return trace.step(rule, function, function(*plain, **kwargs), plain, kwargs, marks)


def _call_without_rule(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Written with other functions, or constant between jumps, or not known (yet)."""
    composed = COMPOSED.get(function)
    if composed is not None:
        if kwargs or len(args) > 1:
            refuse_options(function, composed, 0, args, kwargs)
        return composed(*args, **kwargs)
    if function in CONSTANT:
        return function(*map(untraced, args), **{name: untraced(value) for name, value in kwargs.items()})
    find(function)
    return call(function, args, kwargs)


def _as_now(value: Any) -> Any:
    """A constant as it is now, whatever is written into it later; large arrays are trusted to stay."""
    return value.copy() if type(value) is Variable or value.size <= _SMALL else value


_SMALL = 1_000


def untraced(value: Any) -> Any:
    """The plain array behind a value, whatever derivatives are being taken of it."""
    while type(value) is Variable:
        value = value.value
    if isinstance(value, (list, tuple)):
        parts = map(untraced, value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _operator(function: Any, sign: Any) -> Callable[[Any, Any], Any]:
    """a + b: run as it is written, which for numbers takes a twentieth of np.add's time."""
    return lambda self, other: call(function, (self, other), {}, sign)


def _reflected(function: Any, sign: Any) -> Callable[[Any, Any], Any]:
    return lambda self, other: call(function, (other, self), {}, sign)


def _in_place(function: Any) -> Callable[[Any, Any], Any]:
    """x += y: every name of the array sees it, as in NumPy; a number has its name bound anew."""

    def write(self: Any, other: Any) -> Any:
        plain, new = untraced(self), call(function, (self, other), {})
        if not isinstance(plain, np.ndarray):
            return new
        if plain.base is not None or new.owner is not self.owner or new.shape != self.shape:
            raise DerivativeError(
                f"an in-place np.{function.__name__} (+=, *=, …) would change another array too, or the shape of this "
                "one; write x = x + y instead of x += y"
            )
        self.value, self.mark = new.value, new.mark
        return self

    return write


def _compared(function: Any) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(untraced(self), untraced(other))


def _method(function: Any) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: call(function, (self, *args), kwargs)


@final
class Variable:
    """An array (or number) inside a function that is being differentiated. It answers as a NumPy array would, and
    every call on it goes to :func:`call`."""

    __slots__ = ("mark", "owner", "value")

    __array_priority__ = 1000.0

    def __init__(self, value: Any, trace: Trace, mark: Any) -> None:
        self.value, self.owner = value, trace
        self.mark = mark
        """Its place on the tape, or its tangent."""

    # what NumPy calls ------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            return call(ufunc, args, kwargs)
        if kwargs.get("out") is not None:
            raise DerivativeError(
                f"{ufunc.__name__} writes into an existing array (out=, +=, *=, …), whose old value a derivative may "
                "still need; write x = x + y instead of x += y"
            )
        if (ufunc, method) in METHODS:
            return call(METHODS[ufunc, method], args, kwargs if len(args) > 1 else {"axis": 0, **kwargs})
        if method == "outer":
            a, b = args
            return call(ufunc, (np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b), kwargs)
        if method != "__call__":
            raise DerivativeError(
                f"no derivative of {ufunc.__name__}.{method}; write it with np.{ufunc.__name__} itself"
            )
        return call(ufunc, args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if kwargs.get("out") is not None:
            raise DerivativeError(
                f"{function.__name__}(out=…) writes into an existing array; leave out= away"
            )
        return call(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise DerivativeError(
            "a value that derivatives are taken of cannot become a plain array: its derivative would be lost. Usual "
            "causes: np.array([a, b]) or np.sum([a, b]) of such values (write np.stack([a, b])), writing one into an "
            "array (x[i] = …; build x with np.stack, np.concatenate or np.where), float(…) and math.exp(…) (use "
            "np.exp), np.asarray(x) (leave it away), A.dot(x) (write A @ x), np.r_ and np.c_ (np.concatenate, "
            "np.column_stack), a table or sparse matrix on the left (df.to_numpy(), X.toarray()), "
            "scipy.special.logsumexp and softmax (np.logaddexp.reduce), and other routines that know no NumPy protocol"
        )

    def __float__(self) -> float:
        return self.__array__()

    __int__ = __index__ = __complex__ = __float__

    def __bool__(self) -> bool:
        return bool(untraced(self))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise DerivativeError(
            "x[i] = … changes an array in place, whose old value a derivative may still need; build the new array with "
            "np.where, np.stack or np.concatenate"
        )

    # what an array answers -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return shape_of(self.value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.size(untraced(self)))

    @property
    def dtype(self) -> Any:
        return np.asarray(untraced(self)).dtype

    @property
    def T(self) -> Any:  # noqa: N802
        return call(np.transpose, (self,), {})

    @property
    def mT(self) -> Any:  # noqa: N802
        return call(np.swapaxes, (self, -1, -2), {})

    @property
    def flat(self) -> Any:
        return call(np.ravel, (self,), {})

    @property
    def real(self) -> Any:
        return call(np.real, (self,), {})

    def __getattr__(self, name: str) -> Any:
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise DerivativeError(
                f"x.{name} of an array is not there while derivatives are taken; use a NumPy function that makes a new "
                "array"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __len__(self) -> int:
        return len(untraced(self))

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Variable({untraced(self)!r})"

    def __format__(self, form: str) -> str:
        return format(untraced(self), form)

    def __round__(self, digits: int | None = None) -> Any:
        return round(untraced(self), digits)

    def __divmod__(self, other: Any) -> Any:
        return call(np.divmod, (self, other), {})

    def __rdivmod__(self, other: Any) -> Any:
        return call(np.divmod, (other, self), {})

    def __getitem__(self, index: Any) -> Any:
        return call(take_item, (self, untraced(index)), {})

    def astype(self, dtype: Any, **_: Any) -> Any:
        """A copy: derivatives are taken in the type that the values have; whole numbers have none."""
        if not np.issubdtype(dtype, np.floating):
            raise DerivativeError(
                f"astype({np.dtype(dtype)}) leaves no derivative; keep floats, or use np.round"
            )
        return self.copy()

    def copy(self, order: str = "C") -> Any:
        return Variable(self.value, self.owner, self.mark)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def item(self) -> Any:
        return call(np.reshape, (self, ()), {})

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return call(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        return call(np.transpose, (self, axes[0] if len(axes) == 1 else axes or None), {})

    def flatten(self, order: str = "C") -> Any:
        return call(np.ravel, (self,), {"order": order})

    __add__, __radd__ = _operator(np.add, operator.add), _reflected(np.add, operator.add)
    __sub__, __rsub__ = _operator(np.subtract, operator.sub), _reflected(np.subtract, operator.sub)
    __mul__, __rmul__ = _operator(np.multiply, operator.mul), _reflected(np.multiply, operator.mul)
    __truediv__, __rtruediv__ = (
        _operator(np.divide, operator.truediv),
        _reflected(np.divide, operator.truediv),
    )
    __pow__, __rpow__ = _operator(np.power, operator.pow), _reflected(np.power, operator.pow)
    __matmul__, __rmatmul__ = _operator(np.matmul, operator.matmul), _reflected(np.matmul, operator.matmul)
    __mod__, __rmod__ = _operator(np.remainder, operator.mod), _reflected(np.remainder, operator.mod)
    __floordiv__, __rfloordiv__ = (
        _operator(np.floor_divide, operator.floordiv),
        _reflected(np.floor_divide, operator.floordiv),
    )
    __iadd__, __isub__, __imul__ = _in_place(np.add), _in_place(np.subtract), _in_place(np.multiply)
    __itruediv__, __ipow__, __imatmul__ = _in_place(np.divide), _in_place(np.power), _in_place(np.matmul)
    __lt__, __le__, __gt__, __ge__ = map(_compared, (np.less, np.less_equal, np.greater, np.greater_equal))
    __eq__, __ne__ = _compared(np.equal), _compared(np.not_equal)  # pyright: ignore[reportAssignmentType]
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __neg__(self) -> Any:
        return call(np.negative, (self,), {}, operator.neg)

    def __pos__(self) -> Any:
        return self.copy()

    def __abs__(self) -> Any:
        return call(np.absolute, (self,), {}, operator.abs)

    sum, prod, mean, std, var = map(_method, (np.sum, np.prod, np.mean, np.std, np.var))
    max, min, cumsum, cumprod = map(_method, (np.max, np.min, np.cumsum, np.cumprod))
    ravel, squeeze, swapaxes, dot = map(_method, (np.ravel, np.squeeze, np.swapaxes, np.dot))
    clip, diagonal, trace, repeat = map(_method, (np.clip, np.diagonal, np.trace, np.repeat))
    take, argmax, argmin, argsort = map(_method, (np.take, np.argmax, np.argmin, np.argsort))
    any, all, round, conj = map(_method, (np.any, np.all, np.round, np.conjugate))


def take_item(x: Any, index: Any) -> Any:
    """x[index]."""
    return x[index]


_WRITABLE = {Variable, np.ndarray}
