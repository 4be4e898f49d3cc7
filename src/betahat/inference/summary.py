"""The summary of a linear fit: a table as text, HTML, a frame or JSON."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.inference.coefficients import CoefficientPage
from betahat.inference.correlation import correlation_note
from betahat.inference.layout import covariance_text, header_rows, json_number
from betahat.inference.results import Inference
from betahat.inference.text import cell, number, p_text

_MORE = (*("adj_r_squared", "f_statistic", "f_p_value", "log_likelihood", "aic", "bic", "residual_variance"),)


@final
class Summary(CoefficientPage[Inference]):
    """Coefficients with standard errors, t, p and intervals, and how well the whole fits, for reading.

    `str()` gives plain text, notebooks show HTML, `frame()` a table to compute with, `to_dict()` what JSON
    can hold.

    inference : of the fit. title : the first line. level : of the intervals, strictly between 0 and 1.
    """

    def __init__(
        self, inference: Inference, *, title: str = "Linear regression", level: float = 0.95
    ) -> None:
        super().__init__(inference, title, level)

    @property
    def _bare(self) -> bool:
        s = self.inference.statistics
        return s.penalised or (s.nonlinear and not s.estimable.any())

    def _fit_numbers(self) -> dict[str, np.ndarray]:
        """(t,) arrays of what describes the whole fit of each target."""
        inference, t = self.inference, len(self.inference.target_names)
        names = ["r_squared", *(() if self._bare else _MORE)]
        return {name: np.reshape(getattr(inference, name), t) for name in names}

    def _notes(self) -> list[str]:
        inference = self.inference
        lines = super()._notes()
        if inference.statistics.nonlinear and not self._bare:
            lines.append(correlation_note(inference.names, inference.correlation))
        return [line for line in lines if line]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON can hold: strings, numbers, lists; None where a number is undefined or
        infinite."""
        fit = self._fit_numbers()
        targets = [
            {
                "name": target,
                **{key: json_number(values[k]) for key, values in fit.items()},
                "coefficients": self._coefficients(k),
            }
            for k, target in enumerate(self.inference.target_names)
        ]
        return {**self._common(), "targets": targets}

    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        """For each target the header's rows of (label, text) pairs, and the table."""
        fit = self._fit_numbers()
        return [
            {
                "header": self._header((cell if shorten else str)(target), {n: v[k] for n, v in fit.items()}),
                **self._table(k, shorten),
            }
            for k, target in enumerate(self.inference.target_names)
        ]

    def _header(self, target: str, one: dict[str, Any]) -> list[Any]:
        inference, s = self.inference, self.inference.statistics
        left = [("Target", target), ("Rows", number(s.n_obs))]
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
        return header_rows(left, right)
