"""Draws docs/images from real fits and from the import contract: `.venv/bin/python docs/make_images.py`.

Those of docs/gradient-descent.md, docs/neural-networks.md and docs/convolution.md are drawn by each build; the README
has one of each here, with a ground of its own.
"""

from __future__ import annotations

import html
import io
import re
import tomllib
import warnings
from pathlib import Path

from convolution_pictures import cam
from descent_pictures import as_png, ground, valley
from network_pictures import regions
from rich.console import Console
from rich.text import Text

import betahat as bh

HERE = Path(__file__).parent
IMAGES = HERE / "images"
BLUE = "#1a4fa3"


def summary_picture() -> str:
    """The summary of a regression on scikit-learn's diabetes table, as a terminal shows it."""
    from sklearn.datasets import load_diabetes

    patients = load_diabetes(as_frame=True, scaled=False).frame
    m = bh.fit("target ~ age + bmi + bp + s5", patients, cov_type="HC3")
    command = '>>> bh.fit("target ~ age + bmi + bp + s5", patients, cov_type="HC3").summary()'
    text = Text(f"{command}\n{m.summary()}")
    text.highlight_regex(r"^>>> .*", "bold cyan")
    text.highlight_regex(r"(?m)^global minimum:.*", "bold green")
    width = max(map(len, text.plain.splitlines()))
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(text)
    svg = console.export_svg(title="betahat", unique_id="summary")
    # Fonts of another host do not load in a picture; the reader's own monospaced font is as good.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


WHAT = {
    "cli": "the command line",
    "estimators": "the scikit-learn face: parameters in, results out",
    "report": "explain(), pictures, versions",
    "inference": "standard errors, tests, summary",
    "storage": "one file, no pickle",
    "solvers": "how β moves: one method a file",
    "certificate": "is it a minimum? from the data",
    "objective": "J and its derivatives, as passes",
    "models": "f",
    "losses": "L",
    "penalties": "R",
    "data": "tables, formulas, files → blocks of rows",
    "layers": "what networks are made of",
    "autodiff": "derivatives of plain NumPy code",
    "kernels": "the inner loops; reference.py is their oracle",
    "errors": "what can go wrong, by name",
}


def rooms_picture() -> str:
    """The layers of the import contract in pyproject.toml, top to bottom."""
    config = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contract = config["tool"]["importlinter"]["contracts"][0]
    layers = [[room.strip() for room in layer.split("|")] for layer in contract["layers"] if "(" not in layer]
    width, height, gap = 720, 44, 12
    total = len(layers) * (height + gap) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 60} {total}" role="img" '
        'font-family="system-ui, sans-serif"><title>The rooms of betahat</title>',
        f'<rect width="{width + 60}" height="{total}" fill="#ffffff" rx="8"/>',
    ]
    for i, rooms in enumerate(layers):
        y, each = 10 + i * (height + gap), (width - 20 - gap * (len(rooms) - 1)) / len(rooms)
        for j, room in enumerate(rooms):
            x = 12 + j * (each + gap)
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{each:.1f}" height="{height}" rx="6" fill="#eef3fb" '
                f'stroke="{BLUE}"/><text x="{x + 14:.1f}" y="{y + 27}" font-size="15" font-weight="600" '
                f'fill="{BLUE}">{room}</text><text x="{x + each - 14:.1f}" y="{y + 27}" font-size="13" '
                f'text-anchor="end" fill="#333333">{html.escape(WHAT[room])}</text>'
            )
    x, bottom = width + 22, total - 18
    parts.append(
        f'<path d="M{x} 14 V{bottom} m-6 -10 l6 10 l6 -10" fill="none" stroke="{BLUE}" stroke-width="2"/>'
        f'<text x="{x + 18}" y="{total // 2}" font-size="13" fill="#333333" text-anchor="middle" '
        f'transform="rotate(90 {x + 18} {total // 2})">imports point down</text></svg>'
    )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    warnings.simplefilter("error")
    IMAGES.mkdir(exist_ok=True)
    for name, picture in (("summary", summary_picture()), ("rooms", rooms_picture())):
        (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")
        print(f"docs/images/{name}.svg")
    for name, draw in (("descent", valley), ("networks", regions), ("seen", cam)):
        with ground("light", "#ffffff"):
            (IMAGES / f"{name}.png").write_bytes(as_png(draw()))
        print(f"docs/images/{name}.png")
