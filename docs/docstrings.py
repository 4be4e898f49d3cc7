"""Griffe extension: reads docstrings as this package writes them, for the reference pages.

Outside NumPy's sections, `name : what it is` at the start of a line becomes an item of a list and an example
becomes a code block. Roles such as :class:`betahat.Ridge` become code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr):`~?([^`]+)`")
_NAMES = r"(?P<names>[A-Za-z_]\w*(?:, [A-Za-z_]\w*)*) : "
_ITEM = re.compile(rf"(?:^|;\s+){_NAMES}", re.MULTILINE)
_SECTION = re.compile(r"^[^\n]+\n-{3,}$", re.MULTILINE)


def readable(text: str) -> str:
    """The docstring as Markdown."""
    text = _ROLE.sub(r"`\1`", text)
    section = _SECTION.search(text)
    free, sections = (text, "") if section is None else (text[: section.start()], text[section.start() :])
    return "\n\n".join(map(_paragraph, free.split("\n\n"))) + sections


def _paragraph(text: str) -> str:
    text = text.strip("\n")
    if text.startswith(">>> "):
        return f"```pycon\n{text}\n```"
    if not re.match(_NAMES, text):
        return text
    _, *parts = _ITEM.split(text)  # names, what it is, names, what it is, ...
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return "\n".join(f"- **{names}** : {' '.join(what.split())}" for names, what in pairs)


class Readable(griffe.Extension):
    """Applied by mkdocstrings to every object it shows."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
