"""Griffe extension: reads docstrings as this package writes them, for the reference pages.

Outside NumPy's sections, `name : what it is` at the start of a line becomes an item of a list and an example
becomes a code block. Roles such as :class:`betahat.Ridge` become code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr):`~?([^`]+)`")
_ITEM = re.compile(r"^(?P<names>[A-Za-z_]\w*(?:, [A-Za-z_]\w*)*) : (?P<text>.+)$")


def readable(text: str) -> str:
    """The docstring as Markdown."""
    lines = _ROLE.sub(r"`\1`", text).split("\n")
    result: list[str] = []
    in_example = False
    for i, line in enumerate(lines):
        if re.fullmatch(r"-{3,}", "".join(lines[i + 1 : i + 2]).strip()):
            return "\n".join([*result, *lines[i:]])  # NumPy's sections begin, which griffe reads itself
        if line.startswith(">>> ") and not in_example:
            result.append("```pycon")
            in_example = True
        elif in_example and not line.strip():
            result.append("```")
            in_example = False
        item = None if in_example else _ITEM.match(line)
        result.append(f"- **{item['names']}** : {item['text']}" if item else line)
    return "\n".join([*result, "```"] if in_example else result)


class Readable(griffe.Extension):
    """Applied by mkdocstrings to every object it shows."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
