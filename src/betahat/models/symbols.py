"""A formula read off a Python function: f is called once with symbols in the place of its parameters.

Where f is elementwise arithmetic of columns and parameters, what comes back is a straight-line program
(:mod:`betahat.kernels.program`). What a symbol cannot stand for is not traced: a decision on a parameter's value, a sum
over rows, a function that programs have no operation for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, final

import numpy as np

from betahat.kernels.program import (
    ABSOLUTE,
    ADD,
    BINARY,
    DIVIDE,
    MULTIPLY,
    NEGATIVE,
    OPERATIONS,
    POWER,
    RECIPROCAL,
    SQRT,
    SQUARE,
    SUBTRACT,
    Program,
    program,
)
from betahat.models.arguments import Arguments

_LONGEST = 400  # operations of a program
_CODES = {name: code for code, name in enumerate(OPERATIONS)} | {"fabs": ABSOLUTE}
_POWERS = {2.0: SQUARE, 0.5: SQRT, -1.0: RECIPROCAL}
"""Exponents for which NumPy has a function of its own."""
_CONSTANT, _COLUMN, _RESULT = (
    1 << 20,
    2 << 20,
    3 << 20,
)  # where numbers of each kind of slot begin while tracing


def traced(f: Callable[..., Any], taken: Arguments, X: np.ndarray) -> Program | None:
    """f over these rows as a program of its parameters, None where it is none."""
    record = _Record(len(X))
    numbers = [Symbol(record, j, ()) for j in range(taken.size)]
    try:
        out = f(X, *(numbers if taken.plain else taken.build(taken.split(Symbols(_objects(numbers))))))
    except Exception:  # whatever f raises for what are no numbers
        return None
    if type(out) is not Symbol or out.shape not in ((), (len(X),), (len(X), 1)):
        return None
    return record.program(taken.size, out)


def _objects(numbers: list[Any]) -> np.ndarray:
    """An array of objects, filled one by one: to NumPy a list of symbols would be an array of arrays."""
    found = np.empty(len(numbers), object)
    for j, number in enumerate(numbers):
        found[j] = number
    return found


class UntraceableError(TypeError):
    """Raised where a symbol is asked for what only a number has."""


@final
class _Record:
    """The operations so far, and the constants and columns that they take."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._constants: dict[str, int] = {}
        self._columns: dict[int, tuple[int, Any]] = {}
        self._arrays: list[np.ndarray] = []
        self._operations: dict[tuple[int, int, int], int] = {}

    def operation(self, code: int, a: int, b: int) -> int:
        """The slot of an operation's result; the same operation of the same slots is made once."""
        key = (code, a, b)
        found = self._operations.get(key)
        if found is None:
            if len(self._operations) >= _LONGEST:
                raise UntraceableError("f is too long a formula")
            found = self._operations[key] = _RESULT + len(self._operations)
        return found

    def constant(self, value: Any) -> tuple[int, tuple[int, ...]]:
        """The slot and shape of what depends on no parameter."""
        if type(value) is not np.ndarray:
            if not (
                isinstance(value, (int, float)) or (isinstance(value, np.generic) and _is_real(value.dtype))
            ):
                raise UntraceableError(f"f takes {type(value).__name__} into account")
            return self._number(float(value)), ()  # pyright: ignore[reportArgumentType]
        if not _is_real(value.dtype):
            raise UntraceableError(f"f takes {value.dtype} into account")
        if value.shape in ((self.rows,), (self.rows, 1)):
            known = self._columns.get(id(value))
            if known is None:  # the array is kept, so that its id stays its own
                known = self._columns[id(value)] = (_COLUMN + len(self._arrays), value)
                self._arrays.append(np.array(value, np.float64).reshape(-1))
            return known[0], value.shape
        if value.shape in ((), (1,)):
            return self._number(float(value.reshape(()))), value.shape
        raise UntraceableError(f"f takes an array of shape {value.shape} into account")

    def _number(self, value: float) -> int:
        """The slot of a number; by its bits, of which 0 and −0 have different ones."""
        return self._constants.setdefault(value.hex(), _CONSTANT + len(self._constants))

    def program(self, size: int, out: Symbol) -> Program:
        """What was recorded, its slots in the order of a program's."""
        constants = np.array([float.fromhex(text) for text in self._constants], np.float64)
        columns = np.empty((len(self._arrays), self.rows))
        for column, values in zip(columns, self._arrays, strict=True):
            column[:] = values
        behind = size + len(constants)
        kinds = (
            0,
            size - _CONSTANT,
            behind - _COLUMN,
            behind + len(columns) - _RESULT,
        )  # what each kind is moved by
        operations = [
            (code, a + kinds[a >> 20], b + kinds[b >> 20]) for code, a, b in self._operations
        ]  # fmt: skip
        return program(size, constants, columns, operations, out.slot + kinds[out.slot >> 20])


def _is_real(dtype: Any) -> bool:
    """Whether its numbers are doubles, or become such without loss."""
    return dtype.kind in "fiub" and dtype.itemsize <= 8


def _together(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an elementwise operation's result; (n,) beside (n, 1) would be a table."""
    if a == b or not b or (b == (1,) and len(a) == 1):
        return a
    if not a or (a == (1,) and len(b) == 1):
        return b
    raise UntraceableError(f"f takes {a} and {b} together")


def _of_one(code: int, a: Any) -> Symbol:
    """The symbol of an operation's result."""
    return Symbol(a.record, a.record.operation(code, a.slot, a.slot), a.shape)


def _of_two(code: int, a: Any, b: Any) -> Symbol:
    """The same of two operands, one of which may be no symbol."""
    if type(a) is Symbol:
        record, slot, shape = a.record, a.slot, a.shape
        other, its = (b.slot, b.shape) if type(b) is Symbol else record.constant(b)
    else:
        record, other, its = b.record, b.slot, b.shape
        slot, shape = record.constant(a)
    return Symbol(record, record.operation(code, slot, other), _together(shape, its))


def _raised(base: Any, exponent: Any) -> Any:
    """base ** exponent, as NumPy has it."""
    if type(exponent) is not Symbol and np.ndim(exponent) == 0:
        if exponent == 1:
            return base
        if exponent in _POWERS:
            return _of_one(_POWERS[float(exponent)], base)
    return _of_two(POWER, base, exponent)


def _operator(code: int) -> Callable[[Any, Any], Any]:
    return lambda self, other: _of_two(code, self, other)


def _reflected(code: int) -> Callable[[Any, Any], Any]:
    return lambda self, other: _of_two(code, other, self)


def _refused(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise UntraceableError("a symbol has no value")


@final
class Symbol:
    """A number, or one for each row, inside a function that is being traced."""

    __slots__ = ("record", "shape", "slot")

    dtype = np.dtype(np.float64)

    def __init__(self, record: _Record, slot: int, shape: tuple[int, ...]) -> None:
        self.record, self.slot, self.shape = record, slot, shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        code = _CODES.get(ufunc.__name__)
        if code is None or method != "__call__" or options:
            raise UntraceableError(f"programs have no {ufunc.__name__}")
        if code == POWER:
            return _raised(*operands)
        if len(operands) != 1 + (code in BINARY):
            raise UntraceableError(f"{ufunc.__name__} of {len(operands)}")
        return _of_two(code, *operands) if len(operands) == 2 else _of_one(code, *operands)

    def __neg__(self) -> Any:
        return _of_one(NEGATIVE, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _of_one(ABSOLUTE, self)

    def __pow__(self, exponent: Any) -> Any:
        return _raised(self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return _of_two(POWER, base, self)

    __add__, __radd__ = _operator(ADD), _reflected(ADD)
    __sub__, __rsub__ = _operator(SUBTRACT), _reflected(SUBTRACT)
    __mul__, __rmul__ = _operator(MULTIPLY), _reflected(MULTIPLY)
    __truediv__, __rtruediv__ = _operator(DIVIDE), _reflected(DIVIDE)
    __array_function__ = __array__ = __bool__ = __float__ = __int__ = __index__ = __complex__ = _refused
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refused
    __len__ = __iter__ = __getitem__ = __setitem__ = _refused
    __hash__ = None  # pyright: ignore[reportAssignmentType]


@final
class Symbols:
    """Parameters in an array, as f(X, beta) takes them: to be indexed, or multiplied by a matrix of columns."""

    def __init__(self, parts: np.ndarray) -> None:
        self._parts = parts

    @property
    def shape(self) -> tuple[int, ...]:
        return self._parts.shape

    @property
    def ndim(self) -> int:
        return self._parts.ndim

    @property
    def size(self) -> int:
        return self._parts.size

    def reshape(self, *shape: Any) -> Symbols:
        return Symbols(self._parts.reshape(*shape))

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: Any) -> Any:
        found = self._parts[index]
        return Symbols(found) if isinstance(found, np.ndarray) else found

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __rmatmul__(self, columns: Any) -> Any:
        """Σⱼ columnⱼ βⱼ."""
        if type(columns) is not np.ndarray or columns.ndim != 2 or self.shape != columns.shape[1:]:
            raise UntraceableError("programs have no such product of matrices")
        total: Any = None
        for j, part in enumerate(self):
            term = np.ascontiguousarray(columns[:, j]) * part
            total = term if total is None else total + term
        return total

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        if ufunc is np.matmul and method == "__call__" and len(operands) == 2 and operands[1] is self:
            return self.__rmatmul__(operands[0])
        raise UntraceableError(f"programs have no {ufunc.__name__} of arrays of parameters")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.dot and len(args) == 2 and args[1] is self:
            return self.__rmatmul__(args[0])
        raise UntraceableError(f"programs have no {function.__name__} of arrays of parameters")

    __array__ = __bool__ = __float__ = __setitem__ = _refused
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __eq__(self, other: object) -> bool:
        return _refused(self)
