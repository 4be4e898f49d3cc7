"""What users hand to a nonlinear regression: rows, a model, starting values and bounds, each checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d, validate_data

from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.errors import DataError, FormulaError
from betahat.estimators.inputs import (
    check_weight,
    is_frame,
    numbers,
    refuse_beside_source,
    refuse_sparse_target,
)
from betahat.estimators.nonlinear_fit import Rows
from betahat.estimators.nonlinear_source import source_rows
from betahat.models.arguments import Arguments, arguments, parameters_of
from betahat.models.curves import CURVES, Curve
from betahat.models.expression import Expression
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.box import Box
from betahat.solvers.starts import search_starts

# rows -----------------------------------------------------------------------------------------------------------------


def read_rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    frequency_weight: Any,
    groups: Any,
    again: bool = False,
) -> Rows:
    """Checked rows; the estimator takes down what X looked like, or compares if it is seen `again`."""
    if isinstance(X, Source):
        refuse_beside_source(
            X, y=y, sample_weight=sample_weight, frequency_weight=frequency_weight, groups=groups
        )
        return _with_weight(source_rows(estimator, X, again))
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    refuse_sparse_target(y)
    target = getattr(y, "name", None)
    if again:
        values = columns_of(estimator, X)
    else:
        values = _matrix(estimator, X)
        estimator._one_dimensional = values.ndim == 1
        if values.ndim == 1:
            estimator.n_features_in_ = 1
            vars(estimator).pop("feature_names_in_", None)
        else:
            _take_down(estimator, X, values, reset=True)
    y = check_array(
        unmasked(np.asarray(y) if is_frame(y) else y), ensure_2d=False, dtype="numeric", input_name="y",
        ensure_all_finite=True,
    )  # fmt: skip
    y = np.asarray(numbers(column_or_1d(y, warn=True), "y"), np.float64)
    check_consistent_length(values, y)
    n = len(y)
    codes = None
    if groups is not None:
        from betahat.data import group_codes

        codes = group_codes(groups, n)
    weight = check_weight("sample_weight", sample_weight, n)
    frequency = check_weight("frequency_weight", frequency_weight, n, whole=True)
    return _with_weight(
        Rows(
            values,
            y,
            weight,
            frequency,
            codes,
            column_names(estimator),
            str(target) if target is not None else "y",
        )
    )


def _with_weight(rows: Rows) -> Rows:
    """The rows, if any of them counts."""
    if rows.total is not None and not (rows.total > 0).any():
        raise DataError(
            "no row counts: sample_weight, frequency_weight or their product is zero in every row"
        )
    return rows


def columns_of(estimator: Any, X: Any) -> np.ndarray:
    """X of new rows, of the shape and columns of the fit's."""
    names = getattr(estimator, "feature_names_in_", None)
    if is_frame(X) and names is not None:
        import narwhals.stable.v2 as nw

        frame = nw.from_native(X)
        have = frame.collect_schema().names()
        missing = [name for name in names if name not in have]
        if missing:
            raise ValueError(f"X has no column {missing[0]!r}; the fit had {', '.join(map(str, names))}")
        X = frame.select(list(names)).to_native()
    values = _matrix(estimator, X)
    if values.ndim == 1 and not estimator._one_dimensional:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X has shape {values.shape}, and the fit's had "
            f"{estimator.n_features_in_} columns. Reshape your data either using array.reshape(-1, 1) if it has a "
            "single feature or array.reshape(1, -1) if it contains a single sample"
        )
    if values.ndim == 2:
        _take_down(estimator, X, values, reset=False)
    return values[:, 0] if estimator._one_dimensional and values.ndim == 2 else values


def _take_down(estimator: Any, X: Any, values: Any, reset: bool) -> None:
    """Names and number of the columns, kept or compared as scikit-learn does."""
    validate_data(estimator, X if is_frame(X) else values, skip_check_array=True, reset=reset)


def _matrix(estimator: Any, X: Any) -> np.ndarray:
    """Finite float64 numbers, (n,) or (n, d) as they came."""
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"X is a sparse matrix ({type(X).__name__}), and f is a function of dense arrays; pass X.toarray()"
        )
    if is_frame(X):
        X = _frame_values(X)
    checked = check_array(
        unmasked(X), ensure_2d=False, allow_nd=False, dtype="numeric", input_name="X", estimator=estimator,
        ensure_all_finite=True,
    )  # fmt: skip
    if checked.ndim == 0:
        raise ValueError("Expected 2D array, got scalar array instead: X is one number. Reshape your data")
    if checked.ndim == 2 and checked.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={checked.shape}) while a minimum of 1 is required."
        )
    return np.asarray(numbers(checked, "X"), np.float64)


def _frame_values(X: Any) -> np.ndarray:
    """A table's columns as numbers (n, d); TypeError naming a column that holds none."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    parts = []
    for column in frame.iter_columns():
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            raise TypeError(
                f"column {column.name!r} of X holds {column.dtype}, and f is a function of numbers; leave the column "
                "out, or code it"
            )
        if column.is_null().any():
            row = int(np.argmax(column.is_null().to_numpy()))
            raise DataError(f"column {column.name!r} of X is missing (NaN) in row {row}; leave such rows out")
        parts.append(column.to_numpy().astype(np.float64))
    return np.column_stack(parts) if parts else np.zeros((len(frame), 0))


def column_names(estimator: Any) -> tuple[str, ...]:
    """What an expression may call the columns of X."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return tuple(map(str, names))
    count = estimator.n_features_in_
    return ("x",) if count == 1 else tuple(f"x{j + 1}" for j in range(count))


# the model ------------------------------------------------------------------------------------------------------------


def resolve(f: Callable[..., Any] | str, names: tuple[str, ...]) -> tuple[Callable[..., Any], Curve | None]:
    """The function of (X, *parameters) that f stands for, given the names of X's columns, and its curve if named."""
    if not isinstance(f, str):
        return f, None
    if f in CURVES:
        if len(names) != 1:
            raise ValueError(f"the curve {f!r} takes one column, and X has {len(names)}: {', '.join(names)}")
        return _on_x(CURVES[f].text), CURVES[f]
    if f.strip().isidentifier():
        near = difflib.get_close_matches(f, list(CURVES), n=2)
        hint = f". Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise FormulaError(f"model {f!r} is no curve's name; there are {', '.join(CURVES)}{hint}")
    expression = Expression(f, names)
    if not expression.used and len(names) == 1 and "x" in expression.parameters:
        return _on_x(f), None  # the only column may be called x, as in named curves
    if not expression.used:
        raise FormulaError(
            f"model {f!r} uses no column; the columns are {', '.join(names)} (an array's are x, or x1, x2, …; one "
            "whose name is not a plain word stands in backquotes)"
        )
    return expression, None


def _on_x(text: str) -> Expression:
    return Expression(text, ("x",))


# starting values and bounds -------------------------------------------------------------------------------------------


def starts_of(
    function: Callable[..., Any], curve: Curve | None, start: Any, bounds: Any, rows: Rows
) -> tuple[Arguments, list[np.ndarray], Box | None]:
    """How the function takes its parameters, where to begin (p,), and the bounds."""
    if callable(start):
        start = _given(start, rows)
    if start is None:
        return _searched(function, curve, bounds, rows)
    several = _several(function, start)
    read = [_taken(function, each) for each in several]
    taken = read[0][0]
    if any(other.names != taken.names for other, _ in read):
        raise ValueError("start holds several starts of different forms; give each the same parameters")
    box = bounds_of(bounds, taken.names)
    starts = [beta if box is None else box.project(beta) for _, beta in read]
    model = NonlinearModel(function, taken)
    for beta in starts:
        _check_start(model, rows, beta)
    return taken, starts, box


def _given(start: Callable[..., Any], rows: Rows) -> Any:
    """What a function of (X, y) begins with."""
    try:
        return start(rows.X, rows.y)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"start(X, y) fails for X of shape {rows.X.shape} and y of shape {rows.y.shape}: "
            f"{type(error).__name__}: {error}"
        ) from error


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
    if (
        isinstance(start, (list, tuple))
        and start
        and all(isinstance(each, (Mapping, list, tuple)) for each in start)
    ):
        return list(start)
    if (
        isinstance(start, (list, tuple))
        and start
        and all(isinstance(e, np.ndarray) and e.ndim for e in start)
    ):
        return list(start)
    if isinstance(start, np.ndarray) and start.ndim == 2:
        return list(start)
    return [start]


def _searched(
    function: Callable[..., Any], curve: Curve | None, bounds: Any, rows: Rows
) -> tuple[Arguments, list[np.ndarray], Box | None]:
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
    return taken, found, box


def _curve_starts(
    function: Callable[..., Any],
    curve: Curve,
    x: np.ndarray,
    rows: Rows,
    lower: np.ndarray,
    upper: np.ndarray,
) -> list[np.ndarray]:
    """From the curve's own candidates; several peaks one after the other, each on what the others leave."""
    assert isinstance(function, Expression)
    if curve.peaks == 1:
        taken = Arguments(tuple(0.0 for _ in function.parameters), function.parameters)
        candidates = curve.candidates(x, rows.y)
        return search_starts(NonlinearModel(function, taken), x, rows.y, rows.total, lower, upper, candidates)
    one = _on_x(CURVES["gaussian_offset"].text)
    taken = Arguments(tuple(0.0 for _ in one.parameters), one.parameters)
    model, rest, found, offset = NonlinearModel(one, taken), rows.y.copy(), [], 0.0
    for _ in range(curve.peaks):
        open_ends = np.full(taken.size, np.inf)
        best = search_starts(model, x, rest, rows.total, -open_ends, open_ends, curve.candidates(x, rest))
        if not best:
            return []
        *peak, level = best[0]
        found.append(peak)
        offset += level
        rest = rest - model.predict(x, best[0])
    found.sort(key=lambda peak: peak[1])
    beta = np.array([*(value for peak in found for value in peak), offset])
    return [np.minimum(np.maximum(beta, lower), upper)]


def _called(model: NonlinearModel, rows: Rows, beta: np.ndarray) -> np.ndarray:
    """f at β, or an error of ours about the user's function."""
    try:
        return model.predict(rows.X, beta)
    except (ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"f fails at the start, for X of shape {rows.X.shape}: {type(error).__name__}: {error}. Usual causes: f "
            "takes columns X[:, 0] of an X given with one dimension, or the other way round"
        ) from error


def _check_start(model: NonlinearModel, rows: Rows, beta: np.ndarray) -> None:
    """That f is finite where the descent begins."""
    f = _called(model, rows, beta)
    if not np.isfinite(f).all():
        row = int(np.argmin(np.isfinite(f)))
        values = ", ".join(f"{name} = {value:g}" for name, value in zip(model.names, beta, strict=True))
        raise ValueError(
            f"start: f is {f[row]} in row {row} (X = {np.array2string(rows.X[row], precision=4)}) at {values}. Usual "
            "causes: an exponential that overflows, a root or logarithm of a negative number, a division by zero; "
            "begin elsewhere"
        )


def bounds_of(bounds: Any, names: tuple[str, ...]) -> Box | None:
    """{"a": (0, None)} or a pair for each parameter, as a box; None without bounds."""
    if bounds is None:
        return None
    pairs: list[Any]
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
