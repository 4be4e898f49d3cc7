"""Which functions are read as formulas, and that a formula is only taken for what f is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from betahat.kernels import running
from betahat.models.arguments import arguments
from betahat.models.formula import Formula
from betahat.models.nonlinear import NonlinearModel
from betahat.models.symbols import traced

X = np.linspace(0.5, 3.0, 7)
TABLE = np.column_stack([X, X**2 - 1, np.cos(X)])
START = [1.2, 0.7]


@pytest.fixture(autouse=True, scope="module")
def kernels():
    running.load()


FORMULAS = {
    "arithmetic": (lambda x, a, b: (a + 1) * x - b / x + 3 - -a, START, X),
    "reflected": (lambda x, a, b: 2 / (1 - a * x) + 2**b + x**b, START, X),
    "powers": (lambda x, a, b: a**2 + b**-1 + a**0.5 * x**3 + (a * x) ** 1 + np.power(x, a), START, X),
    "ufuncs": (lambda x, a, b: np.exp(-a * x) + np.log1p(b) * np.arctan(x / b), START, X),
    "special": (lambda x, a, b: special.erf(a * x) + special.expit(b - x), START, X),
    "constants of x": (lambda x, a, b: a * (x > 1) + b * np.where(x > 1, 0.0, np.sin(x)), START, X),
    "one number": (lambda x, a, b: a * b + 0.0, START, X),
    "columns": (lambda T, a, b: a * T[:, 0] + np.exp(b * T[:, 2]), START, TABLE),
    "one column": (lambda T, a, b: a * np.exp(-b * T), START, X[:, None]),
    "an array": (lambda x, beta: beta[0] * np.exp(-beta[1] * x) + beta[-1], [1.0, 2.0, 3.0], X),
    "unpacked": (lambda x, beta: next(u * x + v for u, v in [beta]), START, X),
    "matrix of columns": (lambda T, beta: np.exp(T @ beta / 9), [0.3, 0.2, 0.1], TABLE),
    "dot": (lambda T, beta: np.dot(T, beta) ** 2, [0.3, 0.2, 0.1], TABLE),
    "dict": (lambda x, p: p["a"] * np.exp(p["b"][1] * x) + p["b"][0], {"a": 1.0, "b": np.array([2.0, -1.0])}, X),
    "a branch on x": (lambda x, a, b: a * x if x[0] < 1 else b * x, START, X),
    "bounded by itself": (lambda x, *beta: sum(b * x**k for k, b in enumerate(beta)), [1.0, 2.0, 3.0], X),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_read(name):
    f, start, rows = FORMULAS[name]
    taken, beta = arguments(f, start)
    model = NonlinearModel(f, taken)
    formula = model.formula(rows, beta)
    assert formula is not None
    there = beta * 1.25
    np.testing.assert_allclose(formula.values(there), model.predict(rows, there), rtol=1e-13)
    value, J = model.jacobian(rows, there)
    assert model.check(rows, there, J)
    for k in range(len(beta)):
        step = np.zeros(len(beta))
        step[k] = 1e-6
        slope = (model.predict(rows, there + step) - model.predict(rows, there - step)) / 2e-6
        np.testing.assert_allclose(J[:, k], slope, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(value, model.predict(rows, there), rtol=1e-13)


def raising(x, a, b):
    if not np.isfinite(a):
        raise ValueError
    return a * x + b


def by_parts(x, a, b):
    out = np.zeros(len(x))
    out[:3] = a
    return out + b * x


NONE = {
    "a decision": lambda x, a, b: a * x if a > 0 else b * x,
    "where": lambda x, a, b: np.where(x < b, a, b * x),
    "maximum": lambda x, a, b: np.maximum(a * x, b),
    "sum over rows": lambda x, a, b: a * x / np.sum(np.exp(b * x)),
    "cumulative": lambda x, a, b: np.cumsum(a * x + b),
    "neighbours": lambda x, a, b: a * x + (b * x)[::-1],
    "float": lambda x, a, b: float(a) * x + b,
    "written into an array": by_parts,
    "an exception": raising,
    "table of columns": lambda x, a, b: (a * np.column_stack([x, x]) + b).sum(axis=1),
    "complex": lambda x, a, b: np.abs(a * np.exp(1j * b * x)),
    "wide": lambda x, a, b: a * x.astype(np.longdouble) + b,
    "length": lambda x, a, b: a * x + len(b),
    "too long": lambda x, a, b: sum(a * x * k + b for k in range(500)),
    "no parameter": lambda x, a, b: x,
    "equal": lambda x, a, b: a * x + (b == 1.0),
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_formula_is_not_read(name):
    f = NONE[name]
    taken, _ = arguments(f, START)
    if name == "wide" and np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long doubles are doubles here")
    assert traced(f, taken, X) is None


def test_rows_beside_columns_are_a_table_and_no_formula():
    taken, _ = arguments(FORMULAS["arithmetic"][0], START)
    assert traced(lambda T, a, b: a * T[:, 0] + b * T, taken, TABLE[:, :1]) is None
    assert traced(lambda T, a, b: a * T[:, :1] + b * T[:, :1], taken, TABLE) is not None


def test_a_formula_that_is_not_f_is_refused():
    """A function that gives symbols something else than numbers: seen where the descent begins."""
    f = lambda x, a, b: a * x + (2 * b if type(b).__name__ == "Symbol" else b)  # noqa: E731
    taken, beta = arguments(f, START)
    assert traced(f, taken, X) is not None
    model = NonlinearModel(f, taken)
    assert model.formula(X, beta) is None
    np.testing.assert_allclose(model.jacobian(X, beta)[1], np.column_stack([X, np.ones(7)]), rtol=1e-12)


def test_a_formula_that_is_f_at_the_start_only_is_found_out():
    state = {"shift": 0.0}
    f = lambda x, a, b: a * x + b + state["shift"]  # noqa: E731
    taken, beta = arguments(f, START)
    model = NonlinearModel(f, taken)
    assert model.formula(X, beta) is not None
    _, J = model.jacobian(X, beta)
    assert model.check(X, beta, J)
    state["shift"] = 1e-12
    assert not model.check(X, beta * 2, model.jacobian(X, beta * 2)[1])
    assert model.formula(X, beta) is None
    np.testing.assert_allclose(model.jacobian(X, beta)[0], f(X, *beta), rtol=1e-15)


@pytest.mark.parametrize("beta", [np.array([1.0, 800.0]), np.array([1.0, -800.0])])
def test_overflow_agrees_with_itself(beta):
    f = lambda x, a, b: a / (1 + np.exp(b * x))  # noqa: E731
    taken, _ = arguments(f, START)
    with np.errstate(over="ignore"):
        value = f(X, *beta)
    formula = Formula.of(f, taken, X, beta, value)
    assert formula is not None
    assert not formula.agrees(beta * 0.5, value + 1e-6)
