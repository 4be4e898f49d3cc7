"""formulaic at work: from complete columns to a matrix, and what was learned on the way, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, cast, final

import numpy as np

from betahat.data.design import Column
from betahat.data.formula_syntax import ELEMENTWISE, OFFSET, alias, unalias
from betahat.data.levels import refuse_identifier, refuse_unseen
from betahat.data.missing import all_finite
from betahat.errors import DataError, FormulaError, StorageError


@final
@dataclass(frozen=True, slots=True)
class State:
    """What one side of a formula learned: the columns it gives, its functions' numbers, its categories.

    names : the columns of the matrix. transforms : formulaic's transform state.
    encoders : by factor, its kind ("numerical" or "categorical") and its categories, or None.
    """

    names: tuple[str, ...]
    transforms: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, tuple[str, list[Any] | None]] = field(default_factory=dict)


def materialise(
    terms: tuple[Any, ...],
    values: Mapping[str, np.ndarray],
    rows: int,
    columns: tuple[Column, ...],
    state: State | None = None,
    check: bool = True,
) -> tuple[np.ndarray, State]:
    """The matrix of these terms, (rows, p) float64 without the column of ones, and what was learned.

    values : complete columns by name: float64 numbers, codes of levels. state : what was learned before.
    check : refuse values that are not finite.

    Raises FormulaError where an expression cannot be computed, DataError where its result is not finite,
    UnseenLevelError for a value in `C(...)` that training did not have.
    """
    import pandas as pd
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.errors import FormulaicError
    from formulaic.materializers import PandasMaterializer
    from formulaic.parser.types import Factor

    if state is not None and not rows:
        return np.empty((0, len(state.names))), state
    table = pd.DataFrame(
        {
            alias(c.name): values[c.name]
            if c.levels is None
            else pd.Categorical.from_codes(values[c.name], categories=list(c.levels))
            for c in columns
        },
        index=pd.RangeIndex(rows),
        copy=False,
    )
    before = state or State(())
    spec = ModelSpec(
        formula=cast(SimpleFormula, SimpleFormula(list(terms), _ordering="none")),
        na_action="raise" if check else "ignore",  # pyright: ignore[reportArgumentType]
        output="numpy",
        transform_state=deepcopy(before.transforms),
        encoder_state={
            expr: (Factor.Kind(kind), {} if categories is None else {"categories": list(categories)})
            for expr, (kind, categories) in before.encoders.items()
        },
    )
    try:
        with np.errstate(all="ignore"):
            made: Any = PandasMaterializer(table, context=_functions()).get_model_matrix(spec)
    except (FormulaicError, ArithmeticError, NameError, RuntimeError, TypeError, ValueError) as error:
        raise _translated(error) from error
    spec = made.model_spec
    constant = [
        place for step in spec.structure if not step.term.degree for place in spec.term_indices[step.term]
    ]
    matrix = np.asarray(made, dtype=np.float64).reshape(rows, -1)
    matrix = matrix[:, 1:] if constant == [0] else np.delete(matrix, constant, axis=1)
    kept = [name for place, name in enumerate(spec.column_names) if place not in constant]
    if check and not all_finite(matrix):
        _refuse_not_finite(matrix, kept)
    return matrix, State(_readable(kept), dict(spec.transform_state), _encoders(spec.encoder_state))


@cache
def _functions() -> dict[str, Any]:
    """What the expressions can see besides columns; formulaic adds its own transforms."""
    elementwise = {name: getattr(np, name) for name in ELEMENTWISE}
    numpy = SimpleNamespace(**elementwise, pi=math.pi, e=math.e)
    return {**elementwise, "np": numpy, "C": _categorical, OFFSET: lambda values: values}


def _categorical(
    data: Any, contrasts: Any = None, *, levels: Any = None, spans_intercept: bool = True
) -> Any:
    """formulaic's `C`, but whole numbers are named 4, not 4.0, and a level that is new is an error.

    (formulaic warns and codes it as a row of zeros, which is the baseline.)
    """
    import pandas as pd
    from formulaic.transforms import C

    data = pd.Series(data)
    if data.dtype.kind == "f" and bool((data == np.floor(data)).all()) and bool((data.abs() < 2**53).all()):
        data = data.astype(np.int64)
    coded = C(data, contrasts, levels=levels, spans_intercept=spans_intercept)
    encode: Any = coded.__formulaic_metadata__.encoder

    def encoder(
        values: Any, reduced_rank: bool, drop_rows: list[int], encoder_state: dict[str, Any], model_spec: Any
    ) -> Any:
        name = unalias(str(data.name))
        known = list(levels) if levels is not None else encoder_state.get("categories")
        present = [value for value in pd.unique(data) if value == value]
        if known is None:
            refuse_identifier(name, len(present), len(data))
        elif unseen := set(present) - set(known):
            refuse_unseen(name, map(str, unseen), tuple(map(str, known)))
        return encode(values, reduced_rank, drop_rows, encoder_state, model_spec)

    coded.__formulaic_metadata__.encoder = encoder
    return coded


def _translated(error: Exception) -> Exception:
    if isinstance(error, (DataError, FormulaError)):
        return error
    text = unalias(str(error))
    cause = error.__cause__
    if "contains null values" in text or (isinstance(cause, ValueError) and "extend beyond" in str(cause)):
        advice = (
            "bs() does not go beyond the range of the training rows; bs(x, ..., extrapolation='clip') does"
            if "extend beyond" in text
            else "Usual causes: the logarithm or root of a negative number, zero divided by zero"
        )
        return DataError(f"{text.removeprefix('Unable to evaluate factor ')}. {advice}")
    return FormulaError(f"the formula cannot be computed: {text}")


def _refuse_not_finite(matrix: np.ndarray, names: list[str]) -> None:
    for name, column in zip(names, matrix.T, strict=True):
        if count := int(np.count_nonzero(~np.isfinite(column))):
            raise DataError(
                f"{unalias(name)!r} is infinite or not a number in {count:,} rows. Usual causes: the "
                "logarithm of zero or of a negative number, a division by zero, an overflow"
            )


def _readable(names: list[str]) -> tuple[str, ...]:
    """The columns' own names, `kind[b]` for formulaic's `kind[T.b]` where that leaves them different."""
    own = [unalias(name) for name in names]
    short = [unalias(name.replace("[T.", "[")) for name in names]
    chosen = short if len(set(short)) == len(short) else own
    if len(set(chosen)) < len(chosen):
        repeated = next(name for name in chosen if chosen.count(name) > 1)
        raise FormulaError(f"the formula gives two columns named {repeated!r}; rename a column of the table")
    return tuple(chosen)


def _encoders(states: Mapping[str, Any]) -> dict[str, tuple[str, list[Any] | None]]:
    plain: dict[str, tuple[str, list[Any] | None]] = {}
    for expr, (kind, state) in states.items():
        categories = state.get("categories")
        if set(state) - {"categories", "contrasts"}:
            raise FormulaError(f"`{unalias(expr)}` is coded in a way that cannot be used again in prediction")
        plain[expr] = (kind.value, None if categories is None else [_scalar(value) for value in categories])
    return plain


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def encode_state(state: State) -> dict[str, Any]:
    """A state as JSON values; a StorageError where a function learned something that has no such form."""
    return {
        "names": list(state.names),
        "transforms": _encode(state.transforms),
        "encoders": {expr: list(pair) for expr, pair in _encode_encoders(state).items()},
    }


def _encode_encoders(state: State) -> dict[str, tuple[str, list[Any] | None]]:
    for expr, (_, categories) in state.encoders.items():
        if not all(isinstance(value, (str, int, float, bool)) for value in categories or ()):
            raise StorageError(
                f"the levels of `{unalias(expr)}` are not text or numbers and cannot be stored"
            )
    return state.encoders


def _encode(value: Any) -> Any:
    value = _scalar(value)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dict():
            return {"pairs": [[_encode(key), _encode(inner)] for key, inner in value.items()]}
        case np.ndarray() if value.dtype.kind in "fiub":
            return {"array": value.astype(np.float64).tolist()}
        case list() | tuple():
            return [_encode(inner) for inner in value]
        case _:
            raise StorageError(
                f"a function of the formula learned a {type(value).__name__}, which cannot be stored as "
                "JSON; compute that column before the fit"
            )


def _decode(stored: Any) -> Any:
    match stored:
        case None | bool() | int() | float() | str():
            return stored
        case list():
            return [_decode(inner) for inner in stored]
        case {"pairs": list(pairs)} if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            return {_decode(key): _decode(inner) for key, inner in pairs}
        case {"array": values}:
            return np.array(values, dtype=np.float64)
        case _:
            raise StorageError(f"the state of a stored formula is damaged: {stored!r}")


def decode_state(stored: Any) -> State:
    """The state that :func:`encode_state` wrote; a StorageError where it did not."""
    try:
        encoders = {expr: (kind, categories) for expr, (kind, categories) in stored["encoders"].items()}
        sound = all(
            kind in ("numerical", "categorical", "constant") and (c is None or isinstance(c, list))
            for kind, c in encoders.values()
        )
        transforms, names = _decode(stored["transforms"]), stored["names"]
        if not (sound and isinstance(transforms, dict) and all(isinstance(name, str) for name in names)):
            raise StorageError("the state of a stored formula is damaged")
        return State(tuple(names), transforms, encoders)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StorageError(f"the state of a stored formula is damaged: {error}") from None
