"""Losses of rows and their shrunken duals: compiled against NumPy, and both against 50 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from betahat.certificate.duality import misfit
from betahat.kernels.pointwise import LOSSES
from betahat.kernels.row_losses import row_losses, shrunk_dual
from betahat.losses import as_family

ROWS = [1, 7, 16, 511, 513, 40_000]


def rows(n: int, code: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) if code in (1, 6, 7) else rng.gamma(2.0, size=n)
    share = rng.random(n) * (rng.random(n) < 0.8)
    share[0] = 1.0
    return y, 2 * rng.standard_normal(n), share / share.sum()


@pytest.mark.parametrize("shift", [0.0, 0.7])
@pytest.mark.parametrize("code", range(len(LOSSES)))
@pytest.mark.parametrize("n", ROWS)
def test_compiled_and_numpy_agree(n, code, shift):
    y, eta, share = rows(n, code)
    power = {4: 1.5, 8: 0.5}.get(code, 0.0)
    fast, plain = (row_losses(y, eta, shift, share, code, power, compiled) for compiled in (True, False))
    for found, expected in zip(fast, plain, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
    assert fast.slope == pytest.approx(fast.first.sum(), rel=1e-9, abs=1e-14)
    assert fast.size == pytest.approx(np.abs(fast.first).sum(), rel=1e-12)
    assert fast.bend == pytest.approx(fast.second.sum(), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("compiled", [True, False])
def test_rows_without_a_share_may_hold_anything(compiled):
    y, eta = np.array([1.0, np.nan, 0.0]), np.array([0.5, np.inf, -0.5])
    found = row_losses(y, eta, 0.0, np.array([0.5, 0.0, 0.5]), 1, 0.0, compiled)
    assert found.value == pytest.approx(np.log1p(np.exp(-0.5)), rel=1e-14)
    assert found.first[1] == 0 == found.second[1]


@pytest.mark.parametrize("kind", ["labels", "proportions"])
@pytest.mark.parametrize("below", [1.0, 0.999, 0.3, 0.0])
@pytest.mark.parametrize("above", [1.0, 1 - 1e-9, 0.5])
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_shrunk_dual_is_right_to_its_rounding(spread, above, below, kind):
    rng = np.random.default_rng(1)
    n = 41
    y = rng.random(n) if kind == "proportions" else (rng.random(n) < 0.5).astype(float)
    eta, share = spread * rng.standard_normal(n), np.full(n, 1 / n)
    found = shrunk_dual(y, eta, share, 1, 0.0, above, below)
    assert found is not None
    apart, size, most = found
    with mpmath.workdps(50):
        exact = mpmath.mpf(0)
        for target, f in zip(y.tolist(), eta.tolist(), strict=True):
            target, f = mpmath.mpf(target), mpmath.mpf(f)
            slope = 1 / (1 + mpmath.exp(-f)) - target
            u = slope * (above if slope > 0 else below)
            terms = [q * mpmath.log(q) if q > 0 else mpmath.mpf(0) for q in (target + u, 1 - target - u)]
            exact += (mpmath.log1p(mpmath.exp(f)) - target * f + sum(terms) - u * f) / n
    assert abs(apart - float(exact)) <= 4e-16 * size
    assert float(exact) <= most + 4e-16 * size


@pytest.mark.parametrize("uneven", [0.0, 1e-3])
@pytest.mark.parametrize("sides", [(2.0, 1.0), (1.0, 2.0)])
@pytest.mark.parametrize("n", ROWS)
def test_misfit_is_the_same_compiled(n, sides, uneven):
    y, eta, share = rows(n, 1)
    y = np.round(y)
    family = as_family("binomial")
    slopes = family.first_derivative(y, eta)
    fast, plain = (
        misfit(family, y, share, eta, slopes, 0.97, uneven, sides, compiled) for compiled in (True, False)
    )
    assert plain is not None
    assert fast == pytest.approx(plain, rel=1e-9, abs=1e-15)


def test_unknown_conjugate_is_none():
    assert shrunk_dual(np.ones(1), np.zeros(1), np.ones(1), 2, 0.0, 1.0, 1.0) is None


def test_numbers_that_are_not_finite_show():
    y, eta, share = rows(600, 1)
    eta[599] = np.nan
    share[599] = 0.1
    found = shrunk_dual(y, eta, share, 1, 0.0, 0.9, 0.9)
    assert found is not None
    assert not np.isfinite(found[0])
    assert not np.isfinite(row_losses(y, eta, 0.0, share, 1, 0.0).value)


def test_same_bits_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch):
    y, eta, share = rows(100_003, 1)
    seen = []
    for threads in ("1", "3"):
        monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
        seen.append((row_losses(y, eta, 0.1, share, 1, 0.0), shrunk_dual(y, eta, share, 1, 0.0, 0.9, 0.8)))
    assert seen[0][0][:4] == seen[1][0][:4]
    assert (seen[0][0].first == seen[1][0].first).all()
    assert seen[0][1] == seen[1][1]
