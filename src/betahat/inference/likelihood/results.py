"""Inference for maximum likelihood: standard errors, tests, intervals, deviance and information criteria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.base import BaseInference, whole
from betahat.inference.covariance import Covariance
from betahat.inference.distributions import f_tail
from betahat.inference.estimability import refuse_undetermined_rows, slope_contrasts
from betahat.inference.layout import Table, statistic_heads
from betahat.inference.likelihood.covariance import centred_covariance, likelihood_covariance, likelihood_df
from betahat.inference.likelihood.hypothesis import read_likelihood_hypothesis, refuse_infinite
from betahat.inference.likelihood.notes import likelihood_notes
from betahat.inference.likelihood.statistics import LikelihoodStatistics
from betahat.inference.wald import WaldTest, overall_statistic, single_name, wald_test

_RATIOS = {
    "logit": "Odds ratios",
    "softmax": "Odds ratios",
    "log": "Ratios of means",
    "cloglog": "Hazard ratios",
}
_SQUARES = 1e100  # numbers of a row below it have squares


@final
@dataclass(frozen=True, eq=False)
class _View:
    """Parameters as if they were those of one target: all t·m of them, or the m of the design."""

    names: tuple[str, ...]
    target_names: tuple[str, ...]
    estimate: np.ndarray
    inverse: np.ndarray | None
    estimable: np.ndarray
    null_space: np.ndarray
    rank: int
    has_intercept: bool
    cov_type: str
    cov_options: Mapping[str, Any]


@final
class LikelihoodInference(BaseInference[LikelihoodStatistics]):
    """The statistics of a maximum likelihood fit, an estimator's `inference_`.

    Parameters are listed with the intercept first where there is one (`names`). With one linear predictor arrays have
    shape (m,) and the covariance (m, m). A multinomial model has K − 1 predictors, one for each class but the first,
    the reference (`target_names`): arrays are (K−1, m), the covariance of all of them is (K−1)·m wide in the order of
    `parameter_names`, "class:name".

    With φ known (binomial, multinomial, Poisson: φ = 1) `statistic` is z, normal, and tests are χ². With φ̂ =
    Pearson χ²/(n − rank) estimated (Gaussian, Gamma, ...) it is t with n − rank degrees of freedom and tests are F, as
    in R. Clusters give t the smallest number of groups less one, where φ is estimated.

    Where a number is not defined it is NaN and `message` says why: what belongs to a coefficient that the data do not
    determine, or whose estimate is infinite because the columns separate the classes. With a penalty everything but
    estimates, deviances, likelihoods and R² raises InferenceError.

    Formulas (A = (Σ w E[L''] xxᵀ)⁻¹; McCullagh & Nelder, 1989, Generalized Linear Models, 2nd ed.): V = φA, or a
    sandwich (see `cov_type`); z = β̂/se; D = 2φ(ℓ_saturated − ℓ).

    >>> X, y = np.column_stack([np.ones(6), [0.0, 0, 0, 1, 1, 1]]), np.array([1.0, 0, 0, 1, 1, 0])
    >>> b = np.array([np.log(1 / 2), np.log(2) - np.log(1 / 2)])   # the log odds 1:2 and 2:1
    >>> A, l = np.linalg.inv(X.T @ X * (2 / 9)), 2 * np.log(1 / 3) + 4 * np.log(2 / 3)
    >>> inference = LikelihoodInference(LikelihoodStatistics(
    ...     names=("Intercept", "x"), target_names=("y",), response="y", classes=("0", "1"), estimate=b[None],
    ...     inverse=A, estimable=np.ones((1, 2), bool), infinite=np.zeros((1, 2), bool), null_space=np.zeros((2, 0)),
    ...     rank=2, n_obs=6, weight=6.0, family="binomial", link="logit",
    ...     deviance=-2 * l, null_deviance=-12 * np.log(0.5), pearson=6.0, log_likelihood=l,
    ...     null_log_likelihood=6 * np.log(0.5), dispersion=1.0, dispersion_known=True,
    ...     has_intercept=True, condition_number=1.0, certificate_line="", method="Newton", penalised=False,
    ...     fingerprint={}))
    >>> inference.std_err.round(6).tolist(), inference.p_value.round(6).tolist()
    ([1.224745, 1.732051], [0.571426, 0.423492])
    >>> round(inference.lr_statistic, 6), round(inference.lr_p_value, 6), round(inference.mcfadden, 6)
    (0.679596, 0.409726, 0.081704)
    >>> print(inference.test("x = 1"))
    Wald test, nonrobust covariance
    χ²(1) = 0.0497411, p = 0.8235
    ------------------------------------------------------------------
    hypothesis  estimate  std err         z   P>|z|     2.5 %   97.5 %
    ------------------------------------------------------------------
    x = 1        1.38629  1.73205  0.223027  0.8235  -2.00846  4.78105
    ------------------------------------------------------------------
    """

    # --- notes --------------------------------------------------------------------------------------------------

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, one sentence each; empty for an ordinary fit."""
        s = self.statistics
        return (*likelihood_notes(s), *(() if s.penalised else self._covariance.notes))

    # --- what was handed over -----------------------------------------------------------------------------------

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of all coefficients, in the order of `covariance` and of the columns of a hypothesis matrix."""
        return self.statistics.parameter_names

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes as text, the reference first; () where y is not a class."""
        return self.statistics.classes

    @property
    def family(self) -> str:
        """The name of the distribution."""
        return self.statistics.family

    @property
    def link(self) -> str:
        """The name of g in g(E y) = Xβ."""
        return self.statistics.link

    @property
    def infinite(self) -> np.ndarray:
        """Which maximum likelihood estimates are infinite, of the shape of `estimate`."""
        return self._shaped(self.statistics.infinite)

    # --- coefficients -------------------------------------------------------------------------------------------

    @cached_property
    def _covariance(self) -> Covariance:
        return likelihood_covariance(self.statistics)

    @property
    def _hidden(self) -> np.ndarray:
        s = self.statistics
        return (~s.estimable | s.infinite).ravel()

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of all estimates in the order of `parameter_names`; NaN in rows and columns of coefficients that
        the data do not determine, or whose estimate is infinite."""
        self._refuse_penalised("covariance")
        value = self._covariance.value[0]
        value[self._hidden, :] = np.nan
        value[:, self._hidden] = np.nan
        return value

    @property
    def centred_covariance(self) -> np.ndarray:
        """Covariance of the predictors at the columns' centre (`statistics.centre`) and of the slopes, in which large
        means cost no digits; zero in rows and columns of infinite estimates."""
        self._refuse_penalised("covariance")
        V, made = centred_covariance(self.statistics), self._covariance
        if V is None:
            return made.matrix[0]
        return made.factor * float(made.scale[0]) * V

    @property
    def _variances(self) -> np.ndarray:
        found = np.diagonal(self._covariance.value[0])
        return np.where(self._hidden, np.nan, found).reshape(self.statistics.estimate.shape)

    @property
    def df_inference(self) -> int | float:
        """Degrees of freedom of t and F: infinite (z and χ²) where φ is known, else `df_resid`, or the smallest number
        of groups less one for clusters."""
        self._refuse_penalised("df_inference")
        return whole(likelihood_df(self.statistics))

    def ratios(self, level: float = 0.95) -> Table:
        """exp(β̂) with intervals: odds ratios for the logit link (in a multinomial model odds against the reference
        class), ratios of means for the log link, hazard ratios for cloglog.

        Columns ratio, conf_low, conf_high, p_value; exp of the ends of `conf_int(level)`. InferenceError for another
        link, of which exp(β) means nothing.
        """
        self._refuse_penalised("An interval around exp(coefficient)")
        s = self.statistics
        if s.link not in _RATIOS:
            raise InferenceError(
                f"exp(coefficient) is a ratio for the links {', '.join(_RATIOS)}, not for {s.link!r}; marginal effects "
                "are in units of the response with any link"
            )
        estimate = np.where(s.infinite, np.copysign(np.inf, s.estimate), s.estimate)
        with np.errstate(over="ignore"):
            ends = np.exp(self.conf_int(level)).reshape(-1, 2)
            ratio = np.exp(estimate)
        columns = {
            "ratio": ratio,
            "conf_low": ends[:, 0],
            "conf_high": ends[:, 1],
            "p_value": self.p_value,
        }
        heads = {**statistic_heads(single_name(float(self.df_inference)), level), "ratio": "exp(coef)"}
        return Table(_RATIOS[s.link], self._labels(), columns, heads, self.notes)

    def odds_ratios(self, level: float = 0.95) -> Table:
        """`ratios` of a logistic model; InferenceError for another link."""
        if self.link not in ("logit", "softmax"):
            raise InferenceError(f"odds ratios need the logit link, and this is {self.link!r}: see ratios()")
        return self.ratios(level)

    def _labels(self) -> dict[str, tuple[str, ...]]:
        s = self.statistics
        names = {"name": s.names * len(s.target_names)}
        if len(s.target_names) == 1:
            return names
        return {**names, "class": tuple(target for target in s.target_names for _ in s.names)}

    def test(self, hypothesis: Any) -> WaldTest:
        """Wald test of linear hypotheses about the coefficients: χ² where φ is known, else F.

        hypothesis : "x1 = x2", "x1 + 2*x2 = 3, x3 = 0", a list of such texts, a (q, m) matrix R (for Rβ = 0), or a
            tuple (R, value). Names that are not plain words may stand in backquotes. In a multinomial model "b:x1" is
            the coefficient of x1 for class b, and "x1" that of every class at once ("x1 = 0": K − 1 hypotheses); a
            matrix has a column for each of `parameter_names`, or for each of `names` and is then meant of every class.

        Raises FormulaError for text that cannot be read or an unknown name; InferenceError for hypotheses that the data
        do not determine, about infinite estimates, or that repeat or contradict each other.
        """
        self._refuse_penalised("test")
        s = self.statistics
        read = read_likelihood_hypothesis(hypothesis, s)
        refuse_infinite(read, s)
        if s.inverse is None:
            raise InferenceError("this fit has no information matrix, so nothing can be tested by it")
        return wald_test(self._all, self._covariance, likelihood_df(s), read)

    def predictor_covariance(self, X: np.ndarray) -> np.ndarray:
        """(n, t, t): the covariance of the t linear predictors at each row of X (n, p).

        NaN where a coefficient with an infinite estimate takes part. Raises InferenceError for rows that the training
        data do not determine a prediction for.
        """
        self._refuse_penalised("An interval around a prediction")
        s = self.statistics
        refuse_undetermined_rows(s, X)
        t, m = s.estimate.shape
        design = np.ones((len(X), m))
        design[:, int(s.has_intercept) :] = X
        lost = (design != 0) @ s.infinite.T
        if s.has_intercept and s.centre is not None:
            design[:, 1:] -= s.centre
        V = self.centred_covariance.reshape(t, m, t, m)
        size = np.abs(design).max(axis=1, initial=1.0)[:, None]
        size[size < _SQUARES] = 1.0
        design /= size
        with np.errstate(over="ignore"):
            found = np.einsum("ij,sjtk,ik->ist", design, V, design, optimize=True) * (size * size)[:, :, None]
        found[lost[:, :, None] | lost[:, None, :]] = np.nan
        return found

    # --- the fit as a whole -------------------------------------------------------------------------------------

    @property
    def _n_free(self) -> int:
        return self.statistics.rank * len(self.target_names)

    @property
    def dispersion(self) -> float:
        """φ: 1 where the family fixes it, else Pearson χ²/(n − rank)."""
        return float(self.statistics.dispersion)

    @property
    def deviance(self) -> float:
        """D = 2φ(ℓ_saturated − ℓ), Σ w d(y, μ̂); −2ℓ for a multinomial model."""
        return float(self.statistics.deviance)

    @property
    def null_deviance(self) -> float:
        """The deviance of the intercept (or without one, of the offset) alone."""
        return float(self.statistics.null_deviance)

    @property
    def pearson_chi2(self) -> float:
        """Σ w (y − μ̂)²/V(μ̂)."""
        return float(self.statistics.pearson)

    @property
    def log_likelihood(self) -> float:
        """ℓ at the estimates, its constants included; NaN where the family has none."""
        return float(self.statistics.log_likelihood)

    @property
    def null_log_likelihood(self) -> float:
        """ℓ of the intercept (or without one, of the offset) alone."""
        return float(self.statistics.null_log_likelihood)

    @property
    def deviance_explained(self) -> float:
        """1 − D/D_null, the share of the null model's deviance; R² for the Gaussian family."""
        s = self.statistics
        return float(1 - s.deviance / s.null_deviance) if s.null_deviance > 0 else np.nan

    @property
    def mcfadden(self) -> float:
        """1 − ℓ/ℓ_null (McFadden, 1974); NaN for a continuous y, where it would depend on the units of y."""
        s = self.statistics
        known = s.dispersion_known and s.null_log_likelihood < 0
        return float(1 - s.log_likelihood / s.null_log_likelihood) if known else np.nan

    @property
    def cox_snell(self) -> float:
        """1 − exp(2(ℓ_null − ℓ)/n) (Cox & Snell, 1989)."""
        s = self.statistics
        return float(-np.expm1(2 * (s.null_log_likelihood - s.log_likelihood) / s.n_obs))

    @property
    def nagelkerke(self) -> float:
        """`cox_snell` over the largest value it can have, 1 − exp(2ℓ_null/n) (Nagelkerke, 1991); NaN for a continuous
        y."""
        s = self.statistics
        if not (s.dispersion_known and s.null_log_likelihood < 0):
            return np.nan
        return float(self.cox_snell / -np.expm1(2 * s.null_log_likelihood / s.n_obs))

    @property
    def lr_statistic(self) -> float:
        """The likelihood-ratio test of the null model: χ² = D_null − D = 2(ℓ − ℓ_null) with `df_model` degrees of
        freedom; F = (D_null − D)/(df_model·φ̂) where φ is estimated. It assumes the family, whatever `cov_type` is."""
        self._refuse_penalised("lr_statistic")
        s = self.statistics
        if s.df_model == 0 or s.bias_reduced:
            return np.nan
        difference = float(s.null_deviance - s.deviance)
        if s.dispersion_known:
            return difference
        with np.errstate(divide="ignore", invalid="ignore"):  # of a perfect fit
            return float(np.float64(difference) / s.dispersion / s.df_model)

    @property
    def lr_p_value(self) -> float:
        """P(χ² > lr_statistic) with `df_model` degrees of freedom, or of F(df_model, df_resid)."""
        s = self.statistics
        df = np.inf if s.dispersion_known else s.df_resid
        return self._tail(self.lr_statistic, df)

    @property
    def wald_statistic(self) -> float:
        """The Wald test that all coefficients but intercepts are zero, by `covariance`: χ² with `df_model` degrees of
        freedom, or F(df_model, df_inference). NaN with infinite estimates or a singular covariance."""
        self._refuse_penalised("wald_statistic")
        return self._overall

    @property
    def wald_p_value(self) -> float:
        """The probability beyond `wald_statistic`."""
        return self._tail(self.wald_statistic, likelihood_df(self.statistics))

    def _tail(self, statistic: float, df: float) -> float:
        q = self.statistics.df_model
        return float(f_tail(statistic / q if np.isinf(df) and q else statistic, q, df))

    @cached_property
    def _overall(self) -> float:
        s = self.statistics
        df = likelihood_df(s)
        if s.df_model == 0 or s.infinite.any() or s.inverse is None or not df > 0:
            return np.nan
        t = len(s.target_names)
        known = np.asarray(s.estimable.all(axis=0))
        design = _View(
            s.names, ("",), s.estimate[:1], None, known, s.null_space, s.rank, s.has_intercept, "", {}
        )
        contrasts = np.kron(np.eye(t), slope_contrasts(design))
        return float(overall_statistic(self._all, self._covariance, df, contrasts)[0][0])

    @property
    def _all(self) -> _View:
        """All coefficients side by side."""
        s = self.statistics
        t = len(s.target_names)
        null = np.kron(np.eye(t), s.null_space)
        return _View(
            s.parameter_names, (s.response,), s.estimate.reshape(1, -1), s.inverse, s.estimable.ravel(), null,
            s.rank * t, s.has_intercept, s.cov_type, s.cov_options,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LikelihoodInference:
        """The inverse of `to_dict`; StorageError where fields are missing or do not fit together."""
        return cls(LikelihoodStatistics.from_dict(values))
