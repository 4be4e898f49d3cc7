"""Are the derivatives right? Compared with finite differences, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.autodiff.containers import Path, as_floats, leaves, rebuild
from betahat.autodiff.functions import grad

_STEPS = 1e-2 * 0.5 ** np.arange(10)


@final
@dataclass(frozen=True)
class GradientCheck:
    """What was found: ok, and for the entry that disagrees most its place, the derivative and the difference quotient,
    and the relative difference."""

    ok: bool
    entry: Path
    derivative: float
    difference_quotient: float
    relative_difference: float

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        where = "x" + "".join(f"[{key!r}]" if isinstance(key, str) else f"[{key}]" for key in self.entry)
        verdict = "the derivatives agree with finite differences" if self.ok else "the derivatives are wrong"
        return (
            f"{verdict}: the largest difference is at {where}, where the derivative is {self.derivative:.10g} and the "
            f"difference quotient {self.difference_quotient:.10g} (relative difference {self.relative_difference:.2g})"
        )


def check_gradient(
    f: Callable[..., Any],
    x: Any,
    *args: Any,
    gradient: Callable[..., Any] | None = None,
    tolerance: float = 1e-6,
) -> GradientCheck:
    """Compare a gradient (found by :func:`betahat.grad` unless given) with difference quotients at x.

    f : gives one number. x : an array or a container of arrays. args : further arguments, kept constant.
    Central differences of shrinking steps are extrapolated (Ridders 1982), each entry on its own.

    >>> import numpy as np
    >>> bool(check_gradient(lambda x: np.sum(np.exp(x)), np.array([0.0, 1.0])))
    True
    >>> print(check_gradient(lambda x: np.sum(x**2), np.array([1.0, 3.0]), gradient=lambda x: np.array([2.0, 9.0])))
    the derivatives are wrong: the largest difference is at x[1], where the derivative is 9 and the difference \
quotient 6 (relative difference 0.33)
    """
    found = (gradient or grad(f))(x, *args)
    points = [np.array(as_floats(value, path, "x"), np.float64) for path, value in leaves(x)]
    worst = GradientCheck(True, (), 0.0, 0.0, 0.0)
    entries: list[tuple[Path, float, float]] = []
    for k, ((path, _), (_, derivative)) in enumerate(zip(leaves(x), leaves(found), strict=True)):
        derivatives = np.broadcast_to(np.asarray(derivative, np.float64), points[k].shape)
        for index in np.ndindex(points[k].shape):

            def along(step: float, k: int = k, index: tuple[int, ...] = index) -> float:
                moved = [point.copy() for point in points]
                moved[k][index] += step
                return float(f(rebuild(x, [m[()] for m in moved]), *args))

            quotient = _ridders(along, max(1.0, abs(float(points[k][index]))))
            entries.append(((*path, *index), float(derivatives[index]), quotient))
    scale = max((abs(quotient) for _, _, quotient in entries), default=0.0)
    for entry, derivative, quotient in entries:
        size = max(abs(derivative), abs(quotient), 1e-3 * scale, 1e-8)
        difference = abs(derivative - quotient) / size
        difference = difference if np.isfinite(difference) else np.inf
        if difference > worst.relative_difference:
            worst = GradientCheck(bool(difference <= tolerance), entry, derivative, quotient, difference)
    return worst


def _ridders(along: Callable[[float], float], size: float) -> float:
    """Central differences extrapolated to step 0; the estimate that changed least."""
    best, error = np.nan, np.inf
    before: list[float] = []
    for n, step in enumerate(_STEPS * size):
        row = [(along(step) - along(-step)) / (2 * step)]
        for m in range(n):
            row.append(row[m] + (row[m] - before[m]) / (4.0 ** (m + 1) - 1))
            change = max(abs(row[m + 1] - row[m]), abs(row[m + 1] - before[m]))
            if change < error:
                best, error = row[m + 1], change
        if n and abs(row[-1] - before[-1]) > 10 * error:
            break
        before = row
    return float(best)
