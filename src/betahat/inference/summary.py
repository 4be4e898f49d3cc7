"""The summary of a fit: a table as text, HTML, a frame or JSON."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.inference.correlation import correlation_note
from betahat.inference.distributions import check_level
from betahat.inference.results import Inference
from betahat.inference.text import cell, level_names, number, p_text, table

_BACKENDS = ("pandas", "polars", "pyarrow")

_HTML = """\
<div class="betahat-summary">
<h4>{{ title }}</h4>
{% for part in parts %}
<table>
{% for row in part.header %}<tr>{% for label, value in row %}<th style="text-align:left">{{ label }}</th>\
<td style="text-align:right">{{ value }}</td>{% endfor %}</tr>
{% endfor %}</table>
<table>
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


@final
class Summary:
    """Coefficients with standard errors, t, p and intervals, and how well the whole fits, for reading.

    `str()` gives plain text, notebooks show HTML, `frame()` a table to compute with, `to_dict()` what JSON
    can hold.

    inference : of the fit. title : the first line. level : of the intervals, strictly between 0 and 1.
    """

    def __init__(
        self, inference: Inference, *, title: str = "Linear regression", level: float = 0.95
    ) -> None:
        self.inference, self.title, self.level = inference, title, check_level(level)
        s = inference.statistics
        self._bare = s.penalised or (s.nonlinear and not s.estimable.any())  # estimates alone can be told

    # --- numbers --------------------------------------------------------------------------------------------

    def _columns(self) -> dict[str, np.ndarray]:
        """(t, m) arrays by column; the estimates alone for a penalised or refused fit."""
        inference = self.inference
        s = inference.statistics
        if self._bare:
            blank = np.full(s.estimate.shape, np.nan)
            parts = [blank] * 5
        else:
            interval = inference.conf_int(self.level)
            parts = [
                inference.std_err,
                inference.statistic,
                inference.p_value,
                interval[..., 0],
                interval[..., 1],
            ]
        columns = {"coefficient": s.estimate}
        for name, part in zip(
            ("std_err", "statistic", "p_value", "conf_low", "conf_high"), parts, strict=True
        ):
            columns[name] = part.reshape(s.estimate.shape)
        return columns

    def _fit_numbers(self) -> dict[str, np.ndarray]:
        """(t,) arrays of what describes the whole fit of each target."""
        inference, t = self.inference, len(self.inference.target_names)
        names = ["r_squared"]
        if not self._bare:
            names += [
                "adj_r_squared",
                "f_statistic",
                "f_p_value",
                "log_likelihood",
                "aic",
                "bic",
                "residual_variance",
            ]
        return {name: np.reshape(getattr(inference, name), t) for name in names}

    def _notes(self) -> list[str]:
        s = self.inference.statistics
        lines = [s.certificate_line, *self.inference.notes]
        if s.nonlinear and not self._bare:
            lines.append(correlation_note(self.inference.names, self.inference.correlation))
        return [line for line in lines if line]

    def frame(self, backend: str | None = None) -> Any:
        """A frame with the columns name, coefficient, std_err, statistic, p_value, conf_low, conf_high.

        With several targets a first column `target`, and a row for each target and name. NaN where undefined.
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
        names, targets = self.inference.names, self.inference.target_names
        data: dict[str, Any] = {}
        if len(targets) > 1:
            data["target"] = [target for target in targets for _ in names]
        data["name"] = list(names) * len(targets)
        data.update({name: column.ravel() for name, column in self._columns().items()})
        return nw.from_dict(data, backend=backend).to_native()

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON can hold: strings, numbers, lists; None where a number is undefined or
        infinite."""
        inference = self.inference
        s, columns, fit = inference.statistics, self._columns(), self._fit_numbers()
        df = (
            {}
            if self._bare
            else {key: getattr(inference, key) for key in ("df_model", "df_resid", "df_inference")}
        )
        return {
            "title": self.title,
            "level": self.level,
            "n_obs": inference.n_obs,
            "rank": inference.rank,
            **df,
            "cov_type": s.cov_type,
            "cov_options": {k: list(v) if isinstance(v, tuple) else v for k, v in s.cov_options.items()},
            "penalised": s.penalised,
            "method": s.method,
            "condition_number": _json(s.condition_number),
            "certificate": s.certificate_line,
            "notes": [line for line in self._notes() if line != s.certificate_line],
            "targets": [
                {
                    "name": target,
                    **{key: _json(values[k]) for key, values in fit.items()},
                    "coefficients": [
                        {"name": name, **{key: _json(values[k, j]) for key, values in columns.items()}}
                        for j, name in enumerate(s.names)
                    ],
                }
                for k, target in enumerate(s.target_names)
            ],
        }

    # --- text and HTML --------------------------------------------------------------------------------------

    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        """For each target the header's rows of (label, text) pairs, and the table's columns and rows of
        texts."""
        inference, fit, columns = self.inference, self._fit_numbers(), self._columns()
        s = inference.statistics
        name_of = cell if shorten else str
        interval = level_names(self.level)
        parts = []
        for k, target in enumerate(s.target_names):
            one = {name: values[k] for name, values in fit.items()}
            left = [("Target", name_of(target)), ("Rows", number(s.n_obs))]
            if s.penalised or not self._bare:  # a singular Jacobian has no sharp rank
                left.append(("Rank", str(s.rank)))
            right = [("R²" if s.has_intercept or s.nonlinear else "R² (uncentred)", number(one["r_squared"]))]
            if not self._bare:
                left += [
                    ("Residual df", number(inference.df_resid)),
                    ("Residual std dev", number(np.sqrt(one["residual_variance"])))
                    if s.nonlinear
                    else ("Residual variance", number(one["residual_variance"])),
                    ("Covariance", _covariance_text(s.cov_type, s.cov_options)),
                ]
                right.append(("Adjusted R²", number(one["adj_r_squared"])))
                if not s.nonlinear:
                    right += [
                        (f"F({s.df_model}, {number(inference.df_inference)})", number(one["f_statistic"])),
                        ("P(F)", p_text(one["f_p_value"])),
                    ]
                if s.gaussian:
                    right += [
                        ("Log-likelihood", number(one["log_likelihood"])),
                        ("AIC", number(one["aic"])),
                        ("BIC", number(one["bic"])),
                    ]
            left.append(("Method", s.method))
            right.append(("Condition number", f"{s.condition_number:.3g}"))
            size = max(len(left), len(right))
            left += [("", "")] * (size - len(left))
            right += [("", "")] * (size - len(right))
            header = ["name", "coefficient"]
            shown = [columns["coefficient"]]
            if not self._bare:
                header += ["std err", "t", "P>|t|", *interval]
                shown = list(columns.values())
            p_at = list(columns).index("p_value")
            rows = [
                [name_of(name)] + [(p_text if i == p_at else number)(c[k, j]) for i, c in enumerate(shown)]
                for j, name in enumerate(s.names)
            ]
            parts.append({"header": list(zip(left, right, strict=True)), "columns": header, "rows": rows})
        return parts

    def __str__(self) -> str:
        blocks = [self.title]
        for part in self._parts(shorten=True):
            body = table(part["columns"], part["rows"])
            widths = [max(len(pair[side][i]) for pair in part["header"]) for side in (0, 1) for i in (0, 1)]
            gap = max(4, len(body.partition("\n")[0]) - sum(widths) - 4)
            head = [
                f"{a:<{widths[0]}}  {b:>{widths[1]}}{' ' * gap}{c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
                for (a, b), (c, d) in part["header"]
            ]
            blocks.append("\n".join(["", *head, body]))
        return "\n".join([*blocks, *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from jinja2 import Environment

        # Names come from the data: everything is escaped.
        template = Environment(autoescape=True).from_string(_HTML)
        return template.render(title=self.title, parts=self._parts(shorten=False), notes=self._notes())


def _covariance_text(cov_type: str, options: dict[str, Any]) -> str:
    if cov_type == "cluster" and "n_groups" in options:
        return f"cluster ({' × '.join(str(g) for g in options['n_groups'])} groups)"
    if cov_type == "HAC":
        return f"HAC ({options.get('maxlags')} lags)" if "maxlags" in options else "HAC"
    return cov_type


def _json(value: Any) -> float | None:
    value = float(value)
    return value if np.isfinite(value) else None
