"""Covariances of maximum likelihood estimates: φ times the inverse information, and the sandwiches around a meat."""

from __future__ import annotations

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.covariance import Covariance, degrees_of_freedom, no_meat, robust_covariance
from betahat.inference.likelihood.statistics import LikelihoodStatistics


def likelihood_covariance(s: LikelihoodStatistics) -> Covariance:
    """The covariance of all t·m estimates, as (1, t·m, t·m).

    nonrobust: φ A, A the inverse of the expected or observed information (`s.information`). Otherwise A · meat · A,
    with the factors of a linear fit's (see :func:`betahat.inference.covariance.covariance`), n − rank·t their
    denominator. Zero in the rows and columns of infinite estimates, NaN where there is no inverse.
    """
    V = centred_covariance(s)
    if V is None:
        return Covariance(np.full((1, s.estimate.size, s.estimate.size), np.nan), np.ones(1), ())
    raw = s.uncentred(V)[None]
    if s.cov_type == "nonrobust":
        return Covariance(raw, np.array([1.0 if s.dispersion_known else s.dispersion]), ())
    inverse = _inverse(s)
    assert inverse is not None
    return robust_covariance(s, raw, np.sqrt(np.diag(s.uncentred(inverse))))


def centred_covariance(s: LikelihoodStatistics) -> np.ndarray | None:
    """A, or the sandwich A · meat · A, of the centred design, without φ or small-sample factor; None for none."""
    A = _inverse(s)
    if A is None or s.cov_type == "nonrobust":
        return A
    if s.meat is None and s.sandwich is None:
        raise InferenceError(no_meat(s.cov_type))
    if s.cov_type in ("HC1", "cluster") and not s.df_resid > 0:
        return None
    if s.sandwich is not None:
        return _cleared(s.sandwich, s)
    assert s.meat is not None
    made = A @ _cleared(s.meat, s) @ A
    return (made + made.T) / 2


def _inverse(s: LikelihoodStatistics) -> np.ndarray | None:
    inverse = s.inverse if s.information == "expected" else s.observed_inverse
    return None if inverse is None else _cleared(inverse, s)


def likelihood_df(s: LikelihoodStatistics) -> float:
    """Degrees of freedom of t and F: infinite where φ is known, else n − rank or the smallest number of groups less
    one."""
    return np.inf if s.dispersion_known else degrees_of_freedom(s)


def _cleared(matrix: np.ndarray, s: LikelihoodStatistics) -> np.ndarray:
    """With zeros in the rows and columns of infinite estimates, so that they take part in no sum."""
    barred = s.infinite.ravel()
    return np.where(barred | barred[:, None], 0.0, matrix) if barred.any() else matrix
