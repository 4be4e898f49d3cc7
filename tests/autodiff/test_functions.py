"""grad and its kin: nesting, containers, shapes, and clear refusals."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import betahat as bh


class Pair(NamedTuple):
    w: object
    b: object


def test_nested_derivatives_do_not_mix():
    """d/dx (x · d/dy (x + y)) = 1: the perturbations of the two must be told apart (Siskind & Pearlmutter 2008)."""
    assert bh.grad(lambda x: x * bh.grad(lambda y: x + y)(2.0))(1.0) == 1.0
    assert bh.jvp(lambda x: x * bh.jvp(lambda y: x + y, 2.0, 1.0)[1], 1.0, 1.0)[1] == 1.0
    assert bh.grad(lambda x: x * bh.jvp(lambda y: x * y * y, 3.0, 1.0)[1])(2.0) == pytest.approx(24.0)
    assert bh.jvp(lambda x: bh.grad(lambda y: x**2 * y**3)(2.0), 3.0, 1.0)[1] == pytest.approx(72.0)


@pytest.mark.parametrize("order", range(7))
def test_higher_derivatives(order):
    f, expected = np.sin, [np.sin(0.7), np.cos(0.7), -np.sin(0.7), -np.cos(0.7)][order % 4]
    for _ in range(order):
        f = bh.grad(f)
    assert f(0.7) == pytest.approx(expected, rel=1e-13)


def test_containers():
    point = {"layers": [Pair(np.ones((2, 3)), np.zeros(3)), Pair(np.ones((3, 1)), 0.5)], "scale": 2.0}

    def f(p):
        h = np.ones((4, 2))
        for layer in p["layers"]:
            h = np.tanh(h @ layer.w + layer.b)
        return p["scale"] * np.sum(h)

    found = bh.grad(f)(point)
    assert isinstance(found["layers"][0], Pair)
    assert found["layers"][0].w.shape == (2, 3)
    assert found["layers"][1].b.shape == ()
    assert bh.check_gradient(f, point)
    assert bh.grad(lambda p: p[0] * 3.0)((1.0, np.ones(2)))[1].tolist() == [0.0, 0.0]


def test_arguments_by_place_and_name():
    def f(a, b, *, c=1.0):
        return a**2 * b + c

    assert bh.grad(f)(3.0, 2.0) == 12.0
    assert bh.grad(f, 1)(3.0, 2.0) == 9.0
    assert bh.grad(f, -1)(3.0, 2.0) == 9.0
    assert bh.grad(f, "c")(3.0, 2.0, c=4.0) == 1.0
    with pytest.raises(TypeError, match=r"'c'.*by name"):
        bh.grad(f, "c")(3.0, 2.0)
    with pytest.raises(TypeError, match="argument 2"):
        bh.grad(f, 2)(3.0, 2.0)


@pytest.mark.parametrize(("rows", "columns"), [(2, 5), (5, 2), (3, 3), (1, 4), (4, 1)])
def test_jacobian_and_hessian_shapes(rows, columns):
    A = np.arange(rows * columns, dtype=float).reshape(rows, columns)
    x = np.linspace(0.5, 1, columns)
    np.testing.assert_allclose(bh.jacobian(lambda x: A @ x)(x), A)
    np.testing.assert_allclose(bh.jacobian(lambda x: np.outer(A @ x, x))(x).shape, (rows, columns, columns))
    np.testing.assert_allclose(bh.hessian(lambda x: np.sum((A @ x) ** 2))(x), 2 * A.T @ A)
    H = bh.hessian(lambda m: np.sum(m**3))(x.reshape(1, -1))
    assert H.shape == (1, columns, 1, columns)
    assert bh.jacobian(lambda x: 3.0 * x)(2.0) == 3.0


@settings(max_examples=60, deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), st.integers(0, 2**32 - 1))
def test_any_broadcast(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(0.5, 2, shape) for shape in shapes.input_shapes)
    ga, gb = bh.grad(lambda p: np.sum(p[0] * np.log(p[1]) + p[0] / p[1]))((a, b))
    expected_a = np.broadcast_to(np.log(b) + 1 / b, shapes.result_shape)
    expected_b = np.broadcast_to(a / b - a / b**2, shapes.result_shape)
    extra = len(shapes.result_shape) - a.ndim
    axes = (*range(extra), *(i + extra for i, n in enumerate(a.shape) if n == 1))
    np.testing.assert_allclose(ga, expected_a.sum(axis=axes, keepdims=True).reshape(a.shape), rtol=1e-12)
    extra = len(shapes.result_shape) - b.ndim
    axes = (*range(extra), *(i + extra for i, n in enumerate(b.shape) if n == 1))
    np.testing.assert_allclose(
        gb, expected_b.sum(axis=axes, keepdims=True).reshape(b.shape), rtol=1e-10, atol=1e-12
    )


def test_python_branches_and_loops():
    def f(x):
        while np.sum(x) < 10:
            x = 2 * x
        return np.sum(x) if x[0] > 1 else np.sum(x**2)

    assert bh.grad(f)(np.array([1.0, 1.0])).tolist() == [8.0, 8.0]


def test_a_long_tape_needs_no_recursion():
    def f(x):
        for _ in range(5000):
            x = x + 1e-6 * np.sin(x)
        return x

    assert bh.grad(f)(1.0) == pytest.approx(bh.jvp(f, 1.0, 1.0)[1], rel=1e-12)


def test_nothing_depends():
    assert bh.grad(lambda x: 3.0)(np.ones(2)).tolist() == [0.0, 0.0]
    assert bh.grad(lambda x: np.sum(np.sign(x) + np.floor(x)))(np.ones(2)).tolist() == [0.0, 0.0]
    assert bh.jvp(lambda x: 1.0, 2.0, 1.0) == (1.0, 0.0)


def in_place(x):
    x += 1.0 * x  # rebinding: allowed
    y = np.ones(2)
    y += x
    return np.sum(y)


def into_array(x):
    y = np.zeros(2)
    y[0] = x[0]
    return np.sum(y)


def set_item(x):
    x[0] = 1.0
    return np.sum(x)


REFUSED = {
    "in-place write": (in_place, "x = x \\+ y"),
    "into an array": (into_array, "plain array.*np.stack"),
    "item": (set_item, "np.where"),
    "out": (lambda x: np.sum(np.exp(x, out=np.zeros(2))), "writes into"),
    "array of": (lambda x: np.sum(np.array([x[0], x[1]])), "np.stack"),
    "float": (lambda x: float(x[0]), "float"),
    "math": (lambda x: math.exp(x[0]), "math.exp"),
    "no rule": (lambda x: np.sum(np.fft.fft(x)), "fft.*no derivative rule.*betahat.autodiff.rule"),
    "no ufunc rule": (lambda x: np.sum(np.ldexp(x, 2)), "ldexp.*rule"),
    "ufunc method": (lambda x: np.sum(np.add.reduceat(x, [0])), "add.reduceat"),
    "integers": (lambda x: np.sum(x.astype(int)), "int"),
    "mode": (lambda x: np.pad(x, 1, "mean")[0], "mean"),
    "written by a function": (
        lambda x: np.fill_diagonal(np.outer(x, x), 0.0),
        "fill_diagonal.*in place.*np.where",
    ),
    "sorted in place": (lambda x: x.sort(), "x.sort"),
    "a view in place": (lambda x: add_to(x.reshape(2, 1), 1.0), "in-place.*x = x \\+ y"),
    "another shape in place": (lambda x: add_to(x * 1.0, np.ones((3, 2))), "the shape"),
    "order of memory": (lambda x: np.sum(x.reshape(2, 1).T.ravel(order="K")), "'C' and 'F'"),
    "vectors to fill up": (lambda x: np.linalg.svd(x.reshape(2, 1))[0][0, 0], "full_matrices=False"),
    "complex": (lambda x: np.sum(np.abs(np.exp(1j * x))), "real and imaginary parts"),
    "no scipy rule": (lambda x: scipy.special.hyp1f1(1.0, 2.0, x)[0], "scipy.special.hyp1f1"),
    "a table": (lambda x: np.sum(pd.DataFrame(np.eye(2)) @ x), "to_numpy"),
    "bins": (lambda x: np.sum(np.histogram(x)[1]), "histogram"),
}


def add_to(x, y):
    x += y
    return np.sum(x)


SQUARE = np.array([[1.0, 5.0, 2.0], [4.0, 3.0, 9.0], [2.0, 8.0, 7.0]])
OPTIONS = {
    "sum where": lambda x: np.sum(x, where=SQUARE > 2),
    "sum in a type": lambda x: np.sum(np.sum(x, 0, float)),
    "add.reduce initial": lambda x: np.add.reduce(x.ravel(), initial=4.0),
    "prod where": lambda x: np.prod(x, where=SQUARE > 2),
    "mean where": lambda x: np.mean(x, where=SQUARE > 2),
    "max initial": lambda x: np.max(x, initial=100.0),
    "std correction": lambda x: np.std(x, correction=1),
    "var mean": lambda x: np.var(x, mean=0.0),
    "average returned": lambda x: np.average(x, returned=True)[0],
    "quantile method": lambda x: np.quantile(x, 0.4, method="nearest"),
    "diff prepend": lambda x: np.sum(np.diff(x, prepend=0.0)),
    "ediff1d to_end": lambda x: np.sum(np.ediff1d(x, to_end=3.0)),
    "cov bias": lambda x: np.sum(np.cov(x, bias=True)),
    "take mode": lambda x: np.sum(np.take(x, [11], mode="wrap")),
    "meshgrid sparse": lambda x: np.sum(np.meshgrid(x[0], x[1], sparse=True)[0]),
    "exp where": lambda x: np.sum(np.exp(x, where=SQUARE > 2)),
    "eigvalsh UPLO": lambda x: np.sum(np.linalg.eigvalsh(x, UPLO="U")),
    "cholesky upper": lambda x: np.sum(np.linalg.cholesky(x @ x.T, upper=True)),
    "pinv without full rank": lambda x: np.sum(np.linalg.pinv(np.outer(x[0], x[0]))),
    "vectors of equal eigenvalues": lambda x: np.linalg.eigh(np.eye(2) * x[0, 0])[1][0, 0],
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_without_a_rule_are_refused_not_ignored(case):
    with pytest.raises(bh.errors.DerivativeError, match=r"no derivative|full rank"):
        bh.grad(OPTIONS[case])(SQUARE)


def test_quantiles_outside_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        bh.grad(lambda x: np.quantile(x, -0.5))(np.ones(3))


def test_a_check_that_meets_nan_does_not_pass():
    check = bh.check_gradient(lambda x: np.where(x[0] == 1.0, 0.0, np.nan) + x[1], np.array([1.0, 2.0]))
    assert not check
    assert check.entry == (0,)


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_way_out(case):
    f, words = REFUSED[case]
    with pytest.raises(TypeError, match=words):
        bh.grad(f)(np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("x", "words"),
    [(1, "2.0 for 2"), (np.arange(3), "astype"), (True, "True"), ("a", "'a'"), (None, "None"), (1j, "complex"),
     ({"a": [1.0, 2]}, r"x\['a'\]\[1\]"), (np.array(["a"]), "floats"), (object(), "floats")],
)  # fmt: skip
def test_inputs_without_derivatives(x, words):
    with pytest.raises(TypeError, match=words):
        bh.grad(lambda x: 1.0)(x)


def test_values_that_are_not_one_number():
    with pytest.raises(ValueError, match=r"shape \(2,\).*jacobian"):
        bh.grad(lambda x: x**2)(np.ones(2))
    with pytest.raises(ValueError, match=r"None .is a return missing"):
        bh.grad(lambda x: None)(1.0)
    with pytest.raises(ValueError, match="a bool"):
        bh.grad(lambda x: x > 0)(1.0)
    with pytest.raises(ValueError, match="a tuple"):
        bh.grad(lambda x: (x, x))(1.0)
    with pytest.raises(ValueError, match="cotangent has shape"):
        bh.vjp(lambda x: x**2, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="tangent has shape"):
        bh.jvp(lambda x: x**2, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="2 arrays"):
        bh.jvp(lambda x: x**2, 1.0, (1.0, 1.0))
    with pytest.raises(TypeError, match="one array"):
        bh.jacobian(lambda x: x[0])((1.0, 2.0))


def test_check_names_the_entry():
    check = bh.check_gradient(
        lambda p: np.sum(p["a"] ** 2) + p["b"],
        {"a": np.array([1.0, 2.0]), "b": 3.0},
        gradient=lambda p: {"a": np.array([2.0, 5.0]), "b": 1.0},
    )
    assert not check
    assert check.entry == ("a", 1)
    assert check.difference_quotient == pytest.approx(4.0)
    assert "x['a'][1]" in str(check)
    assert bh.check_gradient(lambda x: np.sum(np.exp(20 * x)), np.array([0.1, -0.5, 1.0]))


def test_own_rules_work_twice_and_forward():
    table = np.vectorize(math.lgamma)

    @bh.autodiff.rule(table)
    def lgamma(y, x):
        from scipy.special import psi

        return (psi(x),)

    from scipy.special import polygamma

    x = np.array([0.5, 2.0, 7.0])
    np.testing.assert_allclose(bh.grad(lambda x: np.sum(lgamma(x)))(x), polygamma(0, x), rtol=1e-12)
    np.testing.assert_allclose(
        bh.hvp(lambda x: np.sum(lgamma(x)), x, np.ones(3)), polygamma(1, x), rtol=1e-12
    )
    np.testing.assert_allclose(lgamma(x), table(x))


def test_float32_stays_float32():
    x = np.ones(3, np.float32)
    value, gradient = bh.value_and_grad(lambda x: np.sum(np.exp(x) * x))(x)
    assert value.dtype == gradient.dtype == np.float32


def test_gradients_lie_in_memory_of_their_own():
    """A caller may change one in place, and no other changes."""
    x, c = np.ones(3), np.arange(3.0)
    a, b = bh.grad(lambda p: np.sum(np.sin(p[0] + p[1])))((x, x))
    a *= 2
    np.testing.assert_allclose(a, 2 * b)
    for f in (np.sum, lambda x: x @ c, lambda x: np.sum(np.broadcast_to(x, (2, 3)))):
        gradient = bh.grad(f)(x)
        assert gradient.flags.writeable
        assert not np.may_share_memory(gradient, c)
    seed = np.ones(3)
    assert not np.may_share_memory(bh.vjp(lambda x: x, x, seed)[1], seed)


def test_nan_at_an_extreme_stays_nan():
    x = np.array([[1.0, np.nan, 0.0], [2.0, 2.0, 1.0]])
    np.testing.assert_allclose(
        bh.grad(lambda x: np.sum(np.max(x, axis=1)))(x), [[np.nan] * 3, [0.5, 0.5, 0.0]]
    )
    np.testing.assert_allclose(bh.grad(lambda x: np.min(x[1]))(x), [[0.0] * 3, [0.0, 0.0, 1.0]])


@settings(max_examples=60, deadline=None)
@given(
    hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=3, max_side=4),
    st.integers(0, 99),
)
def test_any_product(shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(shape) for shape in shapes.input_shapes)
    da, db = (rng.standard_normal(shape) for shape in shapes.input_shapes)
    c = rng.standard_normal(shapes.result_shape)[()]
    moved = da @ b + a @ db
    np.testing.assert_allclose(
        bh.jvp(lambda p: p[0] @ p[1], [a, b], [da, db])[1], moved, rtol=1e-12, atol=1e-13
    )
    ga, gb = bh.vjp(lambda p: p[0] @ p[1], [a, b], c)[1]
    assert np.sum(ga * da) + np.sum(gb * db) == pytest.approx(np.sum(c * moved), rel=1e-10, abs=1e-11)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["sum", "mean", "prod", "max", "min", "var", "median", "cumsum", "sort", "flip", "roll", "diff"]),
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=2, max_side=4), st.booleans(), st.data(),
)  # fmt: skip
def test_any_shape_and_axes(name, shape, keepdims, data):
    rng = np.random.default_rng(math.prod(shape))
    x, d = rng.permutation(math.prod(shape)).reshape(shape) / 7.0 + 0.3, rng.standard_normal(shape)
    axes = st.integers(-len(shape), len(shape) - 1)
    if name in ("cumsum", "sort", "flip", "diff"):
        axis = data.draw(axes)
        f = lambda x: getattr(np, name)(x, axis=axis)  # noqa: E731
    elif name == "roll":
        axis = data.draw(axes)
        f = lambda x: np.roll(x, 2, axis=axis)  # noqa: E731
    else:
        axis = data.draw(st.none() | axes | st.sets(st.integers(0, len(shape) - 1), min_size=1).map(tuple))
        f = lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims)  # noqa: E731
    value, pushed = bh.jvp(f, x, d)
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    quotient = (f(x + 1e-4 * d) - f(x - 1e-4 * d)) / 2e-4
    np.testing.assert_allclose(pushed, quotient, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(quotient))))
    c = rng.standard_normal(np.shape(value))[()]
    assert np.sum(bh.vjp(f, x, c)[1] * d) == pytest.approx(np.sum(c * pushed), rel=1e-9, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_any_index(data, shape):
    index = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True)
        | hnp.integer_array_indices(shape)
        | hnp.arrays(bool, shape)
    )
    x = np.arange(math.prod(shape), dtype=float).reshape(shape)
    weights = np.random.default_rng(0).standard_normal(np.shape(x[index]))
    expected = np.zeros(shape)
    np.add.at(expected, index, weights)
    np.testing.assert_allclose(bh.grad(lambda x: np.sum(weights * x[index]))(x), expected, atol=1e-15)


def test_writing_in_place_is_seen_by_every_name():
    x = np.array([0.5, 1.5, -0.7])

    def doubled(x):
        y = x.copy()
        z = y
        y *= 2
        return np.sum(y * z)

    np.testing.assert_allclose(bh.grad(doubled)(x), 8 * x)
    np.testing.assert_allclose(bh.jvp(doubled, x, x)[1], 8 * x @ x)

    def through_a_nested_one(x):
        y = x * 1.0
        slope = bh.grad(lambda z: np.sum(z * np.sum(y)))(x)
        y += 1
        return np.sum(slope * y)

    assert bh.check_gradient(through_a_nested_one, x)


def test_constants_are_taken_as_they_are_when_used():
    def f(x):
        weights, total = np.ones(3), 0.0
        for _ in range(3):
            total = total + x @ weights
            weights *= 2
        return total

    np.testing.assert_allclose(bh.grad(f)(np.ones(3)), [7.0, 7.0, 7.0])


def test_copies_keep_their_derivative():
    np.testing.assert_allclose(
        bh.grad(lambda x: np.sum(copy.deepcopy(x) * copy.copy(x) * x.copy() * (+x)))(np.array([2.0])), [32.0]
    )


def test_a_norm_is_flat_at_zero():
    for order in (None, 2, 3):
        value, gradient = bh.value_and_grad(lambda x, order=order: np.linalg.norm(x, order))(np.zeros(3))
        assert value == 0
        assert gradient.tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(bh.value_and_grad(np.linalg.norm)(np.array([np.nan, 1.0]))[0])


def test_directions_may_be_whole_numbers():
    x = np.array([0.5, 1.5])
    np.testing.assert_allclose(bh.hvp(lambda x: np.sum(x**3), x, np.array([1, 0])), [3.0, 0.0])
    np.testing.assert_allclose(bh.vjp(lambda x: x**2, x, np.array([1, 2]))[1], [1.0, 6.0])


def test_matrices_of_derivatives_stay_float32():
    x = np.ones(3, np.float32)
    assert bh.jacobian(lambda x: x**3 / 2)(x).dtype == np.float32
    assert bh.hessian(lambda x: np.sum(2.0**x))(x).dtype == np.float32


def test_values_print_and_round_as_numbers():
    seen = []
    bh.grad(lambda x: seen.append(f"{x:.2f} {round(x)}") or x * round(x, 1))(2.345)
    assert seen == ["2.35 2"]
    assert bh.grad(lambda x: x * round(x))(2.3) == 2.0
