"""What a linear fit leaves behind for inference: a few small arrays and numbers, no rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from betahat.inference.stored import check_shapes, flags, from_plain, real, real_or_none, to_plain

_KINDS: dict[str, Callable[[Any], Any]] = {
    "rank": int,
    **dict.fromkeys(("has_intercept", "penalised", "nonlinear", "gaussian"), bool),
    **dict.fromkeys(("n_obs", "sum_log_weight", "condition_number", "weight"), float),
    **dict.fromkeys(("estimate", "null_space", "residual_ss", "total_ss"), real),
    **dict.fromkeys(("inverse", "meat", "centre", "sandwich"), real_or_none),
    "estimable": flags,
}


def centred_inverse(inverse: np.ndarray, weight: float, has_intercept: bool) -> np.ndarray:
    """From (ZᵀWZ)⁻¹ of Z = [1 | X] to that of [1 | X − x̄]: the slopes' block is the same.

    >>> centred_inverse(np.array([[2.25, -1.0], [-1.0, 0.5]]), 4.0, True)
    array([[0.25, 0.  ],
           [0.  , 0.5 ]])
    """
    if not has_intercept:
        return inverse
    result = inverse.copy()
    result[0, :], result[:, 0] = 0.0, 0.0
    result[0, 0] = 1 / weight
    return result


@final
@dataclass(frozen=True, eq=False)
class LinearStatistics:
    """Sufficient statistics of a weighted linear fit with m parameters (intercept first) and t targets.

    names : m names of the parameters, "Intercept" first where there is one.
    target_names : t names of the targets.
    estimate : (t, m) float64, the fitted coefficients.
    inverse : (m, m) float64, (XᵀWX)⁻¹ of the uncentred design with its 1-column, W including frequencies;
        a symmetric generalized inverse where the design is rank-deficient.
    estimable : (m,) bool, False where the data do not determine the coefficient.
    null_space : (m, m − rank) float64, a basis of {v : Xv = 0}.
    rank : rank of the design, the intercept included.
    n_obs : number of rows, Σ frequency over rows of positive weight.
    residual_ss, total_ss : (t,) weighted sums of squares; the total one about the mean if `has_intercept`.
    sum_log_weight : Σ f log w over rows with w > 0; 0 without weights.
    has_intercept : whether the first parameter is the intercept.
    meat : (t, m, m) from :class:`betahat.inference.Meat`, None for the nonrobust covariance.
    cov_type, cov_options : the covariance and its numbers, such as {"maxlags": 4} or {"n_groups": (30, 12)}.
    condition_number, certificate_line, method : for the summary.
    centre : (m − 1,) or (m,) column means, and weight : Σw; the meat is of the design
        [1 | X − centre]. None: centre 0.
    sandwich : (t, m, m) A · meat · A itself where it was made elsewhere, instead of a meat.
    penalised : whether the estimates are shrunk by a penalty, which leaves standard errors undefined.
    nonlinear : whether the model is nonlinear, linearised at the estimates: its Jacobian stands for the design, the
        total sum of squares is about the mean, and there is no overall F.
    gaussian : whether the estimates minimise a sum of squares, and so maximise the Gaussian likelihood.
    remarks : what readers of the numbers must know of this fit, before all else.
    """

    names: tuple[str, ...]
    target_names: tuple[str, ...]
    estimate: np.ndarray
    inverse: np.ndarray | None
    estimable: np.ndarray
    null_space: np.ndarray
    rank: int
    n_obs: float
    residual_ss: np.ndarray
    total_ss: np.ndarray
    sum_log_weight: float
    has_intercept: bool
    meat: np.ndarray | None
    cov_type: str
    cov_options: dict[str, Any]
    condition_number: float
    certificate_line: str
    method: str
    penalised: bool
    centre: np.ndarray | None = None
    weight: float = 0.0
    sandwich: np.ndarray | None = None
    nonlinear: bool = False
    gaussian: bool = True
    remarks: tuple[str, ...] = ()

    def in_basis(self, back: np.ndarray, estimate: np.ndarray) -> LinearStatistics:
        """The same fit with parameters β = back · γ, `back` (m, m), and `estimate` (t, m) the β themselves."""
        null = back @ self.null_space
        size = np.sqrt((back**2 @ self.null_space**2).sum(axis=1))
        return replace(
            self,
            estimate=estimate,
            inverse=None if self.inverse is None else back @ self.inverse @ back.T,
            null_space=null,
            estimable=~(np.abs(null).sum(axis=1) > 1e-7 * size) if null.size else self.estimable,
            meat=None,
            centre=None,
            sandwich=None if self.meat is None else back @ self.uncentred(self.centred_sandwich) @ back.T,
        )

    @property
    def centred_inverse(self) -> np.ndarray:
        """(ZᵀWZ)⁻¹ of the design [1 | X − centre], in which large means cost no digits."""
        assert self.inverse is not None
        return centred_inverse(self.inverse, self.weight, self.has_intercept and self.centre is not None)

    @property
    def centred_sandwich(self) -> np.ndarray:
        """A · meat · A of the centred design, symmetric, (t, m, m)."""
        A = self.centred_inverse
        matrix = A @ self.meat @ A
        return (matrix + matrix.transpose(0, 2, 1)) / 2

    def uncentred(self, covariance: np.ndarray) -> np.ndarray:
        """The covariance of β₀ and β from that of the prediction at the centre and β, (t, m, m)."""
        if self.centre is None or not self.has_intercept:
            return covariance
        back = np.eye(len(self.names))
        back[0, 1:] = -self.centre
        return back @ covariance @ back.T

    @property
    def df_resid(self) -> float:
        """n − rank, the degrees of freedom of the residuals."""
        return self.n_obs - self.rank

    @property
    def df_model(self) -> int:
        """rank − 1 with an intercept, else rank."""
        return self.rank - int(self.has_intercept)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain numbers, strings, lists and float64 or bool arrays, for storage."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LinearStatistics:
        """Rebuild from :meth:`to_dict`; arrays may have become nested lists.

        Raises StorageError if a field is missing, unknown, or of a shape that does not fit the names.
        """
        parts = from_plain(cls, values, ("names", "target_names", "remarks"), _KINDS)
        m, t = len(parts["names"]), len(parts["target_names"])
        shapes = {
            "estimate": (t, m),
            "inverse": (m, m),
            "estimable": (m,),
            "null_space": (m, m - parts["rank"] if parts["null_space"].size else 0),
            "residual_ss": (t,),
            "total_ss": (t,),
            "meat": (t, m, m),
            "sandwich": (t, m, m),
            "centre": (m - int(parts["has_intercept"]),),
        }
        check_shapes(parts, shapes)
        return cls(**parts)
