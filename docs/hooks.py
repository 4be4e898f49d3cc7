"""MkDocs hooks: at build time formulas become MathML, so that reading needs neither network nor script, and pictures of
fits and descents are drawn."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

from convergence_table import convergence_table
from convolution_pictures import PICTURES as CONVOLUTION
from descent_pictures import PICTURES, pictures
from latex2mathml.converter import convert
from logistic_pictures import PICTURES as LOGISTIC
from mkdocs.structure.files import File, Files
from network_pictures import PICTURES as NETWORK
from nonlinear_pictures import PICTURES as NONLINEAR
from nonlinear_pictures import curves_table

_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<kind>[(\[])(?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def _mathml(match: re.Match[str]) -> str:
    display = match["kind"] == "["
    math = convert(html.unescape(match["tex"]).strip(), display="block" if display else "inline")
    return f'<div class="formula">{math}</div>' if display else math


@cache
def _pictures() -> dict[str, str]:
    return dict(pictures(PICTURES | NONLINEAR | LOGISTIC | NETWORK | CONVOLUTION))


def on_files(files: Files, *, config: Any, **_: Any) -> Files:
    """The pictures join the pages' files without lying in docs/."""
    for name, svg in _pictures().items():
        files.append(File.generated(config, f"images/{name}", content=svg))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Tables are filled in; doctest's mark for an empty line of output is not for readers."""
    for mark, table in (("<!-- curves -->", curves_table), ("<!-- convergence -->", convergence_table)):
        if mark in markdown:
            markdown = markdown.replace(mark, table())
    return re.sub(r"^<BLANKLINE>$", "", markdown, flags=re.MULTILINE)


def on_page_content(content: str, **_: Any) -> str:
    return _FORMULA.sub(_mathml, content)
