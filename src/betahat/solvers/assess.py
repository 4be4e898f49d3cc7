"""What the point is where a descent ended: its certificate, from gradient and Hessian there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from betahat.certificate import EPS, Certificate, certify_smooth, curvature
from betahat.solvers.descent.base import LOWEST, Limits, State, flatness
from betahat.solvers.descent.box import free_gradient, held_by
from betahat.solvers.descent.problem import Problem

_ASSESSED_UP_TO = 500  # numbers up to which the Hessian's eigenvalues tell a minimum from a saddle
_UNSEEN = 1e-13  # a relative fall of J that cannot be told from rounding


class Assessment(NamedTuple):
    """J and its gradient, the smallest eigenvalue and the relative gradient of the numbers not `held`."""

    value: float
    gradient: np.ndarray
    certificate: Certificate
    least: float
    relative: float
    held: np.ndarray
    stop_reason: str


def assess(problem: Problem, state: State, limits: Limits, hurried: bool = False) -> Assessment:
    """Certify the point; `hurried` after Ctrl-C, when nothing more is computed than is known."""
    x = state.x
    value, gradient = (state.value, state.gradient) if hurried else problem.both(x)
    held = held_by(problem.box, x, gradient)
    g = free_gradient(problem.box, x, gradient)
    scale = max(abs(value), limits.typical)
    H = None
    if np.isfinite(value) and problem.n <= _ASSESSED_UP_TO and not hurried:
        H = problem.hessian(x)
        H = H if np.isfinite(H).all() else None
    rounding, least, fall, bend = np.zeros(problem.n), np.nan, np.nan, None
    if H is not None:
        rounding = np.minimum(4 * EPS * (np.abs(H) @ np.abs(x)), 1e300)
        bend = curvature(H[np.ix_(~held, ~held)] if held.any() else H)
        least = float(bend.values[0]) if len(bend.values) else np.nan
        if bend.status == "local minimum":
            fall = 0.5 * float(g[~held] @ bend.solve(g[~held]))
            if fall <= _UNSEEN * abs(value):  # Newton's step would win less than values of J can show
                rounding = np.maximum(rounding, np.abs(g))
    certificate = certify_smooth(
        loss=value, gradient=gradient, magnitude=scale / np.maximum(np.abs(x), 1.0), rounding=rounding, hessian=H,
        convex=False, readings=1, tolerance=limits.tolerance, held=None if problem.box is None else held,
        bend=bend,
    )  # fmt: skip
    if not np.isfinite(value) or state.stop_reason == "diverged":
        message = "there is no value here" if not np.isfinite(value) else "this is no minimum"
        certificate = replace(certificate, status="not stationary", converged=False, message=message)
    elif certificate.converged and fall > limits.tolerance * scale and (np.abs(g) > rounding).any():
        certificate = replace(
            certificate, status="not stationary", converged=False,
            message=f"the derivatives are small, but Newton's step would lower the function by {fall:.2g}: it changes "
            "over lengths far from 1; give numbers in other units",
        )  # fmt: skip
    reason = state.stop_reason
    if reason == "no progress" and certificate.converged:
        reason = "converged"  # as far as rounding lets it
    remark = state.remark or _remark(problem, value, reason, limits)
    if remark:
        certificate = replace(certificate, message=f"{certificate.message}; {remark}")
    relative = flatness(x, value, g, limits.typical)
    return Assessment(value, gradient, certificate, least, relative, held, reason)


def _remark(problem: Problem, value: float, reason: str, limits: Limits) -> str:
    """Why the descent ended, where it did not converge."""
    undefined = (
        f"{problem.undefined} of {problem.evaluations} evaluations gave NaN or infinity"
        if problem.undefined
        else ""
    )
    if reason == "converged":
        return ""
    if not np.isfinite(value):
        return "the function or its gradient is NaN or infinite at the start; begin where both are finite"
    if reason == "diverged":
        return f"the function falls without end on the way: {'below' if value < LOWEST else 'to'} " + (
            f"{LOWEST:.0e}" if value < LOWEST else f"{value:.2g}"
        )
    words = {
        "budget spent": f"max_iter (={limits.max_iter}) are spent",
        "interrupted": "the descent was interrupted; this is the best point so far",
        "no progress": "no shorter step lowers the function: is it smooth here, and the gradient right "
        "(betahat.check_gradient)?",
    }
    return "; ".join(filter(None, [words.get(reason, ""), undefined]))
