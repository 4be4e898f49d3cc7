"""From what users write for a solver to the solver."""

from __future__ import annotations

from typing import Any

from betahat import solvers
from betahat.solvers.descent.base import Solver

FOR_RESIDUALS = {"levenberg_marquardt": "LevenbergMarquardt", "gauss_newton": "GaussNewton"}
"""Solvers that need residuals one by one, by name."""


def solver_named(solver: Any, residuals: bool = False) -> Solver:
    """The solver object that a name or an object stands for; `residuals` says whether a sum of squares is descended.

    Raises ValueError for another name, or one that needs residuals where there are none; TypeError for other types.
    """
    if isinstance(solver, Solver):
        return solver
    known = {**solvers.DESCENTS, **solvers.LEARNING_RATES, **(FOR_RESIDUALS if residuals else {})}
    names = ", ".join(map(repr, known))
    if not isinstance(solver, str):
        hint = ": write it with ()" if isinstance(solver, type) and issubclass(solver, Solver) else ""
        raise TypeError(f"solver (={solver!r}) must be one of {names}, or a solver of betahat.solvers{hint}")
    if solver in FOR_RESIDUALS and not residuals:
        raise ValueError(
            f"solver (={solver!r}) needs the residuals one by one, and this objective is one number: use "
            "bh.least_squares(residuals, start), or a solver for any function, such as 'trust_region'"
        )
    if solver not in known:
        raise ValueError(f"solver (={solver!r}) must be one of {names}, or a solver of betahat.solvers")
    return getattr(solvers, known[solver])()
