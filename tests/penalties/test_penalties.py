"""Penalties: values and derivatives against what calculus says, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.penalties import L2, FunctionPenalty, NoPenalty, Penalty, Sum, as_penalty

BETA = np.array([0.5, -2.0, 3.0])


def log_penalty(beta):
    return np.sum(np.log1p(beta**2))


CASES: dict[str, tuple[Penalty, float, np.ndarray, np.ndarray]] = {
    "none": (NoPenalty(), 0.0, np.zeros(3), np.zeros((3, 3))),
    "ridge": (L2(0.4), float(0.2 * (BETA @ BETA)), 0.4 * BETA, 0.4 * np.eye(3)),
    "logarithm": (
        FunctionPenalty(log_penalty),
        float(np.log1p(BETA**2).sum()),
        2 * BETA / (1 + BETA**2),
        np.diag(2 * (1 - BETA**2) / (1 + BETA**2) ** 2),
    ),
    "sum of squares": (
        FunctionPenalty(lambda beta: np.sum(beta) ** 2),
        2.25,
        np.full(3, 3.0),
        np.full((3, 3), 2.0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives(name: str) -> None:
    penalty, value, gradient, hessian = CASES[name]
    penalty.check(BETA)
    assert penalty.value(BETA) == pytest.approx(value, rel=1e-14)
    assert penalty.gradient(BETA) == pytest.approx(gradient, rel=1e-13)
    assert penalty.hessian(BETA) == pytest.approx(hessian, rel=1e-12, abs=1e-15)
    both = Sum((penalty, L2(1.0)))
    assert both.value(BETA) == pytest.approx(value + 0.5 * BETA @ BETA, rel=1e-14)
    assert both.gradient(BETA) == pytest.approx(gradient + BETA, rel=1e-13)
    assert both.hessian(BETA) == pytest.approx(hessian + np.eye(3), rel=1e-12, abs=1e-15)
    assert both.convex == penalty.convex


@pytest.mark.parametrize("scale", [1e-120, 1e-5, 1.0, 1e5, 1e120])
def test_a_function_is_checked_at_any_scale(scale: float) -> None:
    FunctionPenalty(lambda beta: np.sum((beta / scale) ** 2)).check(BETA * scale)


@pytest.mark.parametrize(
    ("function", "words"),
    [(lambda beta: beta**2, "one number"), (lambda beta: np.sum(np.log(beta)), "logarithm")],
)
def test_functions_that_are_no_penalties_are_refused(function, words: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=words):
        FunctionPenalty(function).check(BETA)


@pytest.mark.parametrize("penalty", ["l2", 0.5, L2, [1.0]])
def test_other_penalties_are_refused(penalty: object) -> None:
    with pytest.raises(TypeError, match="alpha"):
        as_penalty(penalty)


def test_what_users_write() -> None:
    ridge = L2(0.3)
    assert as_penalty(ridge) is ridge
    assert as_penalty(None).value(BETA) == 0.0
    assert repr(as_penalty(log_penalty)).endswith("test_penalties.log_penalty")
