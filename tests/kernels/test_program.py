"""Compiled straight-line programs against their NumPy reference and against autodiff."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.kernels import running
from betahat.kernels.program import BINARY, OPERATIONS, POWER, program
from betahat.kernels.reference_program import evaluate
from betahat.kernels.running import Running
from betahat.models.arguments import Arguments
from betahat.models.expression import Expression
from betahat.models.formula import Formula
from betahat.models.rowwise import RowWise

DOMAINS = {
    "arcsin": (-0.9, 0.9),
    "arccos": (-0.9, 0.9),
    "arctanh": (-0.9, 0.9),
    "arccosh": (1.1, 4.0),
} | dict.fromkeys(("log", "log1p", "log10", "log2", "sqrt", "reciprocal", "power", "divide"), (0.3, 3.0))


@pytest.fixture(autouse=True, scope="module")
def kernels():
    running.load()


def agrees(code, beta, weight):
    """Values, Jacobian and weighted curvature of both."""
    f, J, H = evaluate(code, beta)
    run = Running(code)
    mine, slopes = run.jacobian(beta)
    np.testing.assert_allclose(run.values(beta), f, rtol=1e-13, atol=1e-13)
    assert np.array_equal(run.values(beta), mine)
    np.testing.assert_allclose(slopes, J, rtol=1e-11, atol=1e-12 * np.abs(J).max())
    bent = np.einsum("i,ijk->jk", weight, H)
    size = np.einsum("i,ijk->jk", np.abs(weight), np.abs(H)).max()
    np.testing.assert_allclose(run.curvature(beta, weight), bent, rtol=1e-10, atol=1e-10 * size)


@pytest.mark.parametrize("rows", [1, 5, 128, 129, 300])
@pytest.mark.parametrize("place", ["parameter", "column", "constant"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation(name, place, rows, rng):
    """op(β₀ x, ·) · β₁, the second operand a parameter, a column or a constant, and beside it the first one twice."""
    low, high = DOMAINS.get(name, (-2.0, 2.0))
    x, z = rng.uniform(low, high, rows), rng.uniform(0.5, 2.0, rows)
    operation, other = OPERATIONS.index(name), {"parameter": 2, "constant": 3, "column": 5}[place]
    first = 6
    steps = [[OPERATIONS.index("multiply"), 0, 4]]
    steps += [[operation, first, other if operation in BINARY else first]]
    steps += [[OPERATIONS.index("multiply"), first + 1, 1], [operation, first + 2, first + 2]]
    beta = np.array([1.0, 1.1, 1.7])
    columns = np.array([x, z])
    for result in (first + 1, first + 2):
        agrees(
            program(3, np.array([2.5]), columns, np.array(steps[:3]), result), beta, rng.standard_normal(rows)
        )
    if operation in BINARY:
        steps[3] = [operation, 0, 0]
        agrees(
            program(3, np.array([2.5]), columns, np.array(steps), first + 3), beta, rng.standard_normal(rows)
        )


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.5])
@pytest.mark.parametrize("base", [0.0, -2.0, 1.5])
def test_powers_at_their_edges(base, exponent):
    """A power with a constant exponent has derivatives wherever it has them, at zero and below it."""
    code = program(1, np.array([exponent]), np.ones((1, 3)), np.array([[POWER, 0, 1]]), 3)
    beta = np.array([base])
    f, J, H = evaluate(code, beta)
    run = Running(code)
    mine, slopes = run.jacobian(beta)
    np.testing.assert_allclose(mine, f, rtol=1e-15)
    np.testing.assert_allclose(slopes, J, rtol=1e-14)
    np.testing.assert_allclose(run.curvature(beta, np.ones(3)), H.sum(axis=0), rtol=1e-14)


# random expressions against autodiff: what a user writes, read as a formula, and derived by tapes

NUMBERS = st.sampled_from(["0.5", "2", "3.25", "pi"])
TERMS = st.recursive(
    st.sampled_from(["a", "b", "c", "x1", "x2"]) | NUMBERS,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*"), inner, inner).map(lambda t: f"({t[1]} {t[0]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} / (1.5 + ({t[1]})**2))"),
        st.tuples(inner, NUMBERS).map(lambda t: f"(1 + ({t[0]})**2)**{t[1]}"),
        st.tuples(inner, inner).map(lambda t: f"(2 + sin({t[0]}))**(tanh({t[1]}))"),
        st.tuples(st.sampled_from(["sin", "cos", "tanh", "arctan", "arcsinh", "erf", "expit"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["exp", "expm1", "sinh", "cosh"]), inner).map(
            lambda t: f"{t[0]}(tanh({t[1]}))"
        ),
        st.tuples(st.sampled_from(["log", "sqrt", "log1p", "log2", "log10"]), inner).map(
            lambda t: f"{t[0]}(1 + ({t[1]})**2)"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(text=TERMS, seed=st.integers(0, 1000))
def test_random_formulas_have_autodiffs_derivatives(text, seed):
    rng = np.random.default_rng(seed)
    f = Expression(f"a * b + c * ({text})", ["x1", "x2"])
    X, beta = rng.uniform(-1.5, 1.5, (9, 2)), rng.uniform(0.3, 1.5, 3)
    taken = Arguments(tuple(beta), f.parameters)
    value = np.broadcast_to(np.asarray(f(X, *beta), float), 9)
    formula, tape = Formula.of(f, taken, X, beta, value), RowWise(f, taken, X, False)
    assert formula is not None
    np.testing.assert_allclose(formula.values(beta), value, rtol=1e-12, atol=1e-12)
    weight = rng.standard_normal(9)
    found = tape.jacobian(beta)
    curvature = tape.curvature(beta, weight)
    assert found is not None
    assert curvature is not None
    J = formula.jacobian(beta)[1]
    size = 1 + np.abs(found[1]).max()
    np.testing.assert_allclose(J, found[1], rtol=1e-9, atol=1e-11 * size)
    np.testing.assert_allclose(
        formula.curvature(beta, weight), curvature, rtol=1e-7, atol=1e-9 * (size + np.abs(curvature).max())
    )
