"""Covariances of linear estimates: σ²(XᵀWX)⁻¹ and the sandwiches around a meat."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, final

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.base import FitStatistics
from betahat.inference.statistics import LinearStatistics

COV_TYPES = ("nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC")


def check_cov_type(cov_type: Any) -> str:
    """The member of COV_TYPES that is meant, in any case of letters; ValueError with near matches otherwise.

    >>> check_cov_type("hc3")
    'HC3'
    """
    if not isinstance(cov_type, str):
        raise TypeError(f"cov_type (={cov_type!r}) must be a string, one of {', '.join(COV_TYPES)}")
    if cov_type in COV_TYPES:
        return cov_type
    canonical = {name.lower(): name for name in COV_TYPES}
    wanted = cov_type.strip().lower()
    if wanted in canonical:
        return canonical[wanted]
    import difflib

    near = difflib.get_close_matches(wanted, list(canonical), n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(canonical[name]) for name in near)}?" if near else ""
    raise ValueError(f"cov_type (={cov_type!r}) must be one of {', '.join(COV_TYPES)}.{hint}")


def check_maxlags(maxlags: Any, n_obs: float) -> int:
    """The number of lags of a HAC covariance; None gives ⌊4 (n/100)^(2/9)⌋ (Newey & West, 1994).

    >>> check_maxlags(None, 100), check_maxlags(7, 100)
    (4, 7)
    """
    if maxlags is None:
        return int(4 * (max(n_obs, 0) / 100) ** (2 / 9))
    if isinstance(maxlags, bool) or not isinstance(maxlags, Integral):
        raise TypeError(f"maxlags (={maxlags!r}) must be a whole number, or None for ⌊4 (n/100)^(2/9)⌋")
    if maxlags < 0:
        raise ValueError(f"maxlags (={maxlags!r}) must be 0 or more")
    return int(maxlags)


@final
@dataclass(frozen=True, eq=False)
class Covariance:
    """V = scale · matrix for each target, kept apart so that σ² = 0 loses nothing of XᵀX."""

    matrix: np.ndarray
    """(t, m, m) float64"""
    scale: np.ndarray
    """(t,) float64: s² for the nonrobust covariance, else ones"""
    notes: tuple[str, ...]
    factor: float = 1.0
    """The small-sample factor that is already in a sandwich's matrix"""

    @property
    def value(self) -> np.ndarray:
        """The (t, m, m) covariance itself."""
        return self.matrix * self.scale[:, None, None]


def residual_variance(s: LinearStatistics) -> np.ndarray:
    """s² = RSS / (n − rank), (t,); NaN without degrees of freedom."""
    return s.residual_ss / s.df_resid if s.df_resid > 0 else np.full(len(s.target_names), np.nan)


def degrees_of_freedom(s: FitStatistics) -> float:
    """Those of t and F: n − rank, or for clusters the smallest number of groups less one."""
    if s.cov_type != "cluster" or s.df_resid <= 0 or s.inverse is None:  # nothing was there to cluster
        return s.df_resid
    n_groups = s.cov_options.get("n_groups")
    if not n_groups:
        raise InferenceError(
            'cov_options must hold "n_groups", the numbers of groups, for cov_type="cluster"'
        )
    if min(n_groups) < 2:
        raise InferenceError(
            f"clustered standard errors need at least 2 groups, n_groups is {tuple(n_groups)}"
        )
    return float(min(n_groups) - 1)


def covariance(s: LinearStatistics) -> Covariance:
    """The covariance of the estimates of each target, (t, m, m).

    nonrobust: s² A with A = (XᵀWX)⁻¹. Otherwise A · meat · A, times n/(n − rank) for HC1 (MacKinnon & White,
    1985) and (n − 1)/(n − rank) for clusters, whose meat already carries G/(G − 1). HAC has no small-sample
    factor. NaN without residual degrees of freedom.
    """
    t, m = s.estimate.shape
    if s.inverse is None:  # more coefficients than rows: none is determined
        return Covariance(np.broadcast_to(np.nan, (t, m, m)), np.ones(t), ())
    if s.cov_type == "nonrobust" or s.df_resid <= 0:
        return Covariance(np.broadcast_to(s.inverse, (t, m, m)), residual_variance(s), ())
    if s.meat is None and s.sandwich is None:
        raise InferenceError(no_meat(s.cov_type))
    made = s.uncentred(s.centred_sandwich) if s.sandwich is None else s.sandwich
    return robust_covariance(s, made, np.sqrt(np.diag(s.inverse)))


def no_meat(cov_type: str) -> str:
    """What is missing for a robust covariance, in words."""
    return f"cov_type={cov_type!r} needs the meat of its sandwich, which this fit does not hold"


def robust_covariance(s: FitStatistics, sandwich: np.ndarray, unit: np.ndarray) -> Covariance:
    """The (t, m, m) sandwich with its small-sample factor, made positive semi-definite where two ways of clustering
    did not; `unit` (m,) are sizes of the estimates, in which that is judged."""
    factor = {"HC1": s.n_obs / s.df_resid, "cluster": (s.n_obs - 1) / s.df_resid}.get(s.cov_type, 1.0)
    matrix = factor * sandwich
    notes: tuple[str, ...] = ()
    if s.cov_type == "cluster" and len(s.cov_options["n_groups"]) > 1:
        unit = np.where(unit > 0, unit, 1.0)
        targets = list(matrix)
        repaired = [_positive_semidefinite(v, unit) for v in targets]
        if any(new is not old for new, old in zip(repaired, targets, strict=True)):
            matrix = np.stack(repaired)
            notes = (
                "The two-way clustered covariance was not positive semi-definite; its negative eigenvalues "
                "were set to zero (Cameron, Gelbach & Miller, 2011). A variance that "
                "this leaves undefined is NaN; more groups, or one way of grouping, avoid it.",
            )
    return Covariance(matrix, np.ones(len(matrix)), notes, factor)


def _positive_semidefinite(v: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """`v` itself where it has no negative eigenvalue beyond rounding, else with those set to zero.

    Whether there is one does not depend on the units of the columns (Sylvester's law), so it is judged with
    the columns scaled. The repair is in the given units, as published; only where these are so unlike that
    the negative part drowns in rounding is it made with the columns scaled.
    """
    result = v
    for scale in (np.ones_like(unit), unit):
        eigenvalues = np.linalg.eigvalsh(result / np.outer(unit, unit))
        if eigenvalues[0] >= -1e-10 * eigenvalues[-1]:
            break
        lam, vectors = np.linalg.eigh(result / np.outer(scale, scale))
        negative = vectors[:, lam < 0] * scale[:, None]
        # Taking the negative part away, not rebuilding the rest, leaves small entries their digits.
        result = result - (negative * lam[lam < 0]) @ negative.T
    # A variance that was wholly the negative part is unknown, not zero: it stays negative, reported as NaN.
    lost = np.diag(result) <= 1e-10 * np.diag(result - v)
    if result is not v and lost.any():
        result[lost], result[:, lost] = v[lost], v[:, lost]
    return result
