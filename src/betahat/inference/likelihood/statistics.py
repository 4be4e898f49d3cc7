"""What a fit of a likelihood model leaves behind for inference: a few small arrays and numbers, no rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from betahat.errors import StorageError
from betahat.inference.stored import check_shapes, flags, from_plain, real, real_or_none, to_plain

INFORMATION = ("expected", "observed")

_FLOATS = (
    *("n_obs", "weight", "deviance", "null_deviance", "pearson", "log_likelihood", "null_log_likelihood"),
    *("dispersion", "condition_number"),
)
_KINDS: dict[str, Callable[[Any], Any]] = {
    "rank": int,
    **dict.fromkeys(("response", "information", "family", "link", "cov_type"), str),
    **dict.fromkeys(("certificate_line", "method"), str),
    **dict.fromkeys(("dispersion_known", "has_intercept", "penalised", "bias_reduced"), bool),
    **dict.fromkeys(_FLOATS, float),
    **dict.fromkeys(("estimate", "null_space"), real),
    **dict.fromkeys(("inverse", "observed_inverse", "meat", "sandwich", "centre"), real_or_none),
    **dict.fromkeys(("estimable", "infinite"), flags),
    "fingerprint": lambda sums: {str(key): float(value) for key, value in dict(sums).items()},
}


@final
@dataclass(frozen=True, eq=False)
class LikelihoodStatistics:
    """Sufficient statistics of a maximum likelihood fit with t linear predictors of m parameters each.

    All (t·m, t·m) matrices are ordered by target, then by name, and belong to the design [1 | X − centre], in which
    large means cost no digits; centre None, or a fit without an intercept: to [1 | X] or X itself. Columns with an
    infinite estimate have centre 0. The dispersion φ is in neither `inverse` nor `observed_inverse`.

    names : m names of the parameters, "Intercept" first where there is one.
    target_names : ("y",) of the one linear predictor, or of a multinomial model its classes but the first, which is
        the reference. response : name of y. classes : all classes as text, the reference first, or ().
    estimate : (t, m) float64, of the uncentred design; of an infinite estimate where the solver stopped.
    inverse : (Σ wᵢ E[L''ᵢ] xᵢxᵢᵀ)⁻¹, the inverse of the expected information times φ; a symmetric generalized inverse
        where columns are dependent, NaN in rows and columns of infinite estimates, None where refused.
    observed_inverse : the same of L'' itself, or None. information : "expected" or "observed", which of both counts.
    estimable : (t, m) bool, False where columns are linearly dependent, so that data do not determine the coefficient.
    infinite : (t, m) bool, True where separation makes the maximum likelihood estimate infinite.
    null_space : (m, m − rank) float64, a basis of {v : Xv = 0}. rank : rank of the design, the intercept included.
    n_obs : Σ frequency over rows of positive weight. weight : Σ w f.
    family, link : names. deviance, null_deviance : D at the estimates and of the intercept (or the offset) alone.
    pearson : Σ w (y − μ)²/V(μ). log_likelihood, null_log_likelihood : as `deviance`; NaN where there is none.
    dispersion : φ, or its estimate pearson/(n − rank); dispersion_known : whether φ = 1 by definition.
    meat : (t·m, t·m), sum over rows of outer products of scores, from :class:`betahat.inference.Meat`; None for the
        nonrobust covariance. sandwich : inverse · meat · inverse itself where it was made elsewhere.
    cov_type, cov_options : the covariance and its numbers, such as {"maxlags": 4} or {"n_groups": (30,)}.
    condition_number, certificate_line, method : for the summary.
    penalised : whether a penalty shrinks the estimates, which leaves standard errors undefined.
    bias_reduced : whether Firth's penalised likelihood was maximised.
    fingerprint : a few sums that tell whether two fits are of the same rows and response, such as {"n": n, "w": Σw,
        "wy": Σwy, "wyy": Σwy²}.
    remarks : what readers of the numbers must know of this fit, before all else.
    """

    names: tuple[str, ...]
    target_names: tuple[str, ...]
    response: str
    classes: tuple[str, ...]
    estimate: np.ndarray
    inverse: np.ndarray | None
    estimable: np.ndarray
    infinite: np.ndarray
    null_space: np.ndarray
    rank: int
    n_obs: float
    weight: float
    family: str
    link: str
    deviance: float
    null_deviance: float
    pearson: float
    log_likelihood: float
    null_log_likelihood: float
    dispersion: float
    dispersion_known: bool
    has_intercept: bool
    condition_number: float
    certificate_line: str
    method: str
    penalised: bool
    fingerprint: dict[str, float]
    meat: np.ndarray | None = None
    sandwich: np.ndarray | None = None
    centre: np.ndarray | None = None
    cov_type: str = "nonrobust"
    cov_options: dict[str, Any] = field(default_factory=dict)
    observed_inverse: np.ndarray | None = None
    information: str = "expected"
    bias_reduced: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def df_resid(self) -> float:
        """n − rank·t, the degrees of freedom of the residuals."""
        return self.n_obs - self.rank * len(self.target_names)

    @property
    def df_model(self) -> int:
        """Free coefficients beyond the null model's: (rank − 1)·t with an intercept, else rank·t."""
        return (self.rank - int(self.has_intercept)) * len(self.target_names)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the t·m parameters in the order of the matrices: `names`, or "class:name" with several targets."""
        if len(self.target_names) == 1:
            return self.names
        return tuple(f"{target}:{name}" for target in self.target_names for name in self.names)

    def uncentred(self, covariance: np.ndarray) -> np.ndarray:
        """The covariance of β₀ and β from that of the predictor at the centre and β, (t·m, t·m)."""
        if self.centre is None or not self.has_intercept:
            return covariance
        back = np.eye(len(self.names))
        back[0, 1:] = -self.centre
        all_back = np.kron(np.eye(len(self.target_names)), back)
        return all_back @ covariance @ all_back.T

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain numbers, strings, lists and float64 or bool arrays, for storage."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LikelihoodStatistics:
        """Rebuild from :meth:`to_dict`; arrays may have become nested lists.

        Raises StorageError if a field is missing, unknown, or of a shape that does not fit the names.
        """
        parts = from_plain(cls, values, ("names", "target_names", "classes", "remarks"), _KINDS)
        m, t = len(parts["names"]), len(parts["target_names"])
        square = (t * m, t * m)
        check_shapes(
            parts,
            {
                **dict.fromkeys(("estimate", "estimable", "infinite"), (t, m)),
                **dict.fromkeys(("inverse", "observed_inverse", "meat", "sandwich"), square),
                "null_space": (m, m - parts["rank"] if parts["null_space"].size else 0),
                "centre": (m - int(parts["has_intercept"]),),
            },
        )
        if parts["information"] not in INFORMATION:
            raise StorageError(
                f"the stored information is {parts['information']!r}, not one of {', '.join(INFORMATION)}"
            )
        return cls(**parts)
