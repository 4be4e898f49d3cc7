"""Nonlinear regression by other losses, with penalties, by every solver: the minimum that scipy finds on the same J."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from estimators.nonlinear_data import TEXT, decay, decay_jacobian, x, y
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import betahat as bh
from betahat.errors import CertificateWarning, InferenceError
from betahat.losses import Cauchy, Huber, PseudoHuber

OUTLIERS = y.copy()
OUTLIERS[[3, 20, 33]] += [3, -2, 4]
START = [1.0, 1.0, 1.0]


def huber(r, delta):
    return np.where(np.abs(r) <= delta, r**2 / 2, delta * np.abs(r) - delta**2 / 2)


def pseudo_huber(r, delta):
    return delta**2 * (np.sqrt(1 + (r / delta) ** 2) - 1)


def cauchy(r, delta):
    return delta**2 / 2 * np.log1p((r / delta) ** 2)


# loss, its formula in residuals y − f
LOSSES = {
    "squared_error": ("squared_error", lambda r: r**2 / 2),
    "huber": ("huber", lambda r: huber(r, 1.35)),
    "a small huber": (Huber(0.05), lambda r: huber(r, 0.05)),
    "pseudo_huber": ("pseudo_huber", lambda r: pseudo_huber(r, 1.0)),
    "soft_l1": ("soft_l1", lambda r: pseudo_huber(r, 1.0)),
    "a small pseudo_huber": (PseudoHuber(0.02), lambda r: pseudo_huber(r, 0.02)),
    "cauchy": ("cauchy", lambda r: cauchy(r, 1.0)),
    "a small cauchy": (Cauchy(0.05), lambda r: cauchy(r, 0.05)),
    "log cosh": (lambda y, f: np.log(np.cosh(y - f)), lambda r: np.log(np.cosh(r))),
    "fourth powers": (lambda y, f: (y - f) ** 4, lambda r: r**4),
    "unlike sides": (
        lambda y, f: np.where(np.greater(y, f), 2, 1) * (y - f) ** 2, lambda r: np.where(r > 0, 2, 1) * r**2,
    ),
}  # fmt: skip
PENALTIES = {
    "none": (None, lambda b: 0.0),
    "ridge": (lambda b: 0.01 * np.sum(b**2), lambda b: 0.01 * np.sum(b**2)),
    "towards a guess": (bh.penalties.L2(0.05), lambda b: 0.05 / 2 * np.sum(b**2)),
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_penalty(loss, penalty):
    given, formula = LOSSES[loss]
    added, penalised = PENALTIES[penalty]

    def mean_loss(b):
        return float(np.mean(formula(OUTLIERS - decay(x, *b))) + penalised(b))

    model = bh.NonlinearRegression(decay, START, loss=given, penalty=added).fit(x, OUTLIERS)
    assert model.certificate_.status == "local minimum"
    assert model.stop_reason_ == "converged"
    assert_allclose(model.certificate_.loss, mean_loss(model.coef_), rtol=1e-12)
    there = minimize(
        mean_loss,
        model.coef_ * 1.01,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 4000},
    )
    assert_allclose(model.coef_, there.x, rtol=1e-6, atol=1e-6)
    assert mean_loss(model.coef_) <= there.fun * (1 + 1e-13)
    assert f"{number(model.coef_[0])}"[:4] in model.explain()
    if penalty != "none":
        for ask in (lambda: model.inference_.std_err, lambda: model.prediction_interval(x)):
            with pytest.raises(InferenceError, match="penalised"):
                ask()
        assert "penalised" in str(model.summary())
    elif loss != "squared_error":
        assert_sandwich(model, formula)
        with pytest.raises(InferenceError, match='kind="confidence"'):
            model.prediction_interval(x)
        assert model.prediction_interval(x, kind="confidence").shape == (40, 2)
        assert np.isnan(model.inference_.log_likelihood)
        assert "sandwich" in model.inference_.message
    if penalty != "none" or loss != "squared_error":
        with pytest.raises(InferenceError):
            model.profile_interval(x, OUTLIERS)


def number(value):
    return f"{value:.6g}"


def assert_sandwich(model, formula):
    """(ΣL''JJᵀ + ΣL'∂²f)⁻¹ ΣL'²JJᵀ (…)⁻¹ by differences of L and J."""
    beta, h = model.coef_, 1e-5
    r = OUTLIERS - decay(x, *beta)
    slope = -(formula(r + h) - formula(r - h)) / (2 * h)  # in the prediction
    J = decay_jacobian(beta)
    steps = h * np.eye(3)

    def gradient(b):
        r = OUTLIERS - decay(x, *b)
        return decay_jacobian(b).T @ -((formula(r + h) - formula(r - h)) / (2 * h))

    H = np.stack([(gradient(beta + s) - gradient(beta - s)) / (2 * h) for s in steps])
    bread = np.linalg.inv((H + H.T) / 2)
    V = bread @ (J.T * slope**2) @ J @ bread
    assert_allclose(model.inference_.std_err, np.sqrt(np.diag(V)), rtol=2e-3)
    assert model.inference_.cov_type == "HC0"


def test_robust_losses_shrug_off_outliers():
    far = bh.NonlinearRegression(decay, START).fit(x, OUTLIERS).coef_
    near = bh.NonlinearRegression(decay, START, loss=Cauchy(0.05)).fit(x, OUTLIERS).coef_
    clean = bh.NonlinearRegression(decay, START).fit(x, y).coef_
    assert np.abs(near - clean).max() < 0.02 < 0.3 < np.abs(far - clean).max()


def test_losses_with_weights_are_repeated_rows():
    frequency = np.arange(40) % 4
    again = np.repeat(np.arange(40), frequency)
    for loss in ("huber", Cauchy(0.1)):
        short = bh.NonlinearRegression(decay, START, loss=loss).fit(x, OUTLIERS, frequency_weight=frequency)
        long = bh.NonlinearRegression(decay, START, loss=loss).fit(x[again], OUTLIERS[again])
        assert_allclose(short.coef_, long.coef_, rtol=1e-10)
        assert_allclose(short.inference_.std_err, long.inference_.std_err, rtol=1e-9)


def test_losses_keep_bounds():
    model = bh.NonlinearRegression(decay, START, loss="cauchy", bounds={"b": (0.7, 2)}).fit(x, OUTLIERS)
    assert model.coef_[1] == 0.7
    two = bh.NonlinearRegression(lambda X, a, c: decay(X, a, 0.7, c), [1.0, 1.0], loss="cauchy").fit(
        x, OUTLIERS
    )
    assert_allclose(model.coef_[[0, 2]], two.coef_, rtol=1e-9)


@pytest.mark.parametrize("f", [TEXT, "exponential_offset"])
def test_starts_are_found_for_losses_too(f):
    model = bh.NonlinearRegression(f, loss=Huber(0.05)).fit(x, OUTLIERS)
    given = bh.NonlinearRegression(decay, START, loss=Huber(0.05)).fit(x, OUTLIERS)
    assert_allclose(np.abs(model.coef_), given.coef_, rtol=1e-8)


def test_penalty_of_a_function_of_containers():
    """It takes β (p,), in the order of the names."""
    model = bh.NonlinearRegression(
        lambda X, p: p["a"] * np.exp(-p["b"] * X), {"a": 1.0, "b": 1.0}, penalty=lambda b: 100 * b[1] ** 2
    ).fit(x, y)
    assert abs(model.coef_[1]) < 1e-2
    assert_allclose(model.coef_[0], y.mean(), rtol=2e-2)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"loss": "hubr"}, ValueError, r"loss \(='hubr'\) must be one of 'squared_error'"),
        ({"loss": 3}, TypeError, r"loss \(=3\)"),
        ({"loss": Huber}, TypeError, r"write Huber\(\)"),
        ({"loss": lambda y, f: np.sum((y - f) ** 2)}, ValueError, "one number for each row"),
        ({"penalty": 3}, TypeError, r"penalty \(=3\)"),
        ({"penalty": lambda b: b**2}, ValueError, "must give one number"),
        ({"solver": "levenberg"}, ValueError, r"solver \(='levenberg'\) must be one of"),
        ({"solver": 3}, TypeError, r"solver \(=3\)"),
        ({"solver": bh.solvers.LevenbergMarquardt}, TypeError, r"write it with \(\)"),
        ({"solver": "gauss_newton", "loss": "huber"}, ValueError, "is for sums of squares"),
        (
            {"solver": bh.solvers.LevenbergMarquardt(), "penalty": lambda b: b @ b},
            ValueError,
            "is for sums of squares",
        ),
        ({"max_iter": 0}, ValueError, r"max_iter \(=0\)"),
        ({"max_iter": 1.5}, ValueError, r"max_iter \(=1.5\)"),
        ({"max_iter": True}, ValueError, r"max_iter \(=True\)"),
        ({"cov_type": "HC9"}, ValueError, "Did you mean"),
        ({"cov_type": "HAC", "maxlags": -1}, ValueError, "maxlags"),
        ({"cov_type": "HAC", "maxlags": "few"}, TypeError, "maxlags"),
    ],
)
def test_parameters_that_cannot_be(parameters, error, words):
    with pytest.raises(error, match=words):
        bh.NonlinearRegression(decay, START, **parameters).fit(x, y)


@pytest.mark.parametrize("cov_type", ["HC2", "HC3"])
def test_leverages_belong_to_least_squares(cov_type):
    with pytest.warns(CertificateWarning, match="corrects for leverages"):
        model = bh.NonlinearRegression(decay, START, loss="huber", cov_type=cov_type).fit(x, y)
    with pytest.raises(InferenceError, match="'HC1'"):
        _ = model.inference_
    assert "leverages" in str(model.summary())


# --- solvers --------------------------------------------------------------------------------------------------------

SUMS_OF_SQUARES = [
    None, "levenberg_marquardt", "gauss_newton", "trust_region", "dogleg", "newton", "newton_cg", "bfgs", "lbfgs",
    "lbfgsb", "conjugate_gradient", bh.solvers.LevenbergMarquardt(geodesic=False),
    bh.solvers.LevenbergMarquardt(linear=(0, 2)), bh.solvers.GaussNewton(),
]  # fmt: skip
UNSCALED = ("newton_cg", "bfgs", "lbfgs", "lbfgsb", "conjugate_gradient")  # lost between units of 1e-9 and 1
PROBLEMS = {
    "decay": (decay, START, x, y),
    "tiny": (decay, [1e-9, 1.0, 1e-9], x, y * 1e-9),
    "michaelis_menten": ("michaelis_menten", [1.0, 1.0], x, 3 * x / (0.7 + x) + 0.05 * np.cos(9 * x)),
    "logistic": ("logistic", [1.0, 1.0, 1.5], x, 2 / (1 + np.exp(-3 * (x - 2))) + 0.03 * np.cos(9 * x)),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("solver", SUMS_OF_SQUARES, ids=str)
def test_solvers_reach_the_same_certified_minimum(solver, problem):
    f, start, X, target = PROBLEMS[problem]
    if problem == "tiny" and solver in UNSCALED:
        with pytest.warns(CertificateWarning, match="no minimum found"):  # said, not hidden
            bh.NonlinearRegression(f, start, solver=solver, max_iter=300).fit(X, target)
        return
    best = bh.NonlinearRegression(f, start).fit(X, target)
    if isinstance(solver, bh.solvers.LevenbergMarquardt) and solver.linear and problem != "decay":
        solver = bh.solvers.LevenbergMarquardt(linear=(0,))
    model = bh.NonlinearRegression(f, start, solver=solver, max_iter=3000).fit(X, target)
    assert model.certificate_.status == "local minimum"
    assert_allclose(model.coef_, best.coef_, rtol=1e-7)
    assert_allclose(model.inference_.std_err, best.inference_.std_err, rtol=1e-6)
    if solver is not None:
        assert model.solver_ == (solver if isinstance(solver, str) else solver.name)


@pytest.mark.parametrize(
    "solver", ["gradient_descent", "momentum", "nesterov", "adam", "sgd", "steepest_descent"]
)
def test_slow_solvers_say_how_far_they_came(solver):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CertificateWarning)
        model = bh.NonlinearRegression(decay, START, solver=solver, max_iter=200).fit(x, y)
    first = float(np.mean((y - decay(x, *START)) ** 2) / 2)
    assert model.certificate_.loss < first
    assert model.stop_reason_ in ("budget spent", "no progress", "converged")
    assert model.certificate_.converged or "max_iter (=200)" in model.certificate_.message
    assert len(model.trace_) == model.n_iter_ <= 201
