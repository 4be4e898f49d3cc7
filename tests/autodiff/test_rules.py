"""Every rule, forward and reverse, once and twice, against difference quotients."""

from __future__ import annotations

import numpy as np
import pytest
from autodiff_table import CASES

import betahat as bh


def arguments(name):
    f, shapes, (low, high) = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    return f, [rng.uniform(low, high, shape)[()] for shape in shapes], rng


@pytest.mark.parametrize("name", CASES)
def test_value_is_numpys(name):
    f, args, _ = arguments(name)
    seen = []
    bh.grad(lambda a: seen.append(f(*a)) or np.sum(seen[0]))(args)
    np.testing.assert_allclose(bh.jvp(lambda a: f(*a), args, args)[0], f(*args), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    f, args, rng = arguments(name)
    weights = rng.standard_normal(np.shape(f(*args)))
    check = bh.check_gradient(lambda a: np.sum(weights * f(*a)), args)
    assert check, str(check)


@pytest.mark.parametrize("name", CASES)
def test_forward_is_the_transpose_of_reverse(name):
    f, args, rng = arguments(name)
    tangent = [rng.standard_normal(np.shape(a))[()] for a in args]
    cotangent = rng.standard_normal(np.shape(f(*args)))[()]
    _, pushed = bh.jvp(lambda a: f(*a), args, tangent)
    _, pulled = bh.vjp(lambda a: f(*a), args, cotangent)
    assert np.shape(pushed) == np.shape(cotangent)
    assert [np.shape(p) for p in pulled] == [np.shape(a) for a in args]
    left, right = np.sum(cotangent * pushed), sum(np.sum(p * t) for p, t in zip(pulled, tangent, strict=True))
    size = np.sum(np.abs(cotangent * pushed)) + sum(
        np.sum(np.abs(p * t)) for p, t in zip(pulled, tangent, strict=True)
    )
    assert abs(left - right) <= 1e-11 * max(size, 1e-3)


@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    """A Hessian times a vector, forward over reverse, against the slope of the gradient; and reverse over reverse."""
    f, args, rng = arguments(name)
    weights = rng.standard_normal(np.shape(f(*args)))
    direction = [rng.standard_normal(np.shape(a))[()] for a in args]
    gradient = bh.grad(lambda a: np.sum(weights * f(*a)))

    def slope(a):
        return sum(np.sum(g * d) for g, d in zip(gradient(a), direction, strict=True))

    found = bh.hvp(lambda a: np.sum(weights * f(*a)), args, direction)
    again = bh.grad(slope)(args)
    size = 1 + max(np.max(np.abs(g), initial=0) for g in found)
    for one, two in zip(found, again, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-9 * size)
    check = bh.check_gradient(slope, args, gradient=lambda a: found, tolerance=1e-5)
    assert check, str(check)
