"""The summary of a fit: a table as text, HTML, a frame or JSON."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.inference.correlation import correlation_note
from betahat.inference.distributions import check_level
from betahat.inference.layout import Page, covariance_text, header_rows, json_number, statistic_heads
from betahat.inference.results import Inference
from betahat.inference.text import cell, number, p_text


@final
class Summary(Page):
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

    def _data(self) -> dict[str, Any]:
        names, targets = self.inference.names, self.inference.target_names
        data: dict[str, Any] = {}
        if len(targets) > 1:
            data["target"] = [target for target in targets for _ in names]
        data["name"] = list(names) * len(targets)
        return {**data, **{name: column.ravel() for name, column in self._columns().items()}}

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
            "condition_number": json_number(s.condition_number),
            "certificate": s.certificate_line,
            "notes": [line for line in self._notes() if line != s.certificate_line],
            "targets": [
                {
                    "name": target,
                    **{key: json_number(values[k]) for key, values in fit.items()},
                    "coefficients": [
                        {"name": name, **{key: json_number(values[k, j]) for key, values in columns.items()}}
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
        heads = list(statistic_heads("t", self.level).values())
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
                    ("Covariance", covariance_text(s.cov_type, s.cov_options)),
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
            header = ["name", "coefficient"]
            shown = [columns["coefficient"]]
            if not self._bare:
                header += heads
                shown = list(columns.values())
            p_at = list(columns).index("p_value")
            rows = [
                [name_of(name)] + [(p_text if i == p_at else number)(c[k, j]) for i, c in enumerate(shown)]
                for j, name in enumerate(s.names)
            ]
            parts.append({"header": header_rows(left, right), "columns": header, "rows": rows})
        return parts
