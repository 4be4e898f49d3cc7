"""The summary of a likelihood fit: a table as text, HTML, a frame or JSON, a block for each class."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.inference.coefficients import CoefficientPage
from betahat.inference.layout import covariance_text, header_rows, json_number
from betahat.inference.likelihood.results import LikelihoodInference
from betahat.inference.text import cell, number, p_text
from betahat.inference.wald import joint_name

_FIT = (
    *("log_likelihood", "null_log_likelihood", "deviance", "null_deviance", "pearson_chi2", "dispersion"),
    *("deviance_explained", "mcfadden", "cox_snell", "nagelkerke"),
)
_TESTS = ("lr_statistic", "lr_p_value", "wald_statistic", "wald_p_value", "aic", "bic")


@final
class LikelihoodSummary(CoefficientPage[LikelihoodInference]):
    """Coefficients with standard errors, z or t, p and intervals, and how well the whole fits, for reading.

    `str()` gives plain text, notebooks show HTML, `frame()` a table to compute with (a first column `target`, the
    class, where there are several), `to_dict()` what JSON can hold. Infinite estimates are shown as ∞ or −∞, ±inf in
    frames.

    inference : of the fit. title : the first line. level : of the intervals, strictly between 0 and 1.
    """

    def __init__(
        self, inference: LikelihoodInference, *, title: str = "Generalized linear model", level: float = 0.95
    ) -> None:
        super().__init__(inference, title, level)

    @property
    def _bare(self) -> bool:
        return self.inference.statistics.penalised

    def _estimates(self) -> np.ndarray:
        s = self.inference.statistics
        return np.where(s.infinite, np.copysign(np.inf, s.estimate), s.estimate)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON can hold: strings, numbers, lists; None where a number is undefined or infinite, and
        "infinite" of a coefficient is the sign of its infinite estimate, else 0."""
        inference, s = self.inference, self.inference.statistics
        names = _FIT if self._bare else (*_FIT, *_TESTS)
        signs = np.where(s.infinite, np.sign(s.estimate), 0).astype(int)
        targets = [
            {
                "name": target,
                "coefficients": [
                    {**row, "infinite": int(sign)}
                    for row, sign in zip(self._coefficients(k), signs[k], strict=True)
                ],
            }
            for k, target in enumerate(s.target_names)
        ]
        return {
            **self._common(),
            "family": s.family,
            "link": s.link,
            "response": s.response,
            "classes": list(s.classes),
            "bias_reduced": s.bias_reduced,
            **{name: json_number(getattr(inference, name)) for name in names},
            "targets": targets,
        }

    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        """The header of the fit, and for each class its table."""
        s = self.inference.statistics
        name_of = cell if shorten else str
        parts = []
        for k, target in enumerate(s.target_names):
            header = self._header(name_of) if k == 0 else []
            if len(s.target_names) > 1:
                said = ("Class", f"{name_of(target)} against {name_of(s.classes[0])}")
                header = [*header, *([(("", ""), ("", ""))] if header else []), (said, ("", ""))]
            parts.append({"header": header, **self._table(k, shorten)})
        return parts

    def _header(self, name_of: Any) -> list[Any]:
        inference, s = self.inference, self.inference.statistics
        target = name_of(s.response)
        if len(s.classes) == 2:
            target += f" ({name_of(s.classes[1])} against {name_of(s.classes[0])})"
        left = [("Target", target), ("Rows", number(s.n_obs)), ("Rank", str(s.rank))]
        right = [
            ("Log-likelihood", number(s.log_likelihood)),
            ("Deviance", number(s.deviance)),
            ("Null deviance", number(s.null_deviance)),
            ("Pseudo R² (McFadden)", number(inference.mcfadden))
            if np.isfinite(inference.mcfadden)
            else ("Deviance explained", number(inference.deviance_explained)),
        ]
        if not self._bare:
            left.append(("Residual df", number(s.df_resid)))
        left += [("Family", s.family), ("Link", s.link)]
        if not s.dispersion_known:
            left.append(("Dispersion", number(s.dispersion)))
        if not self._bare:
            shown = covariance_text(s.cov_type, s.cov_options)
            left.append(
                ("Covariance", shown if s.information == "expected" else f"{shown}, observed information")
            )
            right += [*self._overall(), ("AIC", number(inference.aic)), ("BIC", number(inference.bic))]
        left.append(("Method", s.method + (", bias-reduced (Firth)" if s.bias_reduced else "")))
        right.append(("Condition number", f"{s.condition_number:.3g}"))
        return header_rows(left, right)

    def _overall(self) -> list[tuple[str, str]]:
        """The likelihood-ratio test against the null model, or for a robust covariance (and bias reduction), which it
        does not go with, the Wald test."""
        inference, s = self.inference, self.inference.statistics
        if s.df_model == 0:
            return []
        if s.cov_type == "nonrobust" and not s.bias_reduced:
            df = np.inf if s.dispersion_known else s.df_resid
            name, statistic, p = "LR", inference.lr_statistic, inference.lr_p_value
        else:
            df = float(inference.df_inference)
            name, statistic, p = "Wald", inference.wald_statistic, inference.wald_p_value
        return [(f"{name} {joint_name(s.df_model, df)}", number(statistic)), (f"P({name})", p_text(p))]
