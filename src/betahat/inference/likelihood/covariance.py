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
    size = s.estimate.size
    inverse = s.inverse if s.information == "expected" else s.observed_inverse
    nowhere = Covariance(np.full((1, size, size), np.nan), np.ones(1), ())
    if inverse is None:
        return nowhere
    barred = s.infinite.ravel()
    A = _cleared(inverse, barred)
    if s.cov_type == "nonrobust":
        return Covariance(s.uncentred(A)[None], np.array([1.0 if s.dispersion_known else s.dispersion]), ())
    if s.meat is None and s.sandwich is None:
        raise InferenceError(no_meat(s.cov_type))
    if s.cov_type in ("HC1", "cluster") and not s.df_resid > 0:
        return nowhere
    made = s.sandwich
    if made is None:
        assert s.meat is not None
        made = A @ _cleared(s.meat, barred) @ A
        made = (made + made.T) / 2
    raw = s.uncentred(np.stack([_cleared(made, barred), A]))
    return robust_covariance(s, raw[:1], np.sqrt(np.diag(raw[1])))


def likelihood_df(s: LikelihoodStatistics) -> float:
    """Degrees of freedom of t and F: infinite where φ is known, else n − rank or the smallest number of groups less
    one."""
    return np.inf if s.dispersion_known else degrees_of_freedom(s)


def _cleared(matrix: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """With zeros in the rows and columns of what has no variance, so that it takes part in no sum."""
    if not barred.any():
        return matrix
    return np.where(barred | barred[:, None], 0.0, matrix)
