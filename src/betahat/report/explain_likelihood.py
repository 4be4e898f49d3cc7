"""A fit of maximum likelihood explained: what was maximised, its derivative, Newton's steps, and the proof."""

from __future__ import annotations

import math
import textwrap
from typing import Protocol

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.inference.text import cell, number
from betahat.report.explain_descent import iterations, iterations_table
from betahat.report.explain_sparse import sparse_parts
from betahat.report.fitted import PredictorLike
from betahat.report.wording import bullet, formula, plural, times, wrap

_LOSSES = {
    ("binomial", "logit"): "L = log(1 + eᶯ) − y η",
    ("multinomial", "softmax"): "L = log Σₖ exp ηₖ − η_y",
    ("poisson", "log"): "L = eᶯ − y η",
    ("gamma", "log"): "L = y e⁻ᶯ + η",
    ("gaussian", "identity"): "L = ½ (y − η)²",
}
_DERIVATIVES = {
    ("binomial", "logit"): "L' = π − y,   L'' = π (1 − π),   π = 1 / (1 + e⁻ᶯ)",
    (
        "multinomial",
        "softmax",
    ): "∂L/∂ηₖ = πₖ − [y = k],   ∂²L/∂ηₖ∂ηⱼ = πₖ ([k = j] − πⱼ),   πₖ = exp ηₖ / Σⱼ exp ηⱼ",
    ("poisson", "log"): "L' = μ − y,   L'' = μ,   μ = eᶯ",
    ("gamma", "log"): "L' = 1 − y/μ,   L'' = y/μ,   μ = eᶯ",
    ("gaussian", "identity"): "L' = η − y,   L'' = 1",
}
_WAYS = {
    "newton": (
        "β ← β − t H⁻¹ g",
        "g and H come from one reading of the rows, in which loss, gradient and Hessian are summed together "
        "(iteratively "
        "reweighted least squares: Nelder & Wedderburn 1972); t is 1 unless J would not fall by it",
    ),
    "online_newton": (
        "β ← argmin Σ_batch wL + ½ (β − β₋)ᵀA(β − β₋),   A ← A + Σ_batch wL'' xxᵀ",
        "of the batches before only the information A is kept, at the β₋ they led to (online Laplace approximation), "
        "and each minimum is found by Newton's method",
    ),
    "fisher_scoring": (
        "β ← β + t I⁻¹ U*",
        "U* are the derivatives with Firth's correction, I the information; t is 1 unless the penalised likelihood "
        "would "
        "not rise by it",
    ),
}  # fmt: skip
_NONE = (
    "There are none: the penalty shrinks the estimates, and with this bias neither z nor p nor an interval has its "
    "stated probability."
)


class LikelihoodResultLike(PredictorLike, Protocol):
    """What a fit of maximum likelihood must show to be explained."""

    @property
    def statistics(self) -> LikelihoodStatistics: ...
    @property
    def separation(self) -> str | None: ...


def explain_likelihood(result: LikelihoodResultLike, penalty: str = "") -> str:
    """A fit in words and mathematics, for a terminal of 80 columns.

    penalty : R(β) as mathematics, where it is not α/2 ‖β‖².
    """
    if result.sparse is not None:
        s = result.statistics
        targets = s.classes if len(result.sparse.active) > 1 else s.target_names
        parts = [
            ("What was minimised", _objective(result, penalty)),
            *sparse_parts(result, result.sparse, targets, True, _NONE),
        ]
        return _joined(parts)
    parts = [
        ("What was minimised", _objective(result, penalty)),
        ("Where its derivative vanishes", _derivative(result, penalty)),
        ("How the minimum was reached", _way(result)),
        ("Collinear columns", "\n".join(bullet(remark) for remark in result.remarks[:12])),
        ("Separation", "" if result.separation is None else wrap(result.separation)),
        ("Is it the minimum?", _proof(result)),
        ("What the standard errors rest on", _errors(result)),
    ]
    return _joined(parts)


def _joined(parts: list[tuple[str, str]]) -> str:
    return "\n\n".join(f"{title}\n{'─' * len(title)}\n{body}" for title, body in parts if body)


def _objective(result: LikelihoodResultLike, penalty: str) -> str:
    s = result.statistics
    level = "β₀ + xᵢᵀβ" if s.has_intercept else "xᵢᵀβ"
    added = penalty or (
        f" + {result.alpha:g}/2 ‖β‖²" if result.alpha else " + α/2 ‖β‖²" if s.penalised else ""
    )
    if s.bias_reduced:
        added = " − (1/Σw) ½ log |I(β)|"
    loss = _LOSSES.get((s.family, s.link))
    known = "" if s.dispersion_known else ", times the dispersion φ"
    words = (
        f"L is the negative log-likelihood of the {s.family} family with the link {s.link}{known}, up to terms of y "
        "alone"
    )
    outcome = (
        f"classes {', '.join(cell(each) for each in s.classes[:6])}{', …' if len(s.classes) > 6 else ''}"
        if s.classes
        else cell(s.response)
    )
    return "\n".join([
        formula(f"J(β) = (1/Σw) Σ wᵢ L(yᵢ, ηᵢ){added},   ηᵢ = {level}"),
        *([formula(loss)] if loss else []),
        "",
        wrap(
            f"{words}. There are n = {plural(s.n_obs, 'row')} and {plural(len(s.names), 'coefficient')}"
            f"{' for each class but the first' if len(s.target_names) > 1 else ''} ({outcome})."
            + _reached(result)
        ),
    ])  # fmt: skip


def _reached(result: LikelihoodResultLike) -> str:
    if result.certificate.status == "not assessed":
        return ""
    reached, found = result.statistics.log_likelihood, f"J is {number(result.certificate.loss)}"
    if math.isnan(reached):
        return f" At the coefficients found {found}; without a φ above 0 there is no log-likelihood."
    return f" At the coefficients found {found} and the log-likelihood {number(reached)}."


def _derivative(result: LikelihoodResultLike, penalty: str) -> str:
    s = result.statistics
    more, bend = (" + ∂R/∂β", " + ∂²R/∂β²") if s.penalised or penalty else ("", "")
    own = _DERIVATIVES.get((s.family, s.link))
    return "\n".join([
        wrap("With a first 1 in each row x for the intercept, the derivatives are" if s.has_intercept
             else "The derivatives are"),
        formula(f"g = ∂J/∂β = (1/Σw) Σ wᵢ L'(yᵢ, ηᵢ) xᵢ{more}"),
        formula(f"H = ∂²J/∂β² = (1/Σw) Σ wᵢ L''(yᵢ, ηᵢ) xᵢxᵢᵀ{bend}"),
        *([formula(own)] if own else []),
        wrap("g = 0 is not linear in β, so that the solution is approached by iteration."),
    ])  # fmt: skip


def _way(result: LikelihoodResultLike) -> str:
    line, words = _WAYS.get(result.solver) or iterations(result.solver)
    body = iterations_table(result.trace)
    return "\n".join([
        wrap(f"The method was {result.solver.replace('_', ' ')}, because {result.why}. A step is"),
        formula(line),
        wrap(f"{words}."),
        *(["", textwrap.indent(body, "    "), ""] if body else []),
        wrap(
            f"After {plural(result.iterations, 'step')} it ended: {result.stop_reason}. The rows were read "
            f"{times(result.certificate.readings)} in all, the reading for the certificate included."
        ),
    ])  # fmt: skip


def _proof(result: LikelihoodResultLike) -> str:
    c = result.certificate
    if c.status == "not assessed":
        return wrap(f"Not assessed: {c.message}.")
    lines = [wrap(
        f"{c.status[0].upper()}{c.status[1:]}: {c.message}. The largest derivative, recomputed from the data, is "
        f"{c.gradient_norm:.2g}; one counts as zero up to {RELATIVE_TOLERANCE:g} of the mean size of its terms "
        f"|wᵢ xᵢⱼ L'ᵢ|, and up to what rounding makes unavoidable; the closest to its tolerance may be "
        f"{c.tolerance:.2g}."
    )]  # fmt: skip
    finite = c.error_bound[np.isfinite(c.error_bound)]
    if c.converged and finite.size and c.error_bound_kind == "bound":
        lines.append(wrap(
            f"Newton's decrement √(gᵀH⁻¹g) is {c.newton_decrement:.2g}. Since |L'''| ≤ M L'', it bounds how far the "
            f"exact "
            f"maximum can be: |β̂ − β*| ≤ {finite.max():.2g} for every coefficient, and proves that there is one (Bach "
            "2010)."
        ))  # fmt: skip
    elif c.converged and finite.size:
        lines.append(wrap(
            f"By Newton's step, β̂ is within about {finite.max():.2g} of the exact solution in every coefficient (an "
            "estimate, not a bound)."
        ))  # fmt: skip
    return "\n".join(lines)


def _errors(result: LikelihoodResultLike) -> str:
    s = result.statistics
    if s.penalised:
        return wrap(_NONE)
    if result.refusal is not None:
        return wrap(result.refusal)
    curve = "E L''" if s.information == "expected" else "L''"
    expected, observed = s.inverse, s.observed_inverse
    alike = (
        expected is not None and observed is not None and np.array_equal(expected, observed, equal_nan=True)
    )
    same = " (the same as L'' itself, since the link is canonical)" if alike else ""
    phi = "" if s.dispersion_known else f", with φ = {number(s.dispersion)} from Pearson's χ² over n − rank"
    if s.cov_type == "nonrobust":
        return "\n".join([
            wrap(f"The covariance of β̂ is the inverse of the {s.information} information{same}"),
            formula(f"V = {'' if s.dispersion_known else 'φ '}(Σ wᵢ {curve}ᵢ xᵢxᵢᵀ)⁻¹"),
            wrap(f"which presumes independent rows and the family's variance{phi}."),
        ])  # fmt: skip
    return "\n".join([
        wrap(f"The covariance of β̂ ({s.cov_type}) is the sandwich (Huber 1967; White 1982)"),
        formula(f"V = (Σ w {curve} xxᵀ)⁻¹ · Σ w²L'² xxᵀ · (Σ w {curve} xxᵀ)⁻¹"),
    ])  # fmt: skip
