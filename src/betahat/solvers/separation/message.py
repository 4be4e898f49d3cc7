"""Separation in words: which columns and levels predict which classes without error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.data.source import Source
from betahat.solvers.separation.demands import Demands
from betahat.solvers.separation.rows import parts_of

_SHOWN = 3
_UNCERTAIN = "; this holds in double precision to a relative 1e-9, and could not be proven without rounding"


def describe_none(certain: bool) -> str:
    """That a maximum exists."""
    if certain:
        return "the classes overlap, so that a maximum of the likelihood exists"
    return (
        "in double precision the classes seem to overlap, so that a maximum of the likelihood exists, but it could not "
        "be proven: they are separated, or overlap, by a relative 1e-9 or less, or the problem is too large"
    )


@final
@dataclass(frozen=True, slots=True)
class Extremes:
    """The least and largest value of each column among the rows of each code (codes, m), and how many these are;
    whether all values of a column are 0 or 1."""

    least: np.ndarray
    largest: np.ndarray
    rows: np.ndarray
    is_indicator: np.ndarray


def extremes(source: Source, demands: Demands, intercept: bool, columns: np.ndarray) -> Extremes:
    """One reading of some columns of [1, X]."""
    codes = len(demands.contrasts)
    least, largest = np.full((codes, len(columns)), np.inf), np.full((codes, len(columns)), -np.inf)
    rows, indicator = np.zeros(codes, np.int64), np.ones(len(columns), bool)
    for block in source.blocks():
        for part in parts_of(block, demands, intercept):
            X = part.X[:, columns - int(intercept)]
            X = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
            indicator &= ((X == 0) | (X == 1)).all(0)
            for code in np.unique(part.codes):
                some = X[part.codes == code]
                rows[code] += len(some)
                least[code] = np.minimum(least[code], some.min(0))
                largest[code] = np.maximum(largest[code], some.max(0))
    return Extremes(least, largest, rows, indicator)


@final
@dataclass(frozen=True, slots=True)
class Split:
    """Rows with x ≥ above (> where `open_`) are all of one class, rows with x ≤ below (<) of the others; None: no such
    rows. The sign of x is turned where `turned`."""

    above: float | None
    below: float | None
    open_: bool
    turned: bool


def split(found: Extremes, inside: list[int], fixed: list[int], j: int, intercept: bool) -> Split | None:
    """How column j alone separates the codes `inside` from all others but those `fixed`, which lie on the border."""
    outside = [c for c in range(len(found.rows)) if c not in inside and c not in fixed]
    for turned in (False, True):
        low, high = (-found.largest, -found.least) if turned else (found.least, found.largest)
        below, above = (
            max((high[c, j] for c in outside), default=-np.inf),
            min((low[c, j] for c in inside), default=np.inf),
        )
        for c in fixed:
            if found.rows[c]:
                below, above = max(below, high[c, j]), min(above, low[c, j])
        if not intercept:
            below, above = max(below, 0.0), min(above, 0.0)
        if not below <= above:
            continue
        most = max((high[c, j] for c in inside), default=-np.inf)
        least = min((low[c, j] for c in outside), default=np.inf)
        border = below == above
        up = above if (most > above if border else np.isfinite(above)) else None
        down = below if (least < below if border else np.isfinite(below)) else None
        if up is None and down is None:
            continue
        return Split(up, down, border, turned)
    return None


def _conditions(it: Split, name: str, indicator: bool) -> tuple[str | None, str | None]:
    """Of which rows: those of the class, those of the others."""
    found: list[str | None] = []
    between = None
    if not it.open_ and it.above is not None and it.below is not None:
        between = _between(it.below, it.above)
    for value, sense in ((it.above, 1), (it.below, -1)):
        if value is None:
            found.append(None)
            continue
        border = value if between is None else between
        if it.turned:
            value, border, sense = -value, -border, -sense
        if indicator:
            level = (1 if sense > 0 else 0) if it.open_ else int(value)
            found.append(f"{name} = {level}")
        else:
            sign = (">" if sense > 0 else "<") + ("" if it.open_ or between is not None else "=")
            found.append(f"{name} {sign} {_number(border)}")
    return found[0], found[1]


def _between(below: float, above: float) -> float | None:
    """A number of few digits between two; None where no double is."""
    middle = below / 2 + above / 2
    for digits in range(1, 18):
        number = float(f"{middle:.{digits}g}")
        if below < number < above:
            return number
    return None


def _number(value: float) -> str:
    return repr(float(value) + 0.0).removesuffix(".0")


def describe(
    source: Source, demands: Demands, intercept: bool, names: tuple[str, ...], labels: tuple[object, ...] | None,
    columns: np.ndarray, kind: str, rows: tuple[int, int], certain: bool,
    together: Callable[[np.ndarray], np.ndarray],
) -> str:  # fmt: skip
    """In words.

    columns : the slopes affected, as columns of [1, X]; rows : separated, of all; together : the few of these columns
    that separate when taken together.
    """
    first = int(intercept)
    shown = tuple(getattr(label, "item", lambda label=label: label)() for label in labels or (0, 1))
    found = extremes(source, demands, intercept, columns)
    present = np.flatnonzero(found.rows)
    if len(present) == 1 and (demands.kind != "binary" or present[0] != 2) and intercept:
        value = 0 if demands.kind == "counts" else shown[present[0]]
        return f"every row has y = {value!r}"
    said: list[str] = []
    for at, j in enumerate(columns.tolist()):
        said += _of_column(demands, found, at, names[j - first], shown, intercept)[:1]
    if said:
        more = len(said) - _SHOWN
        text = "; ".join(said[:_SHOWN]) + (f"; and so with {more} more columns" if more > 0 else "")
    else:
        text = _of_several(demands, [names[j - first] for j in together(columns).tolist()], shown, kind, rows)
    absent = (
        [shown[c] for c in range(len(found.rows)) if not found.rows[c]]
        if demands.kind == "multinomial"
        else []
    )
    if absent:
        text = f"no row has y = {', '.join(repr(label) for label in absent)}" + (f"; {text}" if said else "")
    return text + ("" if certain else _UNCERTAIN)


def _of_column(
    demands: Demands, found: Extremes, at: int, name: str, labels: tuple[object, ...], intercept: bool
) -> list[str]:
    """What one column alone says of the classes."""
    said: list[str] = []
    present = [c for c in range(len(found.rows)) if found.rows[c]]
    if demands.kind == "binary":
        ways = [([1], [2], f"y = {labels[1]!r}", f"y = {labels[0]!r}")]
    elif demands.kind == "counts":
        ways = [([], [1], "", "y = 0")]
    else:
        ways = [([c], [], f"y = {labels[c]!r}", None) for c in present]
    for inside, fixed, yes, no in ways:
        it = split(found, inside, fixed, at, intercept)
        if it is None:
            continue
        up, down = _conditions(it, name, bool(found.is_indicator[at]))
        texts = [f"every row with {up} has {yes}"] if up and yes else []
        if down and no:
            texts.append(f"every row with {down} has {no}")
        elif down and not texts:
            texts.append(f"no row with {down} has {yes}")
        if texts:
            said.append(", and ".join(texts))
    return sorted(said, key=lambda text: text.startswith("no row"))


def _of_several(
    demands: Demands, names: list[str], labels: tuple[object, ...], kind: str, rows: tuple[int, int]
) -> str:
    listed = ", ".join(names[: 2 * _SHOWN]) + (
        f" and {len(names) - 2 * _SHOWN} more" if len(names) > 2 * _SHOWN else ""
    )
    verb = "together" if len(names) > 1 else "alone"
    some = f"{rows[0]} of {rows[1]} rows" if kind != "complete" else "all rows"
    if demands.kind == "counts":
        return f"{listed or 'the intercept'} {verb} separate {some}, all with y = 0, from the others"
    if demands.kind == "binary":
        return (
            f"{listed or 'the intercept'} {verb} separate y = {labels[1]!r} from y = {labels[0]!r} in {some}"
        )
    return f"{listed or 'the intercept'} {verb} separate classes of y in {some}"
