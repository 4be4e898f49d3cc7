"""Any smooth objective: a vanishing gradient, and what the Hessian says of the point."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from betahat.certificate.base import RELATIVE_TOLERANCE, Certificate
from betahat.kernels.finite import all_finite

_NEGATIVE, _ZERO = 1e-8, 1e-12  # relative eigenvalues below which they count as negative, and as zero
_RANK = 1e-12  # relative singular value below which columns leave a direction open
_WORDS = {
    "global minimum": "all derivatives vanish and the objective is convex, so no β has a smaller loss",
    "local minimum": "all derivatives vanish and the Hessian is positive definite, so every β nearby has a larger loss",
    "flat": "all derivatives vanish, but the Hessian has zero eigenvalues: other β nearby reach the same loss",
    "saddle": "all derivatives vanish, but the Hessian has a negative eigenvalue: along its direction the loss falls",
    "stationary": "all derivatives vanish; the Hessian was not looked at",
    "not stationary": "the derivatives do not vanish to the precision expected",
}


class Curvature(NamedTuple):
    """The Hessian scaled to unit diagonal, so that units do not matter: its eigenvalues, ascending, their vectors (in
    columns), and the scale √|Hⱼⱼ|; `zero` is the relative size below which they count as zero."""

    values: np.ndarray
    vectors: np.ndarray
    scale: np.ndarray
    zero: float = _ZERO

    @property
    def status(self) -> str:
        """What a point where the gradient vanishes is."""
        if not len(self.values):
            return "local minimum"
        least, largest = float(self.values[0]), float(max(-self.values[0], self.values[-1]))
        if least < -_NEGATIVE * largest:
            return "saddle"
        return "local minimum" if least > self.zero * largest else "flat"

    @property
    def condition_number(self) -> float:
        """√ of the ratio of extreme eigenvalues: in least squares, of the scaled Jacobian."""
        if not len(self.values):
            return 1.0
        least, largest = float(self.values[0]), float(self.values[-1])
        return math.sqrt(largest / least) if least > 0 else np.inf

    def solve(self, z: np.ndarray) -> np.ndarray:
        """H⁻¹z for z (m,), or for columns z (m, k)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            along = ((z.T / self.scale) @ self.vectors) / self.values
            return ((along @ self.vectors.T) / self.scale).T


def curvature(hessian: np.ndarray) -> Curvature:
    """The eigenvalues of a finite symmetric Hessian (m, m), free of the units of β."""
    scale = np.sqrt(np.abs(hessian.diagonal()))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(hessian / scale[:, None] / scale)
    return Curvature(values, vectors, scale)


def curvature_of_squares(columns: np.ndarray, second: np.ndarray) -> Curvature | None:
    """That of H = CᵀC + S, from C (n, m) itself, so that its condition number is not squared.

    columns : C; second : S (m, m), in least squares what the residuals' second derivatives add. With C = U diag(s) Vᵀ
    and B = V diag(1/s), H = B⁻ᵀ (I + BᵀSB) B⁻¹. None where C does not determine all directions, or H is not positive
    definite.
    """
    n, m = columns.shape
    if n < m or not (np.isfinite(columns).all() and np.isfinite(second).all()):
        return None
    scale = np.sqrt((columns * columns).sum(axis=0))
    if not (m and scale.min() > 0 and scale.max() < np.inf):
        return None
    s, Vt = np.linalg.svd(np.linalg.qr(columns / scale, mode="r"))[1:]
    if not s[-1] > _RANK * s[0]:
        return None
    B = Vt.T / s
    inner = np.eye(m) + B.T @ (second / scale[:, None] / scale) @ B
    try:
        L = np.linalg.cholesky((inner + inner.T) / 2)
    except np.linalg.LinAlgError:
        return None
    values, vectors = np.linalg.svd(L.T @ (s[:, None] * Vt))[1:]
    return Curvature(values[::-1] ** 2, vectors[::-1].T, scale, _RANK**2)


def certify_smooth(
    *, loss: float, gradient: np.ndarray, magnitude: np.ndarray, rounding: np.ndarray, hessian: np.ndarray | None,
    convex: bool, readings: int, tolerance: float = RELATIVE_TOLERANCE, held: np.ndarray | None = None,
    bend: Curvature | None = None, remark: str = "",
) -> Certificate:  # fmt: skip
    """The certificate of a fit at β̂ (m,), for one target.

    gradient : ∂J/∂β at β̂, from the data; magnitude : what it is small beside, mean |wᵢ ∂fᵢ/∂βⱼ L'ᵢ| + |∂R/∂βⱼ|;
    rounding : what rounding of β̂ and of f makes unavoidable in it; hessian : ∂²J/∂β², or None where not computed;
    convex : whether J is; held : which coefficients lie on a bound that stops their fall (their derivatives need not
    vanish, and they take no part in the Hessian); bend : the Hessian's eigenvalues for the others, where they are known
    better than from the Hessian itself; remark : said at the end.

    |β̂ − β*| is estimated by Newton's step |H⁻¹∇J| and its rounding.
    """
    free = ... if held is None else ~held
    tolerances = tolerance * magnitude + rounding
    g = gradient if held is None else np.where(held, 0.0, gradient)
    sizes = np.abs(g)
    stationary = bool((sizes <= tolerances).all()) and all_finite(gradient)
    bound = np.full(len(g), np.nan)
    if bend is None and hessian is not None and np.isfinite(hessian).all():
        bend = curvature(hessian if held is None else hessian[np.ix_(~held, ~held)])
    if bend is not None and bend.status == "local minimum":
        newton, lost = np.abs(bend.solve(np.array([g[free], rounding[free]]).T)).T
        bound[:] = 0.0
        bound[free] = newton + lost
    ratio = sizes / np.where(tolerances > 0, tolerances, 1.0)
    proof = Proof(stationary, int(ratio.argmax()) if len(g) else 0, tolerances, bound)
    if held is not None and held.any():
        lie = f"{int(held.sum())} of {len(held)} parameters lie on their bounds"
        remark = f"{lie}; {remark}" if remark else lie
    largest = float(sizes[sizes.argmax()]) if len(g) else 0.0
    return certificate_of(loss, gradient, largest, proof, bend, convex, readings, remark)


class Proof(NamedTuple):
    """Whether every derivative is within its tolerance; which comes closest to its own, or exceeds it most; the
    tolerances (m,), and |H⁻¹∇J| with its rounding (m,)."""

    stationary: bool
    worst: int
    tolerances: np.ndarray
    bound: np.ndarray


def certificate_of(
    loss: float, gradient: np.ndarray, largest: float, proof: Proof, bend: Curvature | None, convex: bool,
    readings: int, remark: str = "",
) -> Certificate:  # fmt: skip
    """The certificate that a proof amounts to. largest : the largest derivative that must vanish."""
    condition, status = np.nan, "stationary"
    if bend is not None:
        status, condition = bend.status, bend.condition_number
    if convex and status != "saddle":
        status = "global minimum"
    if not proof.stationary:
        status = "not stationary"
    message = _WORDS[status]
    return Certificate(
        status, status in ("global minimum", "local minimum", "flat", "stationary"), loss, gradient,
        proof.tolerances, largest, float(proof.tolerances[proof.worst]) if len(gradient) else 0.0, condition,
        proof.bound, "estimate", readings, f"{message}; {remark}" if remark else message,
    )  # fmt: skip
