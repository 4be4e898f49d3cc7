"""What users say of how to fit, checked: solvers, budgets and tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.solvers.descent.base import Solver
from betahat.solvers.linear_descent import Method
from betahat.solvers.named import class_hint, solver_names

_STOCHASTIC_TOLERANCE = (
    5e-11  # what a certificate asks for; to go on to rounding would take as many epochs again
)


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
    if not isinstance(solver, Solver):
        raise TypeError(
            f"solver (={solver!r}) must be None, a name or a solver such as betahat.solvers.LBFGS()"
            f"{class_hint(solver)}"
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


def check_batches(batch_size: Any, random_state: Any) -> None:
    """Raise unless they are a whole number of rows, and what scikit-learn takes for a random state."""
    from sklearn.utils import check_random_state

    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
        raise TypeError(f"batch_size (={batch_size!r}) must be a whole number of rows")
    if batch_size < 1:
        raise ValueError(f"batch_size (={batch_size!r}) must be 1 or more")
    try:
        check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            f"random_state (={random_state!r}) must be None, a whole number from 0, or a numpy RandomState"
        ) from error


def method_of(solver: Any, max_iter: Any, tol: Any, batch_size: int, random_state: Any) -> Method | None:
    """How to descend; None where equations are solved."""
    if solver is None or solver == "direct":
        return None
    budget, tolerance = None if max_iter is None else int(max_iter), None if tol is None else float(tol)
    method = Method(solver, budget, tolerance)
    if not method.is_stochastic:
        return method
    from sklearn.utils import check_random_state

    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    return Method(
        solver, budget, _STOCHASTIC_TOLERANCE if tolerance is None else tolerance, int(batch_size), seed
    )
