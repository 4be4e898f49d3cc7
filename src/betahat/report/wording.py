"""Lines of text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap

WIDTH = 79


def wrap(text: str) -> str:
    """A paragraph."""
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def formula(text: str) -> str:
    """A line of mathematics."""
    return textwrap.fill(
        text, WIDTH, initial_indent="      ", subsequent_indent="          ", break_on_hyphens=False
    )


def bullet(text: str) -> str:
    """An item of a list."""
    return textwrap.fill(text, WIDTH, initial_indent="  • ", subsequent_indent="    ", break_on_hyphens=False)


def times(count: int) -> str:
    """How often.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def plural(count: float, word: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,.15g} {word}{'' if count == 1 else 's'}"
