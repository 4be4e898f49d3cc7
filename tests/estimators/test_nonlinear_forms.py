"""Every form of f and of its parameters reaches the minimum that scipy reaches."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np
import pytest
import scipy.special as sp
from estimators.nonlinear_data import TEXT, decay, minimised, x, y
from numpy.testing import assert_allclose

import betahat as bh
from betahat.errors import DerivativeError

RNG = np.random.default_rng(3)
X3 = RNG.uniform(0.2, 2, (40, 3))
NOISE = 0.02 * RNG.normal(size=40)


def defaulted(X, a, b=0.4, c=1.2):
    return decay(X, a, b, c)


class Decay:
    def of(self, X, a, b):
        return a * X / (b + X)

    def __call__(self, X, a, b):
        return a * X / (b + X)


def unrolled(X, a, b):
    y = [a]
    for h in np.diff(X):
        y.append(y[-1] - h * b * y[-1])
    return np.stack(y)


def one(b):
    return tuple(b)


def whole(b):
    return (b,)


# name: f, start, X, how the flat β is handed over, β of the data
FORMS = {
    "names": (decay, [1.0, 1.0, 0.0], x, one, [2.0, 0.5, 1.0]),
    "a dict of names": (decay, {"c": 0.0, "b": 1.0, "a": 1.0}, x, one, [2.0, 0.5, 1.0]),
    "whole numbers": (decay, [1, 1, 0], x, one, [2.0, 0.5, 1.0]),
    "single precision": (decay, np.ones(3, np.float32), x, one, [2.0, 0.5, 1.0]),
    "defaults": (defaulted, [1.0, 1.0], x, one, [2.0, 0.5]),
    "partial": (functools.partial(decay, c=1.0), [1.0, 1.0], x, one, [2.0, 0.5]),
    "method": (Decay().of, [1.0, 1.0], x, one, [2.0, 0.5]),
    "callable": (Decay(), [1.0, 1.0], x, one, [2.0, 0.5]),
    "any number": (lambda X, *p: p[0] * np.exp(-p[1] * X), [1.0, 1.0], x, one, [2.0, 0.5]),
    "everything": (lambda *p: p[1] * np.exp(-p[2] * p[0]), [1.0, 1.0], x, one, [2.0, 0.5]),
    "one number": (lambda X, a: np.exp(-a * X), 1.0, x, one, [0.5]),
    "array": (lambda X, b: b[0] * np.exp(-b[1] * X), [1.0, 1.0], x, whole, [2.0, 0.5]),
    "unpacked": (lambda X, b: (lambda u, v: u * np.exp(-v * X))(*b), [1.0, 1.0], x, whole, [2.0, 0.5]),
    "one matrix": (
        lambda X, W: np.exp(X[:, :2] @ W).sum(axis=1), [np.zeros((2, 1))], X3,
        lambda b: (np.reshape(b, (2, 1)),), [0.3, -0.4],
    ),
    "dict": (
        lambda X, p: p["a"] * np.exp(-p["b"] * X), {"a": 1.0, "b": 1.0}, x, lambda b: ({"a": b[0], "b": b[1]},),
        [2.0, 0.5],
    ),
    "dict of arrays": (
        lambda X, p: p["a"] + np.exp(X @ p["w"]), {"a": 1.0, "w": np.zeros(3)}, X3,
        lambda b: ({"a": b[0], "w": b[1:]},), [2.0, 0.2, 0.5, -0.3],
    ),
    "column": (lambda X, a, b: a * np.exp(-b * X), [1.0, 1.0], x[:, None], one, [2.0, 0.5]),
    "first column": (lambda X, a, b: a * np.exp(-b * X[:, 0]), [1.0, 1.0], x[:, None], one, [2.0, 0.5]),
    "several columns": (lambda X, a, b: a * X[:, 0] ** b * X[:, 2], [1.0, 1.0], X3, one, [2.0, 0.5]),
    "product with β": (lambda X, b: np.exp(X @ b), np.zeros(3), X3, whole, [0.2, 0.5, -0.3]),
    "contraction": (lambda X, b: np.exp(np.einsum("ij,j", X, b)), np.zeros(3), X3, whole, [0.2, 0.5, -0.3]),
    "sum of rows": (lambda X, b: np.exp((X * b).sum(axis=1)), np.zeros(3), X3, whole, [0.2, 0.5, -0.3]),
    "cumulative": (lambda X, a, b: a * np.cumsum(np.exp(-b * X)), [1.0, 1.0], x, one, [2.0, 0.5]),
    "cumulative from zero": (lambda X, a, b: a * np.cumsum(np.exp(-b * X)), [0.0, 0.6], x, one, [2.0, 0.5]),
    "share of the sum": (
        lambda X, a, b: 40 * a * np.exp(-b * X) / np.sum(np.exp(-b * X)), [1.0, 1.0], x, one, [2.0, 0.5],
    ),
    "lag": (lambda X, a, b: a * np.concatenate([X[:1], np.exp(-b * X)[:-1]]), [1.0, 1.0], x, one, [2.0, 0.5]),
    "unrolled": (unrolled, [1.0, 1.0], x, one, [2.0, 0.5]),
    "solved": (lambda X, a, b: np.linalg.solve(np.eye(40) * a + 0.01, b * X), [1.0, 1.0], x, one, [2.0, 3.0]),
    "two branches": (
        lambda X, a, b, c: np.where(np.less(X, c), a * X, a * c + b * (X - c)), [1.0, 1.0, 1.7], x, one,
        [2.0, 0.5, 2.03],
    ),
    "the larger": (lambda X, a, b: np.maximum(a * X, b), [1.0, 1.0], x, one, [2.0, 3.3]),
    "erf": (lambda X, a, b: a * sp.erf(b * X), [1.0, 1.0], x, one, [2.0, 0.5]),
    "gammaln": (lambda X, a, b: a * sp.gammaln(b + X), [1.0, 1.0], x, one, [2.0, 0.5]),
    "bessel": (lambda X, a, b: a * sp.j0(b * X), [1.5, 0.7], x, one, [2.0, 0.5]),
    "interpolated": (lambda X, a, b: a * np.interp(X, [0, 1, 5], [0, 1, 2.0]) + b, [1.0, 1.0], x, one, [2.0, 0.5]),
    "constant": (lambda X, a: a, 1.0, x, one, [2.0]),
    "constant for each row": (lambda X, a: a + 0 * X, 1.0, x, one, [2.0]),
    "text": (TEXT, [1.0, 1.0, 0.0], x, one, [2.0, 0.5, 1.0]),
    "text of two columns": ("a * exp(-b * x1) + c * x2", [1.0, 1.0, 0.0], X3[:, :2], one, [2.0, 0.5, 1.0]),
}  # fmt: skip


def value_of(f, X, parameters):
    if isinstance(f, str):
        columns = {"x": X} if X.ndim == 1 else {f"x{j + 1}": X[:, j] for j in range(X.shape[1])}
        return eval(f, {"exp": np.exp, **columns, **dict(zip("abc", parameters, strict=True))})
    return f(X, *parameters)


@pytest.mark.parametrize("form", FORMS)
def test_the_minimum_is_scipys(form):
    f, start, X, handed, truth = FORMS[form]

    def predicted(b):
        return np.zeros(40) + np.reshape(value_of(f, X, handed(b)), -1)

    target = predicted(truth) + NOISE
    model = bh.NonlinearRegression(f, start).fit(X, target)
    assert model.certificate_.status == "local minimum"
    assert model.stop_reason_ == "converged"
    best, squares = minimised(lambda b: predicted(b) - target, model.coef_ * 1.001 + 1e-4)
    assert_allclose(model.coef_, best, rtol=2e-6)
    assert_allclose(2 * 40 * model.certificate_.loss, squares, rtol=1e-11)
    assert_allclose(model.predict(X), predicted(model.coef_), rtol=1e-13)
    assert model.coef_.shape == (len(model.parameter_names_),)


def test_parameters_have_the_names_of_the_code():
    names = {
        form: bh.NonlinearRegression(f, start).fit(X, value_of(f, X, handed(truth)) + NOISE).parameter_names_
        for form, (f, start, X, handed, truth) in FORMS.items()
        if form in ("names", "a dict of names", "array", "dict of arrays", "any number", "text", "one matrix")
    }
    assert names == {
        "names": ("a", "b", "c"),
        "a dict of names": ("a", "b", "c"),
        "array": ("b[0]", "b[1]"),
        "dict of arrays": ("a", "w[0]", "w[1]", "w[2]"),
        "any number": ("b1", "b2"),
        "text": ("a", "b", "c"),
        "one matrix": ("W[0,0]", "W[1,0]"),
    }


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (None, TypeError, r"f \(=None\) must be a function"),
        (3, TypeError, "must be a function"),
        (dict, TypeError, "must be a function"),
        (lambda X: X, TypeError, "must take X and then its parameters"),
        (lambda X, *, a: a * X, TypeError, "by name only"),
        (lambda X, a: a * X * 1j, TypeError, "f gives complex128"),
        (lambda X, a: "text", TypeError, "f gives <U4"),
        (lambda X, a: None, TypeError, "f gives object"),
        (lambda X, a: a * X[:-1], ValueError, r"shape \(39,\) for 40 rows"),
        (lambda X, a: np.stack([a * X, X], 1), ValueError, r"shape \(40, 2\) for 40 rows"),
        (lambda X, a: 1 / 0, ValueError, r"f fails at the start, for X of shape \(40,\): ZeroDivisionError"),
        (lambda X, a: 1 / 0, ValueError, "The usual cause: a division by zero"),
        (lambda X, a: [math.exp(a * v) for v in [X]], ValueError, "math.exp and float.* take one number; np.exp"),
        (lambda X, a: {}["k"], ValueError, "f fails at the start.*KeyError"),
        (lambda X, a: a * X[:, 1], ValueError, r"IndexError.*The usual cause: f takes columns X\[:, 0\]"),
        (lambda X, a: a * X * np.nan, ValueError, r"f is nan in row 0 \(X = 0.1\) at a = 1.*begin elsewhere"),
        (lambda X, a: a * np.log(X - 2), ValueError, "f is nan in row 0"),
        (lambda X, a: np.array([a * v for v in X]), DerivativeError, r"np.stack"),
        (np.vectorize(lambda v, a: a * v), DerivativeError, "cannot become a plain array"),
        ("a * exp(", ValueError, "cannot be read"),
        ("exponentail", ValueError, "is no curve's name.*Did you mean 'exponential'"),
        ("a * q", ValueError, "uses no column; the columns are x"),
    ],
)  # fmt: skip
def test_functions_that_cannot_be_fitted(f, error, words):
    with pytest.raises(error, match=words):
        bh.NonlinearRegression(f, 1.0).fit(x, y)


@pytest.mark.parametrize("start", [1.0, [1.0]])
@pytest.mark.parametrize("f", [lambda X, a: a, lambda X, a: a * np.mean(X) / np.mean(X)])
def test_one_number_stands_for_every_row(f, start):
    """The mean, by a curve that knows no x; [1.0] makes of a an array of one number."""
    m = bh.NonlinearRegression(f, start).fit(x, y)
    assert_allclose(m.coef_, [y.mean()], rtol=1e-14)
    assert_allclose(m.inference_.std_err, [y.std(ddof=1) / np.sqrt(len(y))], rtol=1e-12)


@pytest.mark.parametrize("form", ["array", "column", "in place of a slice"])
def test_a_function_that_writes_into_x_is_refused_and_spoils_nothing(form):
    def shifting(X, a, b):
        X -= 1
        return np.reshape(a * X + b, -1)

    def writing(X, a, b):
        X[0] = 99.0
        return np.reshape(a * X + b, -1)

    X = x[:, None].copy() if form == "column" else x.copy()
    before = X.copy()
    with pytest.raises(ValueError, match="f writes into X, which are your data"):
        bh.NonlinearRegression(writing if form == "in place of a slice" else shifting, [1.0, 1.0]).fit(X, y)
    np.testing.assert_array_equal(X, before)
    assert X.flags.writeable


def test_functions_may_raise_on_the_way():
    """As where a root of a negative number is NaN: a step too far, not an end."""

    def picky(X, a, b):
        if np.min(b) < 0.2:
            raise ValueError("b too small")
        if np.max(a) > 30:
            raise ZeroDivisionError("a too large")
        return a * np.exp(-b * X) + 1

    model = bh.NonlinearRegression(picky, [28.0, 0.9]).fit(x, y)
    plain = bh.NonlinearRegression(lambda X, a, b: a * np.exp(-b * X) + 1, [2.0, 0.5]).fit(x, y)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-10)
    assert model.certificate_.status == "local minimum"


def test_warnings_of_the_function_are_its_own():
    def warning(X, a):
        warnings.warn("mine", UserWarning, stacklevel=1)
        return a * X

    with pytest.warns(UserWarning, match="mine"):
        model = bh.NonlinearRegression(warning, 1.0).fit(x, y)
    assert_allclose(model.coef_, [x @ y / (x @ x)], rtol=1e-12)


def test_overflow_inside_the_function_is_silent():
    model = bh.NonlinearRegression(lambda X, a, b: a / (1 + np.exp(b * X * 300) * 0) * np.exp(-X), [1.0, 0.1])
    with pytest.warns(bh.CertificateWarning, match="say nothing of b"):
        model.fit(x, y)


def test_exceptions_of_other_kinds_are_passed_on():
    def failing(X, a):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        bh.NonlinearRegression(failing, 1.0).fit(x, y)
