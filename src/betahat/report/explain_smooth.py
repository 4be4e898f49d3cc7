"""A linear model with a loss or penalty of its own explained: derivatives, and the descent to where they vanish."""

from __future__ import annotations

import textwrap

from betahat.report.explain_descent import iterations, iterations_table
from betahat.report.wording import formula, plural, times, wrap
from betahat.solvers.trace import Trace


def derivative_words(has_intercept: bool, penalised: bool) -> str:
    """The part "Where its derivative vanishes"."""
    ones = "With a first 1 in each row x for the intercept, the" if has_intercept else "The"
    more, bend = (" + ∂R/∂β", " + ∂²R/∂β²") if penalised else ("", "")
    kept = ", and R the penalty, which the intercept has no part in" if penalised and has_intercept else ""
    return "\n".join([
        wrap(f"{ones} partial derivatives are"),
        formula(f"∂J/∂β = (1/Σw) Σ wᵢ L'(yᵢ, f(xᵢ)) xᵢ{more}"),
        formula(f"∂²J/∂β² = (1/Σw) Σ wᵢ L''(yᵢ, f(xᵢ)) xᵢxᵢᵀ{bend}"),
        wrap(
            f"with L' and L'' the derivatives of L in the prediction f(x) = xᵀβ{kept}. Set to zero they are not linear "
            "in β, so that the solution is approached by iteration."
        ),
    ])  # fmt: skip


def smooth_words(solver: str, why: str, trace: Trace, stop_reason: str, count: int, readings: int) -> str:
    """The part "How the minimum was descended to"."""
    line, words = iterations(solver)
    parts = [
        wrap(
            f"The method was {solver}, because {why}. It began at the coefficients of least squares, in columns "
            "of unit variance (centred where there is an intercept). With g = ∂J/∂β and H = ∂²J/∂β², an iteration is"
        ),
        formula(line),
        wrap(f"{words[0].upper()}{words[1:]}."),
    ]
    body = iterations_table(trace)
    if body:
        parts += ["", textwrap.indent(body, "    "), ""]
    parts.append(
        wrap(
            f"After {plural(count, 'iteration')} it ended: {stop_reason}. The rows were read {times(readings)} in all."
        )
    )
    return "\n".join(parts)
