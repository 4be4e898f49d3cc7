"""MkDocs hooks: formulas become MathML at build time, so that reading needs neither network nor script."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<kind>[(\[])(?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def _mathml(match: re.Match[str]) -> str:
    display = match["kind"] == "["
    math = convert(html.unescape(match["tex"]).strip(), display="block" if display else "inline")
    return f'<div class="formula">{math}</div>' if display else math


def on_page_markdown(markdown: str, **_: Any) -> str:
    """doctest's mark for an empty line of output is not for readers."""
    return re.sub(r"^<BLANKLINE>$", "", markdown, flags=re.MULTILINE)


def on_page_content(content: str, **_: Any) -> str:
    return _FORMULA.sub(_mathml, content)
