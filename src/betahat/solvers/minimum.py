"""What `bh.minimize` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.certificate import Certificate
from betahat.solvers.trace import Trace

_OURS = {
    "x": "point",
    "fun": "value",
    "jac": "gradient",
    "success": "converged",
    "nit": "iterations",
    "nfev": "evaluations",
    "njev": "gradients",
    "nhev": "products",
    "hess": "certificate, where the Hessian's condition number is, and smallest_eigenvalue",
    "maxcv": "held, which numbers lie on their bounds",
}
"""scipy's words for what a `Minimum` holds."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Minimum:
    """Where a descent ended.

    point : in the form of the start; value : J there (infinite where it is not a number); gradient : ∂J/∂point;
    certificate : what the point is, found from gradient and Hessian there; smallest_eigenvalue : of the Hessian scaled
    to unit diagonal (of the numbers that no bound holds), NaN where it was not looked at; relative_gradient :
    max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1) of those numbers; held : which numbers a bound holds, in the form of the start;
    stop_reason : one of `betahat.solvers.trace.STOP_REASONS`; solver : which one; trace : a row for each iteration;
    evaluations, gradients, products : of the function, its gradient, and its Hessian with a vector, the certificate's
    included; message : in words.
    """

    point: Any
    value: float
    gradient: Any
    certificate: Certificate
    smallest_eigenvalue: float
    relative_gradient: float
    held: Any
    stop_reason: str
    solver: str
    trace: Trace
    evaluations: int
    gradients: int
    products: int

    @property
    def status(self) -> str:
        """What the point is: "local minimum" (the Hessian is positive definite), "flat" (it has zero eigenvalues and
        none negative), "saddle", "stationary" (the Hessian was not looked at) or "not stationary"."""
        return self.certificate.status

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes and no direction of fall was found."""
        return self.certificate.converged

    @property
    def iterations(self) -> int:
        """How many the solver made."""
        return len(self.trace)

    @property
    def message(self) -> str:
        """In words."""
        return self.certificate.message

    def __getattr__(self, name: str) -> Any:
        if name in _OURS:
            raise AttributeError(f"a Minimum has no {name!r}: it calls it {_OURS[name]}")
        raise AttributeError(f"a Minimum has no {name!r}; it has {', '.join(self.__dataclass_fields__)}")

    def __repr__(self) -> str:
        proof = self.certificate
        rows = {
            "point": _short(self.point),
            "value": f"{self.value:.10g}",
            "largest gradient": f"{proof.gradient_norm:.3g} (tolerance {proof.tolerance:.2g})",
        }
        if np.isfinite(proof.error_bound).any():
            rows["largest error"] = f"{np.nanmax(proof.error_bound):.2g} ({proof.error_bound_kind})"
        if np.isfinite(self.smallest_eigenvalue):
            condition = proof.condition_number
            rows["smallest eigenvalue"] = f"{self.smallest_eigenvalue:.3g}" + (
                f" (condition number {condition:.3g})" if np.isfinite(condition) else ""
            )
        rows["solver"] = (
            f"{self.solver}, {self.stop_reason} after {_count(self.iterations, 'iteration')}, "
            f"{_count(self.evaluations, 'evaluation')}, {_count(self.gradients, 'gradient')}, "
            f"{_count(self.products, 'Hessian product')}"
        )
        width = max(map(len, rows))
        return "\n".join(
            [
                f"Minimum: {self.status}",
                *(f"  {name:<{width}}  {text}" for name, text in rows.items()),
                f"  {self.message}",
            ]
        )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _short(point: Any) -> str:
    with np.printoptions(precision=8, threshold=8, edgeitems=3, linewidth=100):
        text = " ".join(str(point).split())
    return text if len(text) <= 100 else text[:97] + "..."
