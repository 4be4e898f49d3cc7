"""Cross-entropy to smoothed labels."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.losses import Multinomial, SmoothedMultinomial

RNG = np.random.default_rng(0)
F, Y = RNG.normal(size=(7, 4)), RNG.integers(0, 4, 7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_it_is_the_cross_entropy_to_smoothed_labels(smoothing: float) -> None:
    """By the definition: −Σ qₖ log pₖ, and its derivatives by differences."""
    loss = SmoothedMultinomial(4, smoothing)
    q = np.full((7, 4), smoothing / 4)
    q[np.arange(7), Y] += 1 - smoothing

    def value(f: np.ndarray) -> np.ndarray:
        return -(q * (f - np.log(np.exp(f).sum(axis=1, keepdims=True)))).sum(axis=1)

    np.testing.assert_allclose(loss.value(Y, F), value(F), rtol=1e-13)
    for k in range(4):
        h = 1e-6 * np.eye(4)[k]
        slope = (value(F + h) - value(F - h)) / 2e-6
        np.testing.assert_allclose(loss.first_derivative(Y, F)[:, k], slope, atol=1e-9)
        bend = (loss.first_derivative(Y, F + h) - loss.first_derivative(Y, F - h)) / 2e-6
        np.testing.assert_allclose(loss.second_derivative(Y, F)[:, k], bend, atol=1e-9)
    d = RNG.normal(size=(7, 4))
    product = np.einsum("njk,nk->nj", loss.second_derivative(Y, F), d)
    np.testing.assert_allclose(loss.second_derivative_product(Y, F, d), product, rtol=1e-10, atol=1e-13)


def test_nothing_smoothed_is_the_multinomial_loss() -> None:
    np.testing.assert_array_equal(SmoothedMultinomial(4, 0.0).value(Y, F), Multinomial(4).value(Y, F))


@pytest.mark.parametrize(
    ("smoothing", "error"),
    [(1.0, ValueError), (-0.1, ValueError), (np.nan, ValueError), ("a", TypeError), (True, TypeError)],
)
def test_shares_are_refused_by_name(smoothing: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="smoothing"):
        SmoothedMultinomial(3, smoothing)  # pyright: ignore[reportArgumentType]


def test_targets_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="class code"):
        SmoothedMultinomial(3, 0.1).check_target(np.array([0, 3]))
