"""Expressions: the same numbers as Python's own reading, and nothing but arithmetic."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.errors import FormulaError
from betahat.models.expression import FUNCTIONS, Expression, names_in

X = np.array([0.3, 1.0, 2.5])


# --- right ----------------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(0, 50).map(str),
    st.floats(0.01, 50).map(lambda v: f"{v:.4g}"),
    st.sampled_from(["1e-3", ".5", "2."]),
)
ATOMS = st.one_of(NUMBERS, st.sampled_from(["x", "a", "b", "pi"]))


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.sampled_from(["**2", "**0.5", "**-1"])).map(lambda t: f"({t[0]}){t[1]}"),
        inner.map(lambda t: f"-({t})"),
        st.tuples(st.sampled_from(["exp", "sin", "arctan", "abs", "tanh", "log1p", "sqrt"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["minimum", "maximum", "hypot", "arctan2"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        st.tuples(inner, st.sampled_from(["<", "<=", ">", ">="]), inner, inner).map(
            lambda t: f"where({t[0]} {t[1]} {t[2]}, {t[3]}, 1)"
        ),
    )


@settings(max_examples=150)
@given(text=st.recursive(ATOMS, larger, max_leaves=8), a=st.floats(0.1, 4), b=st.floats(-3, 3))
def test_the_same_numbers_as_numpy(text, a, b):
    text = f"({text}) + a*b*x*0"
    with np.errstate(all="ignore"):
        numbers = {name: np.float64(value) for name, value in {"a": a, "b": b}.items()}
        scope = {**{name: getattr(np, name, None) for name in FUNCTIONS}, "pi": np.pi, "x": X, **numbers}
        try:
            expected = eval(text, {"__builtins__": {}}, scope)
        except (ZeroDivisionError, OverflowError, ValueError):
            return  # of Python's own whole numbers
        expression = Expression(text, ["x"])
        parameters = [numbers[name] for name in expression.parameters]
        np.testing.assert_allclose(expression(X, *parameters), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("name", ["erf", "erfc", "gamma", "gammaln", "expit"])
def test_special_functions_are_scipys(name):
    np.testing.assert_array_equal(
        Expression(f"a * {name}(x)", ["x"])(X, 2.0), 2.0 * getattr(scipy.special, name)(X)
    )


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a * np.exp(x)", 2 * np.exp(X)),
        ("a * math.exp(x)", 2 * np.exp(X)),
        ("a * np.pi * x", 2 * np.pi * X),
        ("a * ln(x)", 2 * np.log(X)),
        ("a ** x ** 2", 2**X**2),
        ("-x ** a", -(X**2)),
        ("a\n* x", 2 * X),
        ("a * x  # a line", 2 * X),
        ("1_000 * a * x", 2000 * X),
        ("a * `x`", 2 * X),
        ("α * x", 2 * X),
    ],
)
def test_ways_of_writing(text, truth):
    np.testing.assert_allclose(Expression(text, ["x"])(X, 2.0), truth, rtol=1e-15)


@pytest.mark.parametrize(
    ("columns", "text", "parameters", "used"),
    [
        (["dose (mg)", "t"], "a * `dose (mg)` + t", ("a",), ("dose (mg)", "t")),
        (["µ"], "a * µ", ("a",), ("µ",)),  # Python reads the micro sign as the Greek letter
        (["gamma"], "a * gamma", ("a",), ("gamma",)),
        (["log"], "a * log", ("a",), ("log",)),
        (["pi"], "a * `pi`", ("a",), ("pi",)),
        (["e"], "a * e", ("a",), ("e",)),
        (["x"], "gamma * x", ("gamma",), ("x",)),
        (["x"], "b * x + a * x**b", ("b", "a"), ("x",)),
    ],
)
def test_columns_and_parameters_are_told_apart(columns, text, parameters, used):
    expression = Expression(text, columns)
    assert (expression.parameters, expression.used) == (parameters, used)
    rows = np.arange(1.0, 1 + 2 * len(columns)).reshape(2, -1)
    values = {name: rows[:, j] for j, name in enumerate(columns)}
    if text == "a * `dose (mg)` + t":
        np.testing.assert_array_equal(expression(rows, 3.0), 3 * values["dose (mg)"] + values["t"])
    elif columns != ["x"]:
        np.testing.assert_array_equal(expression(rows, 3.0), 3 * rows[:, 0])


def test_names_in_order_of_appearance():
    assert names_in("b*exp(-c*x) + a*pi + `odd name`") == ("b", "c", "x", "a", "odd name")


def test_copies_are_equal():
    expression = Expression("a * x + b", ["x"])
    again = pickle.loads(pickle.dumps(expression))
    assert again == expression
    assert hash(again) == hash(expression)
    assert again != Expression("a * x + c", ["x"])
    np.testing.assert_array_equal(again(X, 1.0, 2.0), X + 2)
    assert repr(again) == "Expression('a * x + b', ['x'])"


# --- refused --------------------------------------------------------------------------------------------------------

CODE = [
    "__import__('os').system('touch pwned')", "x.__class__", "().__class__.__bases__[0]", "(lambda: x)()",
    "[a for a in x]", "{a}", "a if x else b", "exec('1')", "open('pwned', 'w')", "a.real * x", "f'{a}' * x",
    "np.load(x)", "np.linalg.norm(a * x)", "np.random.rand(a) * x", "(a := x)", "a * x.data", "exp(x)(a)", "x[0] * a",
    "globals()", "exp(*x)", "exp(a, out=x)", "'a' * x", "1j * a * x", "True * x", "None * x", "a @ x", "a % x",
    "a // x", "a | x", "a and x", "not a", "a == x", "0 < x < a", "a, x", "yield a", "await a", "print(a)",
]  # fmt: skip


@pytest.mark.parametrize("text", CODE)
def test_code_is_not_read(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormulaError):
        Expression(text, ["x"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a * x^2", r"\*\*, not \^"),
        ("y ~ a * x", "right side only"),
        ("y = a * x", "right side only"),
        ("lambda * x", "lambda is one of Python's own words"),
        ("a * class", "class is one of Python's own words"),
        ("2x", "cannot be read"),
        ("", "cannot be read"),
        ("a x", "cannot be read"),
        ("3", "no parameters"),
        ("x", "no parameters"),
        ("e ** (a * x)", "Euler"),
        ("a * inf * x", "infinity"),
        ("a * nan * x", "no number"),
        ("exp * a * x", "a function"),
        ("exp(exp * x)", "as a function and as a number"),
        ("abs(a", "cannot be read"),
        ("Exp(a * x)", "not a function it may call; there are exp"),
        ("power(x, a)", "not a function"),
        ("a * `q`", "no column `q`; the columns are x"),
        ("a * `x", "backquotes"),
        ("a * x + 1e999", "largest double"),
        ("a * x + 9" + "9" * 400, "largest double"),
        ("a * x + 9" + "9" * 6000, "cannot be read"),
        ("-" * 5000 + "a * x", "nested too deeply"),
        ("a * x" + " + a" * 2000, "nested too deeply"),
        ("(" * 500 + "a * x" + ")" * 500, "cannot be read"),
        ("a * x" * 5000, "at most 10000"),
    ],
)
def test_messages_say_what_is_meant(text, words):
    with pytest.raises(FormulaError, match=words) as caught:
        Expression(text, ["x"])
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "text", ["sin(a, x)", "log(x, a)", "sqrt(a, x, a)", "where(a, x)", "hypot(a)", "exp()"]
)
def test_functions_take_as_many_arguments_as_they_have(text):
    """NumPy would write into a further one."""
    before = X.copy()
    with pytest.raises(FormulaError, match="argument"):
        Expression(text + " + a * x", ["x"])
    np.testing.assert_array_equal(X, before)


def test_a_constant_that_is_also_a_column():
    with pytest.raises(FormulaError, match="backquotes"):
        Expression("pi * a", ["pi"])


def test_text_only():
    with pytest.raises(TypeError, match="must be text"):
        Expression(3, ["x"])  # type: ignore[arg-type]


def test_constants_that_overflow_are_told():
    with pytest.raises(FormulaError, match="cannot be computed"):
        Expression("a * 10**400 * x", ["x"])(X, 1.0)
    with pytest.raises(FormulaError, match="cannot be computed"):
        Expression("a * x * (1 / 0)", ["x"])(X, 1.0)


def test_one_dimension_for_several_columns_is_refused():
    with pytest.raises(ValueError, match="one dimension"):
        Expression("a * x1 + x2", ["x1", "x2"])(X, 1.0)


def test_every_function_gives_numbers():
    for name, function in FUNCTIONS.items():
        count = 3 if name == "where" else function.nin
        text = f"a * {name}({', '.join(['x / 3'] * count)})"
        with np.errstate(invalid="ignore"):
            found = Expression(text, ["x"])(X, 1.0)
        assert found.shape == X.shape
        assert np.isfinite(found).any() or name in ("arccosh", "acosh")
    assert math.isclose(Expression("a + x*0 + atan2(1, 0)", ["x"])(X, 0.0)[0], math.pi / 2)
