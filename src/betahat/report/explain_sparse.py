"""A fit with an L1 penalty explained: its subgradient equations, working sets or Gram matrix, and the duality gap."""

from __future__ import annotations

import textwrap

import numpy as np

from betahat.inference.text import number, table
from betahat.report.fitted import FitLike
from betahat.report.wording import formula, plural, times, wrap
from betahat.solvers.sparse.fit import SparseDetails

_SHOWN = 12
_WAYS = {
    "coordinate descent (Gram)": (
        "All second moments were summed in one reading (the Gram matrix), and J minimised in them: one coordinate at a "
        "time by its soft threshold (Friedman, Hastie & Tibshirani 2010), and by Newton's step on those that are not "
        "zero. The residuals were then summed anew from the rows"
    ),
    "working sets": (
        "Each iteration asks all columns how strongly they pull, takes up those that pull hardest, and minimises J "
        "over these alone (Massias, Gramfort & Salmon 2018), by coordinate descent and by Newton's step on those that "
        "are not zero. Columns whose coefficient the gap proves to be zero are left out for good (Ndiaye et al. 2017)"
    ),
    "proximal Newton": (
        "Each iteration reads the rows once for J and its first two derivatives, and minimises the quadratic that they "
        "make, with the penalty as it is (Lee, Sun & Saunders 2014)"
    ),
}


def sparse_parts(
    result: FitLike, details: SparseDetails, targets: tuple[str, ...], smooth: bool, refusal: str
) -> list[tuple[str, str]]:
    """Title and text of all but the first part of an explanation.

    targets : names of what each row of coefficients is for; smooth : whether the loss is another than squared error;
    refusal : why there are no standard errors.
    """
    return [
        ("Where its subdifferential holds zero", _equations(smooth)),
        ("How the minimum was found", _way(result)),
        ("What came out", _support(result, details, targets)),
        ("Is it the minimum?", _proof(result, details)),
        ("What the standard errors rest on", wrap(refusal)),
    ]


def _equations(smooth: bool) -> str:
    slope = "L'(yᵢ, ŷᵢ)" if smooth else "(ŷᵢ − yᵢ)"
    return "\n".join([
        wrap("|βⱼ| has a kink at zero, where any slope from −1 to 1 supports it. With a and b the weights of |βⱼ| and "
             "½βⱼ² in the penalty, β is a minimum if for every column"),
        formula(f"gⱼ + b βⱼ = −a sign(βⱼ) where βⱼ ≠ 0,   |gⱼ| ≤ a where βⱼ = 0,   g = (1/Σw) Σ wᵢ {slope} xᵢ"),
        wrap("J is convex, so no other β is lower. A column that pulls with less than a stays out: this is how "
             "coefficients become exactly zero."),
    ])  # fmt: skip


def _way(result: FitLike) -> str:
    words = _WAYS.get(result.solver, result.solver)
    rows = [
        [str(i), number(loss), f"{norm:.2e}", f"{step:.2e}"]
        for i, (loss, norm, step) in enumerate(
            zip(result.trace.loss, result.trace.gradient_norm, result.trace.step, strict=True), 1
        )
    ]
    if len(rows) > _SHOWN:
        rows = [*rows[: _SHOWN // 2], ["…"] * 4, *rows[-_SHOWN // 2 :]]
    last = "largest step" if result.solver == "proximal Newton" else "gap"
    body = table(["iteration", "J", "largest subgradient", last], rows, rule="─")
    return "\n".join([
        wrap(f"{words}; because {result.why}."), "", textwrap.indent(body, "    "), "",
        wrap(f"The rows were read {times(result.certificate.readings)} in all."),
    ])  # fmt: skip


def _support(result: FitLike, details: SparseDetails, targets: tuple[str, ...]) -> str:
    lines = []
    p = result.coef.shape[1]
    for name, active, proved in zip(targets, details.active, details.proved, strict=True):
        of = f" for {name}" if len(details.active) > 1 else ""
        lines.append(wrap(
            f"{plural(active, 'coefficient')} of {p:,} {'is' if active == 1 else 'are'} not zero{of}; of the "
            f"{p - active:,} zeros {proved:,} are proved to be zero at every minimum."
        ))  # fmt: skip
    return "\n".join(lines)


def _proof(result: FitLike, details: SparseDetails) -> str:
    c = result.certificate
    lines = [wrap(f"{c.status[0].upper()}{c.status[1:]}: {c.message}.")]
    if c.duality_gap is not None:
        lines.append(wrap(
            "Every dual point bounds the minimum from below (Fenchel). The one made of L' at β̂, shrunk until no column "
            f"pulls more than a, lies {c.duality_gap:.2g} below J(β̂), computed from the rows and not from the solver's "
            f"bookkeeping; {details.tolerance:g} of J was asked for."
        ))  # fmt: skip
    finite = c.error_bound[np.isfinite(c.error_bound)]
    if finite.size == c.error_bound.size and finite.size:
        kind = (
            "a bound"
            if c.error_bound_kind == "bound"
            else "an estimate, which presumes that the zeros are right"
        )
        lines.append(
            wrap(
                f"From gap and subgradients follows |β̂ − β*| ≤ {finite.max():.2g} for every coefficient ({kind})."
            )
        )
    return "\n".join(lines)
