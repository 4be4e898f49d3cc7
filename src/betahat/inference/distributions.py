"""Tail probabilities and quantiles of Student's t and Fisher's F, with few digits lost in either tail.

Infinite degrees of freedom are allowed everywhere: t is then the normal distribution, and F times its numerator's
degrees of freedom χ²."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np


def f_tail(statistic: Any, df_num: float, df_denom: float) -> np.ndarray:
    """P(F > statistic) = I_x(df_denom/2, df_num/2) with x = df_denom / (df_denom + df_num F).

    Elementwise, float64; relatively accurate however small the probability. NaN where the statistic is NaN
    or a number of degrees of freedom is not positive. With df_denom = inf it is P(χ² > df_num F).
    Source: Abramowitz & Stegun (1964), 26.6.2 and 26.4.

    >>> float(f_tail(4.0, 1, 10).round(12))
    0.073388034771
    """
    from scipy.special import betainc, betaincc, gammaincc

    statistic = np.asarray(statistic, dtype=np.float64)
    if not (df_num > 0 and df_denom > 0):
        return np.full(statistic.shape, np.nan)
    if np.isinf(df_denom):
        return gammaincc(df_num / 2, statistic * (df_num / 2))
    with np.errstate(all="ignore"):
        ratio = statistic * (df_num / df_denom)
        far = betainc(df_denom / 2, df_num / 2, 1 / (1 + ratio))
        # x near 1 keeps too few digits of 1 − x, so the same number is taken from the other end.
        near = ratio / (1 + ratio)
        upper = betaincc(df_num / 2, df_denom / 2, near)
        # … and where that is close to 1, from its small complement.
        upper = np.where(upper < 0.5, upper, 1 - betainc(df_num / 2, df_denom / 2, near))
    return np.where(ratio > 1, far, upper)


def two_sided_p(statistic: Any, df: float) -> np.ndarray:
    """P(|t| > |statistic|) for Student's t with `df` degrees of freedom: t² is F with (1, df). df = inf: P(|z| > ...).

    >>> float(two_sided_p(2.0, 10).round(12))
    0.073388034771
    """
    with np.errstate(over="ignore", under="ignore"):
        return f_tail(np.square(np.asarray(statistic, dtype=np.float64)), 1.0, df)


def t_quantile(level: float, df: float) -> float:
    """The q with P(|t| ≤ q) = level; NaN without degrees of freedom, that of |z| for df = inf.

    >>> round(t_quantile(0.95, 10), 12)
    2.228138851986
    """
    from scipy.special import betaln, erfinv, ndtri, stdtrit

    if not df > 0:
        return float("nan")
    tail = 1 - level
    if np.isinf(df):
        return float(-ndtri(tail / 2) if tail < 0.5 else np.sqrt(2) * erfinv(level))
    q = -float(stdtrit(df, tail / 2))
    if q == 0 or not np.isfinite(q):
        return q
    # stdtrit is right to about ten digits; one Newton step on the tail makes it all of them.
    density = np.exp(-(df + 1) / 2 * np.log1p(q / df * q) - betaln(0.5, df / 2)) / np.sqrt(df)
    return q + float((two_sided_p(q, df) - tail) / (2 * density))


def check_level(level: Any) -> float:
    """`level` as a float, or the error that names it: a confidence level lies strictly between 0 and 1.

    >>> check_level(0.9)
    0.9
    """
    if isinstance(level, bool) or not isinstance(level, Real):
        raise TypeError(f"level (={level!r}) must be a number between 0 and 1, such as 0.95")
    if not 0 < float(level) < 1:
        hint = (
            f"; for {float(level):g} % write level={float(level) / 100:g}" if 1 < float(level) < 100 else ""
        )
        raise ValueError(f"level (={level!r}) must lie strictly between 0 and 1, such as 0.95{hint}")
    return float(level)
