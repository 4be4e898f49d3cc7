"""The Wald test of linear hypotheses: χ² = (Rβ̂ − r)ᵀ (R V Rᵀ)⁻¹ (Rβ̂ − r), or F = χ²/q where a variance is estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.covariance import Covariance
from betahat.inference.distributions import check_level, f_tail, t_quantile, two_sided_p
from betahat.inference.estimability import Parameters, not_estimable
from betahat.inference.hypothesis import Hypothesis
from betahat.inference.text import cell, level_names, number, p_text, table

# A correlation matrix of contrasts with a smaller ratio of eigenvalues leaves F fewer than about four digits.
_SINGULAR = 1e-12


@final
@dataclass(frozen=True, eq=False)
class WaldTest:
    """What :meth:`Inference.test` returns; arrays are (q,), or (t, q) for t > 1 targets, scalars then (t,).

    hypothesis : text of each of the q hypotheses.
    estimate : Rβ̂, without r. std_err : its standard errors. value : r, (q,).
    t_statistic, t_p_value : of each hypothesis by itself, (Rβ̂ − r)/std_err with df_denom degrees of freedom.
    statistic, p_value : F of all hypotheses together, with (df_num, df_denom) degrees of freedom; for q = 1
        it is t². Where no variance is estimated (logistic, Poisson, ...) df_denom is infinite, the statistic χ² with
        df_num degrees of freedom, and t is normal (z).
    """

    hypothesis: tuple[str, ...]
    value: np.ndarray
    estimate: np.ndarray
    std_err: np.ndarray
    t_statistic: np.ndarray
    t_p_value: np.ndarray
    statistic: Any
    p_value: Any
    df_num: int
    df_denom: float
    cov_type: str
    target_names: tuple[str, ...]

    def conf_int(self, level: float = 0.95) -> np.ndarray:
        """Confidence intervals of Rβ, shape `estimate.shape + (2,)`."""
        reach = t_quantile(check_level(level), self.df_denom) * self.std_err
        return np.stack([self.estimate - reach, self.estimate + reach], axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """The test as plain arrays, numbers and strings."""
        return {**self.__dict__, "hypothesis": list(self.hypothesis), "target_names": list(self.target_names)}

    def __str__(self) -> str:
        t, q = len(self.target_names), self.df_num
        lines = [f"Wald test, {self.cov_type} covariance"]
        interval = self.conf_int().reshape(t, q, 2)
        columns = [a.reshape(t, q) for a in (self.estimate, self.std_err, self.t_statistic, self.t_p_value)]
        for k, target in enumerate(self.target_names):
            if t > 1:
                lines.append(f"\nTarget: {cell(target)}")
            F, p = np.reshape(self.statistic, t)[k], np.reshape(self.p_value, t)[k]
            lines.append(f"{joint_name(q, self.df_denom)} = {number(F)}, p = {p_text(p)}")
            rows = [
                [cell(name), *(number(c[k, i]) for c in columns[:3]), p_text(columns[3][k, i])]
                + [number(bound) for bound in interval[k, i]]
                for i, name in enumerate(self.hypothesis)
            ]
            t_or_z = single_name(self.df_denom)
            heads = ["hypothesis", "estimate", "std err", t_or_z, f"P>|{t_or_z}|", *level_names(0.95)]
            lines.append(table(heads, rows))
        return "\n".join(lines)


def single_name(df: float) -> str:
    """The letter of the statistic of one coefficient: z if no variance was estimated."""
    return "z" if np.isinf(df) else "t"


def joint_name(df_num: float, df_denom: float) -> str:
    """The name of the statistic of several coefficients, with its degrees of freedom.

    >>> joint_name(2, 30.0), joint_name(2, float("inf"))
    ('F(2, 30)', 'χ²(2)')
    """
    return f"χ²({df_num})" if np.isinf(df_denom) else f"F({df_num}, {number(df_denom)})"


def quadratic_form(difference: np.ndarray, matrix: np.ndarray, rounding: Any = 0.0) -> tuple[float, float]:
    """dᵀ M⁻¹ d and the ratio of the extreme eigenvalues of M scaled to a unit diagonal.

    M = 0 gives +inf, or NaN (0/0) if |d| is nowhere above `rounding`. LinAlgError where M is singular.
    """
    variance = np.diag(matrix)
    if (variance < 0).any():
        raise np.linalg.LinAlgError("a contrast has a negative variance")
    size = np.sqrt(variance)
    if not size.any():
        return (np.inf if np.any(np.abs(difference) > rounding) else np.nan), 1.0
    if not size.all():
        raise np.linalg.LinAlgError("a contrast has variance zero and others have not")
    eigenvalues, vectors = np.linalg.eigh(matrix / size / size[:, None])
    if not eigenvalues[0] > _SINGULAR * eigenvalues[-1]:
        raise np.linalg.LinAlgError("the covariance of the contrasts is singular")
    z = vectors.T @ (difference / size)
    return float(np.sum(z * z / eigenvalues)), float(eigenvalues[0] / eigenvalues[-1])


def joint_f(difference: np.ndarray, matrix: np.ndarray, scale: float, rounding: Any = 0.0) -> float:
    """F of q contrasts whose covariance is scale · matrix; LinAlgError where that is singular."""
    chi2, _ = quadratic_form(difference, matrix if scale > 0 else np.zeros_like(matrix), rounding)
    return chi2 / len(difference) / (scale or 1.0)


def _too_few_groups(s: Parameters, q: int) -> bool:
    n_groups = s.cov_options.get("n_groups")
    return bool(s.cov_type == "cluster" and n_groups and q >= min(n_groups))


def overall_statistic(
    s: Parameters, covariance: Covariance, df: float, contrasts: np.ndarray
) -> tuple[np.ndarray, str]:
    """F, or χ² for df = inf, of contrasts · β = 0 for each target, (t,); and why it is NaN, or ""."""
    q = len(contrasts)
    inner = contrasts @ covariance.matrix @ contrasts.T
    try:
        if _too_few_groups(s, q):
            raise np.linalg.LinAlgError
        F = [
            joint_f(b, v, float(scale))
            for b, v, scale in zip(s.estimate @ contrasts.T, inner, covariance.scale, strict=True)
        ]
    except np.linalg.LinAlgError:
        return np.full(len(s.target_names), np.nan), singular_reason(s, q)
    return np.array(F) * (q if np.isinf(df) else 1), ""


def singular_reason(s: Parameters, q: int) -> str:
    """Why the covariance of q contrasts can be singular, in words."""
    if _too_few_groups(s, q):
        least = min(s.cov_options["n_groups"])
        return (
            f"{least} groups leave the clustered covariance a rank below {least}, too low "
            f"for a joint test of {q} hypotheses"
        )
    return (
        f"the {s.cov_type} covariance of the {q} tested contrasts is singular to rounding; nearly collinear "
        "columns (centre or rescale them) or coefficients that single rows determine are the usual causes"
    )


def undetermined_reason(s: Parameters) -> str:
    """Why there is no covariance at all, in words."""
    return (
        f"{len(s.names)} coefficients are more than the data determine (rank {s.rank}), none has a variance"
    )


def wald_test(s: Parameters, covariance: Covariance, df: float, hypothesis: Hypothesis) -> WaldTest:
    """Test Rβ = r for each target with the F distribution with (q, df) degrees of freedom, or χ² for df = inf.

    Raises InferenceError for a contrast that the data do not determine, a singular covariance of the
    contrasts, or no degrees of freedom. Source: Wald (1943).
    """
    R, r = hypothesis.matrix, hypothesis.value
    q, t = len(R), len(s.target_names)
    if not df > 0:
        raise InferenceError(
            "a test needs residual degrees of freedom, and there are none: add rows or drop columns"
        )
    if s.inverse is None:
        raise InferenceError(f"the hypotheses cannot be tested: {undetermined_reason(s)}; drop columns")
    barred = not_estimable(s, R)
    if barred.any():
        k = int(np.argmax(barred))
        tied = [s.names[j] for j in np.flatnonzero((R[k] != 0) & ~s.estimable)]
        raise InferenceError(
            f"the hypothesis {hypothesis.labels[k]!r} cannot be tested: the data do not determine it, since "
            f"{', '.join(tied)} take(s) part in a linear dependence between columns. Drop a column of it"
        )
    estimate = s.estimate @ R.T
    difference = estimate - r
    # Below this, a difference is no more than the rounding of β̂, R and r: it counts where the variance is
    # zero.
    rounding = 8 * np.finfo(float).eps * (np.abs(s.estimate) @ np.abs(R).T + np.abs(r))
    inner = R @ covariance.matrix @ R.T
    variance = np.diagonal(inner, axis1=1, axis2=2) * covariance.scale[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        std_err = np.sqrt(variance)
        settled = (std_err == 0) & (np.abs(difference) <= rounding)
        t_statistic = np.where(settled, np.nan, difference / std_err)
    try:
        if _too_few_groups(s, q):
            raise np.linalg.LinAlgError
        F = np.array(
            [joint_f(difference[k], inner[k], float(covariance.scale[k]), rounding[k]) for k in range(t)]
        )
    except np.linalg.LinAlgError:
        raise InferenceError(f"the hypotheses cannot be tested together: {singular_reason(s, q)}") from None
    p = f_tail(F, q, df)
    if np.isinf(df):
        F = F * q
    one = t == 1
    return WaldTest(
        hypothesis=hypothesis.labels,
        value=r,
        estimate=estimate[0] if one else estimate,
        std_err=std_err[0] if one else std_err,
        t_statistic=t_statistic[0] if one else t_statistic,
        t_p_value=two_sided_p(t_statistic[0] if one else t_statistic, df),
        statistic=float(F[0]) if one else F,
        p_value=float(p[0]) if one else p,
        df_num=q,
        df_denom=df,
        cov_type=s.cov_type,
        target_names=s.target_names,
    )
