"""A descent explained: its iteration, its learning rate, and the rate that theory promises beside the one observed."""

from __future__ import annotations

import textwrap

import numpy as np

from betahat.inference.text import number, table
from betahat.report.wording import formula, plural, times, wrap
from betahat.solvers.linear_descent import Descended
from betahat.solvers.trace import Trace

_SHOWN = 12
_QUADRATIC = "J is a quadratic, known from one reading of the rows"
_STOCHASTIC = "In each epoch all rows came by once, {} at a time in random order"
_ITERATIONS = {
    "gradient_descent": ("β ← β − η g", "against the gradient, by the learning rate η"),
    "momentum": (
        "β ← β − η g + μ (β − β₋₁)",
        "against the gradient, with a share of the step before (Polyak 1964)",
    ),
    "nesterov": (
        "v = β + μₖ (β − β₋₁),   β ← v − η g(v)",
        "against the gradient at the point where momentum leads (Nesterov 1983)",
    ),
    "conjugate_gradient": (
        "β ← β + t d,   t = gᵀg / dᵀHd,   d ← −g₊ + (g₊ᵀg₊ / gᵀg) d",
        "to the lowest point along d, each d conjugate to those before (Hestenes & Stiefel 1952)",
    ),
    "steepest_descent": ("β ← β − t g", "against the gradient, t by line search (Cauchy 1847)"),
    "lbfgs": (
        "β ← β − t H̃ g",
        "H̃ ≈ H⁻¹ from the last steps and the gradient's changes along them (Nocedal 1980), t by line search",
    ),
    "bfgs": (
        "β ← β − t H̃ g",
        "H̃ ≈ H⁻¹ learnt from the gradient's changes (Broyden, Fletcher, Goldfarb, Shanno 1970), t by line search",
    ),
    "sgd": (
        "β ← β − η (g_B(β) − g_B(β̃) + g(β̃))",
        "against the gradient of a mini-batch B of rows, freed of its noise by what B and all rows say at β̃, where the "
        "epoch began (SVRG; Johnson & Zhang 2013); without β̃ where the learning rate changes or iterates are averaged",
    ),
    "adagrad": (
        "β ← β − η g_B / (√Σ g_B² + ε)",
        "against a mini-batch's gradient, scaled by those before (Duchi 2011)",
    ),
    "rmsprop": (
        "β ← β − η g_B / (√v + ε)",
        "against a mini-batch's gradient, v the running mean of its square",
    ),
    "adam": (
        "β ← β − η m / (√v + ε)",
        "m and v running means of mini-batches' gradients and squares (Kingma & Ba 2015)",
    ),
    "adamw": (
        "β ← β − η (m / (√v + ε) + λβ)",
        "Adam on mini-batches, with weight decay (Loshchilov & Hutter 2019)",
    ),
    "newton": ("β ← β − H⁻¹ g", "Newton's step, which for a quadratic leads to the minimum at once"),
    "newton_cg": ("H d = −g by conjugate gradients,   β ← β + d", "Newton's step without a factorisation"),
    "trust_region": (
        "(H + λI) d = −g,   β ← β + d",
        "Newton's step within a region that grows while it succeeds",
    ),
}


def descent_words(how: Descended, trace: Trace, stop_reason: str, readings: int) -> str:
    """The part "How it was descended to" of an explanation."""
    line, words = iterations(how.solver)
    kappa = how.largest / how.smallest if how.smallest > 0 else np.inf
    known, step, visit = _QUADRATIC, "iteration", "iteration"
    if how.batch_size:
        known, step, visit = _STOCHASTIC.format(how.batch_size), "step", "epoch"
    parts = [
        wrap(
            f"{known}: with g = ∂J/∂β and H = ∂²J/∂β² in "
            "columns of unit variance (centred where there is an intercept), from β = 0, each "
            f"{step} is"
        ),
        formula(line),
        wrap(f"{words[0].upper()}{words[1:]}. {_numbers(how, kappa)}"),
        wrap(_rate_words(how, kappa)),
    ]
    body = iterations_table(trace)
    if body:
        parts += ["", textwrap.indent(body, "    "), ""]
    parts.append(
        wrap(
            f"After {plural(how.iterations, visit)} it ended: {stop_reason}. The rows were read "
            f"{times(readings)} in all: at the end of a descent the derivatives were summed over all rows in "
            "double-double arithmetic, and the descent went on from there while they asked for a correction above "
            "rounding."
        )
    )
    return "\n".join(parts)


def _numbers(how: Descended, kappa: float) -> str:
    extreme = f"H has eigenvalues from {number(how.smallest)} to L = {number(how.largest)}: κ = {kappa:.3g}."
    if np.isnan(how.learning_rate):
        return extreme
    momentum = f" and μ = {how.momentum:.6g}" if how.momentum > 0 else ""
    limit = f"; J would rise for η > 2/L = {2 / how.largest:.6g}" if how.momentum == 0 else ""
    one = "1/L = " if abs(how.learning_rate * how.largest - 1) < 1e-9 else ""
    return f"{extreme} Here η = {one}{how.learning_rate:.6g}{momentum}{limit}."


def predicted_rate(how: Descended) -> float | None:
    """The factor by which theory lets an iteration shrink the error in the long run; None where κ does not say."""
    low, high = how.smallest, how.largest
    root = float(np.sqrt(low / high)) if low > 0 else 0.0
    if how.solver in ("gradient_descent", "momentum") and np.isfinite(how.learning_rate):
        return max(_heavy_ball(how.learning_rate, how.momentum, value) for value in (low, high))
    return {
        "nesterov": 1 - root,
        "conjugate_gradient": (1 - root) / (1 + root),
        "steepest_descent": (high - low) / (high + low),
        "newton": 0.0,
    }.get(how.solver)


def _heavy_ball(rate: float, momentum: float, curvature: float) -> float:
    """The larger root of r² − (1 + μ − ηλ) r + μ = 0, in size: what an error along one eigenvector is multiplied by."""
    return float(np.abs(np.roots([1.0, -(1 + momentum - rate * curvature), momentum])).max())


def _rate_words(how: Descended, kappa: float) -> str:
    promised = predicted_rate(how)
    unit = "epoch" if how.batch_size else "iteration"
    seen = (
        f"Observed in the second half of the first descent: a factor {how.rate:.6g} an {unit}."
        if np.isfinite(how.rate)
        else "It was over before a rate could be observed."
    )
    if promised is None:
        return f"No simple rate in κ is known for it. {seen}"
    digit = f", {np.log(0.1) / np.log(promised):,.0f} iterations for a digit" if 0.1 < promised < 1 else ""
    return f"In the long run theory promises a factor of {promised:.6g} an iteration or less{digit}. {seen}"


def iterations(solver: str) -> tuple[str, str]:
    """A method's iteration as a line of mathematics, and in words."""
    return _ITERATIONS.get(solver, ("β ← β + d", f"by the steps d of {solver}"))


def iterations_table(trace: Trace) -> str:
    """J and its gradient by iteration, shortened in the middle."""
    rows = [
        [f"{i:,}", number(loss), f"{norm:.2e}"]
        for i, loss, norm in zip(range(len(trace)), trace.loss, trace.gradient_norm, strict=True)
    ]
    if len(rows) > _SHOWN:
        rows = [*rows[: _SHOWN // 2], ["…"] * 3, *rows[-_SHOWN // 2 :]]
    return table(["iteration", "J", "largest |∂J/∂β|"], rows, rule="─") if rows else ""
