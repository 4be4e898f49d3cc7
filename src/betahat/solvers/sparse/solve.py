"""Sparse linear models: lasso, elastic net and their like for any convex loss.

    J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, offsetᵢ + β₀ + xᵢᵀβ) + Σⱼ (aⱼ |βⱼ| + ½ bⱼ βⱼ²)

`solve_sparse(source, loss, penalty)` is one fit; a `SparseProblem` is made once for many penalties on the same rows
(paths, cross-validation), and `sparse_path` fits them all, each begun at the one before. L1 logistic regression, say:

    fit = solve_sparse(source, BernoulliLogit(), ElasticNetPenalty(alpha, l1_ratio))
    fit.coef, fit.intercept, fit.certificate.duality_gap

The loss must be convex. Its `conjugate` makes the duality gap, by which the fit stops and is certified; without one
(None) subgradients do. Rows of an `ArraySource` are worked on by columns, or by their Gram matrix where n ≫ p; other
sources are read once for squared error and once to certify, for other losses once a step.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import numpy as np

from betahat.data.passes import counting
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError
from betahat.kernels.team import steady_blas
from betahat.losses.base import Loss
from betahat.losses.family import Family
from betahat.losses.squared import SquaredError
from betahat.models.linear import Counts, RangeStatistic
from betahat.penalties.sparse import SeparablePenalty, SparsePenalty
from betahat.solvers.likelihood.solve import place_inside
from betahat.solvers.range import refuse_non_finite
from betahat.solvers.sparse.columns import column_store
from betahat.solvers.sparse.engines import ByColumns, BySquares, BySteps, Engine, Goal, Start
from betahat.solvers.sparse.fit import RegularisationPath, SparseFit
from betahat.solvers.sparse.gram import TOO_UNLIKE
from betahat.solvers.sparse.rows import Rows

TOLERANCE = 1e-10
"""What the duality gap may be, relative to J."""
ITERATIONS = 1000
_GRAM_ONCE, _GRAM_OFTEN = 500, 3000  # columns up to which a Gram matrix pays for one fit, for many
_MOST_COLUMNS = 30_000
_FEW = 2000  # numbers of X up to which BLAS uses one thread anyway


@final
class SparseProblem:
    """Rows, loss and intercept of sparse fits, made ready once.

    source : whose targets are each fitted; loss : convex; many : whether many fits will be asked for.

    Raises ValueError for a loss that is not convex, MissingValueError or DataError for rows that cannot be fitted.
    """

    def __init__(self, source: Source, loss: Loss, fit_intercept: bool = True, many: bool = False) -> None:
        if not loss.convex:
            raise ValueError(
                f"loss (={loss!r}) is not known to be convex; an L1 penalty needs a convex loss, for which a duality "
                "gap proves the minimum (squared_error, huber, logistic, ...)"
            )
        self.source, self.loss, self.fit_intercept = source, loss, fit_intercept
        with self._blas():
            self._begin = None
            if isinstance(loss, Family) and loss.has_edge:
                self._begin = place_inside(source, loss, fit_intercept)
            self.engine = _engine(source, loss, fit_intercept, many, self._begin is not None)

    def _blas(self) -> AbstractContextManager[Any]:
        """BLAS on one thread, beside which ours work, unless the rows are so few that it uses one anyway."""
        rows = self.source.n_rows
        return nullcontext() if rows is not None and rows * len(self.source.names) <= _FEW else steady_blas()

    def solve(
        self, penalty: SparsePenalty, *, tol: float = TOLERANCE, max_iter: int = ITERATIONS,
        start: list[Start | None] | None = None,
    ) -> list[SparseFit]:  # fmt: skip
        """A fit of each target, begun at `start`, β (p,) and intercept of each."""
        begin: list[Start | None] = start or [self._begin for _ in self.source.target_names]
        with self._blas():
            return self.engine.solve(Goal(penalty, self._by_coefficient(penalty), tol, max_iter), begin)

    def alpha_max(self, l1_ratio: float = 1.0, positive: bool = False) -> np.ndarray:
        """(t,) the smallest alpha at which all slopes are zero, max |∂F/∂βⱼ| / l1_ratio at β = 0."""
        with self._blas():
            slopes = self.engine.slopes_of_nothing()
        sizes = np.maximum(-slopes, 0.0) if positive else np.abs(slopes)
        return sizes.max(axis=1, initial=0.0) / l1_ratio

    def path(
        self, penalties: list[SparsePenalty], *, tol: float = TOLERANCE, max_iter: int = ITERATIONS
    ) -> list[list[tuple[np.ndarray, float, float, float]]]:
        """For each penalty and target β, intercept, J and gap, each fit begun at the one before."""
        start: list[Start | None] = [self._begin] * len(self.source.target_names)
        found = []
        for penalty in penalties:
            with self._blas():
                fits = self.engine.quick(Goal(penalty, self._by_coefficient(penalty), tol, max_iter), start)
            start = [(beta, intercept) for beta, intercept, _, _ in fits]
            found.append(fits)
        return found

    def _by_coefficient(self, penalty: SparsePenalty) -> SeparablePenalty:
        p = len(self.source.names)
        a, b = (np.asarray(part, np.float64) for part in penalty.strengths(p))
        if a.shape != (p,) or b.shape != (p,):
            raise ValueError(
                f"penalty (={penalty!r}) has strengths of shapes {a.shape} and {b.shape} for {p} columns"
            )
        if not ((a >= 0).all() and (b >= 0).all() and np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError(f"penalty (={penalty!r}) has strengths that are negative or not finite")
        if ((a == 0) & (b == 0)).any():
            raise ValueError(
                f"penalty (={penalty!r}) leaves coefficients unpenalised, and then there is no duality gap; with "
                "alpha = 0 take the unpenalised model"
            )
        return SeparablePenalty(a, b, penalty.positive)


def solve_sparse(
    source: Source | Block, loss: Loss, penalty: SparsePenalty, fit_intercept: bool = True, *, tol: float = TOLERANCE,
    max_iter: int = ITERATIONS, start: Start | None = None,
) -> SparseFit:  # fmt: skip
    """β̂ minimising the mean of L(y, offset + β₀ + xᵀβ) + R(β) for one target.

    tol : of the duality gap, relative to J; max_iter : iterations, each of which reads X about once; start : β (p,)
    and intercept to begin at.

    >>> import numpy as np
    >>> from betahat.data.source import Block
    >>> from betahat.penalties import L1
    >>> X, y = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]), np.array([4.0, 0.1, -4.0, -0.1])
    >>> fit = solve_sparse(Block(X, y[:, None]), SquaredError(), L1(1.0))
    >>> fit.coef.tolist(), fit.active.tolist(), fit.stop_reason
    ([2.0, 0.0], [0], 'converged')
    """
    if isinstance(source, Block):
        assert source.y is not None
        source = ArraySource(source.X, source.y, source.weight, source.frequency, offset=source.offset)
    if len(source.target_names) != 1:
        raise ValueError(f"y has {len(source.target_names)} targets; fit each, or use SparseProblem")
    problem = SparseProblem(source, loss, fit_intercept)
    return problem.solve(penalty, tol=tol, max_iter=max_iter, start=None if start is None else [start])[0]


def sparse_path(
    problem: SparseProblem,
    alphas: np.ndarray,
    penalty: Any,
    *,
    tol: float = TOLERANCE,
    max_iter: int = ITERATIONS,
) -> RegularisationPath:
    """Fits at alphas (k,), largest first; penalty(alpha) is the penalty at each."""
    order = np.sort(np.asarray(alphas, np.float64))[::-1]
    found = problem.path([penalty(float(alpha)) for alpha in order], tol=tol, max_iter=max_iter)
    coefs = np.array([[fit[0] for fit in fits] for fits in found]).transpose(1, 2, 0)
    rest = [np.array([[fit[i] for fit in fits] for fits in found]).T for i in (1, 2, 3)]
    intercepts, values, gaps = rest
    if len(problem.source.target_names) == 1:
        return RegularisationPath(order, coefs[0], intercepts[0], gaps[0], values[0])
    return RegularisationPath(order, coefs, intercepts, gaps, values)


def _engine(source: Source, loss: Loss, intercept: bool, many: bool, ended: bool) -> Engine:
    p, t = len(source.names), len(source.target_names)
    n = source.n_rows
    squares = isinstance(loss, SquaredError)
    if isinstance(source, ArraySource) and not ended:
        assert n is not None
        block = next(source.blocks())
        source.readings -= 1  # a look is not a reading
        sparse = hasattr(block.X, "tocsr")
        if (
            squares
            and n >= p
            and p <= (_GRAM_OFTEN if many else _GRAM_ONCE)
            and (not sparse or n * p < 1 << 16)
        ):
            return BySquares(source, loss, intercept, _BY_GRAM.format(n=n, p=p))
        return _by_columns(source, block, loss, intercept, t)
    if p > _MOST_COLUMNS:
        raise DataError(
            f"X has {p} columns: their second moments are a {p} × {p} matrix of {8e-9 * p * p:.0f} GB. Leave columns "
            "out, or give arrays in memory"
        )
    if squares:
        return BySquares(source, loss, intercept, "the rows are not in memory, and their Gram matrix is")
    if t != 1:
        raise ValueError(f"y has {t} targets; with a loss other than squared error a source is fitted to one")
    why = _BY_ENDS if ended else "the rows are not in memory; each step reads them once"
    return BySteps(source, loss, intercept, why)


_BY_GRAM = "with {n:,} rows and {p:,} columns the Gram matrix, from one reading, is all of the problem"


_BY_ENDS = "predictors of this link have an end; each step of all coefficients stays inside"


def _by_columns(source: Source, block: Block, loss: Loss, intercept: bool, t: int) -> Engine:
    counts = Counts()
    counts.update(block)
    counts.check()
    block = counting(block)
    store = column_store(block.X)
    rows = [Rows.of(block, k, loss, intercept) for k in range(t)]
    with np.errstate(all="ignore"):
        engine = ByColumns(
            source, loss, intercept, "the columns that matter are few, and X is in memory", store, rows
        )
        source.readings += 1
        sizes, targets = engine.sizes, np.array([float(r.share @ r.y**2) for r in rows])
    both = np.concatenate([sizes**2, targets])
    if not (np.isfinite(both).all() and (((both > 1e-220) & (both < 1e220)) | (both == 0)).all()):
        p = block.X.shape[1]
        ranges = RangeStatistic(p, t)
        ranges.update(block)
        refuse_non_finite(ranges, source.names, source.target_names)
        raise DataError(TOO_UNLIKE)
    return engine
