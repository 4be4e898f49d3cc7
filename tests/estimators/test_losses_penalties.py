"""Losses and penalties of the user's own: against other programs, closed forms and bh.minimize; scales; refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import statsmodels.api as sm

import betahat as bh
from betahat.errors import CertificateWarning, DataError, InferenceError, StorageError
from betahat.losses import Cauchy, FunctionLoss, Huber, PseudoHuber, SquaredError
from betahat.penalties import L2, FunctionPenalty

RNG = np.random.default_rng(5)
N = 150
X = RNG.normal(size=(N, 3)) * [1.0, 20.0, 0.1] + [0.0, 100.0, 3.0]
Y = X @ [2.0, -0.1, 5.0] + RNG.standard_t(2, size=N) + 4.0
WEIGHT = RNG.uniform(0.2, 3.0, N)
COUNT = RNG.integers(0, 4, N)
GROUPS = RNG.integers(0, 15, N)


def half_square(y, f):
    return 0.5 * (y - f) ** 2


def logcosh(y, f):
    return np.logaddexp(y - f, f - y) - np.log(2)


def smooth_quantile(y, f):
    """The pinball loss of the upper quartile, its corner rounded (Zheng 2011)."""
    r = y - f
    return 0.75 * r + 0.2 * np.log1p(np.exp(-r / 0.2))


def log_penalty(beta):
    return 0.3 * np.sum(np.log1p(beta**2))


# --- squared error, written out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("beside", ["nothing", "weights", "frequencies"])
@pytest.mark.parametrize("kind", ["dense", "fortran", "float32", "sparse", "frame"])
def test_written_squared_error_is_least_squares(kind: str, beside: str, intercept: bool) -> None:
    rows: Any = {
        "dense": X,
        "fortran": np.asfortranarray(X),
        "float32": X.astype(np.float32),
        "sparse": sp.csr_array(np.where(X > 0.5, X, 0.0)),
        "frame": pd.DataFrame(X, columns=list("abc")).assign(kind=np.where(X[:, 0] > 0, "u", "v")),
    }[kind]
    given = {"nothing": {}, "weights": {"sample_weight": WEIGHT}, "frequencies": {"frequency_weight": COUNT}}
    direct = bh.LinearRegression(fit_intercept=intercept, cov_type="HC1").fit(rows, Y, **given[beside])
    own = bh.LinearRegression(fit_intercept=intercept, cov_type="HC1", loss=half_square)
    own.fit(rows, Y, **given[beside])
    assert own.certificate_.status == "local minimum"  # nobody said that it is convex
    size = np.abs(direct.coef_).max()
    assert own.coef_ == pytest.approx(direct.coef_, rel=1e-12, abs=1e-13 * size)
    assert own.intercept_ == pytest.approx(direct.intercept_, rel=1e-11, abs=1e-11)
    assert own.inference_.std_err == pytest.approx(direct.inference_.std_err, rel=1e-9)
    assert own.inference_.r_squared == pytest.approx(direct.inference_.r_squared, rel=1e-10)
    assert own.certificate_.loss == pytest.approx(direct.certificate_.loss, rel=1e-12)


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "cluster", "HAC"])
def test_sandwiches_are_those_of_least_squares(cov_type: str) -> None:
    direct = bh.LinearRegression(cov_type=cov_type).fit(X, Y, groups=GROUPS)
    own = bh.LinearRegression(cov_type=cov_type, loss=FunctionLoss(half_square, convex=True))
    own.fit(X, Y, groups=GROUPS)
    assert own.certificate_.status == "global minimum"
    assert own.inference_.covariance == pytest.approx(direct.inference_.covariance, rel=1e-8)
    wide = direct.prediction_interval(X[:5], kind="confidence")
    assert own.prediction_interval(X[:5], kind="confidence") == pytest.approx(wide, rel=1e-9)


def test_a_file_is_fitted_like_an_array(tmp_path: Path) -> None:
    pd.DataFrame(X, columns=list("abc")).assign(y=Y).to_parquet(tmp_path / "rows.parquet")
    rows = bh.data.query(tmp_path / "rows.parquet", "y", block_rows=40)
    for solver in (None, "lbfgs"):
        from_file = bh.LinearRegression(loss="huber", solver=solver).fit(rows)
        assert from_file.certificate_.status == "global minimum"
        assert from_file.coef_ == pytest.approx(bh.LinearRegression(loss="huber").fit(X, Y).coef_, rel=1e-8)


# --- other losses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("delta", [0.5, 1.35, 4.0])
def test_huber_solves_its_equations(delta: float, weight: Any) -> None:
    """Against statsmodels' normal equations of Huber's norm, with the scale held at 1."""
    m = bh.LinearRegression(loss=Huber(delta)).fit(X, Y, sample_weight=weight)
    assert m.certificate_.status == "global minimum"
    if weight is None:
        Z = sm.add_constant(X)
        beta = np.append(m.intercept_, m.coef_)
        norm = sm.robust.norms.HuberT(delta)
        equations = Z.T @ norm.psi(Y - Z @ beta) / np.abs(Z).sum(axis=0)
        assert np.abs(equations).max() < 1e-13
        for _ in range(300):  # iteratively reweighted least squares, from least squares
            w = norm.weights(Y - Z @ beta)
            beta = np.linalg.solve(Z.T @ (w[:, None] * Z), Z.T @ (w * Y))
        assert m.coef_ == pytest.approx(beta[1:], rel=1e-10)
        bread = np.linalg.inv(Z.T @ (norm.psi_deriv(Y - Z @ beta)[:, None] * Z))
        meat = Z.T @ (norm.psi(Y - Z @ beta)[:, None] ** 2 * Z)
        assert m.inference_.covariance == pytest.approx(bread @ meat @ bread, rel=1e-9)


@pytest.mark.parametrize(
    "loss",
    ["huber", "pseudo_huber", "soft_l1", "cauchy", PseudoHuber(3.0), Cauchy(5.0), logcosh, smooth_quantile],
    ids=lambda loss: getattr(loss, "__name__", str(loss)),
)
@pytest.mark.parametrize("penalty", [None, log_penalty, L2(0.1)], ids=["none", "log", "ridge"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_minimum_is_that_of_the_function(loss: Any, penalty: Any, weighted: bool) -> None:
    """bh.minimize, on J written out in centred coordinates, from the answer moved a little."""
    w = WEIGHT if weighted else np.ones(N)
    m = bh.LinearRegression(loss=loss, penalty=penalty, alpha=0.05).fit(X, Y, sample_weight=w)
    assert m.certificate_.status in ("local minimum", "global minimum"), m.certificate_.message
    L, R = bh.losses.as_loss(loss), bh.penalties.as_penalty(penalty)
    value = L.function if isinstance(L, FunctionLoss) else L.value
    middle = X.mean(axis=0)

    def objective(theta):
        level, beta = theta[0], theta[1:]
        f = level + (X - middle) @ beta
        own = log_penalty(beta) if penalty is log_penalty else 0.5 * R.curvature * np.sum(beta**2)
        return np.sum(w * value(Y, f)) / np.sum(w) + own + 0.025 * np.sum(beta**2)

    def slope(theta):
        f = theta[0] + (X - middle) @ theta[1:]
        u = w * L.first_derivative(Y, f) / w.sum()
        return np.append(u.sum(), u @ (X - middle) + R.gradient(theta[1:]) + 0.05 * theta[1:])

    start = np.append(m.intercept_ + middle @ m.coef_, m.coef_)
    found = bh.minimize(objective, start * (1 + 1e-3), gradient=slope, tol=1e-12)
    assert found.converged
    assert m.certificate_.loss == pytest.approx(found.value, rel=1e-10)
    assert m.coef_ == pytest.approx(found.point[1:], rel=1e-6, abs=1e-7)
    assert np.abs(slope(start)).max() < 1e-11


@pytest.mark.parametrize(
    "solver", ["gradient_descent", "nesterov", "lbfgs", "bfgs", "newton", "newton_cg", "trust_region"]
)
@pytest.mark.parametrize("loss", [Huber(1.0), logcosh], ids=["huber", "logcosh"])
def test_every_solver_leads_there(solver: str, loss: Any) -> None:
    reference = bh.LinearRegression(loss=loss).fit(X, Y)
    m = bh.LinearRegression(loss=loss, solver=solver).fit(X, Y)
    assert m.certificate_.converged, m.certificate_.message
    assert m.solver_ == solver
    assert m.coef_ == pytest.approx(reference.coef_, rel=1e-7)
    assert solver in m.explain()


def test_many_columns_take_lbfgs() -> None:
    rows = RNG.normal(size=(900, 320))
    target = rows[:, :5].sum(axis=1) + RNG.standard_t(2, size=900)
    m = bh.LinearRegression(loss="pseudo_huber").fit(rows, target)
    assert m.solver_ == "lbfgs"
    assert m.certificate_.status == "global minimum", m.certificate_.message


def test_more_columns_than_rows_need_a_penalty() -> None:
    rows = RNG.normal(size=(20, 310))
    with pytest.raises(DataError, match="penalty"):
        bh.LinearRegression(loss="huber").fit(rows, Y[:20])
    m = bh.LinearRegression(loss="huber", alpha=0.1).fit(rows, Y[:20])
    assert m.certificate_.status == "global minimum"


# --- scales, constants, collinear columns -------------------------------------------------------------------------


@pytest.mark.parametrize("x_scale", [1e-80, 1e-6, 1e6, 1e80])
@pytest.mark.parametrize("y_scale", [1e-80, 1e-6, 1e6, 1e80])
def test_units_change_nothing(x_scale: float, y_scale: float) -> None:
    base = bh.LinearRegression(loss=Huber(1.0)).fit(X, Y)
    m = bh.LinearRegression(loss=Huber(y_scale)).fit(X * x_scale, Y * y_scale)
    assert m.certificate_.status == "global minimum", m.certificate_.message
    assert m.coef_ * x_scale / y_scale == pytest.approx(base.coef_, rel=1e-11)
    if abs(np.log10(x_scale)) == abs(np.log10(y_scale)) == 80:
        with pytest.raises(InferenceError, match="rescale"):
            _ = m.inference_
        return
    assert m.inference_.std_err[1:] * x_scale / y_scale == pytest.approx(
        base.inference_.std_err[1:], rel=1e-9
    )


@pytest.mark.parametrize("shift", [1e4, 1e8])
def test_large_means_cost_no_proof(shift: float) -> None:
    base = bh.LinearRegression(loss=Huber(1.0)).fit(X, Y)
    m = bh.LinearRegression(loss=Huber(1.0)).fit(X + shift, Y)
    assert m.certificate_.status == "global minimum", m.certificate_.message
    assert m.coef_ == pytest.approx(base.coef_, rel=1e-14 * shift)
    assert m.inference_.std_err[1:] == pytest.approx(base.inference_.std_err[1:], rel=1e-13 * shift)


@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("collinear", ["minimum_norm", "drop"])
@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
def test_constant_and_collinear_columns(collinear: str, penalised: bool) -> None:
    rows = np.column_stack([X, np.full(N, 7.0), X[:, 0] + 2 * X[:, 1]])
    m = bh.LinearRegression(loss="huber", collinear=collinear, alpha=0.01 * penalised).fit(rows, Y)
    assert m.certificate_.status == "global minimum", m.certificate_.message
    assert m.coef_[3] == pytest.approx(0.0, abs=1e-12)
    if penalised:
        return
    assert m.predict(rows) == pytest.approx(bh.LinearRegression(loss="huber").fit(X, Y).predict(X), rel=1e-9)
    direct = bh.LinearRegression(collinear=collinear).fit(rows, Y)
    own = bh.LinearRegression(loss=half_square, collinear=collinear).fit(rows, Y)
    assert own.coef_ == pytest.approx(direct.coef_, rel=1e-9, abs=1e-10)
    known = np.isfinite(direct.inference_.std_err)
    assert (np.isfinite(own.inference_.std_err) == known).all()
    assert known.sum() < len(known)


def test_a_constant_target_and_an_exact_fit() -> None:
    m = bh.LinearRegression(loss="huber").fit(X, np.full(N, 3.0))
    assert m.certificate_.converged
    assert m.coef_ == pytest.approx(np.zeros(3), abs=1e-14)
    assert m.intercept_ == pytest.approx(3.0)
    exact = bh.LinearRegression(loss="pseudo_huber").fit(X, X @ [1.0, 2.0, 3.0])
    assert exact.coef_ == pytest.approx([1.0, 2.0, 3.0], rel=1e-12)


# --- where there is no minimum, or none was reached ---------------------------------------------------------------


def test_a_loss_without_a_lowest_point() -> None:
    with pytest.warns(CertificateWarning, match="not certified"):
        m = bh.LinearRegression(loss=lambda y, f: f - y).fit(X, Y)
    assert m.certificate_.status in ("no minimum exists", "not stationary")
    assert np.isfinite(m.coef_).all()
    with pytest.raises(InferenceError):
        _ = m.inference_
    assert m.explain()


def test_a_spent_budget_is_told() -> None:
    with pytest.warns(CertificateWarning, match="max_iter"):
        m = bh.LinearRegression(loss="huber", solver="gradient_descent", max_iter=3).fit(X, Y)
    assert m.stop_reason_ == "budget spent"
    assert m.n_iter_ == 3
    full = bh.LinearRegression(loss="huber").fit(X, Y)
    assert (np.abs(m.coef_ - full.coef_) <= 3 * m.certificate_.error_bound[1:]).all()


def test_a_kink_is_not_certified_as_a_minimum() -> None:
    """Absolute error, whose derivative does not vanish where it is lowest."""
    with pytest.warns(CertificateWarning):
        m = bh.LinearRegression(loss=lambda y, f: np.abs(y - f)).fit(X, Y)
    assert not m.certificate_.converged


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"loss": "absolute"}, ValueError, "'huber'"),
        ({"loss": lambda y, f: np.sum((y - f) ** 2)}, ValueError, "one number for each row"),
        ({"loss": lambda y, f: (y - f) ** 2 / np.std(y)}, ValueError, "elementwise"),
        ({"loss": lambda y, f: np.log(-((y - f) ** 2))}, ValueError, "logarithm"),
        ({"penalty": "l1"}, TypeError, "alpha"),
        ({"penalty": lambda beta: beta}, ValueError, "one number"),
        ({"loss": "huber", "solver": "direct"}, ValueError, "direct"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    parameters: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bh.LinearRegression(**parameters).fit(X, Y)


def test_a_loss_that_is_undefined_for_some_row_is_refused() -> None:
    def risky(y, f):
        return np.where(y > 1e3, np.nan, 1.0) * (y - f) ** 2

    rows, target = np.tile(X, (3, 1)), np.append(np.tile(Y, 2), Y + 2e3)
    with pytest.raises(DataError, match="not finite"), np.errstate(all="ignore"):
        bh.LinearRegression(loss=risky).fit(rows, target)


def test_several_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="1d array"):
        bh.LinearRegression(loss="huber").fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="a model for each"):
        bh.LinearRegression(loss="huber").fit(pd.DataFrame(X), pd.DataFrame({"a": Y, "b": Y}))


@pytest.mark.parametrize("cov_type", ["HC2", "HC3"])
def test_leverages_belong_to_least_squares(cov_type: str) -> None:
    m = bh.LinearRegression(loss="huber", cov_type=cov_type).fit(X, Y)
    with pytest.raises(InferenceError, match="leverages"):
        _ = m.inference_


def test_what_statistics_say_of_another_loss() -> None:
    m = bh.LinearRegression(loss="huber").fit(X, Y)
    assert m.inference_.cov_type == "HC0"
    assert np.isnan([m.inference_.log_likelihood, m.inference_.aic, m.inference_.bic]).all()
    assert "AIC" not in str(m.summary())
    assert "sandwich" in str(m.summary())
    with pytest.raises(InferenceError, match="confidence"):
        m.prediction_interval(X)
    with pytest.raises(InferenceError, match="penal"):
        _ = bh.LinearRegression(loss="huber", penalty=log_penalty).fit(X, Y).inference_.std_err


# --- quadratic after all, and files -------------------------------------------------------------------------------


def test_quadratic_objects_take_the_direct_way() -> None:
    direct = bh.LinearRegression(alpha=0.3).fit(X, Y)
    same = bh.LinearRegression(loss=SquaredError(), penalty=L2(0.1), alpha=0.2).fit(X, Y)
    assert same.solver_ == direct.solver_
    assert same.coef_ == pytest.approx(direct.coef_, rel=1e-13)
    written = bh.LinearRegression(penalty=lambda beta: 0.05 * np.sum(beta**2), alpha=0.2).fit(X, Y)
    assert written.coef_ == pytest.approx(direct.coef_, rel=1e-11)


@pytest.mark.parametrize(
    ("parameters", "functions"),
    [
        ({"loss": Huber(2.0)}, {}),
        ({"loss": "cauchy", "penalty": L2(0.5)}, {}),
        ({"loss": logcosh}, {"loss": logcosh}),
        ({"loss": FunctionLoss(logcosh, convex=True)}, {"loss": logcosh}),
        ({"penalty": log_penalty, "loss": half_square}, {"penalty": log_penalty, "loss": half_square}),
        ({"penalty": FunctionPenalty(log_penalty)}, {"penalty": log_penalty}),
    ],
)
def test_models_come_back_from_files(
    tmp_path: Path, parameters: dict[str, Any], functions: dict[str, Any]
) -> None:
    m = bh.LinearRegression(**parameters).fit(X, Y)
    m.save(tmp_path / "model")
    if functions:
        with pytest.raises(StorageError, match="files hold no code"):
            bh.load(tmp_path / "model")
    with pytest.raises(TypeError, match="nothing"):
        bh.load(tmp_path / "model", **functions, nothing=logcosh)
    loaded = bh.load(tmp_path / "model", **functions)
    assert loaded.explain() == m.explain()
    assert loaded.predict(X).tobytes() == m.predict(X).tobytes()
    assert str(loaded.summary()) == str(m.summary())
    assert repr(loaded) == repr(m)
    again = loaded.fit(X, Y)
    assert again.coef_ == pytest.approx(m.coef_, rel=1e-12)
