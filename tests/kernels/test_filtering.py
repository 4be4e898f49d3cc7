"""Minimal filtering beside sums over windows, in exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest

from betahat.kernels.network.filtering import SCHEMES, TAPS, Numbers, both


def exactly(value: float) -> Fraction:
    """What a double stands for, such as 64/81."""
    return Fraction(value).limit_denominator(1000)


RATIONALS = Numbers(exactly)


def some(count: int, seed: int) -> list[Fraction]:
    random = Random(seed)
    return [Fraction(random.randint(-99, 99), random.randint(1, 9)) for _ in range(count)]


@pytest.mark.parametrize("out", SCHEMES)
def test_products_are_sums_over_windows(out):
    v, scheme = RATIONALS, SCHEMES[out]
    x, w = some(scheme.points, 0), some(TAPS**2, 1)
    of_x, of_w = both(v, scheme.take, x), both(v, scheme.weigh, w)
    found = both(v, scheme.give, [a * b for a, b in zip(of_x, of_w, strict=True)])
    assert found == [
        sum(x[(i + a) * scheme.side + j + b] * w[a * TAPS + b] for a, b in product(range(TAPS), repeat=2))
        for i, j in product(range(out), repeat=2)
    ]


@pytest.mark.parametrize("out", SCHEMES)
def test_slopes_of_taps_are_sums_over_places(out):
    v, scheme = RATIONALS, SCHEMES[out]
    x, s = some(scheme.points, 2), some(out**2, 3)
    of_x, of_s = both(v, scheme.take, x), both(v, scheme.give_back, s)
    found = both(v, scheme.weigh_back, [a * b for a, b in zip(of_x, of_s, strict=True)])
    assert found == [
        sum(x[(i + a) * scheme.side + j + b] * s[i * out + j] for i, j in product(range(out), repeat=2))
        for a, b in product(range(TAPS), repeat=2)
    ]


@pytest.mark.parametrize("out", SCHEMES)
def test_slopes_of_places_are_sums_over_taps(out):
    v, scheme = RATIONALS, SCHEMES[out]
    w, s = some(TAPS**2, 5), some(out**2, 6)
    of_w, of_s = both(v, scheme.weigh, w), both(v, scheme.give_back, s)
    found = both(v, scheme.take_back, [a * b for a, b in zip(of_w, of_s, strict=True)])
    expected = [Fraction(0)] * scheme.points
    for i, j, a, b in product(range(out), range(out), range(TAPS), range(TAPS)):
        expected[(i + a) * scheme.side + j + b] += s[i * out + j] * w[a * TAPS + b]
    assert found == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("out", SCHEMES)
def test_arrays_are_weighed_as_rationals_are(out, dtype):
    scheme, w = SCHEMES[out], some(TAPS**2, 4)
    exact = both(RATIONALS, scheme.weigh, w)
    found = both(Numbers(dtype), scheme.weigh, [np.array([float(n)], dtype) for n in w])
    scale = max(abs(float(n)) for n in exact)
    assert all(n.dtype == dtype for n in found)
    np.testing.assert_allclose(
        np.ravel(found), [float(n) for n in exact], rtol=0, atol=8 * scale * np.finfo(dtype).eps
    )
