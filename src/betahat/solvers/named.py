"""From what users write for a solver to the solver; for estimators, whatever needs a learning rate finds it itself."""

from __future__ import annotations

from typing import Any

from betahat import solvers
from betahat.solvers.descent.base import Solver

FIRST_ORDER = ("gradient_descent", "momentum", "nesterov")
STOCHASTIC = ("sgd", "adagrad", "rmsprop", "adam", "adamw")


def solver_names() -> tuple[str, ...]:
    """Every way down that a linear model takes by name."""
    return tuple(dict.fromkeys(("direct", *FIRST_ORDER, *solvers.DESCENTS, *STOCHASTIC)))


def named(name: str) -> Solver:
    """A deterministic solver with default parameters.

    >>> named("nesterov")
    GradientDescent(learning_rate='auto', momentum=0.0, nesterov=True, restart=True)
    """
    from betahat.solvers.descent.gradient_descent import GradientDescent

    if name in FIRST_ORDER:
        return GradientDescent(momentum=0.9 * (name == "momentum"), nesterov=name == "nesterov")
    return getattr(solvers, solvers.DESCENTS[name])()


FOR_RESIDUALS = {"levenberg_marquardt": "LevenbergMarquardt", "gauss_newton": "GaussNewton"}
"""Solvers that need residuals one by one, by name."""


def bounded_names(residuals: bool = False) -> tuple[str, ...]:
    """Those of the names that `solver_named` knows whose solvers keep bounds."""
    known = (*solvers.DESCENTS, *solvers.LEARNING_RATES, *(FOR_RESIDUALS if residuals else ()))
    return tuple(name for name in known if solver_named(name, residuals).bounded)


def class_hint(solver: Any) -> str:
    """What to say where a solver's class was given for a solver; empty where it is something else."""
    return ": write it with ()" if isinstance(solver, type) and issubclass(solver, Solver) else ""


def solver_named(solver: Any, residuals: bool = False) -> Solver:
    """The solver object that a name or an object stands for; `residuals` says whether a sum of squares is descended.

    Raises ValueError for another name, or one that needs residuals where there are none; TypeError for other types.
    """
    if isinstance(solver, Solver):
        return solver
    known = {**solvers.DESCENTS, **solvers.LEARNING_RATES, **(FOR_RESIDUALS if residuals else {})}
    names = ", ".join(map(repr, known))
    if not isinstance(solver, str):
        raise TypeError(
            f"solver (={solver!r}) must be one of {names}, or a solver of betahat.solvers{class_hint(solver)}"
        )
    if solver in FOR_RESIDUALS and not residuals:
        raise ValueError(
            f"solver (={solver!r}) needs the residuals one by one, and this objective is one number: use "
            "bh.least_squares(residuals, start), or a solver for any function, such as 'trust_region'"
        )
    if solver not in known:
        raise ValueError(f"solver (={solver!r}) must be one of {names}, or a solver of betahat.solvers")
    return getattr(solvers, known[solver])()
