"""Random bits by counter: the published generator, in plain whole numbers."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.kernels.random import bits, derive, kept, threshold

M = 2**64


def plain(key, counter):
    z = (key + counter * 0x9E3779B97F4A7C15) % M
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % M
    z = (z ^ z >> 27) * 0x94D049BB133111EB % M
    return z ^ z >> 31


def test_published_numbers():
    """SplitMix64 seeded with 1234567, as its reference implementation prints them."""
    expected = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip
    assert bits(1234567, np.arange(1, 6)).tolist() == expected


@pytest.mark.parametrize("key", [0, 1, 12345, M - 1, M + 7, -1])
@pytest.mark.parametrize("start", [0, 1, 2**32, 2**63, M - 9])
def test_bits_are_those_of_whole_numbers(key, start):
    counters = [(start + k) % M for k in range(12)]
    found = bits(key, np.array(counters, np.uint64).reshape(3, 4))
    assert found.dtype == np.uint64
    assert found.ravel().tolist() == [plain(key, counter) for counter in counters]


def test_one_counter():
    assert int(bits(M - 1, np.uint64(M - 1))) == plain(M - 1, M - 1)


@pytest.mark.parametrize("key", [0, 5, M - 1, -3])
def test_keys_of_streams(key):
    assert derive(key) == key % M
    assert derive(key, 4) == plain(key, 5)
    assert derive(key, 4, 0, 7) == plain(plain(plain(key, 5), 1), 8)
    assert derive(key, M - 1) == plain(key, 0)


def test_bits_are_even():
    """Each of the 64 bits is set half of the time, and neighbours in counter or key share no more than chance."""
    n = 40_000
    drawn = bits(9, np.arange(n))
    as_bits = (drawn[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    five = 5 * 0.5 / np.sqrt(n)
    assert abs(as_bits.mean(axis=0) - 0.5).max() < five
    assert abs((as_bits[1:] == as_bits[:-1]).mean(axis=0) - 0.5).max() < five
    other = (bits(10, np.arange(n))[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert abs((as_bits == other).mean(axis=0) - 0.5).max() < five


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.1, 0.25, 0.5, 0.999])
@pytest.mark.parametrize("units", [1, 7, 64])
def test_kept_units(rate, units):
    rows = 300
    found = kept(3, rate, rows, units)
    assert found.shape == (rows, units)
    expected = [
        [plain(3, i * units + k) >> 40 >= round(rate * 2**24) for k in range(units)] for i in range(rows)
    ]
    assert found.tolist() == expected
    pieces = [kept(3, rate, stop - start, units, start) for start, stop in ((0, 17), (17, 18), (18, 300))]
    np.testing.assert_array_equal(np.concatenate(pieces), found)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_share_of_kept_units(rate):
    n = 200_000
    assert kept(1, rate, n // 50, 50).mean() == pytest.approx(
        1 - rate, abs=5 * np.sqrt(rate * (1 - rate) / n)
    )
    assert threshold(rate) / 2**24 == pytest.approx(rate, abs=2**-25)
