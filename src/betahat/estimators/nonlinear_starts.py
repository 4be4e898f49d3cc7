"""What users hand to a nonlinear regression: starting values and bounds, each checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from betahat.estimators.nonlinear_rows import Rows
from betahat.kernels.finite import all_finite
from betahat.models.arguments import Arguments, arguments, parameters_of
from betahat.models.curves import Curve
from betahat.models.expression import Expression
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.box import Box
from betahat.solvers.peaks import search_peaks
from betahat.solvers.starts import search_starts


def starts_of(
    function: Callable[..., Any], curve: Curve | None, start: Any, bounds: Any, rows: Rows
) -> tuple[NonlinearModel, list[np.ndarray], Box | None]:
    """The model, which knows how the function takes its parameters, where to begin (p,), and the bounds."""
    if callable(start):
        start = _given(start, rows)
    if start is None:
        return _searched(function, curve, bounds, rows)
    several = _several(function, start)
    read = [_taken(function, each) for each in several]
    taken = read[0][0]
    if any((other.names, other.shapes) != (taken.names, taken.shapes) for other, _ in read[1:]):
        raise ValueError("start holds several starts of different forms; give each the same parameters")
    box = bounds_of(bounds, taken.names)
    starts = [beta if box is None else box.project(beta) for _, beta in read]
    model = NonlinearModel(function, taken)
    _check_starts(model, rows, starts)
    return model, starts, box


def _given(start: Callable[..., Any], rows: Rows) -> Any:
    """What a function of (X, y) begins with."""
    try:
        found = start(rows.X, rows.y)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"start(X, y) fails for X of shape {rows.X.shape} and y of shape {rows.y.shape}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if found is None:
        raise ValueError("start(X, y) gives None; it must return the values to begin at")
    return found


def _taken(function: Callable[..., Any], start: Any) -> tuple[Arguments, np.ndarray]:
    if isinstance(function, Expression):
        names = function.parameters
        if isinstance(start, Mapping):
            odd = [n for n in start if n not in names] or [n for n in names if n not in start]
            if odd:
                raise ValueError(
                    f"start names {', '.join(map(str, start))}; the parameters are {', '.join(names)}"
                )
            start = [start[name] for name in names]
        values = (
            np.atleast_1d(np.asarray(start, np.float64)) if np.ndim(start) else np.array([start], np.float64)
        )
        if values.shape != (len(names),):
            raise ValueError(f"start has shape {np.shape(start)}; the parameters are {', '.join(names)}")
        if not np.isfinite(values).all():
            raise ValueError(f"start (={start!r}) must hold finite numbers")
        return Arguments(tuple(map(float, values)), names), values
    return arguments(function, start)


def _several(function: Callable[..., Any], start: Any) -> list[Any]:
    """A list of starts, one where only one was given."""
    if isinstance(start, np.ndarray) and start.ndim == 2:
        if not isinstance(function, Expression):
            names, _, free = parameters_of(function)
            if len(names) == 1 and not free:
                raise ValueError(
                    f"start has shape {start.shape}, which can be one matrix {names[0]!r} or several starts: write "
                    "[start] for one matrix, list(start) for several starts"
                )
        return list(start)
    if not isinstance(start, (list, tuple)) or not len(start):
        return [start]
    if all(isinstance(each, (Mapping, list, tuple)) for each in start):
        return list(start)
    if all(isinstance(each, np.ndarray) and each.ndim for each in start):
        return list(start)
    return [start]


def _searched(
    function: Callable[..., Any], curve: Curve | None, bounds: Any, rows: Rows
) -> tuple[NonlinearModel, list[np.ndarray], Box | None]:
    """Starts found by trying many points."""
    if isinstance(function, Expression):
        names = function.parameters
    else:
        every, required, free = parameters_of(function)
        names = tuple(every[:required] or every)
        if free or len(names) < 2:
            raise ValueError(
                "start is missing: f takes its parameters as one argument, so that their number is not known. Give "
                "the values to begin at, or write them as arguments of their own: f(X, a, b)"
            )
    taken = Arguments(tuple(0.0 for _ in names), tuple(names))
    box = bounds_of(bounds, taken.names)
    lower = np.full(taken.size, -np.inf) if box is None else box.lower
    upper = np.full(taken.size, np.inf) if box is None else box.upper
    model = NonlinearModel(function, taken)
    _called(model, rows, np.ones(taken.size))
    if curve is None:
        found = search_starts(model, rows.X, rows.y, rows.total, lower, upper)
    else:
        x = rows.X.reshape(-1)
        found = _curve_starts(function, curve, x, rows, lower, upper)
    if not found:
        raise ValueError(
            "start is missing, and f is finite at none of the points tried; give values to begin at: start=[…] or "
            f"start={{{', '.join(f'{name!r}: …' for name in names)}}}"
        )
    return model, found, box


def _curve_starts(
    function: Callable[..., Any],
    curve: Curve,
    x: np.ndarray,
    rows: Rows,
    lower: np.ndarray,
    upper: np.ndarray,
) -> list[np.ndarray]:
    """From the curve's own candidates; several peaks are looked for together."""
    assert isinstance(function, Expression)
    if curve.peaks == 1:
        taken = Arguments(tuple(0.0 for _ in function.parameters), function.parameters)
        candidates = curve.candidates(x, rows.y)
        return search_starts(NonlinearModel(function, taken), x, rows.y, rows.total, lower, upper, candidates)
    tried = curve.candidates(x, rows.y)
    found = search_peaks(x, rows.y, rows.total, curve.peaks, tried["center"], tried["width"])
    if not found:  # too few rows to choose from
        found = [np.ones(len(lower))]
    return [np.clip(beta, lower, upper) for beta in found]


def _called(model: NonlinearModel, rows: Rows, beta: np.ndarray) -> np.ndarray:
    """f at β, or an error of ours about the user's function."""
    try:
        value = model.raw(rows.X, beta)
    except (ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as error:
        usual = "f takes columns X[:, 0] of an X given with one dimension, or the other way round"
        if isinstance(error, ArithmeticError):
            usual = "a division by zero, or a number beyond 1e308; begin elsewhere"
        elif isinstance(error, TypeError) and "convert" in str(error):
            usual = "math.exp and float(…) take one number; np.exp takes arrays, and has a derivative"
        if "read-only" in str(error):
            usual = "f writes into X, which are your data: take a new name, Z = X - 1"
        raise ValueError(
            f"f fails at the start, for X of shape {rows.X.shape}: {type(error).__name__}: {error}. The usual cause: "
            f"{usual}"
        ) from error
    return model.column(value, len(rows.X))


def _check_starts(model: NonlinearModel, rows: Rows, starts: Sequence[np.ndarray]) -> None:
    """That f is finite at one of them at least, where the descent can begin."""
    values = [_called(model, rows, beta) for beta in starts]
    if any(map(all_finite, values)):
        return
    f, beta = values[0], starts[0]
    row = int(np.argmin(np.isfinite(f)))
    at = ", ".join(f"{name} = {value:g}" for name, value in zip(model.names, beta, strict=True))
    raise ValueError(
        f"start: f is {f[row]} in row {row} (X = {np.array2string(rows.X[row], precision=4)}) at {at}"
        f"{' and not finite at the other starts' if len(starts) > 1 else ''}. Usual causes: an exponential that "
        "overflows, a root or logarithm of a negative number, a division by zero; begin elsewhere"
    )


def bounds_of(bounds: Any, names: tuple[str, ...]) -> Box | None:
    """{"a": (0, None)} or a pair for each parameter, as a box; None without bounds."""
    if bounds is None:
        return None
    pairs: list[Any]
    if (
        len(names) == 2
        and isinstance(bounds, tuple)
        and all(isinstance(s, (list, np.ndarray)) for s in bounds)
    ):
        raise ValueError(
            f"bounds (={bounds!r}) can be read as (lows, highs) or as a pair for each parameter; write pairs as "
            "tuples: list(zip(lows, highs))"
        )
    if isinstance(bounds, Mapping):
        unknown = [name for name in bounds if name not in names]
        if unknown:
            raise ValueError(f"bounds names {unknown[0]!r}; the parameters are {', '.join(names)}")
        pairs = [bounds.get(name) for name in names]
    elif isinstance(bounds, (Sequence, np.ndarray)) and not isinstance(bounds, str):
        pairs = list(bounds)
    else:
        raise TypeError(
            f"bounds (={bounds!r}) must be a dict such as {{{names[0]!r}: (0, None)}}, or a list of pairs"
        )
    if len(pairs) != len(names):
        raise ValueError(
            f"bounds has {len(pairs)} entries, and there are {len(names)} parameters ({', '.join(names)}): give a pair "
            "(low, high) for each; (lows, highs), as in scipy, becomes list(zip(lows, highs))"
        )
    lower, upper = np.full(len(names), -np.inf), np.full(len(names), np.inf)
    for k, (name, pair) in enumerate(zip(names, pairs, strict=True)):
        if pair is None:
            continue
        try:
            low, high = pair
            lower[k] = -np.inf if low is None else float(low)
            upper[k] = np.inf if high is None else float(high)
        except (TypeError, ValueError):
            raise ValueError(
                f"bounds of {name!r} (={pair!r}) must be a pair (low, high), None for no bound"
            ) from None
        if not lower[k] <= upper[k]:
            raise ValueError(
                f"bounds of {name!r} (={pair!r}): low must not exceed high, and neither may be NaN"
            )
        if lower[k] == np.inf or upper[k] == -np.inf:
            raise ValueError(f"bounds of {name!r} (={pair!r}) leave no finite number")
    return None if np.isinf(lower).all() and np.isinf(upper).all() else Box(lower, upper)
