"""Numbers and tables as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_LONGEST_NAME = 32


def number(value: Any) -> str:
    """Six significant digits, in scientific notation outside 10⁻⁴ … 10⁶; whole numbers in full up to 10¹⁵.

    >>> number(0.000012345678), number(1234.5678), number(2000000.0), number(float("nan"))
    ('1.23457e-05', '1234.57', '2000000', 'nan')
    """
    value = float(value)
    if value == 0:
        return "0"
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def p_text(p: Any) -> str:
    """A p-value: four decimals from 0.001 on, three significant digits below, "<1e-16" at the end.

    >>> p_text(0.04567), p_text(0.000123456), p_text(1e-40)
    ('0.0457', '1.23e-04', '<1e-16')
    """
    p = float(p)
    if np.isnan(p):
        return "nan"
    return "<1e-16" if p < 1e-16 else f"{p:.2e}" if p < 0.001 else f"{p:.4f}"


def cell(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name for a table: no control characters, and its middle replaced by … if it is long.

    >>> cell("C(carrier)[T.Southwest Airlines and partners]")
    'C(carrier)[T.Sou…s and partners]'
    """
    clean = "".join(c if c.isprintable() else "\ufffd" for c in name)
    if len(clean) <= longest:
        return clean
    head = (longest - 1) // 2 + (longest - 1) % 2
    return f"{clean[:head]}…{clean[len(clean) - (longest - 1 - head) :]}"


def level_names(level: float) -> tuple[str, str]:
    """Headings of an interval's bounds.

    >>> level_names(0.95)
    ('2.5 %', '97.5 %')
    """
    low = 50 * (1 - level)
    return f"{low:.6g} %", f"{100 - low:.6g} %"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], rule: str = "-") -> str:
    """Lines of a table, the first column flush left and the others flush right, with rules around the
    body."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(c.rjust(w) if j else c.ljust(w) for j, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in (header, *rows)
    ]
    line = rule * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line, lines[0], line, *lines[1:], line])
