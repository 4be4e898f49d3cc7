"""Which model a target asks for, where nobody says: by the column's type and a look at its first rows."""

from __future__ import annotations

from typing import Any, NamedTuple

_ROWS = 20_000
_SHOWN = 4  # labels


class Guess(NamedTuple):
    """A model's name, and why."""

    model: str
    why: str


def guess_model(
    data: str, formula: str | None, roles: dict[str, Any], options: dict[str, Any]
) -> Guess | None:
    """What the target holds: text, booleans and two whole numbers are classes, other numbers are predicted, and where
    there is an exposure they are counts. None where no target was named.

    One query of the first rows; where these hold two numbers only, another that makes sure of the rest.
    """
    from betahat.data.duck import open_table

    if bool(roles["target"]) == (formula is not None):
        return None  # neither or both, which is told elsewhere
    table = open_table(data, **options)
    name = _column(table, formula, roles)
    if name is None:
        return Guess("linear", "the target is computed" if formula else "there are several targets")
    if table.kind(name) == "category":
        return Guess("logistic", f"{name!r} holds {_labels(table, name)}")
    if table.types[name] == "BOOLEAN":
        return Guess("logistic", f"{name!r} is true or false")
    rows, distinct, low, high, whole = _numbers(table, name, _ROWS)
    if whole and distinct <= 2 < rows:
        rows, distinct, low, high, whole = _numbers(table, name, None)
    if whole and distinct == 2 < rows:
        return Guess("logistic", f"{name!r} holds two numbers, {low:g} and {high:g}")
    if not whole or low < 0:
        return Guess("linear", f"{name!r} holds numbers")
    if roles["exposure"] is not None:
        return Guess("poisson", f"{name!r} holds whole numbers, and there is an exposure")
    return Guess(
        "linear", f"{name!r} holds whole numbers; if it counts something, --model poisson may suit it"
    )


def _column(table: Any, formula: str | None, roles: dict[str, Any]) -> str | None:
    """The column that is the target; None where it is computed from columns, or there are several."""
    if formula is None:
        return roles["target"][0] if len(roles["target"]) == 1 else None
    from betahat.data.formula_syntax import parse

    parsed = parse(formula, list(table.types))
    return parsed.left_inputs[0] if parsed.plain_target else None


def _head(table: Any, name: str, expression: str, rows: int | None) -> str:
    from betahat.data.survey import complete

    limit = "" if rows is None else f" LIMIT {rows}"
    condition = complete(table, [name], "drop")
    return f"(SELECT {expression} AS y FROM {table.expression} WHERE {condition}{limit})"


def _numbers(table: Any, name: str, rows: int | None) -> tuple[int, int, float, float, bool]:
    """Rows, distinct values, smallest, largest, and whether all are whole, of the first rows or of all."""
    from betahat.data.duck import wrapped
    from betahat.data.reader import number

    head = _head(table, name, number(table, name), rows)
    with wrapped(table.described):
        found = table.cursor().execute(
            f"SELECT count(*), count(DISTINCT y), min(y), max(y), bool_and(y = floor(y)) FROM {head}"
        )
        count, distinct, low, high, whole = found.fetchone()
    return count, distinct, low or 0.0, high or 0.0, bool(whole)


def _labels(table: Any, name: str) -> str:
    from betahat.data.duck import quoted, wrapped

    head = _head(table, name, f"CAST({quoted(name)} AS VARCHAR)", _ROWS)
    with wrapped(table.described):
        found = (
            table.cursor().execute(f"SELECT DISTINCT y FROM {head} ORDER BY y LIMIT {_SHOWN + 1}").fetchall()
        )
    labels = [repr(label) for (label,) in found]
    return f"the labels {', '.join(labels[:_SHOWN])}{', …' if len(labels) > _SHOWN else ''}"
