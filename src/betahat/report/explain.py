"""One fit explained: what was minimised, which equation solves it, how it was solved, what proves it."""

from __future__ import annotations

import textwrap
from typing import Any, Protocol

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE
from betahat.inference import Inference
from betahat.inference.text import cell, number, table
from betahat.report.explain_descent import descent_words
from betahat.report.explain_smooth import derivative_words, smooth_words
from betahat.report.explain_sparse import sparse_parts
from betahat.report.fitted import PredictorLike, ResultLike
from betahat.report.wording import bullet, formula, plural, times, wrap
from betahat.solvers.linear_descent import Descended

_SHOWN = 12  # steps or remarks listed in full

_ROBUST = {
    "HC0": "with Ω the squared residuals (White 1980)",
    "HC1": "with Ω the squared residuals, times n/(n − rank) (MacKinnon & White 1985)",
    "HC2": "with Ω the squared residuals over 1 − leverage (MacKinnon & White 1985)",
    "HC3": "with Ω the squared residuals over (1 − leverage)² (MacKinnon & White 1985)",
    "HAC": "with the products of residuals of neighbouring rows in it too (Newey & West 1987)",
    "cluster": "with the products of residuals within a cluster in it too (Cameron, Gelbach & Miller 2011)",
}
_HOW = {
    "Cholesky": "The matrix was factorised as LLᵀ (Cholesky)",
    "QR": "The columns themselves were factorised as QR, Q orthogonal and R triangular",
    "SVD": "The singular value decomposition of the columns was taken (SVD)",
    "dual": "As many equations as rows were solved instead, for a with β = Xᵀa",
}


class LinearResultLike(PredictorLike, ResultLike, Protocol):
    """What a linear fit must show to be explained."""

    @property
    def descended(self) -> Descended | None: ...
    @property
    def smooth(self) -> bool: ...


def explain_linear(result: LinearResultLike, objective_words: str) -> str:
    """A linear least-squares fit in words and mathematics, for a terminal of 80 columns.

    objective_words : the objective J(β) as a line of mathematics.
    """
    parts = [("What was minimised", _objective(result, objective_words))]
    if result.sparse is None:
        parts += _rest(result)
    else:
        refusal, targets = Inference(result.statistics).message, result.statistics.target_names
        parts += sparse_parts(result, result.sparse, targets, result.smooth, refusal)
    return "\n\n".join(f"{title}\n{'─' * len(title)}\n{body}" for title, body in parts if body)


def _rest(result: LinearResultLike) -> list[tuple[str, str]]:
    return [
        ("Where its derivative vanishes", _equations(result)),
        *_ways(result),
        ("Collinear columns", _collinear(result)),
        ("Is it the minimum?", _proof(result)),
        ("What the standard errors rest on", _errors(result)),
    ]


def _objective(result: LinearResultLike, objective_words: str) -> str:
    s = result.statistics
    p, t = result.coef.shape[1], len(s.target_names)
    targets = ", ".join(cell(name) for name in s.target_names[:4]) + (", …" if t > 4 else "")
    columns = (
        f"p = {plural(p, 'column')}{' and an intercept' if s.has_intercept else ', without an intercept'}"
    )
    if s.sum_log_weight == 0 and (result.smooth or s.weight == s.n_obs or not s.weight):
        weights = "Every row has the weight wᵢ = 1. "
    else:
        weights = "" if result.smooth else f"The weights wᵢ sum to {number(s.weight)}. "
    found = f"{number(result.certificate.loss)}{' (summed over targets)' if t > 1 else ''}"
    text = wrap(
        f"over n = {plural(s.n_obs, 'row')}, {columns}, for {plural(t, 'target')} ({targets}). {weights}"
        f"At the coefficients found J is {found}."
    )
    return f"{formula(objective_words)}\n\n{text}"


def _equations(result: LinearResultLike) -> str:
    if result.smooth:
        return derivative_words(result.statistics.has_intercept, result.statistics.penalised)
    matrix = "(XᵀWX + αΣw I) β = XᵀWy" if result.alpha else "XᵀWX β = XᵀWy"
    gradient = "∂J/∂β = −(1/Σw) Xᵀ W (y − Xβ)" + (" + αβ" if result.alpha else "")
    note = ""
    if result.alpha:
        note = f"Here α = {number(result.alpha)} on the mean loss" + (
            ", and the intercept is not penalised, so its row has no α. "
            if result.statistics.has_intercept
            else ". "
        )
    curvature = "XᵀWX/Σw" + (" + αI" if result.alpha else "")
    ones = "X has a first column of ones for the intercept, and " if result.statistics.has_intercept else ""
    return "\n".join([
        wrap(f"{ones}W is the diagonal matrix of the weights. The partial derivatives are"),
        formula(gradient),
        wrap("and setting them to zero gives the normal equations"),
        formula(matrix),
        wrap(
            f"{note}J is convex: a quadratic whose second derivative, {curvature}, is nowhere negative. So β "
            "where the derivatives vanish is a minimum, and no other is lower."
        ),
    ])  # fmt: skip


def _ways(result: LinearResultLike) -> list[tuple[str, str]]:
    """How the coefficients were found."""
    if result.smooth:
        words = smooth_words(
            result.solver, result.why, result.trace, result.stop_reason, result.iterations,
            result.certificate.readings,
        )  # fmt: skip
        return [("How the minimum was descended to", words)]
    if result.descended is None:
        return [("How the equations were solved", _solution(result)), ("Refinement", _refinement(result))]
    words = descent_words(result.descended, result.trace, result.stop_reason, result.certificate.readings)
    return [("How the minimum was descended to", words)]


def _solution(result: LinearResultLike) -> str:
    c = result.certificate
    how = _HOW.get(result.solver, f"The method was {result.solver}")
    centred = "centred at their means and " if result.statistics.has_intercept else ""
    return "\n".join([
        wrap(
            f"Columns were {centred}divided by their lengths first, so that no unit of measurement decides "
            f"anything. The condition number of the columns, then, is {c.condition_number:.3g}: "
            f"{_lost_digits(c.condition_number)} of the 16 digits of double precision would be lost without "
            "refinement."
        ),
        wrap(f"{how}, because {result.why}."),
        wrap(f"The rows were read {times(c.readings)} in all, the reading for the certificate included."),
    ])  # fmt: skip


def _lost_digits(condition: float) -> str:
    lost = np.log10(condition) if condition > 0 else np.inf
    return f"about {lost:.0f}" if 0.5 < lost < 16 else "hardly any" if lost <= 0.5 else "all"


def _refinement(result: LinearResultLike) -> str:
    trace = result.trace
    if not len(trace):
        return ""
    columns = zip(trace.loss, trace.gradient_norm, trace.step, strict=True)
    rows = [
        [str(i), number(loss), f"{norm:.2e}", f"{step:.2e}"]
        for i, (loss, norm, step) in enumerate(columns, 1)
    ]
    if len(rows) > _SHOWN:
        rows = [*rows[: _SHOWN // 2], ["…"] * 4, *rows[-_SHOWN // 2 :]]
    carried = result.certificate.carried
    body = table(["step", "mean loss", "largest |∂J/∂β|", "correction asked for"], rows, rule="─")
    return "\n".join([
        wrap(
            "The derivatives "
            + ("at a β close to the solution were summed" if carried else "at the solution were summed again")
            + " over all rows in double-double arithmetic (32 digits), and the equations solved for the correction "
            "that they ask for, relative to the coefficients:"
        ),
        "",
        textwrap.indent(body, "    "),
        "",
        wrap(f"{_STOPPED.get(result.stop_reason, f'It stopped: {result.stop_reason}')}."),
    ])  # fmt: skip


_STOPPED = {
    "converged": "The last correction is at the level of rounding, so refinement stopped",
    "budget spent": "It stopped because the readings allowed for refinement were spent",
    "no progress": "It stopped because a further correction was no smaller than the one before",
    "diverged": "It stopped because the corrections ceased to be finite",
}


def _collinear(result: LinearResultLike) -> str:
    if not result.remarks:
        return ""
    shown = [bullet(remark) for remark in result.remarks[:_SHOWN]]
    more = len(result.remarks) - len(shown)
    if more:
        shown.append(bullet(f"and {more} more"))
    s = result.statistics
    told = (
        f"The rank is {s.rank} with {len(s.names)} coefficients, so the data leave {len(s.names) - s.rank} "
        "of their combinations open; predictions do not depend on them. Coefficients that are not determined "
        "have no standard error."
    )
    return "\n".join([*shown, "", wrap(told)])


def _proof(result: LinearResultLike) -> str:
    c = result.certificate
    origin = (
        "summed over all rows at the β of step 1 and carried to β̂ (exactly, since J is quadratic)"
        if c.carried
        else "recomputed from the data and not taken from the solver"
    )
    terms = "|wᵢ xᵢⱼ L'ᵢ|" if result.smooth else "|wᵢ xᵢⱼ (yᵢ − ŷᵢ)|"
    lines = [
        wrap(
            f"{c.status[0].upper()}{c.status[1:]}: {c.message}. The largest derivative, |∂J/∂β| = "
            f"{c.gradient_norm:.2g}, was {origin}. A "
            f"derivative counts as zero up to {_tolerance(result):g} of the mean size of its terms "
            f"{terms}, and up to what rounding β̂ to double precision makes unavoidable; the "
            f"closest to its tolerance may be {c.tolerance:.2g}."
        )
    ]
    finite = c.error_bound[np.isfinite(c.error_bound)]
    if (c.converged or result.descended is not None) and finite.size:
        kind = (
            "This is a bound: it holds whatever the rounding errors of the solver were"
            if c.error_bound_kind == "bound"
            else "This is an estimate by Newton's step, not a bound"
            if result.smooth
            else "This is an estimate, not a bound, because the columns are too nearly collinear for a proof"
        )
        lines.append(wrap(
            "From it follows how far β̂ can be from the exact solution β* of the equations for these data: "
            f"|β̂ − β*| ≤ {finite.max():.2g} for every coefficient. {kind}."
        ))  # fmt: skip
    return "\n".join(lines)


def _tolerance(result: LinearResultLike) -> float:
    asked = np.nan if result.descended is None else result.descended.tolerance
    return float(np.fmax(asked, RELATIVE_TOLERANCE))


def _errors(result: LinearResultLike) -> str:
    s = result.statistics
    if s.penalised:
        return wrap(Inference(s).message)
    if result.refusal is not None:
        return wrap(result.refusal)
    if s.df_resid <= 0:
        return wrap(
            f"There are none: {plural(s.n_obs, 'row')} and rank {s.rank} leave no degrees of freedom for "
            "a variance."
        )
    if s.cov_type == "nonrobust":
        variance = ", ".join(number(v) for v in s.residual_ss[:4] / s.df_resid) + (
            " …" if len(s.residual_ss) > 4 else ""
        )
        return "\n".join([
            wrap("The covariance of β̂ is"),
            formula(f"V = s² (XᵀWX)⁻¹,   s² = Σ wᵢ (yᵢ − ŷᵢ)² / (n − rank) = {variance}"),
            wrap(
                f"with n − rank = {plural(s.df_resid, 'degree')} of freedom. It presumes errors that are "
                "independent and of one variance (over wᵢ); where they are not, cov_type 'HC3' or 'cluster' "
                "is safer."
            ),
        ])  # fmt: skip
    if result.smooth:
        return "\n".join([
            wrap("The covariance of β̂ is the sandwich of M-estimation (Huber 1967; White 1982)"),
            formula("V = (Σ wL'' xxᵀ)⁻¹ · Σ w²L'² xxᵀ · (Σ wL'' xxᵀ)⁻¹"),
            wrap(f"here of the type {s.cov_type}{_options_text(s.cov_options)}. {_presumes(s.cov_type)}."),
        ])  # fmt: skip
    return "\n".join([
        wrap(f"The covariance of β̂ ({s.cov_type}) is the sandwich"),
        formula("V = (XᵀWX)⁻¹ · XᵀWΩWX · (XᵀWX)⁻¹"),
        wrap(f"{_ROBUST[s.cov_type]}{_options_text(s.cov_options)}. {_presumes(s.cov_type)}."),
    ])  # fmt: skip


def _presumes(cov_type: str) -> str:
    if cov_type == "cluster":
        return "It presumes independence between clusters only, and enough of them (say 30)"
    if cov_type == "HAC":
        return "It presumes rows in order of time, and no correlation beyond the lags"
    return "It presumes independent errors, but not that they have one variance"


def _options_text(options: dict[str, Any]) -> str:
    if "n_groups" in options:
        return f"; {' × '.join(f'{count:,}' for count in options['n_groups'])} clusters"
    return f"; {options['maxlags']} lags" if "maxlags" in options else ""
