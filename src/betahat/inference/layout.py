"""Tables of names and numbers as text, HTML, frames and JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from betahat.inference.text import cell, level_names, number, p_text, table

_BACKENDS = ("pandas", "polars", "pyarrow")

_HTML = """\
<div class="betahat-summary">
<h4>{{ title }}</h4>
{% for part in parts %}
{% if part.header %}<table>
{% for row in part.header %}<tr>{% for label, value in row %}<th style="text-align:left">{{ label }}</th>\
<td style="text-align:right">{{ value }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% endif %}<table>
<thead><tr>{% for name in part.columns %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in part.rows %}<tr><th style="text-align:left">{{ row[0] }}</th>\
{% for value in row[1:] %}<td style="text-align:right">{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table>
{% endfor %}
{% for note in notes %}<p>{{ note }}</p>
{% endfor %}</div>
"""


class Page(ABC):
    """A title, tables with or without a header of (label, value) pairs, and notes, as text and as HTML."""

    title: str

    @abstractmethod
    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        """Tables: "header" rows of two (label, text) pairs, "columns" names, "rows" texts; names cut if `shorten`."""

    @abstractmethod
    def _notes(self) -> list[str]:
        """Sentences below the tables."""

    @abstractmethod
    def _data(self) -> dict[str, Any]:
        """The columns of :meth:`frame`, by name."""

    def frame(self, backend: str | None = None) -> Any:
        """The table as a frame of names and numbers (name, ..., conf_low, conf_high), NaN where undefined.

        With several targets a first column `target`, and a row for each target and name.
        backend : "pandas", "polars" or "pyarrow"; None takes the first of them that is installed.

        Raises ValueError for another backend, ImportError if it is not installed.
        """
        import importlib.util

        import narwhals as nw

        if backend is None:
            backend = next((name for name in _BACKENDS if importlib.util.find_spec(name)), None)
            if backend is None:
                raise ImportError(
                    "frame() needs pandas, polars or pyarrow to be installed; to_dict() needs none"
                )
        if backend not in _BACKENDS:
            raise ValueError(f"backend (={backend!r}) must be one of {', '.join(_BACKENDS)}, or None")
        if importlib.util.find_spec(backend) is None:
            raise ImportError(f"backend={backend!r} needs {backend}: pip install {backend}")
        return nw.from_dict(self._data(), backend=backend).to_native()

    def __str__(self) -> str:
        blocks = [self.title]
        for part in self._parts(shorten=True):
            body = table(part["columns"], part["rows"])
            head: list[str] = []
            if part["header"]:
                widths = [
                    max(len(pair[side][i]) for pair in part["header"]) for side in (0, 1) for i in (0, 1)
                ]
                gap = max(4, len(body.partition("\n")[0]) - sum(widths) - 4)
                head = [
                    f"{a:<{widths[0]}}  {b:>{widths[1]}}{' ' * gap}{c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
                    for (a, b), (c, d) in part["header"]
                ]
            blocks.append("\n".join([*([""] if head else []), *head, body]))
        return "\n".join([*blocks, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from jinja2 import Environment

        # Names come from the data: everything is escaped.
        template = Environment(autoescape=True).from_string(_HTML)
        return template.render(title=self.title, parts=self._parts(shorten=False), notes=self._notes())


@final
class Table(Page):
    """Columns of text and of numbers. `table["p_value"]` is a column, `frame()` all of them, `str()` for reading.

    labels : columns of text by name, the first of them the rows' names. columns : (n,) float64 columns by name.
    heads : what a column is called in print, where that is not its name. notes : sentences below.

    >>> t = Table("Odds ratios", {"name": ("x1",)}, {"ratio": np.array([2.0]), "p_value": np.array([0.04])})
    >>> print(t)
    Odds ratios
    --------------------
    name  ratio  p_value
    --------------------
    x1        2   0.0400
    --------------------
    >>> t["ratio"], t.to_dict()["rows"]
    (array([2.]), [{'name': 'x1', 'ratio': 2.0, 'p_value': 0.04}])
    """

    def __init__(
        self, title: str, labels: Mapping[str, Sequence[str]], columns: Mapping[str, np.ndarray],
        heads: Mapping[str, str] | None = None, notes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.title, self.notes = title, tuple(notes)
        self.labels = {key: tuple(texts) for key, texts in labels.items()}
        self.columns = {key: np.asarray(values, np.float64).ravel() for key, values in columns.items()}
        self.heads = dict(heads or {})

    def __getitem__(self, name: str) -> Any:
        found = self.labels.get(name, self.columns.get(name))
        if found is None:
            raise KeyError(f"there is no column {name!r}, only {', '.join((*self.labels, *self.columns))}")
        return found

    def __len__(self) -> int:
        return len(next(iter(self.labels.values())))

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON can hold it; None where a number is undefined or infinite."""
        rows = [
            {
                **{key: texts[i] for key, texts in self.labels.items()},
                **{key: json_number(values[i]) for key, values in self.columns.items()},
            }
            for i in range(len(self))
        ]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}

    def _data(self) -> dict[str, Any]:
        return {**{key: list(texts) for key, texts in self.labels.items()}, **self.columns}

    def _notes(self) -> list[str]:
        return list(self.notes)

    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        name_of = cell if shorten else str
        rows = [
            [name_of(texts[i]) for texts in self.labels.values()]
            + [(p_text if "p_value" in key else number)(values[i]) for key, values in self.columns.items()]
            for i in range(len(self))
        ]
        heads = [self.heads.get(key, key) for key in (*self.labels, *self.columns)]
        return [{"header": [], "columns": heads, "rows": rows}]


def statistic_heads(letter: str, level: float) -> dict[str, str]:
    """The heads of columns of standard errors, t or z (`letter`), p-values and interval bounds, as printed.

    >>> list(statistic_heads("z", 0.9).values())
    ['std err', 'z', 'P>|z|', '5 %', '95 %']
    """
    low, high = level_names(level)
    return {
        "std_err": "std err",
        "statistic": letter,
        "p_value": f"P>|{letter}|",
        "conf_low": low,
        "conf_high": high,
    }


def header_rows(
    left: list[tuple[str, str]], right: list[tuple[str, str]]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Two columns of (label, text) pairs side by side, the shorter one filled up."""
    size = max(len(left), len(right))
    blank = ("", "")
    return list(zip(left + [blank] * (size - len(left)), right + [blank] * (size - len(right)), strict=True))


def covariance_text(cov_type: str, options: Mapping[str, Any]) -> str:
    """The covariance with its numbers of groups or lags."""
    if cov_type == "cluster" and "n_groups" in options:
        return f"cluster ({' × '.join(str(g) for g in options['n_groups'])} groups)"
    if cov_type == "HAC":
        return f"HAC ({options.get('maxlags')} lags)" if "maxlags" in options else "HAC"
    return cov_type


def json_number(value: Any) -> float | None:
    """A float, or None where it is not finite."""
    value = float(value)
    return value if np.isfinite(value) else None
