"""Losses: against their definitions in high precision, their derivatives, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize._lsq.least_squares import IMPLEMENTED_LOSSES, construct_loss_function

from betahat import autodiff
from betahat.errors import DerivativeError
from betahat.losses import Cauchy, FunctionLoss, Huber, Loss, PseudoHuber, SquaredError, as_loss

BUILT_IN = [SquaredError(), Huber(), Huber(0.3), PseudoHuber(), PseudoHuber(2.5), Cauchy(), Cauchy(0.7)]
numbers = st.floats(-50, 50)


@pytest.mark.parametrize("loss", BUILT_IN, ids=repr)
@given(y=numbers, f=numbers)
def test_derivatives_are_those_of_the_value(loss: Loss, y: float, f: float) -> None:
    """Against autodiff of the same function written out, and the second against the first by central differences."""
    delta = getattr(loss, "delta", 1.0)
    if abs(abs(y - f) - delta) < 1e-3:
        f += 2e-3  # off Huber's kink of L''
    Y, F = np.array([y]), np.array([f])
    step = 1e-5
    first = (loss.value(Y, F + step) - loss.value(Y, F - step)) / (2 * step)
    second = (loss.first_derivative(Y, F + step) - loss.first_derivative(Y, F - step)) / (2 * step)
    assert loss.first_derivative(Y, F) == pytest.approx(first, rel=1e-5, abs=1e-5)
    assert loss.second_derivative(Y, F) == pytest.approx(second, rel=1e-4, abs=1e-4)
    assert loss.largest_curvature is not None
    assert np.abs(loss.second_derivative(Y, F)) <= loss.largest_curvature
    if loss.convex:
        assert loss.second_derivative(Y, F) >= 0


@pytest.mark.parametrize(
    ("ours", "theirs"), [("huber", "huber"), ("soft_l1", "soft_l1"), ("cauchy", "cauchy")]
)
@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_values_are_scipys(ours: str, theirs: str, delta: float) -> None:
    """scipy's costs, ½ C² ρ((r/C)²)."""
    assert theirs in IMPLEMENTED_LOSSES
    r = np.linspace(-9, 9, 37)
    cost: Any = construct_loss_function(len(r), theirs, delta)
    loss = type(as_loss(ours))(delta)  # pyright: ignore[reportCallIssue]
    assert loss.value(r, np.zeros(37)).sum() == pytest.approx(cost(r, cost_only=True), rel=1e-13)


@pytest.mark.parametrize("size", [1e-9, 1e-200, 1e150, 1e-300])
def test_pseudo_huber_keeps_its_digits_where_the_formula_cancels(size: float) -> None:
    """√(1 + u²) − 1 in double precision would be 0 for u = 1e-9."""
    value = float(PseudoHuber(1.0).value(np.array([size]), np.zeros(1))[0])
    expected = size if size > 1e100 else float(Fraction(size) ** 2 / 2)
    assert value == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("size", [1e-9, 1e3, 1e120, 1e300])
def test_cauchy_of_any_size(size: float) -> None:
    value = float(Cauchy(1.0).value(np.array([size]), np.zeros(1))[0])
    expected = 0.5 * math.log1p(size**2) if size < 1e100 else math.log(size)
    assert value == pytest.approx(expected, rel=1e-14)
    assert np.isfinite(Cauchy(1.0).second_derivative(np.array([size]), np.zeros(1)))


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [Huber, PseudoHuber, Cauchy])
def test_delta_must_be_positive(kind: type, delta: float) -> None:
    with pytest.raises(ValueError, match="delta"):
        kind(delta)
    with pytest.raises(TypeError, match="delta"):
        kind("one")


def written_huber(y, f):
    size = np.abs(y - f)
    return np.where(size <= 1.35, 0.5 * size**2, 1.35 * (size - 0.675))


WRITTEN = {
    "squared": (lambda y, f: 0.5 * (y - f) ** 2, SquaredError()),
    "huber": (written_huber, Huber()),
    "pseudo_huber": (lambda y, f: np.sqrt(1 + (y - f) ** 2) - 1, PseudoHuber()),
    "cauchy": (lambda y, f: 0.5 * np.log1p((y - f) ** 2), Cauchy()),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_function_has_the_derivatives_of_the_loss(name: str) -> None:
    function, loss = WRITTEN[name]
    ours = FunctionLoss(function)
    rng = np.random.default_rng(3)
    y, f = rng.normal(size=40) * 2, rng.normal(size=40)
    ours.check(y, f)
    for part in ("value", "first_derivative", "second_derivative"):
        assert getattr(ours, part)(y, f) == pytest.approx(getattr(loss, part)(y, f), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("scale", [1e-100, 1e-6, 1.0, 1e6, 1e100])
def test_a_function_is_checked_at_any_scale(scale: float) -> None:
    y = scale * np.random.default_rng(0).normal(size=9)
    FunctionLoss(lambda y, f: (y - f) ** 2).check(y, 0.5 * y)
    FunctionLoss(lambda y, f: np.log(np.cosh((y - f) / scale))).check(y, 0.5 * y)
    FunctionLoss(lambda y, f: np.abs(y - f)).check(y, y * 1.0)  # on its kink everywhere


WEIGHTS = np.linspace(1, 2, 9)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda y, f: np.sum((y - f) ** 2), "one number for each row"),
        (lambda y, f: 1.0, "one number for each row"),
        (lambda y, f: (y - f)[:, None], "one number for each row"),
        (lambda y, f: (y - f) ** 2 - np.mean(y), "elementwise"),
        (lambda y, f: np.sort((y - f) ** 2), "elementwise"),
        (lambda y, f: WEIGHTS * (y - f) ** 2, "sample_weight"),
        (lambda y, f: f - y * np.log(f), "logarithm"),
        (lambda y, f: np.full(len(y), np.inf) + f, "inf"),
    ],
)
def test_functions_that_are_no_losses_are_refused(function, words: str) -> None:
    y = np.random.default_rng(0).normal(size=9)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=words):
        FunctionLoss(function).check(y, -np.abs(y))


def test_a_wrong_rule_is_found() -> None:
    def cubed(x):
        return x**3

    @autodiff.rule(cubed)
    def entered(value, x):
        return (x**2,)

    with pytest.raises(DerivativeError, match="disagrees"):
        FunctionLoss(lambda y, f: entered(f - y)).check(np.arange(5.0), np.arange(5.0)[::-1] + 0.3)


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        ("absolute_error", ValueError),
        ("Huber", ValueError),
        (Huber, TypeError),
        (3.0, TypeError),
        (None, TypeError),
    ],
)
def test_other_losses_are_refused_with_the_list(loss: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="'pseudo_huber'"):
        as_loss(loss)


def test_names_objects_and_functions() -> None:
    assert as_loss("soft_l1") == as_loss("pseudo_huber") == PseudoHuber(1.0)
    loss = Huber(2.0)
    assert as_loss(loss) is loss
    assert as_loss(written_huber).name.endswith("test_losses.written_huber")
    assert repr(as_loss(written_huber)).endswith("written_huber")
