"""Reading hypotheses: algebra, names of every kind, and refusals that name what is wrong."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betahat.errors import FormulaError, InferenceError
from betahat.inference import Inference
from betahat.inference.hypothesis import read_hypothesis

NAMES = (
    "Intercept",
    "x1",
    "x2",
    "x3",
    "C(kind)[b]",
    "C(kind)[T.b-c]",
    "x1:x2",
    "np.log(z)",
    "a b",
    "β",
    "u-v",
    "2",
)


def read(text):
    h = read_hypothesis(text, NAMES)
    return [{NAMES[j]: row[j] for j in np.flatnonzero(row)} for row in h.matrix], h.value.tolist()


@pytest.mark.parametrize(
    ("text", "rows", "value"),
    [
        ("x1 = x2", [{"x1": 1, "x2": -1}], [0]),
        ("x1 == x2", [{"x1": 1, "x2": -1}], [0]),
        ("x1", [{"x1": 1}], [0]),
        ("x1=-2", [{"x1": 1}], [-2]),
        ("x1 + 2*x2 = 3, x3 = 0", [{"x1": 1, "x2": 2}, {"x3": 1}], [3, 0]),
        (["x1 + 2*x2 = 3", "x3"], [{"x1": 1, "x2": 2}, {"x3": 1}], [3, 0]),
        (("x1 = 1", "x3 = 0"), [{"x1": 1}, {"x3": 1}], [1, 0]),
        ("`C(kind)[b]` = 0", [{"C(kind)[b]": 1}], [0]),
        ("C(kind)[b] - C(kind)[T.b-c] = 1", [{"C(kind)[b]": 1, "C(kind)[T.b-c]": -1}], [1]),
        ("x1:x2 = x1", [{"x1:x2": 1, "x1": -1}], [0]),
        ("2*np.log(z) = 1e-3", [{"np.log(z)": 2}], [1e-3]),
        ("a b = 1", [{"a b": 1}], [1]),
        ("`a b` = .5", [{"a b": 1}], [0.5]),
        ("β = 1.", [{"β": 1}], [1]),
        ("`u-v` = `2`", [{"u-v": 1, "2": -1}], [0]),
        ("(x1 + x2)/2 = 1", [{"x1": 0.5, "x2": 0.5}], [1]),
        ("x1 - (x2 - x3) = 0", [{"x1": 1, "x2": -1, "x3": 1}], [0]),
        ("x1 - x2 - x3 = 0", [{"x1": 1, "x2": -1, "x3": -1}], [0]),
        ("-x1*2*3/4 + 1 = 2 - --1", [{"x1": -1.5}], [0]),
        ("2*(x1 + 1) = x2*(1 + 1) - 4", [{"x1": 2, "x2": -2}], [-6]),
        ("Intercept = 10/4/5", [{"Intercept": 1}], [0.5]),
    ],
)
def test_reads(text, rows, value):
    assert read(text) == (rows, value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x9 = 0", r"no coefficient 'x9'.*Did you mean `x"),
        ("`x 1` = 0", r"no coefficient 'x 1'.*`x1`"),
        ("C(kind)[c] = 0", r"no coefficient 'C\(kind\)\[c\]'.*`C\(kind\)\[b\]`"),
        ("x2:x1 = 0", "no coefficient 'x2:x1'.*Did you mean"),
        ("x1 = x2 = x3", "more than one '='"),
        ("x1*x2 = 0", "multiplies coefficients"),
        ("1/x1 = 0", "divides by a coefficient"),
        ("x1/0 = 0", "divides by zero"),
        ("x1/(1-1) = 0", "divides by zero"),
        ("x1**2 = 0", r"something is missing before '\*'"),
        ("x1 > 0", "equalities"),
        ("x1 =", "missing at its end"),
        ("", "missing at its end"),
        ("x1 = 0,", "missing at its end"),
        ("(x1 = 0", "bracket is not closed"),
        ("x1) = 0", "bracket is too much"),
        ("2 x1 = 0", "operator is missing before 'x1'"),
        ("2x1 = 0", "neither a number"),
        ("`x1 = 0", "backquote is not closed"),
        ("x1 = 1e999", "not finite"),
        ("x1 = 1e300*1e300", "not finite"),
        ("x1 = inf", "no coefficient 'inf'"),
        ("u-v = 0", "stand in backquotes|no coefficient 'u'"),
        ("__import__('os') = 0", "no coefficient"),
        ("(" * 5000 + "x1" + ")" * 5000, "nested too deep"),
        ([""], "missing at its end"),
    ],
)
def test_refuses_text(text, match):
    with pytest.raises(FormulaError, match=match):
        read(text)


@pytest.mark.parametrize(
    ("hypothesis", "match"),
    [
        ("x1 = 0, x2 = 0, x1 = x2", r"'x1 = x2' is redundant, it follows from 'x1 = 0' and 'x2 = 0'"),
        ("x1 = 1, x2 = 0, 2*x1 = 5", r"'2\*x1 = 5' contradicts 'x1 = 1': both"),
        ("x1 = 1, x1 = 1", "redundant"),
        ("x1 = x1", "says nothing"),
        ("x1/3 + x1/3 + x1/3 = x1", "says nothing"),
        ("0.1*x1 + 0.2*x1 = 0.3*x1", "says nothing"),
        ("1 = 2", "says nothing"),
    ],
)
def test_refuses_dependent_hypotheses(hypothesis, match):
    with pytest.raises(InferenceError, match=match):
        read(hypothesis)


def test_units_do_not_make_hypotheses_dependent():
    R = np.array([[1e12, 1.0], [1e12, 2.0]])
    np.testing.assert_array_equal(read_hypothesis(R, ("a", "b")).matrix, R)


@pytest.mark.parametrize(
    ("hypothesis", "match"),
    [
        ([[1.0, 2.0]], r"shape \(1, 2\) but must be \(q, 3\)"),
        (np.eye(3)[None], r"must be \(q, 3\)"),
        (np.empty((0, 3)), r"must be \(q, 3\)"),
        ((np.eye(3), [1.0, 2.0]), r"value has shape \(2,\)"),
        (((1, 0, 0), (0, 1, 0)), "two rows as a list"),
        ([[1.0, np.nan, 0.0]], "finite"),
        (([1.0, 0, 0], np.inf), "finite"),
        ([[1.0], [1.0, 2.0]], "must be text"),
        (None, "must be|finite"),
        ({"x1": 0}, "must be text"),
        ([], "must be"),
    ],
)
def test_refuses_arrays(hypothesis, match):
    with pytest.raises(ValueError, match=match):
        read_hypothesis(hypothesis, ("Intercept", "x1", "x2"))


def test_labels_of_matrices():
    h = read_hypothesis(([[0, 1, -2], [1, 0, 0.5]], [0, 3]), ("Intercept", "x1", "x2"))
    assert h.labels == ("x1 - 2*x2 = 0", "Intercept + 0.5*x2 = 3")
    assert read_hypothesis([-1.0, 0, 0], ("a", "b", "c")).labels == ("-a = 0",)


def test_names_that_repeat_need_a_matrix():
    with pytest.raises(FormulaError, match="several coefficients"):
        read_hypothesis("x = 0", ("x", "x"))


def test_long_sums_are_read():
    names = tuple(f"x{j}" for j in range(3000))
    assert read_hypothesis(" + ".join(names) + " = 1", names).matrix.sum() == 3000


@st.composite
def expressions(draw, depth=0):
    """Text of an affine form and its exact coefficients (x1, x2, constant)."""
    kind = draw(st.sampled_from(["leaf"] if depth > 3 else ["leaf", "+", "-", "*", "neg", "/"]))
    if kind == "leaf":
        k = draw(st.integers(0, 2))
        number = draw(st.integers(0, 9))
        form = [Fraction(0)] * 3
        form[k] = Fraction(1 if k < 2 else number)
        return ("x1", "x2", str(number))[k], form
    text, form = draw(expressions(depth=depth + 1))
    if kind in "+-":
        other_text, other = draw(expressions(depth=depth + 1))
        sign = 1 if kind == "+" else -1
        return f"({text} {kind} {other_text})", [a + sign * b for a, b in zip(form, other, strict=True)]
    if kind == "neg":
        return f"-({text})", [-a for a in form]
    number = draw(st.integers(1, 8))
    if kind == "*":
        return f"{number}*({text})", [number * a for a in form]
    return f"({text})/{number}", [a / number for a in form]


@given(left=expressions(), right=expressions())
def test_algebra_is_exact_algebra(left, right):
    form = [a - b for a, b in zip(left[1], right[1], strict=True)]
    text = f"{left[0]} = {right[0]}"
    if not any(form[:2]):
        with pytest.raises(InferenceError, match="says nothing"):
            read_hypothesis(text, ("x1", "x2"))
        return
    h = read_hypothesis(text, ("x1", "x2"))
    assert h.matrix[0].tolist() == [float(a) for a in form[:2]]
    assert h.value[0] == -float(form[2])


def test_text_and_matrix_agree(build, sample):
    d = sample(50, 3)
    inference = Inference(build(d["X"], d["y"]))
    text = inference.test("x1 + 2*x2 = 3, x3 = 0.5")
    matrix = inference.test(([[0, 1, 2, 0], [0, 0, 0, 1]], [3, 0.5]))
    assert text.statistic == matrix.statistic
    assert text.hypothesis == ("x1 + 2*x2 = 3", "x3 = 0.5")
    lines = str(text).splitlines()
    assert lines[1].startswith("F(2, 46) = ")
    assert len({len(line) for line in lines[2:]}) == 1
    assert text.to_dict()["df_denom"] == 46
