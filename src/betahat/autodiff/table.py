"""The table of derivatives: for each NumPy function what its partial derivatives do to a cotangent or a tangent.

Every rule is written in NumPy, so that it can be differentiated again. Here g is a cotangent (reverse) or a tangent
(forward), y the value of the function, and the rest its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from inspect import signature
from typing import Any, final

import numpy as np

from betahat.errors import DerivativeError

RULES: dict[Any, Rule] = {}
"""Functions with a derivative."""
COMPOSED: dict[Any, Callable[..., Any]] = {}
"""Functions written with others, from which their derivative follows."""
CONSTANT: set[Any] = set()
"""Functions whose value does not change with small changes of their arguments: comparisons, indices, shapes."""

METHODS: dict[tuple[Any, str], Callable[..., Any]] = {}
"""np.add.reduce is np.sum, and so on."""
WRITING: set[Any] = set()
"""Functions that write into their argument."""


class Rule(ABC):
    """How one function passes derivatives on."""

    written: Callable[..., Any]
    """What takes the function's arguments after `before` others, so that its signature says which have a rule."""
    before = 2

    @abstractmethod
    def pull(self, place: int, g: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Reverse: the cotangent of argument `place` from that of the result, g·∂y/∂argument; None where it is 0."""

    @abstractmethod
    def push(
        self, place: int, g: Any, function: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """Forward: the tangent of the result from that of argument `place`, ∂y/∂argument·g."""


@final
class Places(dict[int, Callable[..., Any]]):
    """A derivative for each argument that has one."""

    def __missing__(self, place: int) -> Callable[..., Any]:
        raise DerivativeError(f"argument {place + 1} of this function has no derivative; keep it constant")


@final
class Elementwise(Rule):
    """yᵢ = f(aᵢ, bᵢ, …) with broadcasting: `scales[k](g, y, a, b, …)` is g·∂f/∂argument k, in both directions."""

    def __init__(self, scales: tuple[Callable[..., Any] | None, ...]) -> None:
        self._scales = Places((place, scale) for place, scale in enumerate(scales) if scale is not None)
        self.written = next(iter(self._scales.values()))

    def pull(self, place: int, g: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return unbroadcast(self._scales[place](g, y, *args, **kwargs), shape_of(args[place]))

    def push(
        self, place: int, g: Any, function: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        return broadcast(self._scales[place](g, y, *args, **kwargs), shape_of(y))


@final
class Linear(Rule):
    """y is linear in each listed argument: forward is the function itself, reverse its transpose."""

    def __init__(self, transposes: dict[int, Callable[..., Any]]) -> None:
        self._transposes = Places(transposes)
        self.written = transposes[0]

    def pull(self, place: int, g: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return self._transposes[place](g, y, *args, **kwargs)

    def push(
        self, place: int, g: Any, function: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        _ = self._transposes[place]  # refused where there is none
        return function(*args[:place], g, *args[place + 1 :], **kwargs)


@final
class Variadic(Rule):
    """Any number of arguments with one rule for all: `reverse(place, g, y, …)` and `forward(place, g, y, …)`, which is
    None where the function is linear in each argument."""

    def __init__(self, reverse: Callable[..., Any], forward: Callable[..., Any] | None = None) -> None:
        self._reverse, self._forward = reverse, forward
        self.written, self.before = reverse, 3

    def pull(self, place: int, g: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return self._reverse(place, g, y, *args, **kwargs)

    def push(
        self, place: int, g: Any, function: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        if self._forward is None:
            return function(*args[:place], g, *args[place + 1 :], **kwargs)
        return self._forward(place, g, y, *args, **kwargs)


@final
class General(Rule):
    """Both directions written out, for each argument: `reverse[k](g, y, …)` and `forward[k](g, y, …)`."""

    def __init__(
        self, reverse: dict[int, Callable[..., Any]], forward: dict[int, Callable[..., Any]]
    ) -> None:
        self._reverse, self._forward = Places(reverse), Places(forward)
        self.written = next(iter(reverse.values()))

    def pull(self, place: int, g: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        return self._reverse[place](g, y, *args, **kwargs)

    def push(
        self, place: int, g: Any, function: Any, y: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        return self._forward[place](g, y, *args, **kwargs)


def elementwise(function: Any, *scales: Callable[..., Any] | None) -> None:
    """Enter the rule of an elementwise function."""
    RULES[function] = Elementwise(scales)


def linear(function: Any, *transposes: Callable[..., Any]) -> None:
    """Enter the rule of a function linear in its first arguments, one by one."""
    RULES[function] = Linear(dict(enumerate(transposes)))


def variadic(function: Any, reverse: Callable[..., Any], forward: Callable[..., Any] | None = None) -> None:
    """Enter the rule of a function of any number of arguments."""
    RULES[function] = Variadic(reverse, forward)


def general(function: Any, reverse: dict[int, Any], forward: dict[int, Any]) -> None:
    """Enter the rule of any other function."""
    RULES[function] = General(reverse, forward)


def composed(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: this is how the functions (None: not in this NumPy) are written with others."""

    def enter(written: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED.update(dict.fromkeys(filter(None, functions), written))
        return written

    return enter


def shape_of(x: Any) -> tuple[int, ...]:
    """np.shape, quickly: it is asked at every step."""
    try:
        return x.shape
    except AttributeError:
        return np.shape(x)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of broadcasting: sums over what was repeated."""
    found = shape_of(g)
    if found == shape:
        return g
    if not shape:
        return np.add.reduce(g, axis=None)
    extra = len(found) - len(shape)
    axes = list(range(extra))
    for axis, size in enumerate(shape, extra):
        if axis < 0 or (found[axis] != size and size != 1):
            return broadcast(g, shape)  # a derivative that is the same everywhere was given as one number
        if found[axis] != size:
            axes.append(axis)
    return np.add.reduce(g, axis=tuple(axes)).reshape(shape)


def broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    return g if shape_of(g) == shape else np.broadcast_to(g, shape)


def refuse_options(
    function: Any, written: Callable[..., Any], before: int, args: Sequence[Any], kwargs: dict[str, Any]
) -> None:
    """DerivativeError for arguments (where=, initial=, method=, …) that the rule does not know: it would be wrong."""
    reason = _misfit(written, before + len(args), tuple(kwargs))
    if reason:
        raise DerivativeError(
            f"{function.__name__} has no derivative rule for these arguments ({reason}); leave the option away, or "
            "write it with np.where and the like"
        )


@lru_cache(maxsize=1024)
def _misfit(written: Callable[..., Any], count: int, names: tuple[str, ...]) -> str:
    """Why so many arguments by place, and these by name, do not fit a signature; empty where they do."""
    try:
        signature(written).bind(*(None,) * count, **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return ""


def find(function: Any) -> None:
    """Look for a function that no table lists yet: scipy.special's are entered when one is first met."""
    name = getattr(function, "__name__", str(function))
    if function in WRITING:
        raise DerivativeError(
            f"np.{name} changes an array in place, whose old value a derivative may still need; build the new array "
            "with np.where, np.stack or np.concatenate"
        )
    module = getattr(function, "__module__", None) or "numpy"
    if isinstance(function, np.ufunc) and getattr(np, name, None) is not function:
        special = import_module("betahat.autodiff.rules.special")
        if function in RULES or function in COMPOSED or function in CONSTANT:
            return
        module = "scipy.special" if getattr(special.s, name, None) is function else "ufunc"
    raise DerivativeError(
        f"{module}.{name} has no derivative rule. Write it with functions that have one (betahat.autodiff.rules lists "
        f"them), or add a rule with @betahat.autodiff.rule({name})"
    )
