"""A fit with an L1 penalty, from a source to everything an estimator shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from betahat.certificate import Certificate
from betahat.data.passes import fold
from betahat.data.source import Source
from betahat.estimators.linear_fit import LinearResult
from betahat.inference import LinearStatistics
from betahat.losses import Loss
from betahat.models.linear import Counts
from betahat.objective.residuals import ResidualSums
from betahat.penalties import SparsePenalty
from betahat.solvers.sparse.engines import ByColumns, BySquares, Start
from betahat.solvers.sparse.fit import SparseDetails, SparseFit
from betahat.solvers.sparse.solve import SparseProblem
from betahat.solvers.trace import Trace


def fit_sparse(
    source: Source, loss: Loss, penalty: SparsePenalty, fit_intercept: bool, tolerance: float, iterations: int,
    start: list[Start | None] | None = None,
) -> LinearResult:  # fmt: skip
    """Every target's coefficients, certified by duality gaps."""
    return sparse_result(SparseProblem(source, loss, fit_intercept), penalty, tolerance, iterations, start)


def sparse_result(
    problem: SparseProblem, penalty: SparsePenalty, tolerance: float, iterations: int,
    start: list[Start | None] | None = None,
) -> LinearResult:  # fmt: skip
    """The same where the rows are made ready already."""
    fits = problem.solve(penalty, tol=tolerance, max_iter=iterations, start=start)
    coef, intercept = np.stack([fit.coef for fit in fits]), np.array([fit.intercept for fit in fits])
    certificate = _together([fit.certificate for fit in fits])
    first = int(problem.fit_intercept)
    details = SparseDetails(
        max(fit.iterations for fit in fits), tuple(len(fit.active) for fit in fits),
        tuple(int(fit.zeros[fit.coef == 0].sum()) for fit in fits), tolerance,
    )  # fmt: skip
    statistics = _statistics(problem, fits, coef, intercept, certificate, max(details.active) + first)
    reasons = [fit.stop_reason for fit in fits]
    reason = next((each for each in reasons if each != "converged"), "converged")
    bend = penalty.strengths(coef.shape[1])[1]
    return LinearResult(
        coef, intercept, certificate, _joined([fit.trace for fit in fits]), reason, fits[0].solver, fits[0].why, [],
        statistics, float(bend.max(initial=0.0)), None, smooth=not problem.loss.quadratic, sparse=details,
    )  # fmt: skip


def _together(parts: list[Certificate]) -> Certificate:
    """One certificate of several targets: J and gaps summed, the words of the worst."""
    if len(parts) == 1:
        return parts[0]
    worst = next((part for part in parts if not part.converged), parts[0])
    largest = max(parts, key=lambda part: part.gradient_norm)
    gaps = [part.duality_gap for part in parts if part.duality_gap is not None]
    return replace(
        worst, loss=sum(part.loss for part in parts), gradient=np.stack([part.gradient for part in parts]),
        tolerances=np.stack([part.tolerances for part in parts]),
        error_bound=np.stack([part.error_bound for part in parts]), gradient_norm=largest.gradient_norm,
        tolerance=largest.tolerance, condition_number=max(part.condition_number for part in parts),
        error_bound_kind="bound" if all(part.error_bound_kind == "bound" for part in parts) else "estimate",
        duality_gap=sum(gaps) if len(gaps) == len(parts) else None, readings=max(part.readings for part in parts),
    )  # fmt: skip


def _joined(traces: list[Trace]) -> Trace:
    """One target's iterations after another's."""
    for other in traces[1:]:
        traces[0].extend(other, 0, 0.0, 1.0, 1.0)
    return traces[0]


def _statistics(
    problem: SparseProblem, fits: list[SparseFit], coef: np.ndarray, intercept: np.ndarray, certificate: Certificate,
    rank: int,
) -> LinearStatistics:  # fmt: skip
    source, first = problem.source, problem.fit_intercept
    if isinstance(problem.engine, BySquares):
        equations = problem.engine.quadratic.equations
        counts, total = equations.counts, equations.total_ss
        residual = np.array([2 * (fit.loss - fit.penalty.value(fit.coef)) for fit in fits]) * counts.weight
        residual = np.maximum(residual, 0.0)
    elif isinstance(problem.engine, ByColumns):
        counts = Counts()
        counts.update(next(source.blocks()))
        source.readings -= 1  # X is not looked at
        residual, total = problem.engine.squares()
    else:
        sums = fold(source, ResidualSums(coef, intercept, first))
        counts, residual, total = sums.counts, sums.residual_ss, sums.total_ss
    m = coef.shape[1] + int(first)
    return LinearStatistics(
        names=("Intercept", *source.names) if first else source.names, target_names=source.target_names,
        estimate=np.column_stack([intercept, coef]) if first else coef, inverse=None,
        estimable=np.ones(m, bool), null_space=np.zeros((m, 0)), rank=min(rank, m), n_obs=counts.observations,
        residual_ss=residual, total_ss=total, sum_log_weight=counts.log_weight, has_intercept=first, meat=None,
        cov_type="nonrobust", cov_options={}, condition_number=certificate.condition_number,
        certificate_line=certificate.line(), method=fits[0].solver, penalised=True, weight=counts.weight,
        nonlinear=not problem.loss.quadratic, gaussian=problem.loss.quadratic,
    )  # fmt: skip
