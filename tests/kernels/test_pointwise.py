"""What a row adds, in NumPy and in registers, against 60-digit arithmetic from η = −1e4 to 1e4."""

from __future__ import annotations

import exact_families
import mpmath as mp
import numpy as np
import pytest

from betahat.kernels import irls_compiled as compiled
from betahat.kernels.pointwise import LOSSES, Arrays

SIZES = [1e-8, 1e-3, 0.01, 0.2, 0.5, 0.9, 1.1, 2.9, 3.1, 8.0, 20.0, 37.0, 100.0, 700.0, 745.0, 3000.0, 1e4]
ETA = np.array(sorted([-x for x in SIZES] + [0.0] + SIZES))
EPS = np.finfo(float).eps
PROPORTIONS, COUNTS, POSITIVE = [0.0, 1.0, 0.5, 0.01], [0.0, 1.0, 7.0, 1e6], [1e-8, 0.3, 1.0, 1e5]
LIKELIHOODS = [
    (0, "gaussian", "identity", 0.0, [-3.0, 0.0, 0.4, 250.0]),
    (1, "binomial", "logit", 0.0, PROPORTIONS),
    (2, "poisson", "log", 0.0, COUNTS),
    (3, "gamma", "log", 0.0, POSITIVE),
    (4, "tweedie", "log", 1.1, [0.0, 0.3, 100.0]),
    (4, "tweedie", "log", 1.9, [0.0, 0.3, 100.0]),
    (4, "tweedie", "log", 2.5, POSITIVE),
    (5, "inverse_gaussian", "log", 0.0, POSITIVE),
    (6, "binomial", "probit", 0.0, PROPORTIONS),
    (7, "binomial", "cloglog", 0.0, PROPORTIONS),
]


def in_arrays(code, power, y, eta):
    with np.errstate(all="ignore"):
        return LOSSES[code](Arrays, y, eta, power)


def in_registers(code, power, y, eta):
    """As compiled kernels work it out; each value from a call of its own, since they are summed."""
    values, first, second = np.empty((3, len(y)))
    for i in range(len(y)):
        row, totals = np.zeros((8, compiled.STEP)), np.zeros(4 * compiled.STEP + 1)
        row[compiled.TARGET, 0], row[compiled.ETA, 0], row[compiled.WEIGHT, 0] = y[i], eta[i], 1.0
        row[compiled.TARGET, 1:], row[compiled.ETA, 1:] = np.nan, np.inf  # of no weight
        compiled.add_rows(code, power, 1, row.ctypes.data, row.strides[0], totals.ctypes.data)
        values[i], first[i], second[i] = totals[0], row[compiled.FIRST, 0], row[compiled.SECOND, 0]
        assert totals[2 * compiled.STEP] == 1.0
        assert not row[compiled.FIRST, 1:].any()
        assert not row[compiled.SECOND, 1:].any()
    return values, first, second


WAYS = {"arrays": in_arrays, "registers": in_registers}


def agrees(found, wanted, allowed):
    """Within `allowed`, where a double can say it; else inf or nearly 0."""
    if abs(wanted) + allowed > mp.mpf("1e308"):
        return abs(found) > 1e300
    return abs(mp.mpf(found) - wanted) <= allowed + mp.mpf("1e-45")  # what numerical derivatives leave


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("code", "family", "link", "power", "targets"),
    LIKELIHOODS,
    ids=lambda v: str(v) if not isinstance(v, list) else "",
)
def test_likelihoods(code, family, link, power, targets, way):
    """As accurate as if η were off in its last digit, and each term of L were: nothing else may be lost."""
    for y in targets:
        found = WAYS[way](code, power, np.full(len(ETA), y), ETA)
        for order, values in enumerate(found):
            for eta, value in zip(ETA, values, strict=True):
                wanted, size, slope = exact_families.exact(family, power, link, y, float(eta), order)
                allowed = 20 * EPS * size + 4 * EPS * abs(eta) * slope
                assert not np.isnan(value), (y, eta, order)
                assert agrees(float(value), wanted, allowed), (y, eta, order, value, mp.nstr(wanted, 20))


@pytest.mark.parametrize("way", WAYS)
def test_huber_near_and_far(way):
    """r = ½, 1, 3 and −3 with δ = 1."""
    value, first, second = WAYS[way](8, 1.0, np.array([0.0, 0.0, 1.0, 4.0]), np.array([0.5, 1.0, 4.0, 1.0]))
    np.testing.assert_array_equal(value, [0.125, 0.5, 2.5, 2.5])
    np.testing.assert_array_equal(first, [0.5, 1.0, 1.0, -1.0])
    np.testing.assert_array_equal(second, [1.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", range(len(LOSSES)))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["y", "eta"])
def test_numbers_that_are_not_finite_show(way, code, bad, where):
    for power in (1.5, 2.5):
        for other in (0.0, 0.25, 1.0):
            pair = (bad, other) if where == "y" else (other, bad)
            value = WAYS[way](code, power, *(np.array([v]) for v in pair))[0]
            assert not np.isfinite(value[0])


@pytest.mark.parametrize("way", WAYS)
def test_exponentials_and_logarithms_to_an_ulp_or_two(way, rng):
    """Poisson's mean is e^η; the logit's loss at y = 0 is log(1 + e^η)."""
    eta = np.concatenate([rng.uniform(-745, 709.7, 500), rng.uniform(-2, 2, 500)])
    mean = WAYS[way](2, 0.0, np.zeros(1000), eta)[2]
    softplus = WAYS[way](1, 0.0, np.zeros(1000), eta)[0]
    with mp.workdps(40):
        for x, m, s in zip(eta, mean, softplus, strict=True):
            exact = mp.exp(mp.mpf(float(x)))
            for found, wanted in ((m, exact), (s, mp.log1p(exact))):
                assert abs(mp.mpf(float(found)) - wanted) <= 2 * np.spacing(float(wanted)), x
