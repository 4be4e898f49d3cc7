"""A nonlinear fit explained: what was minimised, how it was descended to, what proves it."""

from __future__ import annotations

import textwrap
from typing import Protocol

import numpy as np

from betahat.inference.text import number
from betahat.report.explain_descent import iterations_table
from betahat.report.fitted import ResultLike
from betahat.report.wording import formula, plural, wrap

_SHOWN = 12  # parameters listed in full
_STEPS = {
    "levenberg_marquardt": "(JᵀWJ + λD²) δ = JᵀW (y − f)",
    "gauss_newton": "JᵀWJ δ = JᵀW (y − f)",
    "trust_region": "(H + λD²) δ = −∂J/∂β,   ‖Dδ‖ ≤ Δ",
}
_STOPPED = {
    "converged": "It stopped where a further step would gain nothing that double precision can show",
    "budget spent": "It stopped because the iterations allowed were spent; max_iter allows more",
    "no progress": "It stopped because no step lowered J any more",
    "diverged": "It stopped because J, or the model, ceased to be finite",
    "interrupted": "It was interrupted, and the best β so far kept",
}


class NonlinearResultLike(ResultLike, Protocol):
    """What a nonlinear fit must show to be explained."""

    @property
    def losses(self) -> np.ndarray: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def interruption(self) -> str | None: ...


def explain_nonlinear(
    result: NonlinearResultLike, names: tuple[str, ...], loss_words: str, penalty_words: str
) -> str:
    """A nonlinear fit in words and mathematics, for a terminal of 80 columns.

    loss_words, penalty_words : L and R as lines of mathematics, the second empty where R is zero.
    """
    parts = [
        ("What was minimised", _objective(result, names, loss_words, penalty_words)),
        ("Where its derivative vanishes", _derivative(penalty_words)),
        ("How it was descended to", _descent(result)),
        ("Is it a minimum?", _proof(result)),
        ("What the standard errors rest on", _errors(result)),
    ]
    return "\n\n".join(f"{title}\n{'─' * len(title)}\n{body}" for title, body in parts if body)


def _objective(
    result: NonlinearResultLike, names: tuple[str, ...], loss_words: str, penalty_words: str
) -> str:
    s = result.statistics
    line = "J(β) = (1/Σw) Σ wᵢ L(yᵢ, f(xᵢ, β))" + (f" + {penalty_words}" if penalty_words else "")
    found = ", ".join(
        f"{name} = {number(value)}" for name, value in zip(names[:_SHOWN], result.coef, strict=False)
    )
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "\n".join([
        formula(line),
        formula(f"L(y, f) = {loss_words}"),
        "",
        wrap(
            f"over n = {plural(s.n_obs, 'row')}, in p = {plural(len(names), 'parameter')}. At β̂ J is "
            f"{number(result.certificate.loss)}: {found}{more}."
        ),
    ])  # fmt: skip


def _derivative(penalty_words: str) -> str:
    last = " + ∂R/∂β" if penalty_words else ""
    return "\n".join([
        wrap("By the chain rule, with J the Jacobian ∂f(xᵢ, β)/∂β of the predictions,"),
        formula(f"∂J/∂β = (1/Σw) Σ wᵢ L'(yᵢ, f(xᵢ, β)) ∂f(xᵢ, β)/∂β{last}"),
        wrap(
            "f is any function, so no closed form solves ∂J/∂β = 0, and there may be several such β. The derivatives "
            "were found by differentiating the code of f."
        ),
    ])  # fmt: skip


def _descent(result: NonlinearResultLike) -> str:
    lines = [wrap(f"The solver was {result.solver}, because {result.why}.")]
    if result.solver in _STEPS:
        lines += [wrap("Each step δ solves"), formula(_STEPS[result.solver])]
    if len(result.losses) > 1:
        low = float(np.nanmin(result.losses))
        alike = int((result.losses <= low * (1 + 1e-8) + 1e-300).sum())
        lines.append(
            wrap(
                f"Of {len(result.losses)} starts {alike} ended at the lowest J, {number(low)}; the best was kept."
            )
        )
    if result.interruption is not None:
        lines.append(wrap(f"{result.interruption[0].upper()}{result.interruption[1:]}."))
    body = iterations_table(result.trace)
    if body:
        lines += ["", textwrap.indent(body, "    "), ""]
    told = _STOPPED.get(result.stop_reason, f"It stopped: {result.stop_reason}")
    lines.append(wrap(f"{told}. f was computed {result.evaluations:,} times in all."))
    return "\n".join(lines)


def _proof(result: NonlinearResultLike) -> str:
    c = result.certificate
    lines = [
        wrap(
            f"{c.status[0].upper()}{c.status[1:]}: {c.message}. The largest derivative, |∂J/∂β| = "
            f"{c.gradient_norm:.2g}, was recomputed from the rows; the closest to its tolerance may be "
            f"{c.tolerance:.2g}. Whether another minimum, elsewhere, is lower no local derivative can tell: try "
            "several starts."
        )
    ]
    finite = c.error_bound[np.isfinite(c.error_bound)]
    if c.converged and finite.size:
        lines.append(wrap(f"By Newton's step β̂ is within {finite.max():.2g} of the exact minimum."))
    return "\n".join(lines)


def _errors(result: NonlinearResultLike) -> str:
    s = result.statistics
    if result.refusal is not None:
        return wrap(f"{result.refusal[0].upper()}{result.refusal[1:]}.")
    if s.penalised:
        return wrap(
            "There are none: the penalty shrinks the estimates, so that no interval has its stated level."
        )
    if s.df_resid <= 0:
        return wrap(
            f"There are none: {plural(s.n_obs, 'row')} and {plural(s.rank, 'parameter')} leave no degrees of freedom."
        )
    if s.cov_type == "nonrobust":
        variance = number(float(s.residual_ss[0] / s.df_resid))
        return "\n".join([
            wrap("The covariance of β̂ is that of the model linearised there,"),
            formula(f"V = s² (JᵀWJ)⁻¹,   s² = Σ wᵢ (yᵢ − f)² / (n − p) = {variance}"),
            wrap(
                f"with n − p = {plural(s.df_resid, 'degree')} of freedom. Where f bends much within an interval, "
                "profile_interval does without linearising."
            ),
        ])  # fmt: skip
    return wrap(f"The covariance of β̂ ({s.cov_type}) is a sandwich around the sum of the scores' squares.")
