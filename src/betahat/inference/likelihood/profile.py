"""Profile-likelihood intervals: how far a coefficient can go before the best fit of the others becomes too bad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from betahat.inference.crossing import crossing
from betahat.inference.distributions import check_level, t_quantile

T = TypeVar("T")

_EXCESS = 1e-9  # of the deviance by which a profile may lie below the fit's own before that is no minimum


@final
@dataclass(frozen=True)
class ProfileInterval:
    """The ends of an interval, ±inf where there is none on that side, and why in `message` ("" for two ends).

    >>> ProfileInterval(-1.0, float("inf"), "never").high
    inf
    """

    low: float
    high: float
    message: str


def profile_interval(
    minimised: Callable[[float, T], tuple[float, T]], begin: T, estimate: float, std_err: float, deviance: float,
    level: float = 0.95, *, dispersion: float = 1.0, df: float = np.inf, infinite: bool = False,
) -> ProfileInterval:  # fmt: skip
    """Where (D(b) − D)/φ = q², below and above the estimate: the b that a likelihood-ratio test does not reject.

    minimised : from a value b of the coefficient, and a state to begin from, to D(b), the deviance minimised over all
        other coefficients, and the state there. Minus twice a penalised log-likelihood (Firth) does as well.
    begin : the state at the estimate. deviance : D there. std_err : about how far the ends are apart, in units of a
        standard deviation; any positive number leads to the same ends, so a guess serves where it is NaN.
    dispersion, df : φ and the degrees of freedom of q, Student's quantile, where φ was estimated.
    infinite : that the estimate is infinite, `estimate` being where the solver stopped: that side has no end.

    A side where D never rises to the limit is infinite. Raises ValueError for a `deviance` that is not the least.
    Source: Venzon & Moolgavkar (1988), Applied Statistics 37, 87–94.

    >>> import math
    >>> def heads(b, state):                 # 7 heads in 10 throws, b the log odds
    ...     return -2 * (7 * b - 10 * math.log1p(math.exp(b))), state
    >>> found = profile_interval(heads, None, math.log(7 / 3), 0.69, heads(math.log(7 / 3), None)[0])
    >>> round(found.low, 6), round(found.high, 6)
    (-0.432787, 2.381961)
    """
    q = t_quantile(check_level(level), df)
    if q == 0:
        return ProfileInterval(estimate, estimate, "")
    if not (q > 0 and dispersion > 0):
        return ProfileInterval(np.nan, np.nan, "There are no residual degrees of freedom.")
    size = std_err if np.isfinite(std_err) and std_err > 0 else max(abs(estimate), 1.0)

    def rise(value: float, state: T) -> tuple[float, T]:
        found, there = minimised(value, state)
        if found < deviance - _EXCESS * max(abs(deviance), dispersion):
            raise ValueError(
                f"the deviance {found:.17g} at {value:.6g} lies below that of the fit, {deviance:.17g}, which is "
                "therefore not its minimum; fit it with a tighter tolerance"
            )
        if np.isnan(found):
            return np.inf, there
        return float(np.sqrt(max(found - deviance, 0.0) / dispersion)) - q, there

    ends, missing = [], []
    for sign, side in ((-1.0, "below"), (1.0, "above")):
        if infinite and sign * estimate > 0:
            ends.append(sign * np.inf)
            missing.append(f"no end {side}, since the estimate is {'∞' if sign > 0 else '−∞'}")
            continue
        ends.append(crossing(rise, begin, estimate, sign * q * size, sign * np.inf, q))
        if np.isinf(ends[-1]):
            missing.append(f"no end {side}: the likelihood there never falls far enough below its maximum")
    return ProfileInterval(ends[0], ends[1], "; ".join(missing))
