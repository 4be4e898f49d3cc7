"""Linear hypotheses Rβ = r, written as text ("x1 + 2*x2 = 3, x3 = 0") or as a matrix.

formulaic's LinearConstraints was tried first: it reads "x1 = x2 = x3" as x1 − x2 + x3 = 0 without a word and
knows neither "1e-3" nor "x1=-2", so the grammar of affine forms is read here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn, final

import numpy as np

from betahat.errors import FormulaError, InferenceError

_DEPENDENT = 1e-10
_LARGEST = 1e100  # has a square, and so has its product with what a test multiplies it by
_CONSTANT = -1
_Form = dict[int, Fraction]
"""Coefficients by position and the constant under _CONSTANT, zeros left out."""


@final
@dataclass(frozen=True, eq=False)
class Hypothesis:
    """Rβ = r: `matrix` (q, m), `value` (q,), and a label for each of the q rows."""

    labels: tuple[str, ...]
    matrix: np.ndarray
    value: np.ndarray

    def __post_init__(self) -> None:
        largest = max(float(np.abs(part).max(initial=0.0)) for part in (self.matrix, self.value))
        if largest > _LARGEST:
            raise ValueError(f"the hypothesis holds {largest:g}; numbers up to {_LARGEST:g} can be tested")


def read_hypothesis(hypothesis: Any, names: tuple[str, ...]) -> Hypothesis:
    """A hypothesis about the m coefficients `names`.

    hypothesis : "x1 = x2, x3 = 0" (without "=" zero is meant), a sequence of such strings, a (q, m) or (m,)
        array R (for Rβ = 0), or a tuple (R, r). Names that are not plain words may stand in backquotes: ``
        `a b` = 0 ``.

    Raises FormulaError for text that cannot be read or an unknown name, ValueError for arrays of a wrong
    shape, InferenceError for hypotheses that contradict or repeat each other.

    >>> h = read_hypothesis("x1 = 2*x2, `C(kind)[b]` = 1", ("x1", "x2", "C(kind)[b]"))
    >>> h.matrix.tolist(), h.value.tolist()
    ([[1.0, -2.0, 0.0], [0.0, 0.0, 1.0]], [0.0, 1.0])
    """
    texts = as_texts(hypothesis)
    result = _from_arrays(hypothesis, names) if texts is None else from_text(texts, names)
    check_independent(result)
    return result


def as_texts(hypothesis: Any) -> Sequence[str] | None:
    """The texts that a hypothesis was given as, None where it was not given as text."""
    if isinstance(hypothesis, str):
        return [hypothesis]
    if isinstance(hypothesis, Sequence) and hypothesis and all(isinstance(h, str) for h in hypothesis):
        return hypothesis
    return None


def _from_arrays(hypothesis: Any, names: tuple[str, ...]) -> Hypothesis:
    R, r = hypothesis if isinstance(hypothesis, tuple) and len(hypothesis) == 2 else (hypothesis, 0.0)
    try:
        matrix = np.atleast_2d(np.asarray(R, dtype=np.float64))
        value = np.asarray(r, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"hypothesis (={hypothesis!r}) must be text, a list of texts, a matrix R or a tuple (R, value): "
            f"{error}"
        ) from error
    m = len(names)
    if matrix.ndim != 2 or matrix.shape[1] != m or not len(matrix):
        raise ValueError(
            f"the hypothesis matrix has shape {np.shape(R)} but must be (q, {m}), a column for each of the "
            f"coefficients {', '.join(names[:6])}{', …' if m > 6 else ''}"
        )
    if value.ndim > 1 or value.size not in (1, len(matrix)):
        raise ValueError(
            f"the hypothesis' value has shape {value.shape} but the matrix has {len(matrix)} row(s): give a "
            "number or one number for each row. A tuple is read as (R, value); write a matrix of two rows "
            "as a list"
        )
    if not (np.isfinite(matrix).all() and np.isfinite(value).all()):
        raise ValueError("the hypothesis matrix and value must be finite, without NaN")
    value = np.broadcast_to(value.reshape(-1), (len(matrix),)).copy()
    labels = tuple(_label(row, r, names) for row, r in zip(matrix, value, strict=True))
    return Hypothesis(labels, matrix, value)


def _label(row: np.ndarray, value: float, names: tuple[str, ...]) -> str:
    """Text of one row of R, such as "x1 - 2*x2 = 0"."""
    text = ""
    for j in np.flatnonzero(row):
        sign = ("-" if row[j] < 0 else "") if not text else (" - " if row[j] < 0 else " + ")
        text += sign + ("" if abs(row[j]) == 1 else f"{abs(row[j]):g}*") + names[j]
    return f"{text or '0'} = {value:g}"


def check_independent(hypothesis: Hypothesis) -> None:
    """InferenceError naming the first hypothesis that follows from those before it or contradicts them."""
    R, r = hypothesis.matrix, hypothesis.value
    largest = np.abs(R).max(axis=0)
    scaled = R / np.where(largest > 0, largest, 1.0)  # a coefficient's unit decides nothing
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    if not length.all():
        k = int(np.argmin(length))
        raise InferenceError(f"the hypothesis {hypothesis.labels[k]!r} says nothing about any coefficient")
    scaled, r = scaled / length, r / length[:, 0]
    q = len(R)
    distance = np.zeros(q)
    triangle = np.linalg.qr(scaled.T)[1]
    distance[: triangle.shape[0]] = np.abs(np.diag(triangle))
    if (distance > _DEPENDENT).all():
        return
    k = int(np.argmax(distance <= _DEPENDENT))
    share = np.linalg.lstsq(scaled[:k].T, scaled[k], rcond=None)[0]
    used = np.flatnonzero(np.abs(share) > _DEPENDENT)
    others = " and ".join(repr(hypothesis.labels[j]) for j in used)
    gap = abs(r[k] - share @ r[:k])
    if gap > _DEPENDENT * (abs(r[k]) + np.abs(share) @ np.abs(r[:k])):
        raise InferenceError(
            f"the hypothesis {hypothesis.labels[k]!r} contradicts {others}: both cannot hold"
        )
    raise InferenceError(
        f"the hypothesis {hypothesis.labels[k]!r} is redundant, it follows from {others}; omit it"
    )


# --- text ---------------------------------------------------------------------------------------------------

_NUMBER = r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
_SYMBOL = r"(?P<symbol>==|[-+*/(),=])"
_BRACKETED = re.compile(r"\[[^\[\]]*\]|\([^()]*\)")


def _may_stand_bare(name: str) -> bool:
    """Whether a name cannot be mistaken for arithmetic: outside its brackets it has no operator or quote."""
    if not re.match(r"[^\W\d]", name):
        return False
    outside, found = name, 1
    while found:
        outside, found = _BRACKETED.subn("", outside)
    return not re.search(r"[-+*/=,()\[\]`<>]", outside)


def from_text(texts: Sequence[str], names: tuple[str, ...]) -> Hypothesis:
    """The hypotheses that texts say, not yet compared with each other."""
    bare = sorted(filter(_may_stand_bare, names), key=len, reverse=True)
    words = "|".join(re.escape(name) for name in bare)
    known = rf"(?P<name>(?:{words})(?![\w\[(.:]))|" if bare else ""
    tokens = re.compile(rf"\s*(?:`(?P<quoted>[^`]*)`|{known}{_NUMBER}|{_SYMBOL})")
    found = [pair for text in texts for pair in _Reader(text, tokens, names).constraints()]
    matrix, value = np.zeros((len(found), len(names))), np.zeros(len(found))
    try:
        for k, (_, form) in enumerate(found):
            for j, number in form.items():
                if j == _CONSTANT:
                    value[k] = -number
                else:
                    matrix[k, j] = number
    except OverflowError:
        raise FormulaError(f"the hypothesis {texts!r} cannot be read: a number in it is not finite") from None
    return Hypothesis(tuple(label for label, _ in found), matrix, value)


@final
class _Reader:
    """Recursive descent over one text, to affine forms in exact arithmetic: x/3 + x/3 + x/3 − x is 0."""

    def __init__(self, text: str, pattern: re.Pattern[str], names: tuple[str, ...]) -> None:
        self.text, self.names = text, names
        self.index: dict[str, int | None] = {}
        for j, name in enumerate(names):
            self.index[name] = None if name in self.index else j  # None: the name is not unique
        self.tokens: list[tuple[str, str, int]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = pattern.match(text, position)
            if match is None:
                self._unreadable(position)
            kind = match.lastgroup or "quoted"
            self.tokens.append((kind, match[kind], match.start(kind) - (kind == "quoted")))
            position = match.end()
        self.tokens.append(("end", "", end))
        self.at = 0

    def _fail(self, why: str) -> NoReturn:
        raise FormulaError(f"the hypothesis {self.text!r} cannot be read: {why}")

    def _unknown(self, name: str) -> NoReturn:
        import difflib

        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        known = ", ".join(self.names[:8]) + (", …" if len(self.names) > 8 else "")
        self._fail(f"there is no coefficient {name!r} (there are {known}).{hint}")

    def _unreadable(self, position: int) -> NoReturn:
        rest = self.text[position:].lstrip()
        if rest[0] == "`":
            self._fail("a backquote is not closed")
        if rest[0] in "<>!":
            self._fail(f"{rest[0]!r} is not possible, the test is of equalities, such as 'x1 = 0'")
        word = re.match(r"[^\s+*/=,<>()`-]+(?:\([^()]*\))?(?:\[[^\]]*\])?(?::[^\s+*/=,<>`-]+)?", rest)
        if word is not None and re.match(r"[^\W\d]", word[0]):
            if any(name.startswith(word[0]) and not _may_stand_bare(name) for name in self.names):
                self._fail("names that are not plain words stand in backquotes, such as `a - b` = 0")
            self._unknown(word[0])
        self._fail(
            f"{(word[0] if word else rest[0])!r} is neither a number, a name nor one of + - * / ( ) , ="
        )

    def _take(self, *symbols: str) -> str | None:
        kind, token, _ = self.tokens[self.at]
        if kind == "symbol" and token in symbols:
            self.at += 1
            return token
        return None

    def constraints(self) -> list[tuple[str, _Form]]:
        result = []
        while True:
            start = self.tokens[self.at][2]
            try:
                form = self._sum()
                if self._take("=", "=="):
                    form = _combine(form, self._sum(), -1)
            except RecursionError:
                self._fail("its brackets are nested too deep")
            kind, token, end = self.tokens[self.at]
            if token in ("=", "=="):
                self._fail("more than one '='; write 'a = b, b = c' for 'a = b = c'")
            if kind != "end" and token != ",":
                self._fail(f"an operator is missing before {token!r}, or a bracket is too much")
            result.append((self.text[start:end].strip(), form))
            if not self._take(","):
                return result

    def _sum(self) -> _Form:
        form = self._product()
        while operator := self._take("+", "-"):
            form = _combine(form, self._product(), 1 if operator == "+" else -1)
        return form

    def _product(self) -> _Form:
        form = self._factor()
        while operator := self._take("*", "/"):
            other = self._factor()
            if operator == "/":
                if other.keys() - {_CONSTANT}:
                    self._fail("it divides by a coefficient; only linear hypotheses can be tested")
                if not other:
                    self._fail("it divides by zero")
                form = {j: value / other[_CONSTANT] for j, value in form.items()}
                continue
            if other.keys() - {_CONSTANT}:
                form, other = other, form
            if other.keys() - {_CONSTANT}:
                self._fail("it multiplies coefficients by each other; only linear hypotheses can be tested")
            times = other.get(_CONSTANT, Fraction(0))
            form = {j: value * times for j, value in form.items()} if times else {}
        return form

    def _factor(self) -> _Form:
        sign = 1
        while operator := self._take("+", "-"):
            sign = -sign if operator == "-" else sign
        if self._take("("):
            form = self._sum()
            if not self._take(")"):
                self._fail("a bracket is not closed")
            return _combine({}, form, sign)
        kind, token, _ = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            if not np.isfinite(size := float(token)):
                self._fail(f"the number {token} is not finite")
            return {_CONSTANT: sign * Fraction(token)} if size else {}
        if kind not in ("name", "quoted"):
            self._fail(f"something is missing {'at its end' if kind == 'end' else f'before {token!r}'}")
        if token not in self.index:
            self._unknown(token)
        j = self.index[token]
        if j is None:
            self._fail(f"{token!r} names several coefficients; give the hypothesis as a matrix")
        return {j: Fraction(sign)}


def _combine(form: _Form, other: _Form, sign: int) -> _Form:
    """form ± other, without the entries that cancel; `form` may be changed."""
    for j, value in other.items():
        total = form.pop(j, 0) + sign * value
        if total:
            form[j] = total
    return form
