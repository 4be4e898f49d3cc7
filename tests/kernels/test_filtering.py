"""Minimal filtering beside sums over windows, in exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest

from betahat.kernels.network.filtering import SCHEMES, Numbers, both


def exactly(value: float) -> Fraction:
    """What a double stands for, such as 64/81."""
    return Fraction(value).limit_denominator(1000)


RATIONALS = Numbers(exactly)


def some(count: int, seed: int) -> list[Fraction]:
    random = Random(seed)
    return [Fraction(random.randint(-99, 99), random.randint(1, 9)) for _ in range(count)]


@pytest.mark.parametrize("number", SCHEMES)
def test_products_are_sums_over_windows(number):
    v, scheme = RATIONALS, SCHEMES[number]
    taps, out = scheme.taps, scheme.out
    x, w = some(scheme.points, 0), some(taps**2, 1)
    of_x, of_w = both(v, scheme.take, x), both(v, scheme.weigh, w)
    found = both(v, scheme.give, [a * b for a, b in zip(of_x, of_w, strict=True)])
    assert found == [
        sum(x[(i + a) * scheme.side + j + b] * w[a * taps + b] for a, b in product(range(taps), repeat=2))
        for i, j in product(range(out), repeat=2)
    ]


@pytest.mark.parametrize("number", SCHEMES)
def test_slopes_of_taps_are_sums_over_places(number):
    v, scheme = RATIONALS, SCHEMES[number]
    taps, out = scheme.taps, scheme.out
    x, s = some(scheme.points, 2), some(out**2, 3)
    of_x, of_s = both(v, scheme.take, x), both(v, scheme.give_back, s)
    found = both(v, scheme.weigh_back, [a * b for a, b in zip(of_x, of_s, strict=True)])
    assert found == [
        sum(x[(i + a) * scheme.side + j + b] * s[i * out + j] for i, j in product(range(out), repeat=2))
        for a, b in product(range(taps), repeat=2)
    ]


@pytest.mark.parametrize("number", SCHEMES)
def test_slopes_of_places_are_sums_over_taps(number):
    v, scheme = RATIONALS, SCHEMES[number]
    taps, out = scheme.taps, scheme.out
    w, s = some(taps**2, 5), some(out**2, 6)
    of_w, of_s = both(v, scheme.weigh, w), both(v, scheme.give_back, s)
    found = both(v, scheme.take_back, [a * b for a, b in zip(of_w, of_s, strict=True)])
    expected = [Fraction(0)] * scheme.points
    for i, j, a, b in product(range(out), range(out), range(taps), range(taps)):
        expected[(i + a) * scheme.side + j + b] += s[i * out + j] * w[a * taps + b]
    assert found == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", SCHEMES)
def test_arrays_are_weighed_as_rationals_are(number, dtype):
    scheme = SCHEMES[number]
    w = some(scheme.taps**2, 4)
    exact = both(RATIONALS, scheme.weigh, w)
    found = both(Numbers(dtype), scheme.weigh, [np.array([float(n)], dtype) for n in w])
    scale = max(abs(float(n)) for n in exact)
    assert all(n.dtype == dtype for n in found)
    np.testing.assert_allclose(
        np.ravel(found), [float(n) for n in exact], rtol=0, atol=8 * scale * np.finfo(dtype).eps
    )
