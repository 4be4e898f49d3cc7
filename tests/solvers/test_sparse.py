"""Sparse fits: against exact rational minima, subgradients in 50 digits, each other, and the gap's own promise."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat import DataError, MissingValueError
from betahat.data.source import ArraySource, Block
from betahat.losses import Cauchy, Huber, Loss, SquaredError, as_family
from betahat.penalties import L1, ElasticNetPenalty, SeparablePenalty
from betahat.solvers.sparse.engines import ByColumns, BySquares, BySteps, Engine
from betahat.solvers.sparse.fit import SparseFit
from betahat.solvers.sparse.solve import SparseProblem, _by_columns, solve_sparse, sparse_path

LOSSES: dict[str, Loss] = {
    "squared": SquaredError(), "huber": Huber(0.5), "logit": as_family("binomial"), "poisson": as_family("poisson"),
}  # fmt: skip


def table(seed: int, n: int, p: int, loss: str):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * 10.0 ** rng.uniform(-1, 1, p) + rng.integers(0, 3) * rng.normal(size=p)
    eta = X @ (rng.standard_normal(p) * (rng.random(p) < 0.3))
    eta = eta / max(1.0, np.abs(eta).max() / 3)
    y = {
        "squared": lambda: eta + rng.standard_normal(n),
        "huber": lambda: eta + 2 * rng.standard_normal(n),
        "logit": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
    }[loss]()
    y[:2] = [0.0, 1.0]
    return X, y, rng


def engine(kind: str, source: ArraySource, loss: Loss, intercept: bool) -> Engine:
    if kind == "steps":
        return BySteps(source, loss, intercept, "")
    if kind == "squares":
        return BySquares(source, loss, intercept, "")
    return _by_columns(source, next(source.blocks()), loss, intercept, 1)


def exact_lasso(X: np.ndarray, y: np.ndarray, a: Fraction, b: Fraction, fit: SparseFit, intercept: bool):
    """The minimum in rational arithmetic, given which coefficients are not zero and their signs; and that it is one."""
    n = len(y)
    rows = [[Fraction(float(v)) for v in row] for row in X]
    target = [Fraction(float(v)) for v in y]
    if intercept:
        means = [sum(row[j] for row in rows) / n for j in range(X.shape[1])]
        level = sum(target) / n
        rows = [[v - m for v, m in zip(row, means, strict=True)] for row in rows]
        target = [v - level for v in target]
    active = [int(j) for j in fit.active]
    signs = [1 if fit.coef[j] > 0 else -1 for j in active]

    def product(j: int, values: list[Fraction]) -> Fraction:
        return sum((row[j] * v for row, v in zip(rows, values, strict=True)), Fraction(0)) / n

    matrix = [
        [product(i, [row[j] for row in rows]) + (b if i == j else 0) for j in active]
        + [product(i, target) - a * s]
        for i, s in zip(active, signs, strict=True)
    ]
    k = len(active)
    for c in range(k):  # Gauss and Jordan
        pivot = next(r for r in range(c, k) if matrix[r][c])
        matrix[c], matrix[pivot] = matrix[pivot], matrix[c]
        matrix[c] = [v / matrix[c][c] for v in matrix[c]]
        for r in range(k):
            if r != c and matrix[r][c]:
                matrix[r] = [v - matrix[r][c] * u for v, u in zip(matrix[r], matrix[c], strict=True)]
    beta = [row[-1] for row in matrix]
    residual = [
        v - sum((row[j] * u for j, u in zip(active, beta, strict=True)), Fraction(0))
        for row, v in zip(rows, target, strict=True)
    ]
    for j in range(X.shape[1]):
        assert j in active or abs(product(j, residual)) <= a
    assert all(u * s > 0 for u, s in zip(beta, signs, strict=True))
    exact = np.zeros(X.shape[1])
    exact[active] = [float(v) for v in beta]
    return exact


@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("kind", ["squares", "columns", "columns sparse"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize(("n", "p"), [(12, 4), (6, 15)])
def test_rational_minimum(n, p, ratio, kind, intercept):
    X, y, _ = table(n + p, n, p, "squared")
    source = ArraySource(sp.csc_array(X) if "sparse" in kind else X, y)
    problem = SparseProblem(source, SquaredError(), intercept)
    problem.engine = engine(kind.split()[0], source, SquaredError(), intercept)
    alpha = 0.125 * 2.0 ** np.floor(np.log2(problem.alpha_max()[0]))
    (fit,) = problem.solve(ElasticNetPenalty(alpha, ratio))
    a, b = Fraction(alpha) * Fraction(ratio), Fraction(alpha) * (1 - Fraction(ratio))
    exact = exact_lasso(X, y, a, b, fit, intercept)
    np.testing.assert_allclose(fit.coef, exact, rtol=1e-10, atol=1e-13 * np.abs(exact).max())
    certificate = fit.certificate
    assert certificate.status == "global minimum"
    assert certificate.error_bound_kind == "bound"
    assert (
        np.abs(fit.coef - exact) <= certificate.error_bound[int(intercept) :] + 1e-16 * np.abs(exact)
    ).all()


def precise(loss: str, y: float, f: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """L and L' in 50 digits."""
    if loss == "squared":
        return (y - f) ** 2 / 2, f - y
    if loss == "huber":
        r = abs(y - f)
        value = r**2 / 2 if r <= 0.5 else mpmath.mpf("0.5") * (r - mpmath.mpf("0.25"))
        return value, min(max(f - y, mpmath.mpf("-0.5")), mpmath.mpf("0.5"))
    if loss == "logit":
        return mpmath.log1p(mpmath.exp(f)) - y * f, 1 / (1 + mpmath.exp(-f)) - y
    return mpmath.exp(f) - y * f, mpmath.exp(f) - y


@pytest.mark.parametrize("kind", ["columns", "columns sparse", "steps"])
@pytest.mark.parametrize("extras", ["plain", "weights and offset"])
@pytest.mark.parametrize("share", [0.5, 0.05])
@pytest.mark.parametrize("loss", LOSSES)
def test_subgradients_in_fifty_digits(loss, share, extras, kind):
    X, y, rng = table(7, 30, 12, loss)
    w = rng.uniform(0.1, 2.0, 30) if extras != "plain" else None
    offset = rng.standard_normal(30) if extras != "plain" else None
    source = ArraySource(sp.csr_array(X) if "sparse" in kind else X, y, w, offset=offset)
    problem = SparseProblem(source, LOSSES[loss], True)
    problem.engine = engine(kind.split()[0], source, LOSSES[loss], True)
    alpha = share * problem.alpha_max()[0]
    (fit,) = problem.solve(L1(alpha))
    assert fit.stop_reason == "converged"
    weight = np.ones(30) if w is None else w
    with mpmath.workdps(50):
        total = mpmath.fsum(map(float, weight))
        eta = [
            mpmath.mpf(fit.intercept) + (0 if offset is None else float(offset[i]))
            + mpmath.fsum(mpmath.mpf(float(v)) * float(c) for v, c in zip(X[i], fit.coef, strict=True))
            for i in range(30)
        ]  # fmt: skip
        both = [precise(loss, float(v), f) for v, f in zip(y, eta, strict=True)]
        value = mpmath.fsum(float(s) * v for s, (v, _) in zip(weight, both, strict=True)) / total
        value += alpha * mpmath.fsum(abs(float(c)) for c in fit.coef)
        pulls = [float(s) * u / total for s, (_, u) in zip(weight, both, strict=True)]
        slope = [
            float(mpmath.fsum(u * float(v) for u, v in zip(pulls, X[:, j], strict=True))) for j in range(12)
        ]
        level = float(mpmath.fsum(pulls))
    assert fit.loss == pytest.approx(float(value), rel=1e-13)
    size = alpha + np.abs(X).max(axis=0)
    assert abs(level) < 1e-9
    assert (np.abs(L1(alpha).distance(fit.coef, np.array(slope))) <= 1e-8 * size).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(3, 40), p=st.integers(1, 50), loss=st.sampled_from(list(LOSSES)),
    ratio=st.sampled_from([1.0, 0.9, 0.5]), share=st.sampled_from([0.5, 0.1, 0.01]), intercept=st.booleans(),
    positive=st.booleans(), cut=st.integers(1, 3),
)  # fmt: skip
def test_no_point_is_lower_than_the_gap_allows(seed, n, p, loss, ratio, share, intercept, positive, cut):
    """Wherever a fit stops, here after few iterations: J − gap is below J anywhere else."""
    X, y, _ = table(seed, n, p, loss)
    source = ArraySource(X, y)
    problem = SparseProblem(source, LOSSES[loss], intercept)
    penalty = ElasticNetPenalty(max(problem.alpha_max(ratio)[0], 1e-3) * share, ratio, positive)
    problem.engine = engine("columns", source, LOSSES[loss], intercept)
    (best,) = problem.solve(penalty)
    problem.engine = engine("columns", source, LOSSES[loss], intercept)
    (early,) = problem.solve(penalty, max_iter=cut)
    assert best.gap is not None
    assert early.gap is not None
    assert best.gap >= 0
    rounding = 1e-13 * (abs(best.loss) + penalty.value(best.coef))
    assert early.loss - best.loss <= early.gap + rounding
    assert best.loss - early.loss <= best.gap + rounding
    assert not best.coef[early.zeros & (early.coef == 0)].any(), "a zero that was proved is zero"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("intercept", [True, False])
def test_engines_agree(loss, intercept):
    X, y, rng = table(3, 60, 8, loss)
    w = np.append(rng.uniform(0.5, 2, 58), [0.0, 0.0])
    X = X.copy()
    X[-1] = np.nan  # of no weight
    found = {}
    kinds = ["columns", "steps"] + (["squares"] if loss == "squared" else [])
    for kind in kinds:
        rows = slice(0, 58) if kind == "squares" else slice(None)
        source = ArraySource(X[rows], y[rows], w[rows])
        problem = SparseProblem(ArraySource(X[:58], y[:58], w[:58]), LOSSES[loss], intercept)
        alpha = 0.05 * problem.alpha_max()[0]
        problem.engine = engine(kind, source, LOSSES[loss], intercept)
        (found[kind],) = problem.solve(L1(alpha))
        assert found[kind].certificate.converged
    for fit in found.values():
        np.testing.assert_allclose(fit.coef, found["columns"].coef, rtol=1e-7, atol=1e-9)
        assert fit.intercept == pytest.approx(found["columns"].intercept, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("positive", [False, True])
def test_alpha_max_is_where_coefficients_begin(loss, positive):
    X, y, _ = table(11, 40, 6, loss)
    problem = SparseProblem(ArraySource(X, y), LOSSES[loss], True)
    largest = float(problem.alpha_max(positive=positive)[0])
    above, below = (problem.solve(L1(largest * factor, positive))[0] for factor in (1 + 1e-9, 0.99))
    assert len(above.active) == 0
    assert above.certificate.converged
    assert len(below.active) == 1
    assert not positive or (below.coef >= 0).all()


def test_twins_are_told_of():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    X = np.column_stack([X, X[:, 0]])
    y = 3 * X[:, 0] + rng.standard_normal(40)
    fit = solve_sparse(Block(X, y[:, None]), SquaredError(), L1(0.1))
    assert fit.certificate.converged
    assert "other coefficients may reach the same J" in fit.certificate.message
    ridge = solve_sparse(Block(X, y[:, None]), SquaredError(), ElasticNetPenalty(0.1, 0.5))
    assert "other coefficients" not in ridge.certificate.message
    assert ridge.coef[0] == pytest.approx(ridge.coef[3], rel=1e-9)


def test_constant_columns_stay_out():
    X, y, _ = table(5, 30, 5, "squared")
    X[:, 2] = 4.0
    for kind in ("squares", "columns", "steps"):
        source = ArraySource(X, y)
        problem = SparseProblem(source, SquaredError(), True)
        problem.engine = engine(kind, source, SquaredError(), True)
        (fit,) = problem.solve(L1(0.01))
        assert fit.coef[2] == 0
        assert fit.certificate.converged


@pytest.mark.parametrize("unit", [1e-60, 1e-8, 1e8, 1e60])
@pytest.mark.parametrize("kind", ["squares", "columns"])
def test_units_change_nothing(unit, kind):
    """X/u and α/u give β·u: powers of two apart, to rounding."""
    unit = 2.0 ** round(np.log2(unit))
    X, y, _ = table(9, 50, 6, "squared")

    def fit(factor: float) -> SparseFit:
        source = ArraySource(X * factor, y)
        problem = SparseProblem(source, SquaredError(), True)
        problem.engine = engine(kind, source, SquaredError(), True)
        return problem.solve(L1(0.05 * factor))[0]

    np.testing.assert_allclose(fit(unit).coef * unit, fit(1.0).coef, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [30, 4])
def test_numbers_beyond_squares_are_refused(n):
    X, y, _ = table(9, n, 6, "squared")
    X[:, 1] *= 1e150
    with pytest.raises(DataError, match="1e±110"):
        solve_sparse(Block(X, y[:, None]), SquaredError(), L1(0.1))


@pytest.mark.parametrize("n", [30, 4])
@pytest.mark.parametrize(("value", "error"), [(np.nan, MissingValueError), (np.inf, DataError)])
def test_numbers_that_are_none_are_refused_by_column(n, value, error):
    X, y, _ = table(9, n, 6, "squared")
    X[1, 3] = value
    with pytest.raises(error, match="'x4'"):
        solve_sparse(Block(X, y[:, None]), SquaredError(), L1(0.1))


def test_what_has_no_proof_is_refused():
    X, y, _ = table(9, 30, 6, "squared")
    block = Block(X, y[:, None])
    with pytest.raises(ValueError, match="convex"):
        solve_sparse(block, Cauchy(), L1(0.1))
    with pytest.raises(ValueError, match="unpenalised"):
        solve_sparse(block, SquaredError(), L1(0.0))
    with pytest.raises(ValueError, match="negative or not finite"):
        solve_sparse(block, SquaredError(), L1(-1.0))
    with pytest.raises(ValueError, match="shapes"):
        solve_sparse(block, SquaredError(), SeparablePenalty(np.ones(2), np.zeros(2)))


def test_strengths_of_their_own():
    X, y, _ = table(13, 50, 4, "squared")
    a = np.array([0.01, 10.0, 0.01, 0.0])
    fit = solve_sparse(Block(X, y[:, None]), SquaredError(), SeparablePenalty(a, np.array([0, 0, 0, 0.5])))
    assert fit.coef[1] == 0
    assert fit.certificate.converged
    scaled = solve_sparse(Block(X * [1, 1, 2, 1], y[:, None]), SquaredError(),
                          SeparablePenalty(a * [1, 1, 2, 1], np.array([0, 0, 0, 0.5])))  # fmt: skip
    np.testing.assert_allclose(scaled.coef * [1, 1, 2, 1], fit.coef, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("n", "p"), [(50, 6), (10, 40)])
def test_path_is_its_fits(n, p):
    X, y, _ = table(17, n, p, "squared")
    problem = SparseProblem(ArraySource(X, y), SquaredError(), True, many=True)
    alphas = np.geomspace(1.0, 0.01, 7) * problem.alpha_max()[0]
    path = sparse_path(problem, alphas, L1)
    assert isinstance(problem.engine, BySquares if n > p else ByColumns)
    assert path.coefs.shape == (p, 7)
    assert (path.gaps <= 1e-9 * path.values).all()
    for k, alpha in enumerate(alphas):
        one = solve_sparse(Block(X, y[:, None]), SquaredError(), L1(alpha))
        np.testing.assert_allclose(path.coefs[:, k], one.coef, rtol=1e-6, atol=1e-8)
        assert path.intercepts[k] == pytest.approx(one.intercept, abs=1e-6)


def test_a_start_at_the_minimum_needs_one_look():
    X, y, _ = table(17, 10, 40, "logit")
    block = Block(X, y[:, None])
    fit = solve_sparse(block, LOSSES["logit"], L1(0.05))
    again = solve_sparse(block, LOSSES["logit"], L1(0.05), start=(fit.coef, fit.intercept))
    assert again.iterations == 1
    assert fit.iterations > 1


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_types_and_orders(dtype, order):
    rng = np.random.default_rng(1)
    whole = rng.integers(0, 2, (20, 60)).astype(dtype)
    X = {"C": whole[:, :30].copy(), "F": np.asfortranarray(whole[:, :30]), "strided": whole[:, ::2]}[order]
    y = rng.standard_normal(20)
    fit = solve_sparse(Block(X, y[:, None]), SquaredError(), L1(0.05))
    same = solve_sparse(Block(X.astype(np.float64), y[:, None]), SquaredError(), L1(0.05))
    np.testing.assert_array_equal(fit.coef, same.coef)
