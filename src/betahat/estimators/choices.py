"""What users say of how to fit, checked: solvers, budgets and tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.solvers.linear_descent import Method
from betahat.solvers.named import solver_names


def check_solver(solver: Any) -> None:
    """Raise unless `solver` is None, one of `solver_names()` or a solver object."""
    if solver is None or solver == "direct":
        return
    if isinstance(solver, str):
        if solver not in solver_names():
            raise ValueError(
                f"solver (={solver!r}) must be one of {', '.join(map(repr, solver_names()))}, a solver such as "
                "betahat.solvers.GradientDescent(0.1), or None to choose"
            )
        return
    from betahat.solvers.descent.base import Solver

    if not isinstance(solver, Solver):
        hint = (
            f"; write {solver.__name__}()" if isinstance(solver, type) and issubclass(solver, Solver) else ""
        )
        raise TypeError(
            f"solver (={solver!r}) must be None, a name or a solver such as betahat.solvers.LBFGS(){hint}"
        )


def check_budget(max_iter: Any) -> None:
    """Raise unless it is None or a whole number of 1 or more."""
    whole = isinstance(max_iter, (int, np.integer)) and not isinstance(max_iter, bool)
    if max_iter is not None and not whole:
        raise TypeError(
            f"max_iter (={max_iter!r}) must be a whole number, or None for the solver's own budget"
        )
    if max_iter is not None and max_iter < 1:
        raise ValueError(f"max_iter (={max_iter!r}) must be 1 or more")


def check_tolerance(tol: Any) -> None:
    """Raise unless it is None or a number between 0 and 1."""
    if tol is None:
        return
    if isinstance(tol, (bool, np.bool_)) or not isinstance(tol, (int, float, np.integer, np.floating)):
        raise TypeError(f"tol (={tol!r}) must be a number between 0 and 1, or None for what rounding allows")
    if not 0 < tol < 1:
        raise ValueError(
            f"tol (={tol!r}) must be between 0 and 1: how small |∂J/∂βⱼ| must become beside the mean size of its terms"
        )


def method_of(solver: Any, max_iter: Any, tol: Any) -> Method | None:
    """How to descend; None where equations are solved."""
    if solver is None or solver == "direct":
        return None
    return Method(solver, None if max_iter is None else int(max_iter), None if tol is None else float(tol))
