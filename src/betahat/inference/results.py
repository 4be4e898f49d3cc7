"""Inference: standard errors, intervals, tests and fit statistics of a linear fit, each made when asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

import numpy as np

from betahat.inference.base import BaseInference, penalised_reason, undetermined_note, whole
from betahat.inference.covariance import Covariance, covariance, degrees_of_freedom, residual_variance
from betahat.inference.distributions import check_level, f_tail, t_quantile
from betahat.inference.estimability import refuse_undetermined_rows, slope_contrasts
from betahat.inference.hypothesis import read_hypothesis
from betahat.inference.statistics import LinearStatistics
from betahat.inference.wald import (
    WaldTest,
    overall_statistic,
    quadratic_form,
    undetermined_reason,
    wald_test,
)


@final
class Inference(BaseInference[LinearStatistics]):
    """The statistics of a linear fit, an estimator's `inference_`.

    Parameters are listed with the intercept first where there is one (`names`). For one target arrays have
    shape (m,), the covariance (m, m), and numbers are floats; for t > 1 targets they are (t, m), (t, m, m)
    and (t,). All float64.

    Where a number is not defined it is NaN and `message` says why: standard errors of coefficients that the
    data do not determine, everything with residual degrees of freedom in it when there are none, R² of a
    constant target. With a penalty everything but `estimate`, `r_squared`, `n_obs`, `rank` and the names
    raises InferenceError.

    Formulas (A = (XᵀWX)⁻¹, n = `n_obs`, k = `rank`; Greene, 2018, Econometric Analysis, 8th ed., ch. 3–5):
    s² = RSS/(n − k); V = s²A, or a sandwich (see `cov_type`); t = β̂/se; R² = 1 − RSS/TSS, TSS about the
    mean if there is an intercept and about zero if not; F tests that all slopes are zero, by V.

    >>> X, y = np.column_stack([np.ones(5), np.arange(5.0)]), np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    >>> A = np.linalg.inv(X.T @ X); b = A @ X.T @ y; r = y - X @ b
    >>> inference = Inference(LinearStatistics(
    ...     names=("Intercept", "x"), target_names=("y",), estimate=b[None], inverse=A,
    ...     estimable=np.ones(2, bool), null_space=np.zeros((2, 0)), rank=2, n_obs=5,
    ...     residual_ss=np.array([r @ r]), total_ss=np.array([((y - y.mean()) ** 2).sum()]),
    ...     sum_log_weight=0.0, has_intercept=True, meat=None, cov_type="nonrobust", cov_options={},
    ...     condition_number=1.0, certificate_line="", method="Cholesky", penalised=False))
    >>> inference.std_err.round(6).tolist(), inference.p_value.round(6).tolist()
    ([0.848528, 0.34641], [0.197523, 0.104088])
    >>> round(inference.r_squared, 12), inference.df_resid
    (0.64, 3)
    >>> print(inference.test("x = 1"))
    Wald test, nonrobust covariance
    F(1, 3) = 0.333333, p = 0.6042
    -------------------------------------------------------------------
    hypothesis  estimate  std err         t   P>|t|      2.5 %   97.5 %
    -------------------------------------------------------------------
    x = 1            0.8  0.34641  -0.57735  0.6042  -0.302432  1.90243
    -------------------------------------------------------------------
    """

    # --- notes ----------------------------------------------------------------------------------------------

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, one sentence each; empty for an ordinary fit."""
        s = self.statistics
        found: list[str] = list(s.remarks)
        if not s.estimable.all() and not s.nonlinear:
            found.append(undetermined_note(np.array(s.names, dtype=object)[~s.estimable]))
        if s.penalised:
            return (*found, penalised_reason("Standard errors, tests and intervals"))
        if s.df_resid <= 0:
            found.append(
                f"No residual degrees of freedom ({whole(s.n_obs)} rows, rank {s.rank}): the fit passes "
                "through every row, so the residual variance and all that rests on it is undefined (NaN)."
            )
        else:
            if (s.residual_ss == 0).any():
                found.append(
                    "The residuals are exactly zero, so are the standard errors: t is infinite and p zero "
                    "wherever a coefficient is not zero."
                )
            found.extend(self._covariance.notes)
            if self._overall[1]:
                found.append(f"No overall F: {self._overall[1]}.")
        if (s.total_ss == 0).any():
            found.append("The target is constant, so R² and the overall F are undefined (NaN).")
        return tuple(found)

    # --- coefficients ---------------------------------------------------------------------------------------

    @cached_property
    def _covariance(self) -> Covariance:
        return covariance(self.statistics)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the estimates; NaN in rows and columns of coefficients that the data do not
        determine."""
        self._refuse_penalised("covariance")
        value = self._covariance.value.copy()
        hidden = ~self.statistics.estimable
        value[:, hidden, :] = np.nan
        value[:, :, hidden] = np.nan
        return self._shaped(value)

    @property
    def _variances(self) -> np.ndarray:
        variance = np.diagonal(self._covariance.matrix, axis1=1, axis2=2) * self._covariance.scale[:, None]
        return np.where(self.statistics.estimable, variance, np.nan)

    def half_width(self, X: np.ndarray, level: float, observation: bool) -> np.ndarray:
        """Half the width of intervals around predictions at the rows of X (n, p): (n, t).

        t · √(xᵀVx), with s² added under the root for a single new observation of weight 1. Raises InferenceError
        for rows that the training data do not determine a prediction for.
        """
        self._refuse_penalised("An interval around a prediction")
        s = self.statistics
        refuse_undetermined_rows(s, X)
        first = int(s.has_intercept)
        design = np.ones((len(X), X.shape[1] + first))
        np.subtract(X, 0.0 if s.centre is None else s.centre * first, out=design[:, first:])
        quantile = t_quantile(check_level(level), float(self.df_inference))
        noise = residual_variance(s)
        if s.inverse is None:
            return np.full((len(X), len(noise)), np.nan)
        if s.cov_type == "nonrobust" or s.df_resid <= 0:
            spread = (
                np.einsum("ij,jk,ik->i", design, s.centred_inverse, design, optimize=True)[:, None] * noise
            )
        else:
            V = self._covariance.factor * s.centred_sandwich
            spread = np.einsum("ij,tjk,ik->it", design, V, design, optimize=True)
        with np.errstate(invalid="ignore"):
            return quantile * np.sqrt(spread + noise * observation)

    def test(self, hypothesis: Any) -> WaldTest:
        """Wald test of linear hypotheses about the coefficients, for each target by itself.

        hypothesis : "x1 = x2", "x1 + 2*x2 = 3, x3 = 0", a list of such texts, a (q, m) matrix R (for Rβ =
            0), or a tuple (R, value). Names that are not plain words may stand in backquotes.

        Raises FormulaError for text that cannot be read or an unknown name; InferenceError for hypotheses
        that the data do not determine, that repeat or contradict each other, or that the covariance is too
        poor in rank to test together.
        """
        self._refuse_penalised("test")
        read = read_hypothesis(hypothesis, self.names)
        return wald_test(self.statistics, self._covariance, degrees_of_freedom(self.statistics), read)

    # --- the fit as a whole ---------------------------------------------------------------------------------

    @property
    def _n_free(self) -> int:
        return self.statistics.rank

    @property
    def df_inference(self) -> int | float:
        """Degrees of freedom of t and F: `df_resid`, or the smallest number of groups less one for
        clusters."""
        self._refuse_penalised("df_inference")
        return whole(degrees_of_freedom(self.statistics))

    @property
    def scale(self) -> Any:
        """s² = RSS/(n − rank), in squared units of the target."""
        self._refuse_penalised("scale")
        return self._each(residual_variance(self.statistics))

    @property
    def residual_variance(self) -> Any:
        """The same as `scale`."""
        return self.scale

    @property
    def log_likelihood(self) -> Any:
        """Gaussian log-likelihood at its maximum, −n/2 (log(2π RSS/n) + 1) + ½ Σ f log w; +inf for RSS = 0, NaN
        where another loss than squared error was minimised."""
        self._refuse_penalised("log_likelihood")
        s = self.statistics
        if not s.gaussian:
            return self._each(np.full(len(s.target_names), np.nan))
        with np.errstate(divide="ignore"):
            deviance = np.log(2 * np.pi / s.n_obs) + np.log(s.residual_ss) + 1
        return self._each(s.sum_log_weight / 2 - s.n_obs / 2 * deviance)

    @cached_property
    def r_squared(self) -> Any:
        """R² = 1 − RSS/TSS; TSS about the mean with an intercept or a nonlinear model, else about zero. NaN for
        TSS = 0."""
        s = self.statistics
        explained = s.total_ss - s.residual_ss if s.penalised else self._explained_ss
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._each(np.where(s.total_ss > 0, explained / s.total_ss, np.nan))

    @property
    def adj_r_squared(self) -> Any:
        """1 − (RSS/df_resid) / (TSS/(n − 1)), with n instead of n − 1 where there is no intercept."""
        self._refuse_penalised("adj_r_squared")
        s = self.statistics
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = residual_variance(s) * (s.n_obs - int(s.has_intercept or s.nonlinear)) / s.total_ss
        return self._each(np.where(s.total_ss > 0, 1 - ratio, np.nan))

    @property
    def f_statistic(self) -> Any:
        """F of the hypothesis that all slopes are zero, with (df_model, df_inference) degrees of freedom.

        For a robust `cov_type` it is the Wald test with that covariance. NaN without slopes, or where
        undefined.
        """
        self._refuse_penalised("f_statistic")
        return self._each(self._overall[0])

    @property
    def f_p_value(self) -> Any:
        """P(F > f_statistic)."""
        self._refuse_penalised("f_p_value")
        return self._each(f_tail(self._overall[0], self.statistics.df_model, float(self.df_inference)))

    @cached_property
    def _explained_ss(self) -> np.ndarray:
        """TSS − RSS, (t,): as that difference, or as βᵀ(RARᵀ)⁻¹β over the slopes where the difference
        cancels more."""
        s = self.statistics
        difference = s.total_ss - s.residual_ss
        if s.nonlinear:
            return difference
        if s.df_model == 0:
            return np.zeros_like(difference)
        if s.inverse is None:
            return difference
        contrasts = slope_contrasts(s)
        inner = contrasts @ s.inverse @ contrasts.T
        result = difference.copy()
        for k, slopes in enumerate(s.estimate @ contrasts.T):
            try:
                direct, spread = quadratic_form(slopes, inner)
            except np.linalg.LinAlgError:
                continue
            if difference[k] < spread * s.total_ss[k]:
                result[k] = direct
        return result

    @cached_property
    def _overall(self) -> tuple[np.ndarray, str]:
        """F (t,) of all slopes, and why it is missing where the covariance is singular."""
        s = self.statistics
        q, undefined = s.df_model, np.full(len(s.target_names), np.nan)
        if q == 0 or s.df_resid <= 0 or s.nonlinear:
            return undefined, ""
        if s.inverse is None:
            return undefined, undetermined_reason(s)
        constant = s.total_ss == 0
        if s.cov_type == "nonrobust":
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(constant, np.nan, self._explained_ss / q / self._covariance.scale), ""
        F, why = overall_statistic(s, self._covariance, degrees_of_freedom(s), slope_contrasts(s))
        return np.where(constant, np.nan, F), why

    # --- storage --------------------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Inference:
        """The inverse of `to_dict`; StorageError where fields are missing or do not fit together."""
        return cls(LinearStatistics.from_dict(values))

    def _each(self, per_target: np.ndarray) -> Any:
        return float(per_target[0]) if len(self.statistics.target_names) == 1 else per_target
