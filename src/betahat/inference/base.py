"""What the inference of every fit has: estimates with standard errors, tests and intervals, and why any is missing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.distributions import check_level, t_quantile, two_sided_p
from betahat.inference.estimability import Parameters

_MOST_NAMES = 20


class FitStatistics(Parameters, Protocol):
    """What every fit hands over."""

    @property
    def n_obs(self) -> float: ...
    @property
    def penalised(self) -> bool: ...
    @property
    def df_model(self) -> int: ...
    @property
    def df_resid(self) -> float: ...
    def to_dict(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=FitStatistics)


class BaseInference(ABC, Generic[S]):
    """The part that does not depend on how the estimates were found. Numbers are made when asked."""

    def __init__(self, statistics: S) -> None:
        self.statistics: S = statistics

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.statistics,)

    def __repr__(self) -> str:
        s = self.statistics
        kind = "penalised" if s.penalised else s.cov_type
        return (
            f"<{type(self).__name__}: {s.estimate.size // len(s.target_names)} parameters, {self.n_obs} rows, {kind}; "
            "see .message and .test()>"
        )

    # --- what a kind of model says ----------------------------------------------------------------------------

    @property
    @abstractmethod
    def _variances(self) -> np.ndarray:
        """(t, m) variances of the estimates, NaN where withheld."""

    @property
    @abstractmethod
    def _n_free(self) -> int:
        """How many coefficients the data determine, for information criteria."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, one sentence each; empty for an ordinary fit."""

    @property
    @abstractmethod
    def df_inference(self) -> int | float:
        """Degrees of freedom of t; infinite where it is normal."""

    @property
    @abstractmethod
    def covariance(self) -> np.ndarray:
        """Covariance of the estimates, NaN in rows and columns that are withheld."""

    @property
    @abstractmethod
    def log_likelihood(self) -> Any:
        """The log-likelihood at the estimates."""

    # --- what was handed over ---------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the m parameters, "Intercept" first where there is one."""
        return self.statistics.names

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the t targets."""
        return self.statistics.target_names

    @property
    def estimate(self) -> np.ndarray:
        """The estimates, in the order of `names`."""
        return self._shaped(self.statistics.estimate)

    @property
    def cov_type(self) -> str:
        """Which covariance: nonrobust, HC0, HC1, HC2, HC3, cluster or HAC."""
        return self.statistics.cov_type

    @property
    def rank(self) -> int:
        """Rank of the design, the intercept included."""
        return self.statistics.rank

    @property
    def n_obs(self) -> int | float:
        """Number of rows; with frequencies their sum. Rows of weight zero do not count."""
        return whole(self.statistics.n_obs)

    @property
    def message(self) -> str:
        """The notes as one text, why numbers are NaN or refused; "" for an ordinary fit."""
        return " ".join(self.notes)

    # --- coefficients -----------------------------------------------------------------------------------------

    @property
    def correlation(self) -> np.ndarray:
        """Correlation of the estimates, V_jk / √(V_jj V_kk), of the shape of `covariance`; NaN where that is."""
        V = self.covariance
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.sqrt(np.diagonal(V, axis1=-2, axis2=-1))
            return np.clip(V / size[..., :, None] / size[..., None, :], -1.0, 1.0)

    @cached_property
    def std_err(self) -> np.ndarray:
        """Standard errors √V_jj."""
        self._refuse_penalised("std_err")
        with np.errstate(invalid="ignore"):
            return self._shaped(np.sqrt(self._variances))

    @cached_property
    def statistic(self) -> np.ndarray:
        """t (or z) = estimate / std_err; ±inf where std_err is 0, NaN for 0/0."""
        self._refuse_penalised("statistic")
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.estimate / self.std_err

    @cached_property
    def p_value(self) -> np.ndarray:
        """Two-sided p-values of t with `df_inference` degrees of freedom."""
        self._refuse_penalised("p_value")
        return two_sided_p(self.statistic, float(self.df_inference))

    def conf_int(self, level: float = 0.95) -> np.ndarray:
        """Confidence intervals estimate ± t·std_err, shape (m, 2) or (t, m, 2).

        level : strictly between 0 and 1, else ValueError.
        """
        self._refuse_penalised("conf_int")
        reach = t_quantile(check_level(level), float(self.df_inference)) * self.std_err
        return np.stack([self.estimate - reach, self.estimate + reach], axis=-1)

    # --- the fit as a whole -----------------------------------------------------------------------------------

    @property
    def df_model(self) -> int:
        """Degrees of freedom of the slopes: free coefficients, less the intercept's."""
        self._refuse_penalised("df_model")
        return self.statistics.df_model

    @property
    def df_resid(self) -> int | float:
        """Degrees of freedom of the residuals, n less the free coefficients."""
        self._refuse_penalised("df_resid")
        return whole(self.statistics.df_resid)

    @property
    def aic(self) -> Any:
        """Akaike's criterion 2k − 2·log_likelihood, k the rank of the design (for each class but the first of a
        multinomial model); a variance or dispersion is not counted, as in statsmodels."""
        self._refuse_penalised("aic")
        return 2.0 * self._n_free - 2.0 * self.log_likelihood

    @property
    def bic(self) -> Any:
        """Schwarz's criterion k·log n − 2·log_likelihood, k as in `aic`."""
        self._refuse_penalised("bic")
        return self._n_free * float(np.log(self.statistics.n_obs)) - 2.0 * self.log_likelihood

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and arrays from which `from_dict` rebuilds this object."""
        return self.statistics.to_dict()

    # --- shapes and refusals ----------------------------------------------------------------------------------

    def _shaped(self, per_target: np.ndarray) -> np.ndarray:
        return per_target[0] if len(self.statistics.target_names) == 1 else per_target

    def _refuse_penalised(self, what: str) -> None:
        if self.statistics.penalised:
            raise InferenceError(penalised_reason(what))


def penalised_reason(what: str) -> str:
    """Why `what` is not given for a penalised fit."""
    return (
        f"{what} cannot be given for a penalised fit: the penalty shrinks the estimates, and with this bias "
        "neither t nor p nor an interval has its stated probability. Fit without it (alpha=0, "
        "penalty=None), or bootstrap the fit."
    )


def undetermined_note(names: Iterable[str]) -> str:
    """That coefficients are not estimable, and which."""
    return (
        "Not determined by the data (linear dependence between columns), so without standard error: "
        f"{some_names(names)}."
    )


def some_names(names: Iterable[str]) -> str:
    """The first names of many, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def whole(value: float) -> int | float:
    """An int where the number is one."""
    return int(value) if float(value).is_integer() else float(value)
