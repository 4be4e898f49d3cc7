"""Griffe extension: reads docstrings as this package writes them.

`name : what it is` at the start of a line, outside NumPy's sections, becomes an item of a list, and roles such as
:class:`betahat.Ridge` become code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr):`~?([^`]+)`")
_ITEM = re.compile(r"^(?P<names>[A-Za-z_]\w*(?:, [A-Za-z_]\w*)*) : (?P<text>.+)$")


def readable(text: str) -> str:
    """The docstring as Markdown with lists.

    >>> print(readable("Fit.\\n\\nX : an array,\\n    or a list.\\ny : numbers. See :class:`Ridge`."))
    Fit.
    <BLANKLINE>
    - **X** — an array,
        or a list.
    - **y** — numbers. See `Ridge`.
    """
    lines = _ROLE.sub(r"`\1`", text).split("\n")
    in_section = False
    result: list[str] = []
    for i, line in enumerate(lines):
        underlined = i + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[i + 1].strip())
        in_section = in_section or bool(underlined)
        item = None if in_section else _ITEM.match(line)
        if item:
            result.append(f"- **{item['names']}** — {item['text']}")
        else:
            result.append(line)
    return "\n".join(result)


class Readable(griffe.Extension):
    """Applied by mkdocstrings to every object it shows."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
