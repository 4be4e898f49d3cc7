"""Fits whose likelihood has no maximum: which estimates are infinite, and what remains to be said of the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from betahat.certificate import Certificate
from betahat.data.source import Source
from betahat.losses.family import Family
from betahat.objective.smooth import Coordinates
from betahat.objective.targets import TargetSums
from betahat.solvers.likelihood.by_newton import LikelihoodFit
from betahat.solvers.separation import Separation, find_separation

_REMEDY = "Leave these columns out, join levels, or fit with alpha > 0"
_REMEDY_OF_TWO = f"{_REMEDY} or, in LogisticRegression, with firth=True"
_BINARY_LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
_COUNTS = ("poisson", "negative_binomial", "tweedie")


def kind_of(family: Family) -> str | None:
    """How data can be separated under a family, for `find_separation`; None where a maximum always exists."""
    if family.name == "binomial" and family.link in _BINARY_LINKS:
        return "binary"
    if family.name in _COUNTS and family.link == "log" and 1 <= getattr(family, "variance_power", 1.0) < 2:
        return "counts"
    return None


@final
@dataclass
class Detector:
    """Asks for separation at most once a fit, and remembers the answer."""

    source: Source
    kind: str
    intercept: bool
    labels: tuple[str, ...] | None = None
    collinear: str = "minimum_norm"
    found: Separation | None = None
    asked: bool = False
    doubt: str = ""
    """Why it is not certain that a maximum exists, where none was found to be missing."""

    def look(self, objective: Any, point: Any) -> Separation | None:
        """What separates the rows, from where a solver does not settle; None where a maximum exists."""
        return self.at(*objective.raw(point.theta))

    def at(self, beta: np.ndarray, level: Any) -> Separation | None:
        """The same, from slopes (p,) or (t, p) and intercepts."""
        if not self.asked:
            hint = (
                np.column_stack([np.reshape(level, (-1, 1)), np.atleast_2d(beta)])
                if self.intercept
                else (np.atleast_2d(beta))
            )
            if self.kind == "multinomial" and self.labels is not None and len(hint) < len(self.labels):
                hint = np.concatenate([np.zeros((1, hint.shape[1])), hint])
            found = find_separation(
                self.source, self.kind, self.intercept, self.source.names, self.labels,  # pyright: ignore[reportArgumentType]
                hint if self.kind == "multinomial" else hint[0],
                "drop" if self.collinear == "drop" else "minimum_norm",
            )  # fmt: skip
            self.asked, self.found = True, None if found.kind == "none" else found
            if found.kind == "none" and not found.certain:
                self.doubt = found.message
        return self.found

    def judged(
        self, certificate: Certificate, beta: np.ndarray, level: Any
    ) -> tuple[Certificate, Separation | None]:
        """A fit's certificate at its end, saying that there is no maximum or why that is in doubt, and what separates
        the rows."""
        if certificate.error_bound_kind == "bound":  # which proves that a maximum exists
            return certificate, None
        found = self.at(beta, level)
        if self.doubt:
            certificate = replace(certificate, message=f"{certificate.message}; {self.doubt}")
        if found is None:
            return certificate, None
        infinite = against_first(found.span).any(axis=0) if self.kind == "multinomial" else found.infinite
        return without_maximum(certificate, found, np.asarray(infinite)), found


def against_first(span: np.ndarray) -> np.ndarray:
    """Directions (s, K, m) of all classes as those (s, K − 1, m) of differences to the first; rounding is zero."""
    difference = span[:, 1:] - span[:, :1]
    return np.where(np.abs(difference) > 1e-9 * np.abs(span).max(axis=(1, 2), keepdims=True), difference, 0.0)


def one_sided(sums: TargetSums, kind: str | None, labels: tuple[str, ...], m: int) -> Separation | None:
    """That every target lies at one edge of what means can be, so that an intercept (first of m estimates) goes to
    infinity whatever penalty there is on slopes; None where it does not."""
    edges = {"binary": (0.0, 1.0), "counts": (0.0,)}.get(kind or "", ())
    if sums.smallest != sums.largest or sums.smallest not in edges:
        return None
    unit = np.eye(m)[0]
    level = int(sums.smallest)
    return Separation(
        "complete", unit if level else -unit, (0,), unit > 0, unit[None, :], sums.counts.rows, sums.counts.rows,
        (level,) if kind == "binary" else (), True, f"every row has y = {repr(labels[level]) if labels else level}",
    )  # fmt: skip


def words(found: Separation, family: str, one_sided: bool = False) -> str:
    """What users are told."""
    if one_sided:
        needed = "counts above zero" if family in _COUNTS else "both classes"
        return (
            f"the likelihood has no maximum: {found.message}, so that the intercept goes to infinity. A fit needs rows "
            f"of {needed}"
        )
    what = "counts of zero" if family in _COUNTS else "the classes"
    remedy = _REMEDY_OF_TWO if family == "binomial" else _REMEDY
    return (
        f"{found.kind} separation: the likelihood has no maximum, since columns separate {what}: {found.message}. "
        f"Their coefficients go to infinity and have no standard errors. {remedy}"
    )


def without_maximum(certificate: Certificate, found: Separation, infinite: np.ndarray) -> Certificate:
    """The certificate of a fit towards infinity."""
    bound = np.where(infinite.reshape(certificate.error_bound.shape), np.inf, certificate.error_bound)
    return replace(
        certificate, status="no minimum exists", converged=False, error_bound=bound, error_bound_kind="estimate",
        message=f"the loss falls for ever along a direction that separates the data ({found.kind} separation)",
    )  # fmt: skip


def limit_inverse(
    fit: LikelihoodFit, H: np.ndarray, at: Coordinates, span: np.ndarray, null_space: np.ndarray, t: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """(Σ w L'' x xᵀ)⁻¹ of the design [1 | X − centre] in the limit, NaN for infinite estimates, and that centre (p,).

    H : the sum for standardised columns, t predictors one after the other; span (s, t·m) : the directions to infinity,
    intercepts first; null_space (m, q) : what the columns leave open. Estimates that are finite do not vary along them,
    so that their variances are those in any complement.
    """
    first, p = int(at.intercept), len(at.mean)
    m = first + p
    parts = span.reshape(-1, t, m)
    infinite = (parts != 0).any(axis=0)
    centre = np.where(infinite[:, first:].any(axis=0), 0.0, at.mean) if first else at.mean
    back = np.diag(np.concatenate([np.ones(first), at.scale]))
    if first:
        back[0, 1:] = at.mean - centre
    unit = np.concatenate([np.ones(first), at.scale])
    to = np.kron(np.eye(t), back / unit)  # parameters times `unit` to (level, γ)
    open_ones = parts.copy()
    null = null_space.T.copy()  # (q, m)
    if first:  # the intercept at the centre
        open_ones[:, :, 0] += open_ones[:, :, 1:] @ centre
        null[:, 0] += null[:, 1:] @ centre
    open_ones = (open_ones * unit).reshape(-1, t * m)
    null = np.kron(np.eye(t), null * unit) if len(null) else np.zeros((0, t * m))
    all_open = np.concatenate([open_ones, null])
    all_open = all_open / np.sqrt((all_open**2).sum(axis=1, keepdims=True))
    Q, sizes, _ = np.linalg.svd(all_open.T, full_matrices=True)
    kept = Q[:, int((sizes > 1e-9).sum()) :]
    inner = kept.T @ (to.T @ H @ to) @ kept
    values, vectors = np.linalg.eigh(inner)
    good = values > 1e-13 * values.max(initial=0)
    sides = (kept @ vectors[:, good]) / np.tile(unit, t)[:, None]
    inverse = (sides / values[good]) @ sides.T
    hidden = infinite.ravel()
    inverse[hidden, :] = np.nan
    inverse[:, hidden] = np.nan
    return inverse, centre
