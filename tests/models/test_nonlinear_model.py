"""The Jacobian and the second derivatives of any function of rows: rowwise or not, against finite differences."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.special as sp

from betahat.models.arguments import arguments
from betahat.models.nonlinear import NonlinearModel

RNG = np.random.default_rng(5)
x = np.linspace(0.2, 3, 12)
X = RNG.uniform(0.2, 1.5, (12, 3))
OFFSETS = RNG.normal(size=12)
MIX = np.linalg.inv(np.eye(12) + 0.1)


def unrolled(X, a, b):
    """Euler's steps of y' = −b y."""
    y = [a]
    for h in np.diff(X):
        y.append(y[-1] - h * b * y[-1])
    return np.stack(y)


ROWWISE = {
    "exponential": (lambda X, a, b: a * np.exp(-b * X), [2.0, 0.5], x),
    "array of parameters": (lambda X, b: b[0] * np.exp(-b[1] * X), np.array([2.0, 0.5]), x),
    "unpacked": (lambda X, b: (lambda u, v: u / (v + X))(*b), np.array([2.0, 0.5]), x),
    "dict": (lambda X, p: p["a"] * X ** p["b"], {"a": 2.0, "b": 0.5}, x),
    "column": (lambda X, a, b: a * np.exp(-b * X), [2.0, 0.5], x[:, None]),
    "several columns": (lambda X, a, b: a * X[:, 0] ** b + X[:, 2], [2.0, 0.5], X),
    "powers": (lambda X, b: sum(c * X**k for k, c in enumerate(b)), np.array([2.0, 0.5, -1.0]), x),
    "where": (lambda X, a, b, c: np.where(np.less(X, c), a * X, a * c + b * (X - c)), [2.0, 0.5, 1.3], x),
    "erf": (lambda X, a, b: a * sp.erf(b * X), [2.0, 0.5], x),
    "logistic": (lambda X, a, b: sp.expit(a + b * X), [0.2, 0.5], x),
    "gamma": (lambda X, a, b: a * sp.gammaln(b + X), [2.0, 0.5], x),
    "peaks": (
        lambda X, p: sum(h * np.exp(-(((X - c) / w) ** 2)) for h, c, w in (p[:3], p[3:])),
        np.array([1.0, 0.5, 0.3, 2.0, 2.0, 0.4]), x,
    ),
}  # fmt: skip
MIXED = {
    "cumulative": (lambda X, a, b: a * np.cumsum(np.exp(-b * X)), [2.0, 0.5], x),
    "share of the sum": (lambda X, a, b: a * np.exp(-b * X) / np.sum(np.exp(-b * X)), [2.0, 0.5], x),
    "share of the largest": (lambda X, a, b: a * np.exp(-b * X) / np.max(np.exp(-b * X)), [2.0, 0.5], x),
    "lag": (lambda X, a, b: a * np.concatenate([X[:1], np.exp(-b * X)[:-1]]), [2.0, 0.5], x),
    "matrix of rows": (lambda X, a, b: MIX @ (a * np.exp(-b * X)), [2.0, 0.5], x),
    "product with parameters": (lambda X, b: np.exp(X @ b), np.array([0.2, 0.5, -0.3]), X),
    "contraction": (lambda X, b: np.exp(np.einsum("ij,j->i", X, b)), np.array([0.2, 0.5, -0.3]), X),
    "network": (
        lambda X, p: np.tanh(X @ p["w"] + p["b"]) @ p["v"],
        {"w": RNG.normal(size=(3, 2)), "b": np.array([0.1, -0.2]), "v": np.array([1.0, -0.5])}, X,
    ),
    "solved": (lambda X, a, b: np.linalg.solve(np.eye(12) * a + 0.1, b * X), [2.0, 0.5], x),
    "unrolled": (unrolled, [2.0, 0.5], x),
    "row by row": (lambda X, a, b: np.stack([a * np.exp(-b * one) for one in X]), [2.0, 0.5], x),
    "offsets of these rows": (lambda X, a, b: a * np.exp(-b * X) + OFFSETS, [2.0, 0.5], x),
    "branch": (lambda X, a, b: a * X + b if a > 0 else b * X, [2.0, 0.5], x),
    "constant": (lambda X, a: a, 2.0, x),
}  # fmt: skip
FUNCTIONS = {**ROWWISE, **MIXED}


def model_of(f, start):
    taken, beta = arguments(f, start)
    return NonlinearModel(f, taken), beta


def checked(model, rows, beta):
    """The Jacobian, found anew where the first way to it was not right: what a fit does at its end."""
    value, J = model.jacobian(rows, beta)
    if not model.check(rows, beta, J):
        value, J = model.jacobian(rows, beta)
    assert model.check(rows, beta, J)
    return value, J


def differences(function, beta, h=1e-6):
    columns = [(function(beta + step) - function(beta - step)) / (2 * h) for step in h * np.eye(len(beta))]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_is_that_of_differences(name):
    f, start, rows = FUNCTIONS[name]
    model, beta = model_of(f, start)
    value, J = checked(model, rows, beta)
    np.testing.assert_allclose(value, model.predict(rows, beta), rtol=1e-14)
    np.testing.assert_allclose(J, differences(lambda b: model.predict(rows, b), beta), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives_are_those_of_differences(name):
    f, start, rows = FUNCTIONS[name]
    model, beta = model_of(f, start)
    checked(model, rows, beta)
    c = RNG.normal(size=len(rows))
    H = model.curvature(rows, beta, c)
    numeric = differences(lambda b: c @ checked(model, rows, b)[1], beta)
    np.testing.assert_allclose(H, numeric, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(H, H.T)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rough_jacobian_is_near(name):
    f, start, rows = FUNCTIONS[name]
    model, beta = model_of(f, start)
    exact = checked(model, rows, beta)[1]
    np.testing.assert_allclose(
        model.rough_jacobian(rows, beta)[1], exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max()
    )


def test_rough_jacobian_is_exact_where_differences_drown():
    model, beta = model_of(lambda X, a, b, c: a * np.exp(-b * X) + c, [1.0, 1.0, 1e12])
    np.testing.assert_allclose(model.rough_jacobian(x, beta)[1], model.jacobian(x, beta)[1], rtol=1e-12)


@pytest.mark.parametrize("name", sorted(MIXED.keys() - {"matrix of rows", "solved", "offsets of these rows"}))
def test_one_row_first_then_many(name):
    """What holds for one row need not hold for more: the check finds out."""
    f, start, rows = FUNCTIONS[name]
    model, beta = model_of(f, start)
    checked(model, rows[:1], beta)
    J = checked(model, rows, beta)[1]
    np.testing.assert_allclose(J, differences(lambda b: model.predict(rows, b), beta), rtol=1e-6, atol=1e-8)


def test_rows_that_do_not_meet_at_the_start():
    """At a = 0 the Jacobian of a row by itself is right by accident."""
    f = FUNCTIONS["cumulative"][0]
    model, _ = model_of(f, [0.0, 0.5])
    assert model.check(x, np.array([0.0, 0.5]), model.jacobian(x, np.array([0.0, 0.5]))[1])
    beta = np.array([2.0, 0.5])
    J = checked(model, x, beta)[1]
    np.testing.assert_allclose(J, differences(lambda b: model.predict(x, b), beta), rtol=1e-6)


@pytest.mark.parametrize("name", ROWWISE)
def test_linear_parameters(name):
    expected = {
        "exponential": (0,), "array of parameters": (0,), "unpacked": (0,), "dict": (0,), "column": (0,),
        "several columns": (0,), "powers": (0, 1, 2), "where": (0, 1), "erf": (0,), "logistic": (), "gamma": (0,),
        "peaks": (0, 3),
    }[name]  # fmt: skip
    f, start, rows = FUNCTIONS[name]
    model, beta = model_of(f, start)
    assert model.linear_parameters(rows, beta) == expected


def test_a_product_is_linear_in_one_of_its_factors_only():
    model, beta = model_of(lambda X, a, b: a * b * X, [2.0, 3.0])
    assert model.linear_parameters(x, beta) == (0,)


def test_a_parameter_without_effect_here_is_not_called_linear():
    model, beta = model_of(lambda X, h, c: h * np.exp(-((X - c) ** 2)), [1.0, 1e3])
    assert model.linear_parameters(x, beta) == ()


def test_extended_precision_where_f_lets_it_through():
    model, beta = model_of(lambda X, a, b: a * X + b, [1.0, 2.0**-60])
    wide = model.extended(np.array([1.0]), beta)
    if np.finfo(np.longdouble).nmant > 60:
        assert wide.dtype == np.longdouble
        assert wide[0] - 1 == 2.0**-60
    narrow, beta = model_of(lambda X, a: a * sp.gamma(X), 1.0)
    assert narrow.extended(x, beta).dtype == np.float64


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda X, a: a * X[:-1], ValueError, r"shape \(11,\) for 12 rows"),
        (lambda X, a: np.stack([a * X, X], 1), ValueError, r"shape \(12, 2\) for 12 rows"),
        (lambda X, a: a * X * 1j, TypeError, "f gives complex128"),
        (lambda X, a: "text", TypeError, "f gives <U4"),
        (lambda X, a: None, TypeError, "f gives object"),
        (lambda X, a: {"a": a}, TypeError, "f gives object"),
    ],
)
def test_what_is_no_prediction(f, error, words):
    model, beta = model_of(f, 1.0)
    with pytest.raises(error, match=words):
        model.predict(x, beta)


@pytest.mark.parametrize(
    "value",
    [lambda X, a: 3, lambda X, a: [1] * len(X), lambda X, a: np.greater(X, a), lambda X, a: X[:, None]],
)
def test_numbers_of_any_kind_are_predictions(value):
    model, beta = model_of(value, 1.0)
    assert model.predict(x, beta).dtype == np.float64
    assert model.predict(x, beta).shape == x.shape
    np.testing.assert_array_equal(checked(model, x, beta)[1], np.zeros((12, 1)))


def test_a_pickled_model_holds_no_rows():
    model, beta = model_of(np_exponential, [1.0, 2.0])
    many = np.linspace(0, 1, 10_000)
    model.jacobian(many, beta)
    assert len(pickle.dumps(model)) < 2000
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.jacobian(x, beta)[1], model.jacobian(x, beta)[1])


def np_exponential(X, a, b):
    return a * np.exp(-b * X)


SATURATED = {
    "logistic": (lambda X, a, b: a / (1 + np.exp(-b * X)), [2.0, 1000.0], np.array([-2.0, -1.0, 0.001, 0.5])),
    "gompertz": (lambda X, a, b: a * np.exp(-np.exp(-b * X)), [2.0, 1000.0], np.array([-2.0, -1.0, 0.001, 0.5])),
    "hill at dose zero": (lambda X, a, k, n: a / (1 + (k / X) ** n), [2.0, 1.0, 1.5], np.array([0.0, 0.5, 1.0, 2.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", SATURATED)
def test_rows_in_which_f_is_saturated_have_derivatives_of_zero(name):
    """Where the chain rule gives 0 · ∞."""
    f, start, rows = SATURATED[name]
    model, beta = model_of(f, start)
    J = checked(model, rows, beta)[1]
    numeric = differences(lambda b: model.predict(rows, b), beta, 1e-5)
    np.testing.assert_allclose(J, numeric, rtol=1e-5, atol=1e-9)
    c = np.array([3.0, -1.0, 2.0, 1.0])
    second = differences(lambda b: c @ model.jacobian(rows, b)[1], beta, 1e-4)
    np.testing.assert_allclose(model.curvature(rows, beta, c), second, rtol=1e-4, atol=1e-6)


def test_a_derivative_that_is_infinite_stays_so():
    model, beta = model_of(lambda X, a: np.sqrt(a * X), 0.0)
    assert np.isposinf(model.jacobian(x, beta)[1]).all()
