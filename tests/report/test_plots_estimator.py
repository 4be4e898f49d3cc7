"""DescentDisplay.from_estimator, and the J of a fitted model that it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import betahat as bh
from betahat.plots import DescentDisplay

RNG = np.random.default_rng(8)
X = RNG.normal(1.0, 1.0, size=(30, 2))
Y = 1 + X @ [2.0, -1.0] + RNG.normal(size=30)
W = RNG.uniform(0.5, 2.0, size=30)
T = np.linspace(0.0, 4.0, 25)
DECAY = 3 * np.exp(-1.3 * T) + 0.5 + 0.05 * RNG.normal(size=25)


def mean_square(beta: Any, weight: Any = None, intercept: bool = True) -> float:
    f = X @ np.asarray(beta)[int(intercept) :] + (beta[0] if intercept else 0.0)
    return float(np.average((Y - f) ** 2, weights=weight) / 2)


MODELS: dict[str, tuple[Any, Any]] = {
    "plain": (bh.LinearRegression(), lambda b: mean_square(b)),
    "no intercept": (bh.LinearRegression(fit_intercept=False), lambda b: mean_square(b, intercept=False)),
    "penalised": (bh.LinearRegression(alpha=0.3), lambda b: mean_square(b) + 0.15 * float(b[1:] @ b[1:])),
    "ridge": (bh.Ridge(2.0), lambda b: mean_square(b) + float(b[1:] @ b[1:]) / 30),
}


@pytest.mark.parametrize("name", MODELS)
def test_j_of_a_linear_model(name: str) -> None:
    model, expected = MODELS[name]
    J = model.fit(X, Y).objective(X, Y)
    beta = np.arange(1.0, len(J.names) + 1)
    assert J(beta) == pytest.approx(expected(beta), rel=1e-13)
    differences = [(expected(beta + h) - expected(beta - h)) / 2e-5 for h in 1e-5 * np.eye(len(beta))]
    np.testing.assert_allclose(J.gradient(beta), differences, rtol=1e-6)
    np.testing.assert_allclose(J.gradient(J.estimate), 0.0, atol=1e-13)
    assert J(J.estimate) == pytest.approx(model.certificate_.loss, rel=1e-12)
    v = np.array([1.0, -2.0, 0.5])[: len(beta)]
    product = (J.gradient(beta + 1e-5 * v) - J.gradient(beta - 1e-5 * v)) / 2e-5
    np.testing.assert_allclose(J.problem.product(beta, v), product, rtol=1e-7)


def test_j_with_weights_and_a_table_and_powers() -> None:
    table = pd.DataFrame({"a": X[:, 0], "kind": np.where(X[:, 1] > 1, "u", "v")})
    m = bh.LinearRegression().fit(table, Y, sample_weight=W)
    J = m.objective(table, Y, W)
    coded = np.column_stack([np.ones(30), X[:, 0], X[:, 1] <= 1])
    beta = np.array([0.5, 1.0, -1.0])
    assert J(beta) == pytest.approx(np.average((Y - coded @ beta) ** 2, weights=W) / 2, rel=1e-13)
    np.testing.assert_allclose(J.gradient(J.estimate), 0.0, atol=1e-13)
    curve = bh.PolynomialRegression(2).fit(X[:, :1], Y)
    powers = np.vander(X[:, 0], 3, increasing=True)
    J = curve.objective(X[:, :1], Y)
    assert J(beta) == pytest.approx(np.mean((Y - powers @ beta) ** 2) / 2, rel=1e-13)
    np.testing.assert_allclose(J.gradient(J.estimate), 0.0, atol=1e-12)


def test_a_linear_models_contours_and_paths() -> None:
    m = bh.LinearRegression().fit(X, Y)
    shown = DescentDisplay.from_estimator(
        m, X, Y, parameters=("x2", "Intercept"), solvers=["steepest_descent", "trust_region"], resolution=9
    )
    assert shown.names == ("x2", "Intercept")
    np.testing.assert_allclose(np.ravel(shown.start_.get_data()), [0.0, 0.0])
    np.testing.assert_allclose(shown.minimum, [m.coef_[1], m.intercept_], rtol=1e-6)
    for i, j in ((0, 0), (3, 8)):
        at = [shown.y[j], m.coef_[0], shown.x[i]]
        assert shown.values[j, i] == pytest.approx(mean_square(at), rel=1e-6)
    for path in shown.paths.values():
        assert path.stop_reason == "converged"
        np.testing.assert_allclose(path.points[-1], shown.minimum, atol=1e-6)


def test_a_nonlinear_models_contours_and_paths() -> None:
    m = bh.NonlinearRegression("a * exp(-b * x) + c", start=[1.0, 0.3, 0.0]).fit(T, DECAY)
    shown = DescentDisplay.from_estimator(
        m, T, DECAY, parameters=("a", "b"), solvers=["bfgs", None], resolution=9
    )
    np.testing.assert_array_equal(np.ravel(shown.start_.get_data()), [1.0, 0.3])
    np.testing.assert_allclose(shown.minimum, m.coef_[:2], rtol=1e-6)
    for i, j in ((0, 0), (3, 8)):
        f = shown.x[i] * np.exp(-shown.y[j] * T) + m.coef_[2]
        assert shown.values[j, i] == pytest.approx(np.mean((DECAY - f) ** 2) / 2, rel=1e-5)
    everywhere = DescentDisplay.from_estimator(
        m, T, DECAY, solvers="bfgs", start=[2.0, 1.0, 0.2], resolution=8
    )
    assert everywhere.paths["BFGS"].values[0] == pytest.approx(
        np.mean((DECAY - 2 * np.exp(-T) - 0.2) ** 2) / 2
    )
    assert everywhere.ax_.get_xlabel() == "eigenvector of the largest curvature"


def test_refusals() -> None:
    m = bh.LinearRegression().fit(X, Y)
    two = bh.LinearRegression().fit(X, np.column_stack([Y, Y]))
    draw = DescentDisplay.from_estimator
    for error, message, call in (
        (TypeError, "has no objective", lambda: draw(3, X, Y)),  # pyright: ignore[reportArgumentType]
        (ValueError, "start has shape", lambda: draw(m, X, Y, start=[0.0])),
        (ValueError, "'z' is not among 'Intercept', 'x1'", lambda: draw(m, X, Y, parameters=("z", "x1"))),
        (ValueError, "one target", lambda: two.objective(X, np.column_stack([Y, Y]))),
        (ValueError, "one target", lambda: m.objective(X, Y[:-1])),
        (bh.DataError, "missing or infinite", lambda: m.objective(X, np.where(Y > 0, Y, np.nan))),
        (ValueError, "β has shape \\(2,\\); expected \\(3,\\)", lambda: m.objective(X, Y)([0.0, 1.0])),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()
