"""What inference needs of a nonlinear fit: the model linearised at β̂, or why there are no standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from betahat.certificate import EPS, Certificate
from betahat.data.source import ArraySource
from betahat.errors import InferenceError
from betahat.estimators.nonlinear_descent import End, Goal
from betahat.estimators.nonlinear_rows import Rows
from betahat.inference import LinearStatistics, check_cov_type, meat_for
from betahat.inference.scores import sum_scores
from betahat.losses import Loss
from betahat.penalties import NoPenalty
from betahat.solvers.least_squares.steps import column_lengths

_NAMED = 8  # names listed in a message
_RANK = 1e-12  # relative singular value of the scaled Jacobian below which a direction is not determined
_SHARE = 1e-3  # of a direction that the data leave open, from which a parameter counts as part of it
_ROUNDING = 4 * EPS  # residuals so small beside y are rounding errors of f
_SANDWICH = "The covariance is the M-estimator's sandwich (Huber 1967): the loss is not squared error."


def summarise(
    goal: Goal, end: End, cov_type: str, maxlags: int | None
) -> tuple[Callable[[], LinearStatistics], str | None]:
    """What makes the statistics of the model linearised at β̂, its Jacobian as the design, without its rows; why there
    are no standard errors, if there are none."""
    rows, loss, names = goal.rows, goal.loss, goal.model.names
    beta, J, residual, held, certificate = end.state.x, end.J, end.residual, end.held, end.certificate
    weight, n = rows.total, len(rows.y)
    total = float(n) if weight is None else float(weight.sum())
    n_obs = float(n if rows.frequency is None else rows.frequency.sum())
    if end.inverse is None:
        free = np.flatnonzero(~held)
        inverse, rank, open_names = _inverse(
            J if weight is None else np.sqrt(weight)[:, None] * J, free, names
        )
        refusal = _undetermined(names, free, J, rows, open_names)
    else:  # of full rank, and without bounds
        free = np.arange(len(names))
        inverse, rank, refusal = end.inverse / total, len(names), None
    if refusal is None and certificate.status in ("saddle", "not stationary"):
        refusal = f"β̂ is no minimum ({certificate.message}), and only a minimum has standard errors"
    remarks = []
    if goal.box is not None and held.any():
        remarks.append(
            f"On a bound, so without standard error: {_listed([names[k] for k in np.flatnonzero(held)])}. The "
            "others' hold for these fixed there."
        )
    if loss.quadratic and n_obs > len(free) and _is_rounding(residual, rows.y):
        remarks.append(
            "The residuals are rounding errors of f, so that the standard errors say nothing of data."
        )
    kind = check_cov_type(cov_type)
    options: dict[str, object] = {}
    meat = None
    if not loss.quadratic:
        kind = "HC0" if kind == "nonrobust" else kind
        remarks.append(_SANDWICH)
        refusal = refusal or _leverages(kind)
        if refusal is None:
            inverse, refusal = _inverse_hessian(end.hessian * total, free)
    if kind != "nonrobust" and refusal is None and n_obs > len(free):
        try:
            meat, options = _meat(rows, J, residual, kind, maxlags, inverse, loss)
        except InferenceError as error:
            refusal = str(error)
    if refusal is not None:
        kind = "nonrobust"  # there is no meat
    log_weight = 0.0
    if rows.weight is not None:
        logs = np.log(rows.weight)
        log_weight = float(logs.sum() if rows.frequency is None else rows.frequency @ logs)
    with np.errstate(all="ignore"):
        about = rows.y - float(rows.y.sum() if weight is None else weight.dot(rows.y)) / total
        squares = [part.dot(part if weight is None else weight * part) for part in (residual, about)]
    made = partial(
        _statistics, names, rows.target_name, beta, inverse, held, rank, n_obs, *squares, log_weight, meat, kind,
        options, certificate, end.solver, not isinstance(goal.penalty, NoPenalty), total, loss.quadratic,
        tuple(remarks), refusal is None,
    )  # fmt: skip
    return made, refusal


def _statistics(
    names: tuple[str, ...], target_name: str, beta: np.ndarray, inverse: np.ndarray, held: np.ndarray, rank: int,
    n_obs: float, residual_ss: float, total_ss: float, log_weight: float, meat: np.ndarray | None, kind: str,
    options: dict[str, object], certificate: Certificate, method: str, penalised: bool, total: float, gaussian: bool,
    remarks: tuple[str, ...], estimable: bool,
) -> LinearStatistics:  # fmt: skip
    """The statistics, from what does not grow with the rows."""
    return LinearStatistics(
        names=names, target_names=(target_name,), estimate=beta[None], inverse=inverse,
        estimable=~held if estimable else np.zeros(len(beta), bool), null_space=np.zeros((len(beta), 0)),
        rank=rank, n_obs=n_obs, residual_ss=np.array([residual_ss]), total_ss=np.array([total_ss]),
        sum_log_weight=log_weight, has_intercept=False, meat=meat, cov_type=kind,
        cov_options=options, condition_number=certificate.condition_number, certificate_line=certificate.line(),
        method=method, penalised=penalised, weight=total, nonlinear=True, gaussian=gaussian, remarks=remarks,
    )  # fmt: skip


def _is_rounding(residual: np.ndarray, y: np.ndarray) -> bool:
    """Whether residuals, not all zero, are next to nothing beside y."""
    size = math.sqrt(float(residual.dot(residual)))
    return 0 < size <= _ROUNDING * math.sqrt(float(np.vdot(y, y)))


def _undetermined(
    names: tuple[str, ...], free: np.ndarray, J: np.ndarray, rows: Rows, open_names: list[str]
) -> str | None:
    """Why the rows do not determine the free parameters, if they do not."""
    if len(free) > len(rows.y):
        return (
            f"{_count(len(rows.y), 'row')} cannot determine {_count(len(free), 'parameter')} ({_listed(names)}), so "
            "there are no standard errors"
        )
    if not np.isfinite(J[:, free]).all():
        return _not_finite(J[:, free], rows.X)
    if len(open_names) > 1:
        return (
            f"the Jacobian at β̂ is singular: the data cannot tell {_listed(open_names)} apart (other values of them "
            "fit as well), so there are no standard errors. Fix one of them, or take a model without it"
        )
    if open_names:
        return (
            f"the Jacobian at β̂ is singular: the data say nothing of {open_names[0]} (other values of it fit as "
            "well), so there are no standard errors. Fix it, or take a model without it"
        )
    return None


def _not_finite(J: np.ndarray, X: np.ndarray) -> str:
    """Where the derivatives are not finite although f is."""
    row = int(np.argmin(np.isfinite(J).all(axis=1)))
    return (
        f"the derivative of f at β̂ is not finite in row {row} (X = {np.array2string(X[row], precision=4)}), so there "
        "are no standard errors. The usual cause: f divides by zero there, or takes a power of it, on the way to a "
        "finite value; write f in another way, or leave the row out"
    )


def _leverages(kind: str) -> str | None:
    """Why a covariance that corrects for leverages is refused with another loss than squared error."""
    if kind not in ("HC2", "HC3"):
        return None
    return (
        f"cov_type={kind!r} corrects for leverages, which belong to least squares; with another loss take 'HC0', "
        "'HC1', 'cluster' or 'HAC'"
    )


def _inverse_hessian(H: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, str | None]:
    """H⁻¹ of the free parameters, zeros for the others; why there is none."""
    inverse = np.zeros_like(H)
    try:
        inverse[np.ix_(free, free)] = np.linalg.inv(H[np.ix_(free, free)])
    except np.linalg.LinAlgError:
        return inverse, "the Hessian at β̂ is singular, so that there are no standard errors"
    return inverse, None


def _inverse(J: np.ndarray, free: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, int, list[str]]:
    """(JᵀJ)⁻¹ with zeros for parameters that are held, J's rank, and the names in directions that J leaves open."""
    p = J.shape[1]
    inverse = np.zeros((p, p))
    columns = J[:, free]
    if not np.isfinite(columns).all() or not len(free):
        return inverse, 0, [names[k] for k in free]
    scale = column_lengths(columns)
    _, values, Vt = np.linalg.svd(np.linalg.qr(columns / scale, mode="r"), full_matrices=True)
    values = np.concatenate([values, np.zeros(len(free) - len(values))])
    lost = values <= _RANK * max(values[0], 1e-300)
    if lost.any():
        part = np.sqrt((Vt[lost] ** 2).sum(axis=0))
        return inverse, int((~lost).sum()), [names[k] for k in free[part > _SHARE]]
    with np.errstate(all="ignore"):
        root = (Vt.T / values) / scale[:, None]
        inverse[np.ix_(free, free)] = root @ root.T
    unknown = ~np.isfinite(np.diag(inverse)[free])
    if unknown.any():  # columns so short that their squares vanish
        return np.zeros((p, p)), int((~unknown).sum()), [names[k] for k in free[unknown]]
    return inverse, len(free), []


def _meat(
    rows: Rows,
    J: np.ndarray,
    residual: np.ndarray,
    kind: str,
    maxlags: int | None,
    inverse: np.ndarray,
    loss: Loss,
) -> tuple[np.ndarray, dict[str, object]]:
    """Σ of the scores' squares: J for the design, −L' for the residual."""
    ways = 1 if rows.groups is None else rows.groups.shape[1]
    score = residual if loss.quadratic else -loss.first_derivative(rows.y, rows.y - residual)
    n_obs = float(len(rows.y) if rows.frequency is None else rows.frequency.sum())
    meat = meat_for(kind, {"maxlags": maxlags}, n_obs=n_obs, n_ways=ways)
    assert meat is not None
    source = ArraySource(J, score, rows.weight, rows.frequency, rows.groups)
    p = J.shape[1]
    sum_scores(meat, source, np.zeros((1, p)), np.zeros(1), np.zeros(p), inverse, False)
    return meat.result(), meat.options


def _listed(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        names = [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
