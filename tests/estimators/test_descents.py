"""Every way down on linear models: solver × data against the direct answer; budgets, divergence, words and files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import betahat as bh
from betahat.errors import CertificateWarning, InferenceError
from betahat.report.explain_descent import predicted_rate
from betahat.solvers import LBFGS, GradientDescent
from betahat.solvers.descent.base import Callback, Limits, Solver, State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace

RNG = np.random.default_rng(11)
N = 120
BASE = RNG.normal(size=(N, 4))
BASE[:, 1] += 0.5 * BASE[:, 0]
X = BASE * [1.0, 1e3, 1e-3, 5.0] + [0.0, 1e5, 2.0, -3.0]
Y = X @ [2.0, 1e-3, 300.0, -1.0] + RNG.normal(size=N)
WEIGHT = RNG.uniform(0.1, 3.0, N)
COUNT = RNG.integers(0, 4, N)

SOLVERS = [
    *(
        "gradient_descent",
        "momentum",
        "nesterov",
        "conjugate_gradient",
        "steepest_descent",
        "lbfgs",
        "lbfgsb",
        "bfgs",
    ),
    *("newton", "newton_cg", "trust_region", "dogleg"),
]
DATA: dict[str, Callable[[], tuple[Any, Any, dict[str, Any], dict[str, Any]]]] = {
    "dense": lambda: (X, Y, {}, {}),
    "no intercept": lambda: (BASE, Y, {"fit_intercept": False}, {}),
    "weights": lambda: (X, Y, {}, {"sample_weight": WEIGHT}),
    "frequencies": lambda: (X, Y, {}, {"frequency_weight": COUNT}),
    "sparse": lambda: (sp.csr_array(np.where(BASE > 0.5, BASE, 0.0)), Y, {}, {}),
    "several targets": lambda: (X, np.column_stack([Y, Y**2, 1e-6 * Y[::-1]]), {}, {}),
    "ridge": lambda: (X, Y, {"alpha": 0.3}, {}),
    "one column": lambda: (X[:, :1], Y, {}, {}),
    "a constant target": lambda: (X, np.full(N, 3.0), {}, {}),
    "more columns than rows, ridge": lambda: (RNG.normal(size=(20, 30)), Y[:20], {"alpha": 1.0}, {}),
    "robust": lambda: (X, Y, {"cov_type": "HC3"}, {}),
    "huge and tiny": lambda: (BASE * [1e120, 1e130, 1e125, 1e118], Y, {}, {}),
}


def fitted(solver: Any, data: str, **more: Any) -> tuple[bh.LinearRegression, bh.LinearRegression]:
    rows, target, parameters, beside = DATA[data]()
    direct = bh.LinearRegression(**parameters).fit(rows, target, **beside)
    descended = bh.LinearRegression(**parameters, solver=solver, **more).fit(rows, target, **beside)
    return direct, descended


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_reaches_the_direct_answer(solver: str, data: str) -> None:
    direct, model = fitted(solver, data)
    assert model.certificate_.status == "global minimum", model.certificate_.message
    assert model.stop_reason_ == "converged"
    assert model.solver_ == solver
    size = np.abs(direct.coef_).max()
    assert model.coef_ == pytest.approx(direct.coef_, rel=1e-12, abs=1e-12 * size)
    assert model.intercept_ == pytest.approx(direct.intercept_, rel=1e-11, abs=1e-12 * (1 + np.abs(Y).max()))
    assert model.n_iter_ >= 1
    assert len(model.trace_) >= model.n_iter_
    if direct._result.refusal is None and not direct._result.statistics.penalised:
        assert model.inference_.std_err == pytest.approx(direct.inference_.std_err, rel=1e-10, abs=1e-30)
        assert solver in str(model.summary())
    bound = np.abs(np.atleast_2d(model.coef_) - np.atleast_2d(direct.coef_))
    both = np.atleast_2d(model.certificate_.error_bound) + np.atleast_2d(direct.certificate_.error_bound)
    assert (bound <= both[:, -bound.shape[1] :] + 1e-300).all()


@pytest.mark.parametrize("collinear", ["minimum_norm", "drop"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_collinear_columns(solver: str, collinear: str) -> None:
    rows = np.column_stack([BASE, BASE[:, 0] - 2 * BASE[:, 1], np.full(N, 3.0)])
    with pytest.warns(bh.CollinearityWarning):
        direct = bh.LinearRegression(collinear=collinear).fit(rows, Y)
    with pytest.warns(bh.CollinearityWarning):
        model = bh.LinearRegression(collinear=collinear, solver=solver).fit(rows, Y)
    assert model.certificate_.status == "global minimum", model.certificate_.message
    assert model.coef_ == pytest.approx(direct.coef_, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("solver", ["nesterov", "lbfgs", "conjugate_gradient"])
def test_files(tmp_path: Path, solver: str) -> None:
    columns = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)
    columns.to_parquet(tmp_path / "rows.parquet")
    model = bh.LinearRegression(solver=solver).fit(bh.data.query(tmp_path / "rows.parquet", "y"))
    direct = bh.LinearRegression().fit(X, Y)
    assert model.certificate_.converged
    assert model.coef_ == pytest.approx(direct.coef_, rel=1e-11)


@pytest.mark.parametrize("condition", [3.0, 30.0, 1e3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_moderately_conditioned_columns(solver: str, condition: float) -> None:
    """Condition number of the Hessian; √ of it for the columns."""
    U = np.linalg.qr(RNG.normal(size=(N, 6)) - 0.0)[0]
    V = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    rows = U * np.geomspace(1, condition**-0.5, 6) @ V
    direct = bh.LinearRegression(fit_intercept=False).fit(rows, Y)
    model = bh.LinearRegression(fit_intercept=False, solver=solver).fit(rows, Y)
    assert model.certificate_.status == "global minimum", model.certificate_.message
    assert model.coef_ == pytest.approx(direct.coef_, rel=1e-10)


def test_a_spent_budget_is_told_with_a_true_bound() -> None:
    direct = bh.LinearRegression().fit(X, Y)
    with pytest.warns(CertificateWarning, match="max_iter"):
        model = bh.LinearRegression(solver="gradient_descent", max_iter=7).fit(X, Y)
    assert model.stop_reason_ == "budget spent"
    assert model.n_iter_ == 7
    assert model.certificate_.status == "not stationary"
    missed = np.abs(np.append(model.intercept_, model.coef_) - np.append(direct.intercept_, direct.coef_))
    assert (missed <= model.certificate_.error_bound * (1 + 1e-9)).all()
    assert (missed >= 0.5 * model.certificate_.error_bound - 1e-300).all()
    with pytest.raises(InferenceError, match="not a minimum"):
        _ = model.inference_
    with pytest.raises(InferenceError, match="not a minimum"):
        model.prediction_interval(X)
    assert "budget spent" in model.explain()


@pytest.mark.parametrize("share", [1.02, 1.5])
def test_a_learning_rate_beyond_the_limit_diverges(share: float) -> None:
    largest = np.linalg.eigvalsh(np.corrcoef(X.T))[-1]
    with pytest.warns(CertificateWarning, match="learning rate"):
        model = bh.LinearRegression(solver=GradientDescent(share * 2 / largest)).fit(X, Y)
    assert model.stop_reason_ == "diverged"
    assert model.certificate_.status == "not stationary"
    assert np.isfinite(model.coef_).all()
    below = bh.LinearRegression(solver=GradientDescent(0.98 * 2 / largest)).fit(X, Y)
    assert below.certificate_.converged


def test_a_tolerance_ends_the_descent_early() -> None:
    """tol is on |∂J/∂βⱼ| beside the mean size of its terms, whatever the units."""
    steep = []
    for scale in (1.0, 1e-4):
        model = bh.LinearRegression(solver="gradient_descent", tol=1e-3).fit(X * scale, Y)
        residual = Y - model.predict(X * scale)
        Z = np.column_stack([np.ones(N), X * scale])
        steep.append((np.abs(residual @ Z) / (np.abs(residual) @ np.abs(Z))).max())
        assert model.certificate_.converged
        assert model.stop_reason_ == "converged"
        full = bh.LinearRegression(solver="gradient_descent").fit(X * scale, Y)
        assert model.n_iter_ < full.n_iter_ / 2
    assert max(steep) <= 1e-3
    assert min(steep) > 1e-8


def test_traces_are_the_descents_own() -> None:
    """J by iteration is what the recursion gives, written out for standardised columns."""
    Z = (X - X.mean(0)) / X.std(0)
    y = Y - Y.mean()
    L = np.linalg.eigvalsh(Z.T @ Z / N)[-1]
    gamma, expected = np.zeros(4), []
    for _ in range(20):
        r = y - Z @ gamma
        expected.append((0.5 * (r @ r) / N, np.abs(Z.T @ r / N).max()))
        gamma += Z.T @ r / N / L
    model = bh.LinearRegression(solver="gradient_descent").fit(X, Y)
    assert model.trace_.loss[:20] == pytest.approx([j for j, _ in expected], rel=1e-9)
    assert model.trace_.gradient_norm[:20] == pytest.approx([g for _, g in expected], rel=1e-8)


@pytest.mark.parametrize("solver", ["gradient_descent", "momentum"])
def test_observed_rates_are_the_predicted_ones(solver: str) -> None:
    model = bh.LinearRegression(solver=solver).fit(X, Y)
    how = model._result.descended
    assert how is not None
    promised = predicted_rate(how)
    assert promised is not None
    assert how.rate == pytest.approx(promised, rel=0.05)
    assert f"{how.rate:.6g}" in model.explain()


@pytest.mark.parametrize("solver", [*SOLVERS, GradientDescent(0.2), LBFGS(memory=3)])
def test_models_come_back_from_files(tmp_path: Path, solver: Any) -> None:
    model = bh.LinearRegression(solver=solver, tol=1e-6).fit(X, Y)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.explain() == model.explain()
    assert str(loaded.summary()) == str(model.summary())
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    assert type(loaded.solver) is type(solver)
    assert loaded.n_iter_ == model.n_iter_


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"solver": "gradient"}, ValueError, "'gradient_descent'"),
        ({"solver": LBFGS}, TypeError, r"LBFGS\(\)"),
        ({"solver": 3}, TypeError, "solver"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"max_iter": 1.5}, TypeError, "max_iter"),
        ({"tol": 0.0}, ValueError, "tol"),
        ({"tol": "small"}, TypeError, "tol"),
    ],
)
def test_wrong_choices_are_refused(parameters: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        bh.LinearRegression(**parameters).fit(X, Y)


def test_matrices_too_large_are_refused() -> None:
    rows, targets = RNG.normal(size=(60, 40)), RNG.normal(size=(60, 80))
    with pytest.raises(ValueError, match="lbfgs"):
        bh.LinearRegression(solver="newton").fit(rows, targets)
    assert bh.LinearRegression(solver="conjugate_gradient").fit(rows, targets).certificate_.converged


@final
class Impatient(Solver):
    """Gradient descent by someone who presses Ctrl-C."""

    name = "impatient"

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        def press(x: np.ndarray, value: float) -> None:
            assert callback is not None
            callback(x, value)
            if len(trace) == 30:
                raise KeyboardInterrupt

        return GradientDescent().run(problem, limits, trace, press)


def test_interrupting_keeps_the_best_so_far() -> None:
    with pytest.warns(CertificateWarning, match="interrupted"):
        model = bh.LinearRegression(solver=Impatient()).fit(X, Y)
    assert model.stop_reason_ == "interrupted"
    with pytest.warns(CertificateWarning):
        same = bh.LinearRegression(solver="gradient_descent", max_iter=model.n_iter_).fit(X, Y)
    assert model.coef_ == pytest.approx(same.coef_, rel=1e-12)


def test_no_warning_where_all_is_well() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bh.LinearRegression(solver="nesterov").fit(X, Y)


@pytest.mark.parametrize(
    ("solver", "power", "room"),
    [
        ("gradient_descent", 1.0, 0.25),
        ("momentum", 0.5, 0.25),
        ("nesterov", 0.5, 0.35),
        ("newton", 0.0, 0.01),
    ],
)
def test_iterations_grow_with_the_condition_number_as_the_textbook_says(
    solver: str, power: float, room: float
) -> None:
    """Two eigenvalues, 1 and κ: correlated pairs of columns, whose Hessian is known."""
    counts = []
    for condition in (20.0, 2000.0):
        r = (condition - 1) / (condition + 1)  # the correlation of two columns with eigenvalues 1 ± r
        U = np.linalg.qr(np.column_stack([np.ones(N), RNG.normal(size=(N, 2))]))[0][:, 1:]
        rows = U @ np.linalg.cholesky(np.array([[1.0, r], [r, 1.0]])).T
        model = bh.LinearRegression(solver=solver).fit(rows, rows @ [1.0, -2.0] + U @ [0.1, 0.3])
        how = model._result.descended
        assert how is not None
        assert how.largest / how.smallest == pytest.approx(condition, rel=1e-6)
        norms = model.trace_.gradient_norm
        counts.append(int(np.argmax(norms <= 1e-5 * norms[0])))
    assert np.log10(counts[1] / counts[0]) / 2 == pytest.approx(power, abs=room)


@pytest.mark.parametrize("condition", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.filterwarnings("ignore::betahat.CertificateWarning")
def test_what_nearly_collinear_columns_leave_undone_is_told(solver: str, condition: float) -> None:
    """Either it is certified, and near the direct answer, or it is not; the bound holds both ways."""
    rng = np.random.default_rng(6)
    U = np.linalg.qr(rng.normal(size=(60, 5)))[0]
    V = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    rows, target = U * np.geomspace(1, 1 / condition, 5) @ V, rng.normal(size=60)
    direct = bh.LinearRegression().fit(rows, target)
    model = bh.LinearRegression(solver=solver, max_iter=2000).fit(rows, target)
    missed = np.abs(model.coef_ - direct.coef_)
    assert np.isfinite(model.coef_).all()
    assert (missed <= (model.certificate_.error_bound + direct.certificate_.error_bound)[1:] * 1.001).all()
    if model.certificate_.converged:
        assert missed.max() <= 1e-5 * np.abs(direct.coef_).max()
    else:
        assert model.stop_reason_ != "converged"
