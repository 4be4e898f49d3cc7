"""What a certificate says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np

STATUSES = (
    "global minimum",
    "local minimum",
    "saddle",
    "flat",
    "no minimum exists",
    "stationary",
    "not stationary",
    "not assessed",
)
EPS = float(np.finfo(np.float64).eps)
RELATIVE_TOLERANCE = 1e-10
"""How small |∂J/∂βⱼ| must be beside mean |wᵢ xᵢⱼ L'ᵢ|, for direct and Newton solvers."""


@final
@dataclass(frozen=True, eq=False)
class Certificate:
    """What was found at β̂. Arrays list the intercept first where there is one; with several targets, a row each.

    status : one of STATUSES; converged : every derivative is within its tolerance; loss : J(β̂), penalty included,
    summed over targets; gradient : ∂J/∂β; tolerances : what each may be, `RELATIVE_TOLERANCE` · mean |wᵢ xᵢⱼ L'ᵢ| plus
    what rounding β̂ to double precision makes unavoidable; gradient_norm : the largest |∂J/∂β|; tolerance : the
    tolerance of the derivative that comes closest to (or exceeds) its own; condition_number : of the columns centred
    and scaled; error_bound : on |β̂ − β*| for each coefficient; error_bound_kind : "bound" (it holds) or "estimate";
    duality_gap : where there is an L1 penalty, else None; readings : of the rows, in all; message : in words;
    carried : whether the derivatives were summed at a β close by and carried to β̂ by the Hessian (for files, which
    are read once); newton_decrement : √(gᵀH⁻¹g), how far J is above its minimum being about half its square, where it
    was computed, else None.
    """

    status: str
    converged: bool
    loss: float
    gradient: np.ndarray
    tolerances: np.ndarray
    gradient_norm: float
    tolerance: float
    condition_number: float
    error_bound: np.ndarray
    error_bound_kind: str
    readings: int
    message: str
    duality_gap: float | None = None
    carried: bool = False
    newton_decrement: float | None = None

    def line(self) -> str:
        """One line for a summary."""
        return (
            f"{self.status}: |∂J/∂β| ≤ {self.gradient_norm:.2g} (tolerance {self.tolerance:.2g}), "
            f"|β̂ − β*| ≤ {np.fmax.reduce(self.error_bound, axis=None):.2g} ({self.error_bound_kind}), "
            f"condition number {self.condition_number:.3g}, {self._read()}"
            if self.error_bound.size and np.isfinite(self.error_bound).any()
            else f"{self.status}: {self.message}"
        )

    def _read(self) -> str:
        return "1 reading" if self.readings == 1 else f"{self.readings} readings"

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Certificate:
        arrays = {
            name: np.asarray(values[name], np.float64) for name in ("gradient", "tolerances", "error_bound")
        }
        return cls(**{**values, **arrays})
