"""How a function of parameters takes them: f(X, a, b), f(X, beta), f(X, parameters as a dict), f(X, *parameters)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from types import FunctionType
from typing import Any, final

import numpy as np

from betahat.autodiff.containers import as_floats, leaves, rebuild
from betahat.kernels.finite import all_finite

_NUMBERS = (float, np.float64)


@final
class Arguments:
    """The p numbers of β as the arguments that follow X in f, each leaf under a name.

    form : the arguments after X, as a start has them; plain : whether each is one number; names : p names; shapes,
    sizes : of the arguments' arrays, () and 1 for a number.
    """

    def __init__(self, form: tuple[Any, ...], names: tuple[str, ...]) -> None:
        self.form, self.names = form, names
        numbers = all(type(part) in _NUMBERS for part in form)
        self.plain = numbers or not any(
            isinstance(part, (Mapping, list, tuple)) or np.ndim(part) for part in form
        )
        self.shapes = [()] * len(form) if numbers else [np.shape(leaf) for _, leaf in leaves(form)]
        self.sizes = [1] * len(form) if numbers else [int(np.prod(shape)) for shape in self.shapes]

    @property
    def size(self) -> int:
        """p."""
        return len(self.names)

    @property
    def counted(self) -> int:
        """How many numbers the form holds, p where names and form belong together."""
        return sum(self.sizes)

    def split(self, beta: Any) -> list[Any]:
        """β (p, …) in leaves, those that are numbers as numbers (or as what stands behind the p of β)."""
        if self.plain:
            return list(beta)
        edges = [0, *accumulate(self.sizes)]
        return [
            beta[a] if shape == () else beta[a:b].reshape((*shape, *beta.shape[1:]))
            for a, b, shape in zip(edges, edges[1:], self.shapes, strict=False)
        ]

    def build(self, parts: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments after X, from their leaves."""
        if self.plain:
            return tuple(parts)
        return rebuild(self.form, list(parts))


def parameters_of(f: Callable[..., Any]) -> tuple[list[str], int, bool]:
    """The names after X of f(X, …), how many of them have no default, and whether more may follow (*parameters); of
    f(*everything) nothing but that.

    Raises TypeError for a function that takes no parameters, or takes some by name only.
    """
    if type(f) is FunctionType and not vars(f):  # as good as always; reading a signature takes longer
        code = f.__code__
        if code.co_argcount > 1 and not code.co_kwonlyargcount:
            names = list(code.co_varnames[1 : code.co_argcount])
            return (
                names,
                max(len(names) - len(f.__defaults__ or ()), 0),
                bool(code.co_flags & inspect.CO_VARARGS),
            )
    what = getattr(f, "__name__", type(f).__name__)
    try:
        every = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        raise TypeError(
            f"the arguments of f (={what}) cannot be read; wrap it: lambda X, a, b: f(X, a, b)"
        ) from None
    named = [p for p in every if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    free = any(p.kind is p.VAR_POSITIONAL for p in every)
    forced = [p.name for p in every if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if forced:
        raise TypeError(
            f"f (={what}) takes {', '.join(forced)} by name only; let parameters follow X by place: f(X, a, b)"
        )
    if not free and len(named) < 2:
        raise TypeError(
            f"f (={what}) must take X and then its parameters, f(X, a, b) or f(X, beta); it takes {len(named)} "
            "arguments"
        )
    return [p.name for p in named[1:]], sum(p.default is p.empty for p in named[1:]), free


def arguments(f: Callable[..., Any], start: Any) -> tuple[Arguments, np.ndarray]:
    """How f takes its parameters, and the start as β (p,).

    start : numbers in order, a dict by name, or, for f(X, parameters), an array or dict as f takes it. Parameters with
    a default keep it where the start does not go so far.

    Raises ValueError where names or counts differ, DerivativeError for what holds no floats.
    """
    names, required, free = parameters_of(f)
    if isinstance(start, Mapping) and not free and (set(start) <= set(names) or len(names) != 1):
        kept = names[: max(required, len(start))]
        unknown, missing = [n for n in start if n not in kept], [n for n in kept if n not in start]
        if unknown or missing:
            raise ValueError(
                f"start names {_listed(start)}, and f takes {_listed(names)}: "
                + "; ".join(
                    [f"{n!r} is not among f's parameters" for n in unknown if n not in names]
                    + [f"{n!r} has no value" for n in missing]
                )
            )
        return _numbers(tuple(kept), [start[name] for name in kept])
    if free:
        values = _sequence(start)
        if isinstance(start, Mapping):
            if tuple(start)[: len(names)] != tuple(names):
                raise ValueError(f"start names {_listed(start)}, and f takes {_listed(names)} first")
            return _numbers(tuple(map(str, start)), values)
        if not len(names) <= len(values) or not values:
            raise ValueError(f"start has {len(values)} numbers, and f takes {_listed(names)} and more")
        return _numbers((*names, *(f"b{k + 1}" for k in range(len(values) - len(names)))), values)
    if len(names) == 1:
        if np.ndim(_plain(start)) == 0 and not isinstance(start, (Mapping, list, tuple)):
            return _numbers((names[0],), [start])
        form = start if isinstance(start, Mapping) else np.asarray(_floats(start, "start"))
        return _container(names[0], form)
    values = _sequence(start)
    if not required <= len(values) <= len(names):
        raise ValueError(f"start has {len(values)} numbers, and f takes {len(names)}: {', '.join(names)}")
    return _numbers(tuple(names[: len(values)]), values)


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "nothing"


def _plain(start: Any) -> Any:
    return start if isinstance(start, (Mapping, list, tuple)) else np.asarray(start)


def _floats(value: Any, where: str) -> Any:
    """Numbers as floats; whole numbers are taken, since a start of 1 means 1.0."""
    array = np.asarray(value)
    if array.dtype.kind in "iu":
        return array.astype(np.float64)
    return np.asarray(as_floats(array if array.ndim else array[()], (), where), np.float64)


def _sequence(start: Any) -> list[Any]:
    if type(start) is np.ndarray and start.dtype == np.float64 and start.ndim == 1:
        return start.tolist()
    if isinstance(start, Mapping):
        return list(start.values())
    values = np.atleast_1d(_floats(start, "start"))
    if values.ndim != 1:
        raise ValueError(f"start has shape {values.shape}; expected a number for each parameter")
    return list(values)


def _numbers(names: tuple[str, ...], values: list[Any]) -> tuple[Arguments, np.ndarray]:
    if all(type(value) in _NUMBERS for value in values):
        return Arguments(tuple(values), names), _finite(names, np.array(values))
    numbers = [_floats(value, f"start[{name!r}]") for name, value in zip(names, values, strict=True)]
    for name, number in zip(names, numbers, strict=True):
        if number.shape != ():
            raise ValueError(f"start[{name!r}] has shape {number.shape}; expected one number")
    beta = np.array([float(number) for number in numbers])
    return Arguments(tuple(beta), names), _finite(names, beta)


def _container(name: str, form: Any) -> tuple[Arguments, np.ndarray]:
    found = [(path, _floats(leaf, f"start{list(path)}")) for path, leaf in leaves(form)]
    names, parts = [], []
    for path, leaf in found:
        base = ".".join(map(str, path)) if path else name
        if leaf.ndim:
            names += [f"{base}[{','.join(map(str, place))}]" for place in np.ndindex(leaf.shape)]
        else:
            names.append(base)
        parts.append(leaf)
    beta = np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0)
    if not len(beta):
        raise ValueError("start holds no number; give each parameter a value to begin at")
    filled = rebuild(form, parts)
    return Arguments((filled,), tuple(names)), _finite(tuple(names), beta)


def _finite(names: tuple[str, ...], beta: np.ndarray) -> np.ndarray:
    if all_finite(beta):
        return beta
    for name, value in zip(names, beta, strict=True):
        if not np.isfinite(value):
            raise ValueError(f"start of {name!r} is {value}; the descent must begin at finite numbers")
    return beta
