"""The correlation of estimates in words and as a table: which parameters the data hardly tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from betahat.inference.text import cell, table

_STRONG = 0.95  # |ρ| from which a standard error is 3 times what it were if the other parameter was known
_MOST = 4


def strong_pairs(names: Sequence[str], R: np.ndarray, least: float = _STRONG) -> list[tuple[str, str, float]]:
    """Pairs of |ρ| ≥ least, the strongest first; pairs without a correlation (NaN) are none.

    >>> strong_pairs(("a", "b", "c"), np.array([[1, -0.99, 0.2], [-0.99, 1, 0.96], [0.2, 0.96, 1]]))
    [('a', 'b', -0.99), ('b', 'c', 0.96)]
    """
    found = [
        (names[i], names[j], float(R[i, j])) for i in range(len(names)) for j in range(i + 1, len(names))
    ]
    return sorted((pair for pair in found if abs(pair[2]) >= least), key=lambda pair: -abs(pair[2]))


def correlation_note(names: Sequence[str], R: np.ndarray) -> str:
    """Which pairs are strongly correlated, or "".

    >>> correlation_note(("a", "b"), np.array([[1, -0.9992], [-0.9992, 1]]))
    'Strongly correlated, so that each is uncertain mainly because the other is: a and b (-0.999).'
    """
    pairs = strong_pairs(names, R)
    shown = ", ".join(f"{cell(a)} and {cell(b)} ({_text(rho)})" for a, b, rho in pairs[:_MOST])
    more = f" and {len(pairs) - _MOST} more pairs" if len(pairs) > _MOST else ""
    return (
        f"Strongly correlated, so that each is uncertain mainly because the other is: {shown}{more}."
        if pairs
        else ""
    )


def correlation_table(names: Sequence[str], R: np.ndarray) -> str:
    """The lower triangle of R as text, "" for fewer than two parameters.

    >>> print(correlation_table(("a", "b", "c"), np.array([[1, -0.5, 0.25], [-0.5, 1, 0.1], [0.25, 0.1, 1]])))
    ------------------------
    correlation      a     b
    ------------------------
    b            -0.50
    c             0.25  0.10
    ------------------------
    """
    shown = [cell(name, 16) for name in names]
    rows = [
        [shown[i], *(_text(R[i, j]) if j < i else "" for j in range(len(shown) - 1))]
        for i in range(1, len(shown))
    ]
    return table(["correlation", *shown[:-1]], rows) if rows else ""


def _text(rho: float) -> str:
    """Two decimals, more towards ±1, where the distance from it is what matters."""
    if not np.isfinite(rho):
        return "nan"
    return next(
        (
            text
            for digits in (2, 3, 4, 5, 6)
            if abs(float(text := f"{rho:.{digits}f}")) < 1 - 0.5 * 10.0**-digits
        ),
        f"{rho:.6f}",
    )
