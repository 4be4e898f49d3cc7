"""Descents watched on their way: the points that solvers passed, for the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.autodiff.containers import leaves
from betahat.solvers.checks import is_real
from betahat.solvers.descent.base import Solver
from betahat.solvers.minimize import minimize
from betahat.solvers.trace import Trace

_WRITTEN = {"bfgs": "BFGS", "lbfgs": "L-BFGS", "lbfgsb": "L-BFGS-B", "newton_cg": "Newton–CG", "sgd": "SGD"}

Solvers = str | Solver | None | Sequence[str | Solver | None] | Mapping[str, str | Solver | None]
"""One solver or several, as `bh.minimize` takes them (None: its choice), or a dict of them with labels."""


@final
@dataclass(frozen=True, eq=False)
class Descent:
    """A way down: `points` (k, d) where it stood, the start first (in a picture d = 2, their coordinates there);
    `values` (k,) of J; `iterations`, `evaluations`, `stop_reason`, `trace` : as :func:`betahat.minimize` has them."""

    points: np.ndarray
    values: np.ndarray
    iterations: int
    evaluations: int
    stop_reason: str
    trace: Trace

    def described(self) -> str:
        """Iterations and evaluations in words, and why it stopped where it did not converge."""
        text = f"{_count(self.iterations, 'iteration')}, {_count(self.evaluations, 'evaluation')}"
        return text if self.stop_reason == "converged" else f"{text} ({self.stop_reason} at ×)"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def flat(point: Any) -> np.ndarray:
    """The numbers of a container as one vector (n,)."""
    return np.concatenate([np.ravel(np.asarray(value, np.float64)) for _, value in leaves(point)])


def read_start(start: Any) -> Any:
    """A list of floats as the array that :func:`betahat.minimize` takes it for; anything else as it is."""
    return np.array(start) if isinstance(start, list) and start and all(map(is_real, start)) else start


def coordinate_names(start: Any) -> list[str]:
    """What the numbers of a start are called: ``β[0]`` in an array, ``a`` and ``w[1]`` in a dict.

    >>> coordinate_names({"a": 1.0, "w": np.zeros(2)}), coordinate_names(np.zeros(2))
    (['a', 'w[0]', 'w[1]'], ['β[0]', 'β[1]'])
    """
    names: list[str] = []
    for path, value in leaves(start):
        first, *rest = path or ("β",)
        stem = str(first) if isinstance(first, str) else f"β[{first}]"
        stem += "".join(f"[{key}]" for key in rest)
        names += [stem + "".join(f"[{k}]" for k in index) for index in np.ndindex(np.shape(value))]
    return names


def labelled(solvers: Solvers) -> dict[str, str | Solver | None]:
    """Solvers by what a legend calls them."""
    if isinstance(solvers, Mapping):
        named = dict(solvers)
    else:
        several = [solvers] if solvers is None or isinstance(solvers, (str, Solver)) else list(solvers)
        named = {}
        for solver in several:
            label = _label(solver)
            if label in named:
                raise ValueError(
                    f"solvers holds two called {label!r}; give a dict, so that each has a label of its own"
                )
            named[label] = solver
    if not named:
        raise ValueError("solvers is empty; name at least one, or None for the automatic choice")
    return named


def _label(solver: Any) -> str:
    if solver is None:
        return "automatic"
    if not isinstance(solver, (str, Solver)):
        raise TypeError(f"solvers holds {solver!r}; expected names such as 'bfgs', solver objects or None")
    name = solver if isinstance(solver, str) else solver.name
    return _WRITTEN.get(name, name.replace("_", " "))


def descend(
    function: Callable[[Any], Any], start: Any, solvers: Solvers, *, gradient: Callable[[Any], Any] | None = None,
    tol: float = 1e-9, max_iter: int | None = None,
) -> dict[str, Descent]:  # fmt: skip
    """Every solver's way from the start, by label."""
    return {
        label: _watched(function, start, solver, gradient, tol, max_iter)
        for label, solver in labelled(solvers).items()
    }


def _watched(
    function: Callable[[Any], Any], start: Any, solver: str | Solver | None, gradient: Callable[[Any], Any] | None,
    tol: float, max_iter: int | None,
) -> Descent:  # fmt: skip
    start = read_start(start)
    points: list[np.ndarray] = [flat(start)]
    with np.errstate(all="ignore"):
        values: list[float] = [float(np.reshape(function(start), ()))]

    def keep(point: Any, value: float) -> None:
        points.append(flat(point))
        values.append(value)

    found = minimize(
        function, start, solver=solver, gradient=gradient, tol=tol, max_iter=max_iter,
        callback=keep,
    )  # fmt: skip
    return Descent(
        np.array(points),
        np.array(values),
        found.iterations,
        found.evaluations,
        found.stop_reason,
        found.trace,
    )
