"""Readings of the source: rows that contradict a claimed direction, or that it says nothing of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import Block, Source, by_rows
from betahat.solvers.separation.demands import Demands
from betahat.solvers.separation.exact import EPS, doubles, signs

_NUMBERS = 1 << 19  # numbers of X worked on at once


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Some rows that count: X (k, p) dense float64 or sparse, and their codes."""

    X: Any
    codes: np.ndarray
    intercept: bool

    def times(self, coefficients: np.ndarray) -> np.ndarray:
        """[1, X] times coefficients (m, c)."""
        first = int(self.intercept)
        found = np.asarray(self.X @ coefficients[first:])
        return found + coefficients[0] if first else found

    def sizes(self, coefficients: np.ndarray) -> np.ndarray:
        """[1, |X|] times |coefficients|."""
        return Part(abs(self.X), self.codes, self.intercept).times(np.abs(coefficients))

    def take(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """[1, X] of these rows, dense; some of its columns."""
        first = int(self.intercept)
        ones = self.intercept and (columns is None or 0 in columns)
        X = self.X[rows] if columns is None else self.X[:, columns[columns >= first] - first][rows]
        X = np.asarray(X.toarray() if hasattr(X, "toarray") else X, float)
        return np.column_stack([np.ones(len(rows)), X]) if ones else X


def parts_of(block: Block, demands: Demands, intercept: bool) -> Iterator[Part]:
    """A block cut into pieces that fit into cache, without rows of weight 0."""
    block = by_rows(block)
    y = block.y
    assert y is not None
    weight = combined_weight(block)
    k, p = block.X.shape
    step = max(64, _NUMBERS // max(p, 1))
    sparse = hasattr(block.X, "tocsr")
    codes = demands.codes(y[:, 0])
    for start in range(0, k, step):
        rows = slice(start, min(start + step, k))
        X, code = block.X[rows], codes[rows]
        X = X.astype(np.float64) if sparse else np.asarray(X, np.float64)
        if weight is not None:
            counts = weight[rows] != 0
            if not counts.all():
                X, code = X[counts], code[counts]
        if X.shape[0]:
            yield Part(X, code, intercept)


@final
@dataclass
class Best:
    """The rows of least score under each key, `most` of them at most."""

    most: int
    held: dict[Any, tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)

    def offer(self, key: Any, part: Part, rows: np.ndarray, score: np.ndarray) -> None:
        if not len(rows):
            return
        if len(rows) > self.most:
            least = np.argpartition(score, self.most)[: self.most]
            rows, score = rows[least], score[least]
        found = (score, part.take(rows), part.codes[rows])
        if key in self.held:
            before = self.held[key]
            score, X, codes = (np.concatenate(pair) for pair in zip(before, found, strict=True))
            least = np.argsort(score, kind="stable")[: self.most]
            found = (score[least], X[least], codes[least])
        self.held[key] = found

    def rows(self) -> tuple[np.ndarray, np.ndarray] | None:
        """X (c, m) and codes (c,) of all."""
        if not self.held:
            return None
        return (
            np.concatenate([X for _, X, _ in self.held.values()]),
            np.concatenate([codes for _, _, codes in self.held.values()]),
        )


def nearest(
    source: Source, demands: Demands, intercept: bool, hint: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The rows that a direction (parts, m) of doubles predicts worst, for each contrast of each code."""
    best = Best(most)
    for block in source.blocks():
        for part in parts_of(block, demands, intercept):
            values = part.times(hint.T)
            for code, contrasts in enumerate(demands.contrasts):
                rows = np.flatnonzero(part.codes == code)
                for i, contrast in enumerate(contrasts):
                    score = values[rows] @ contrast
                    best.offer((code, i), part, rows, -np.abs(score) if demands.equal[code] else score)
    return best.rows()


@final
@dataclass
class Search:
    """Every row against a direction (parts, m) of Fractions, and rows on which it is 0 against `span` (s, parts, m),
    the directions that are 0 on all rows seen before.

    tolerance : 0, or how far from 0 a product counts as 0, relative to its terms, where nothing is exact.
    """

    demands: Demands
    direction: np.ndarray
    span: np.ndarray
    tolerance: float
    most: int
    against: Best = field(init=False)
    beside: Best = field(init=False)
    n: int = 0
    separated: int = 0
    all_strict: bool = True
    by_code: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.against, self.beside = Best(self.most), Best(2)
        self.by_code = np.zeros(len(self.demands.contrasts), np.int64)
        self._numbers = doubles(self.direction)

    def read(self, source: Source, intercept: bool) -> Search:
        """One reading of all rows."""
        for block in source.blocks():
            for part in parts_of(block, self.demands, intercept):
                self.add(part)
        return self

    def add(self, part: Part) -> None:
        """Some rows."""
        with np.errstate(all="ignore"):  # what is not finite is looked at again
            values, sizes = part.times(self._numbers.T), part.sizes(self._numbers.T)
        self.n += len(part.codes)
        for code, contrasts in enumerate(self.demands.contrasts):
            rows = np.flatnonzero(part.codes == code)
            if not len(rows):
                continue
            strict = np.zeros(len(rows), bool)
            for i, contrast in enumerate(contrasts):
                value, size = values[rows] @ contrast, sizes[rows] @ np.abs(contrast)
                sign = self._signs(part, rows, contrast, value, size)
                equal = self.demands.equal[code]
                bad = sign != 0 if equal else sign < 0
                relative = np.abs(value[bad]) / np.where(size[bad] > 0, size[bad], 1.0)
                self.against.offer((code, i), part, rows[bad], -relative)
                zero = rows[sign == 0]
                if len(zero):
                    self._beside(part, zero, code, i, contrast)
                    self.all_strict = False
                strict |= (sign > 0) & (not equal)
            self.separated += int(strict.sum())
            self.by_code[code] += int(strict.sum())

    def _signs(
        self, part: Part, rows: np.ndarray, contrast: np.ndarray, value: np.ndarray, size: np.ndarray
    ) -> np.ndarray:
        m = self.direction.shape[1]
        bound = (m + len(contrast) + 6) * EPS * size + 1e-250
        if self.tolerance:
            return np.where(np.abs(value) <= self.tolerance * size, 0, np.sign(value)).astype(np.int8)
        found = np.sign(np.nan_to_num(value)).astype(np.int8)
        unsure = np.flatnonzero(
            ~((np.abs(value) > bound) & np.isfinite(size)) & ~((value == 0) & (size == 0))
        )
        if len(unsure):
            found[unsure] = signs(part.take(rows[unsure]), _contrasted(self.direction, contrast))
        return found

    def _beside(self, part: Part, rows: np.ndarray, code: int, i: int, contrast: np.ndarray) -> None:
        """Rows on which the direction is 0 but another one, that was 0 on all rows seen before, is not."""
        if not len(self.span):
            return
        vectors = _contrasted(self.span.swapaxes(0, 1), contrast)
        used = np.flatnonzero((vectors != 0).any(0))
        vectors = vectors[:, used]
        numbers = doubles(vectors)
        X = part.take(rows, used)
        values, sizes = X @ numbers.T, np.abs(X) @ np.abs(numbers.T)
        bound = max((X.shape[1] + 8) * EPS, self.tolerance) * sizes + 1e-250
        for s, vector in enumerate(vectors):
            sign = np.sign(values[:, s])
            unsure = np.flatnonzero((np.abs(values[:, s]) <= bound[:, s]) & (sizes[:, s] > 0))
            if len(unsure):
                sign[unsure] = 0 if self.tolerance else signs(X[unsure], vector)
            for which in (-1, 1):
                found = np.flatnonzero(sign == which)
                size = np.where(sizes[found, s] > 0, sizes[found, s], 1.0)
                self.beside.offer((code, i, s, which), part, rows[found], -np.abs(values[found, s]) / size)


def _contrasted(direction: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Σ contrastₖ directionₖ of Fractions."""
    whole = [int(c) for c in contrast]
    total = direction[0] * whole[0]
    for c, part in zip(whole[1:], direction[1:], strict=True):
        if c:
            total = total + part * c
    return total
