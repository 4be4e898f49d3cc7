"""A network's objective at β̂: whether its derivatives vanish, and its curvature from products alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate.base import Certificate
from betahat.objective.network import NetworkObjective

RELATIVE = 1e-6
"""How small a derivative must be beside its terms: what full-batch descents in double precision reach."""
_NEGATIVE, _ZERO = (
    1e-8,
    1e-12,
)  # eigenvalues relative to the largest, below which they count as negative, and as zero
_DENSE = 64  # parameters up to which the Hessian is made
_DIGITS = 1e-9  # relative to the largest eigenvalue, to which Lanczos' method works


@final
@dataclass(frozen=True, eq=False)
class ExtremeCurvature:
    """The extreme eigenvalues of ∂²J/∂β², and the direction (size,) of the smallest, of length 1, in the flat array of
    parameters. From a saddle J falls along it."""

    smallest: float
    largest: float
    direction: np.ndarray

    @property
    def status(self) -> str:
        """What a point where the gradient vanishes is."""
        size = max(abs(self.smallest), abs(self.largest))
        if self.smallest < -_NEGATIVE * size:
            return "saddle"
        return "local minimum" if self.smallest > _ZERO * size else "flat"


def extreme_curvature(
    product: Callable[[np.ndarray], np.ndarray],
    real: np.ndarray,
    unseen: Callable[[np.ndarray], np.ndarray] | None = None,
) -> ExtremeCurvature:
    """Of a Hessian known by its products H v, over the places where `real` (size,).

    unseen : projects on directions of no curvature that are known and left out.

    By Lanczos' method (Lanczos 1950; ARPACK): the largest in size first, and with it as a shift the other end, so that
    eigenvalues near 0 are found to digits of the largest. A few dozen parameters have their Hessian made.

    >>> H = np.diag([3.0, -1.0, 0.5])
    >>> found = extreme_curvature(lambda v: H @ v, np.ones(3, bool))
    >>> round(found.smallest, 6), round(found.largest, 6), found.status, found.direction.round(6).tolist()
    (-1.0, 3.0, 'saddle', [0.0, 1.0, 0.0])
    """
    places = np.flatnonzero(real)
    m, lift = len(places), 0.0

    def times(v: np.ndarray) -> np.ndarray:
        whole = np.zeros(len(real))
        whole[places] = np.ravel(v)
        if unseen is None:
            return product(whole)[places]
        still = unseen(whole)
        return (product(whole - still) + lift * still)[places]

    begin = np.random.default_rng(0).standard_normal(m)
    lift = float(
        np.linalg.norm(times(begin)) / np.linalg.norm(begin)
    )  # amid the eigenvalues, as their root mean square

    if m <= _DENSE:
        H = np.stack([times(unit) for unit in np.eye(m)], -1)
        values, vectors = np.linalg.eigh((H + H.T) / 2)
        low, high, direction = float(values[0]), float(values[-1]), vectors[:, 0]
    else:
        low, high, direction = _lanczos(times, begin)
    whole = np.zeros(len(real))
    whole[places] = direction * (1.0 if direction[np.argmax(np.abs(direction))] > 0 else -1.0)
    return ExtremeCurvature(low, high, whole)


def _lanczos(times: Callable[[np.ndarray], np.ndarray], begin: np.ndarray) -> tuple[float, float, np.ndarray]:
    from scipy.sparse.linalg import LinearOperator, eigsh

    m = len(begin)

    def largest(product: Callable[[np.ndarray], np.ndarray]) -> tuple[float, np.ndarray]:
        operator = LinearOperator((m, m), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
        values, vectors = eigsh(operator, k=1, which="LM", v0=begin, tol=_DIGITS, maxiter=50 * m)  # pyright: ignore[reportArgumentType]
        return float(values[0]), vectors[:, 0]

    first, one = largest(times)
    # H − λ has the other end of the spectrum as its largest in size
    beyond, other = largest(lambda v: times(v) - first * np.ravel(v))
    second = first + beyond
    return (second, first, other) if first >= second else (first, second, one)


def certify_network(
    objective: NetworkObjective, beta: np.ndarray, curved: bool, tolerance: float = RELATIVE
) -> tuple[Certificate, ExtremeCurvature | None]:
    """The certificate at β̂ (size,) float64, with the derivatives summed over all rows, and the curvature if asked.

    A derivative counts as zero where |∂J/∂βⱼ| ≤ tolerance · the mean over parts of the rows of its size in them
    (:meth:`~betahat.objective.network.NetworkObjective.magnitude`), so that no column's unit can fake or prevent it.
    """
    loss, whole = objective.both(beta)
    real = objective.real
    gradient, magnitude = whole[real], objective.magnitude(beta)[real]
    tolerances = tolerance * magnitude
    finite = bool(np.isfinite(loss) and np.isfinite(gradient).all())
    converged = finite and bool((np.abs(gradient) <= tolerances).all())
    bend = (
        extreme_curvature(lambda v: objective.product(beta, v), real, objective.unseen)
        if curved and finite
        else None
    )
    status = "not stationary"
    if converged:
        status = "stationary" if bend is None else bend.status
    ratios = np.abs(gradient) / np.where(magnitude > 0, magnitude, 1.0)
    worst = int(np.argmax(ratios)) if len(ratios) else 0
    certificate = Certificate(
        status=status,
        converged=converged,
        loss=loss,
        gradient=gradient,
        tolerances=tolerances,
        gradient_norm=float(np.abs(gradient).max(initial=0)),
        tolerance=float(tolerances[worst]) if len(ratios) else 0.0,
        condition_number=np.nan
        if bend is None or bend.smallest <= 0
        else float(np.sqrt(bend.largest / bend.smallest)),
        error_bound=np.full(len(gradient), np.nan),
        error_bound_kind="estimate",
        readings=2,
        message=_message(status, loss, gradient, ratios, tolerance, bend),
    )
    return certificate, bend


def _message(
    status: str,
    loss: float,
    gradient: np.ndarray,
    ratios: np.ndarray,
    tolerance: float,
    bend: ExtremeCurvature | None,
) -> str:
    largest, ratio = np.abs(gradient).max(initial=0), ratios.max(initial=0)
    found = f"J = {loss:.6g}, the largest |∂J/∂β| is {largest:.3g}"
    if status == "not stationary":
        words = (
            f"the derivatives do not vanish: {found}, and one is {ratio:.2g} of the size that it has in parts of the "
            f"rows, where {tolerance:.0e} would count as zero. A training that ends by its epochs or its score ends so"
        )
    else:
        words = f"all derivatives vanish: {found}"
    if bend is None:
        return words + ("; the curvature was not looked at" if status == "stationary" else "")
    ends = f"the Hessian's eigenvalues reach from {bend.smallest:.3g} to {bend.largest:.3g}"
    meaning = {
        "saddle": ": along the direction of the smallest (curvature_.direction) J falls",
        "flat": ": there are directions in which J hardly changes",
        "local minimum": ": every β nearby has a larger J",
    }.get(status, "")
    return f"{words}; {ends}{meaning}"
