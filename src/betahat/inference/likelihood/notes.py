"""What a reader of a likelihood fit's numbers must know."""

from __future__ import annotations

import numpy as np

from betahat.inference.base import penalised_reason, some_names, undetermined_note, whole
from betahat.inference.coefficients import infinity
from betahat.inference.distributions import f_tail
from betahat.inference.likelihood.statistics import LikelihoodStatistics

_OVERDISPERSED = (
    1.5  # Pearson's χ² over its degrees of freedom, from which standard errors are 1.2 times too small
)
_SURE = 1e-4


def likelihood_notes(s: LikelihoodStatistics) -> list[str]:
    """The notes of a fit but those of its covariance, one sentence or two each."""
    found: list[str] = list(s.remarks)
    names = np.array(s.parameter_names, dtype=object).reshape(s.estimate.shape)
    tied = ~s.estimable & ~s.infinite
    if tied.any():
        everywhere = tied.all(axis=0)
        short = np.array(s.names, dtype=object)[everywhere]
        found.append(undetermined_note([*short, *names[tied & ~everywhere]]))
    if s.infinite.any():
        ends = [
            f"{name} ({infinity(value)})"
            for name, value in zip(names[s.infinite], s.estimate[s.infinite], strict=True)
        ]
        found.append(
            f"Infinite maximum likelihood estimates: {some_names(ends)}. The columns separate values of {s.response} "
            "without error, so that the likelihood rises for ever as these coefficients grow: they have no standard "
            "errors, tests or intervals. firth=True (reduced bias) or alpha > 0 (a penalty) give finite estimates."
        )
    if s.penalised:
        return [*found, penalised_reason("Standard errors, tests and intervals")]
    if s.bias_reduced:
        found.append(
            "Bias-reduced estimates (Firth, 1993): in small samples intervals that profile the penalised likelihood "
            "are better than estimate ± z·std_err, and the likelihood-ratio test is not given, since the likelihood "
            "itself was not maximised."
        )
    if not s.dispersion_known and not s.df_resid > 0:
        found.append(
            f"No residual degrees of freedom ({whole(s.n_obs)} rows, rank {s.rank}): the dispersion and all that "
            "rests on it is undefined (NaN)."
        )
    if s.cov_type == "nonrobust" and _overdispersed(s):
        found.append(
            f"Overdispersion: Pearson's χ² is {s.pearson / s.df_resid:.3g} times its degrees of freedom, so "
            f"{s.response} varies more than the Poisson distribution says and these standard errors are too small; "
            'cov_type="HC1" does not rely on it.'
        )
    return found


def _overdispersed(s: LikelihoodStatistics) -> bool:
    if s.family.lower() != "poisson" or not s.df_resid > 0 or not s.pearson / s.df_resid > _OVERDISPERSED:
        return False
    return bool(f_tail(s.pearson / s.df_resid, s.df_resid, np.inf) < _SURE)
