"""Does a maximum of the likelihood exist? Asked of a few rows, and then of the rows that contradict the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import final

import numpy as np

from betahat.data.source import Source
from betahat.solvers.separation.decide import Decision, Problem, Units, decide
from betahat.solvers.separation.decimals import DecimalSource, decimal_factors
from betahat.solvers.separation.demands import Demands, Kind, demands_of
from betahat.solvers.separation.exact import doubles
from betahat.solvers.separation.message import describe, describe_none
from betahat.solvers.separation.rank import exceptions, independent
from betahat.solvers.separation.result import Separation
from betahat.solvers.separation.rows import Search, nearest, parts_of

_FEW, _EACH = 400, 10  # rows of the first sample: at least, and for each unknown
_ROUNDS = 200
_TOLERANCE = 1e-9
_FEWEST = 24  # columns up to which the fewest that separate are looked for


def find_separation(
    source: Source,
    family: Kind,
    has_intercept: bool,
    names: Sequence[str] | None = None,
    class_labels: Sequence[object] | None = None,
    hint: np.ndarray | None = None,
    collinear: str = "minimum_norm",
) -> Separation:
    """Decide exactly whether a maximum of the likelihood exists: whether no δ has sᵢ xᵢᵀδ ≥ 0 for all rows and > 0 for
    some (Albert & Anderson 1984; Santner & Duffy 1986).

    family : "binary" (y of 0, 1 and proportions between, for every link), "multinomial" (y of codes 0 … K − 1) or
    "counts" (log link, y ≥ 0 with a probability of 0: Poisson, Tweedie with 1 < p < 2);
    names : of the columns of X, those of the source where None; class_labels : of the classes, for the message (K of
    them for "multinomial", where they are needed);
    collinear : which coefficients are meant where columns are combinations of others: those of smallest norm
    ("minimum_norm"), or 0 for later columns ("drop");
    hint : coefficients (m,) or (K, m), intercept first, where a solver was when it did not settle.

    A sample of rows is decided first: Newton's method and a linear program (HiGHS) guess, and rounding-free arithmetic
    confirms a direction, or weights that forbid any. If the sample overlaps and its columns are independent, so does
    the whole. Otherwise rows that contradict a direction, found by a reading of all, join the sample. A file is never
    held in memory. Columns that are combinations of others up to rounding count as such: a difference of that size
    separates nothing. Columns of decimals count as these, not as the doubles nearest to them.

    Raises ValueError for an unknown family, or labels that do not fit.

    >>> from betahat.data.source import ArraySource
    >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([0.0, 0.0, 1.0, 1.0])
    >>> found = find_separation(ArraySource(X, y), "binary", True, ("age",), ("no", "yes"))
    >>> found.kind, found.columns, found.message
    ('complete', (0, 1), "every row with age > 2.5 has y = 'yes', and every row with age < 2.5 has y = 'no'")
    """
    names = tuple(source.names if names is None else names)
    labels = None if class_labels is None else tuple(class_labels)
    if family == "multinomial" and not labels:
        raise ValueError("`class_labels` must name the classes of a multinomial response")
    demands = demands_of(family, len(labels) if labels else 2)
    m = len(names) + int(has_intercept)
    start, factors = _parted(hint, demands, m), decimal_factors(source)
    tens, read = np.ones(m), source
    if factors is not None:
        tens[int(has_intercept) :], read = factors, DecimalSource(source, factors)
    outcome = _Run(read, demands, has_intercept, m, np.arange(m)).decide(
        None if start is None else start / tens
    )
    if outcome is None:
        return Separation(
            "none", None, (), _mask(demands, m), _no_span(demands, m), 0, source.n_rows, (), False,
            "it was not decided whether classes are separated: the problem is too large for an exact test, or so near "
            "to separation that doubles cannot tell",
        )  # fmt: skip
    if outcome.search is None or not outcome.search.separated:
        return Separation(
            "none", None, (), _mask(demands, m), _no_span(demands, m), 0, source.n_rows, (),
            outcome.decision.certain, describe_none(outcome.decision.certain),
        )  # fmt: skip
    return _report(source, read, tens, demands, has_intercept, names, labels, outcome, collinear)


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """The decision, in columns `kept` of m, and the reading that found no row against it (None where none was
    needed); relations (d, m) between the columns, whose standard deviations are about `spread`."""

    decision: Decision
    search: Search | None
    kept: np.ndarray
    relations: np.ndarray
    spread: np.ndarray


@final
class _Run:
    """The rows looked at so far, and the loop that adds to them; restricted to some columns of [1, X]."""

    def __init__(
        self, source: Source, demands: Demands, intercept: bool, m: int, columns: np.ndarray
    ) -> None:
        self.source, self.demands, self.intercept, self.m = source, demands, intercept, m
        self.columns = columns
        self.X, self.codes = np.zeros((0, m)), np.zeros(0, np.int64)

    def decide(self, hint: np.ndarray | None) -> Outcome | None:
        """None where neither exact arithmetic nor doubles decide."""
        if self.m == 0 or self.demands.parts == 0:
            return Outcome(_nothing(0), None, np.zeros(0, int), np.zeros((0, self.m)), np.ones(self.m))
        self._sample()
        if hint is not None and not self._is_all():
            first = self._first(hint)
            if first is not None:
                return first
        return self.again()

    def again(self) -> Outcome | None:
        """From the rows looked at so far."""
        kept, relations, units = self._independent()
        for _ in range(_ROUNDS):
            decision = self._decision(kept)
            if decision is None:
                return None
            spread = np.ldexp(1.0, units.power)
            if not len(decision.span):
                return Outcome(decision, None, kept, relations, spread)
            search = Search(
                self.demands, self._whole(decision.direction, kept), self._whole(decision.span, kept),
                0.0 if decision.certain else _TOLERANCE, max(40, 2 * self.m),
            ).read(self.source, self.intercept)  # fmt: skip
            found = [rows for rows in (search.against.rows(), search.beside.rows()) if rows is not None]
            if not sum(self._add(*rows) for rows in found):
                return Outcome(decision, search, kept, relations, spread)
        return None

    def _first(self, hint: np.ndarray) -> Outcome | None:
        """Whether the sample alone, and else with the rows that the hint predicts worst, overlaps."""
        for look in (False, True):
            if look:
                found = nearest(self.source, self.demands, self.intercept, hint, max(60, 4 * self.m))
                if found is not None:
                    self._add(*found)
            units = Units.of(self.X, self.intercept)
            kept = np.zeros(self.m, bool)
            kept[self.columns] = independent(self.X[:, self.columns], units_of(units, self.columns))[0]
            if kept.sum() < len(self.columns):
                continue
            decision = self._decision(self.columns)
            if decision is not None and not len(decision.span) and decision.certain:
                return Outcome(
                    decision, None, self.columns, np.zeros((0, self.m)), np.ldexp(1.0, units.power)
                )
        return None

    def _sample(self) -> None:
        unknowns = self.m * self.demands.parts
        block = self.source.sample(max(_FEW, _EACH * unknowns))
        if block is not None:
            for part in parts_of(block, self.demands, self.intercept):
                self._add(part.take(np.arange(len(part.codes))), part.codes)

    def _is_all(self) -> bool:
        return self.source.n_rows is not None and len(self.X) >= self.source.n_rows

    def _add(self, X: np.ndarray, codes: np.ndarray) -> int:
        """Rows that are not there yet; how many."""
        both = np.column_stack([X, codes])
        seen = {row.tobytes() for row in np.column_stack([self.X, self.codes])}
        new = [i for i, row in enumerate(both) if not (row.tobytes() in seen or seen.add(row.tobytes()))]
        self.X = np.concatenate([self.X, X[new]])
        self.codes = np.concatenate([self.codes, codes[new].astype(np.int64)])
        return len(new)

    def _independent(self) -> tuple[np.ndarray, np.ndarray, Units]:
        """Columns to keep, and what the others are of them."""
        columns = self.columns
        while True:
            units = Units.of(self.X, self.intercept)
            kept, relations = independent(self.X[:, columns], units_of(units, columns))
            whole = np.zeros((len(relations), self.m))
            whole[:, columns] = relations
            whole, found = _of_columns(whole, units), None
            if len(relations) and not self._is_all():
                spread = np.ldexp(1.0, units.power)
                found = exceptions(self.source, self.demands, self.intercept, spread, whole)
            if found is None or not self._add(*found):
                return columns[kept], whole, units

    def _decision(self, kept: np.ndarray) -> Decision | None:
        if not len(kept):
            return _nothing(0)
        X = self.X[:, kept]
        intercept = self.intercept and kept[0] == 0
        units = Units.of(X, intercept)
        raw, equal = self.demands.constraints(X, self.codes)
        scaled, _ = self.demands.constraints(units.scaled(X), self.codes)
        if not len(raw):
            return None
        return decide(Problem(raw, scaled, equal, units, self.demands.parts))

    def _whole(self, vectors: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Vectors (..., parts·kept) as (..., parts, m)."""
        parts = vectors.reshape(*vectors.shape[:-1], self.demands.parts, len(kept))
        found = np.full((*parts.shape[:-1], self.m), Fraction(0), object)
        found[..., kept] = parts
        return found


def _of_columns(relations: np.ndarray, units: Units) -> np.ndarray:
    """Relations of scaled and centred columns as relations of the columns themselves."""
    found = np.ldexp(relations, -units.power)
    if units.intercept:
        found[:, 0] -= relations[:, 1:] @ units.centre[1:]
    return found


def units_of(units: Units, columns: np.ndarray) -> Units:
    """The same of some columns."""
    intercept = units.intercept and bool(len(columns)) and columns[0] == 0
    return Units(units.power[columns], units.centre[columns], bool(intercept))


def _nothing(size: int) -> Decision:
    return Decision(np.zeros(size, object), np.zeros((0, size), object), True)


def _parted(hint: np.ndarray | None, demands: Demands, m: int) -> np.ndarray | None:
    """A hint as (parts, m) differences from the first class."""
    if hint is None or not np.isfinite(hint).all():
        return None
    given: np.ndarray = np.atleast_2d(np.asarray(hint, float))
    if demands.kind == "multinomial" and len(given) == demands.parts + 1:
        given = given[1:] - given[0]
    if given.shape != (demands.parts, m):
        raise ValueError(
            f"`hint` of shape {given.shape} does not fit {m} coefficients of {demands.parts} contrasts"
        )
    return given


def _mask(demands: Demands, m: int) -> np.ndarray:
    return np.zeros((demands.parts + 1, m) if demands.kind == "multinomial" else m, bool)


def _no_span(demands: Demands, m: int) -> np.ndarray:
    return np.zeros((0, *_mask(demands, m).shape))


def _classwise(vectors: np.ndarray, demands: Demands) -> np.ndarray:
    """Vectors (..., parts, m) of Fractions in the form of the coefficients: (..., m), or (..., K, m) that sum to 0."""
    if demands.kind != "multinomial":
        return vectors[..., 0, :]
    found = np.concatenate([vectors[..., :1, :] * 0, vectors], axis=-2)
    return found - (found.sum(-2) / Fraction(demands.parts + 1))[..., None, :]


def _report(
    source: Source, read: Source, tens: np.ndarray, demands: Demands, intercept: bool, names: tuple[str, ...],
    labels: tuple[object, ...] | None, outcome: Outcome, collinear: str,
) -> Separation:  # fmt: skip
    """What was found in `read`, whose columns are those of the source times `tens`."""
    search = outcome.search
    assert search is not None
    units = np.array([Fraction(int(each)) for each in tens], object)
    exact, way = (_classwise(part, demands) * units for part in (search.span, search.direction))
    relations, spread = outcome.relations * tens, outcome.spread / tens
    infinite, span, direction = (exact != 0).any(0), doubles(exact), doubles(way)
    if len(relations) and collinear == "minimum_norm":
        span = _of_smallest_norm(span, relations, intercept)
        direction = _of_smallest_norm(direction, relations, intercept)
        sizes = np.abs(span) * spread
        infinite = (sizes > 1e-9 * sizes.max(initial=0)).any(0)
    sizes, first = np.abs(direction) * spread, int(intercept)
    direction = direction / (float(sizes[..., first:].max(initial=0)) or float(sizes.max()))
    kind = "complete" if search.all_strict else "quasi-complete"
    affected = np.flatnonzero(infinite.reshape(-1, infinite.shape[-1]).any(0))

    def together(columns: np.ndarray) -> np.ndarray:
        return _fewest(read, demands, intercept, infinite.shape[-1], columns)

    message = describe(
        source, demands, intercept, names, labels, affected[affected >= first], kind, (search.separated, search.n),
        outcome.decision.certain, together,
    )  # fmt: skip
    return Separation(
        kind, direction, tuple(affected.tolist()), infinite, span,
        search.separated, search.n, tuple(np.flatnonzero(search.by_code).tolist()), outcome.decision.certain, message,
    )  # fmt: skip


def _of_smallest_norm(span: np.ndarray, relations: np.ndarray, intercept: bool) -> np.ndarray:
    """Directions less their part along what the columns leave open, as slopes of smallest norm have it."""
    first = int(intercept)
    Q, R = np.linalg.qr(relations[:, first:].T)
    along = (span[..., first:] @ Q).reshape(-1, len(relations))
    share = np.linalg.solve(R, along.T).T.reshape(*span.shape[:-1], len(relations))
    return span - share @ relations


def _fewest(source: Source, demands: Demands, intercept: bool, m: int, columns: np.ndarray) -> np.ndarray:
    """Some of these columns, none of which can be left out, that separate with the intercept; all where too many."""
    if len(columns) > _FEWEST or len(columns) < 2:
        return columns
    first = np.zeros(int(intercept), int)
    run = _Run(source, demands, intercept, m, np.concatenate([first, columns]))
    outcome, kept = run.decide(None), columns
    if outcome is None or outcome.search is None or not outcome.decision.certain:
        return columns
    for j in columns:
        fewer = kept[kept != j]
        run.columns = np.concatenate([first, fewer])
        outcome = run.again() if len(run.columns) else None
        if outcome is not None and outcome.search is not None and outcome.search.separated:
            kept = fewer
    return kept
