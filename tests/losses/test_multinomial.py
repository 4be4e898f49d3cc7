"""The multinomial likelihood: against 60-digit arithmetic, the binomial one, scipy and statsmodels."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.special import softmax

from betahat.losses import Bernoulli, Multinomial

ROWS = np.array(
    [
        [0.0, 0.0, 0.0, 0.0],
        [0.3, -1.2, 2.0, 0.1],
        [1e4, -1e4, 0.0, 1e4],
        [700.0, 0.0, -700.0, 1.0],
        [-1e4, -1e4, -1e4, -1e4],
        [40.0, 1e-8, 3.0, -9.0],
        [5000.0, 4999.0, -1e4, 4300.0],
    ]
)


def exact(f: np.ndarray) -> list[mp.mpf]:
    weights = [mp.exp(mp.mpf(float(x)) - mp.mpf(float(f.max()))) for x in f]
    total = sum(weights, mp.mpf(0))
    return [w / total for w in weights]


def close(found: float, wanted: mp.mpf) -> bool:
    return abs(mp.mpf(float(found)) - wanted) <= 2e-15 * abs(wanted) + mp.mpf("1e-307")


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("row", range(len(ROWS)))
def test_value_derivatives_and_products(k: int, row: int) -> None:
    """Every component to the last digits, where probabilities of 1e-304 stand beside 1."""
    loss, f, y = Multinomial(4), ROWS[row : row + 1], np.array([k])
    direction = np.array([[1.0, -2.0, 0.5, 3.0]])
    with mp.workdps(9000):
        P = exact(f[0])
        assert close(loss.value(y, f)[0], mp.log(1 / P[k]))
        P_d = sum((p * mp.mpf(d) for p, d in zip(P, direction[0], strict=True)), mp.mpf(0))
        for j in range(4):
            assert close(loss.probabilities(f)[0, j], P[j])
            assert close(loss.first_derivative(y, f)[0, j], P[j] - (j == k))
            for i in range(4):
                assert close(loss.second_derivative(y, f)[0, i, j], P[i] * ((i == j) - P[j]))
            wanted = P[j] * (mp.mpf(float(direction[0, j])) - P_d)
            found = float(loss.second_derivative_product(y, f, direction)[0, j])
            assert abs(found - wanted) <= 1e-13 * abs(wanted) + mp.mpf("1e-307")


def test_two_classes_are_bernoulli() -> None:
    eta = np.array([-1e4, -700.0, -3.0, 0.0, 1e-9, 2.5, 700.0, 1e4])
    f = np.column_stack([np.zeros(len(eta)), eta])
    for label in (0, 1):
        y = np.full(len(eta), label)
        binary, both = Bernoulli(), Multinomial(2)
        assert both.value(y, f) == pytest.approx(binary.value(1.0 * y, eta), rel=1e-15)
        assert both.first_derivative(y, f)[:, 1] == pytest.approx(
            binary.first_derivative(1.0 * y, eta), rel=1e-14
        )
        assert both.second_derivative(y, f)[:, 1, 1] == pytest.approx(
            binary.second_derivative(y, eta), rel=1e-14
        )
        assert both.deviance(y, f) == pytest.approx(binary.deviance(1.0 * y, eta), rel=1e-15)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_laws(classes: int) -> None:
    """Derivatives by differences; bounds; the sum over classes of every derivative is 0; scipy's probabilities."""
    rng = np.random.default_rng(classes)
    loss = Multinomial(classes)
    f, d = 3 * rng.normal(size=(50, classes)), rng.normal(size=(50, classes))
    y = rng.integers(classes, size=50)
    step = 1e-5
    first, second = loss.first_derivative(y, f), loss.second_derivative(y, f)
    product = loss.second_derivative_product(y, f, d)
    assert loss.probabilities(f) == pytest.approx(softmax(f, axis=1), rel=1e-13)
    slope = (loss.value(y, f + step * d) - loss.value(y, f - step * d)) / (2 * step)
    assert np.einsum("nk,nk->n", first, d) == pytest.approx(slope, abs=1e-8)
    bend = (loss.first_derivative(y, f + step * d) - loss.first_derivative(y, f - step * d)) / (2 * step)
    assert product == pytest.approx(bend, abs=1e-8)
    assert np.einsum("nij,nj->ni", second, d) == pytest.approx(product, abs=1e-14)
    assert first.sum(axis=1) == pytest.approx(0, abs=1e-15)
    eigenvalues = np.linalg.eigvalsh(second)
    assert eigenvalues.min() >= -1e-15
    assert loss.largest_curvature is not None
    assert eigenvalues.max() <= loss.largest_curvature
    assert loss.log_density(y, f, np.full(50, 2.0)) == pytest.approx(
        2 * np.log(softmax(f, axis=1))[np.arange(50), y]
    )
    shifted = loss.value(y, f + 7.0)
    assert shifted == pytest.approx(loss.value(y, f), rel=1e-12)


def test_self_concordance() -> None:
    """d'L''(f + t d)d ≤ e^{M t ‖d‖} d'L''(f)d."""
    rng = np.random.default_rng(0)
    loss = Multinomial(4)
    f, d = 4 * rng.normal(size=(4000, 4)), rng.normal(size=(4000, 4))
    y = np.zeros(4000, int)
    at, beyond = (
        np.einsum("nk,nk->n", d, loss.second_derivative_product(y, point, d)) for point in (f, f + d)
    )
    assert (beyond <= np.exp(loss.self_concordance * np.linalg.norm(d, axis=1)) * at * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("y", "bad"), [([0, 3], "3"), ([0, -1], "-1"), ([0.5, 1.0], "0.5"), ([1.0, np.nan], "nan")]
)
def test_codes_that_cannot_be_are_named(y: list[float], bad: str) -> None:
    loss = Multinomial(3)
    loss.check_target(np.array([0, 1, 2]))
    with pytest.raises(ValueError, match=bad):
        loss.check_target(np.array(y))


@pytest.mark.parametrize(
    ("classes", "error"), [(1, ValueError), (2.0, TypeError), (True, TypeError), ("3", TypeError)]
)
def test_classes_must_be_at_least_two(classes: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="classes"):
        Multinomial(classes)  # pyright: ignore[reportArgumentType]
