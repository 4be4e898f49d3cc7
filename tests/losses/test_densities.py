"""Log-densities with all their constants: scipy's, statsmodels', series in high precision, and integrals of 1."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, stats

from betahat.losses import (
    Bernoulli,
    Family,
    Gamma,
    Gaussian,
    InverseGaussian,
    NegativeBinomial,
    Poisson,
    Tweedie,
    as_family,
)
from betahat.losses.tweedie_density import log_saturated_compound, log_saturated_stable

MEANS = np.array([0.03, 0.4, 0.9, 5.0, 300.0])
COUNTS = np.array([0.0, 1.0, 2.0, 9.0, 280.0])
AMOUNTS = np.array([1e-3, 0.2, 1.0, 7.5, 400.0])
PAIRS = np.array(list(itertools.product(range(5), range(5)))).T


def crossed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values[PAIRS[0]], MEANS[PAIRS[1]]


@pytest.mark.parametrize("phi", [0.01, 1.0, 3.7])
def test_densities_are_scipys(phi: float) -> None:
    y, mu = crossed(AMOUNTS)
    eta = np.log(mu)
    expected = stats.norm.logpdf(y, mu, np.sqrt(phi))
    assert Gaussian().log_density(y, mu, phi) == pytest.approx(expected, rel=1e-12)
    expected = stats.gamma.logpdf(y, 1 / phi, scale=phi * mu)
    assert Gamma().log_density(y, eta, phi) == pytest.approx(expected, rel=1e-11, abs=1e-11)
    expected = stats.invgauss.logpdf(y, mu * phi, scale=1 / phi)
    assert InverseGaussian().log_density(y, eta, phi) == pytest.approx(expected, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("theta", [0.3, 1.0, 50.0])
def test_probabilities_are_scipys(theta: float) -> None:
    y, mu = crossed(COUNTS)
    eta = np.log(mu)
    assert Poisson().log_density(y, eta, 1.0) == pytest.approx(
        stats.poisson.logpmf(y, mu), rel=1e-12, abs=1e-12
    )
    expected = stats.nbinom.logpmf(y, theta, theta / (theta + mu))
    assert NegativeBinomial(theta).log_density(y, eta, 1.0) == pytest.approx(expected, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("trials", [1, 2, 30, 10_000])
@pytest.mark.parametrize("link", ["logit", "probit", "cauchit", "identity"])
def test_weights_of_a_proportion_are_its_trials(trials: int, link: str) -> None:
    hits = np.unique(np.linspace(0, trials, 7).round())
    family = as_family("binomial", link)
    for mu in (0.01, 0.5, 0.93):
        eta = np.full(len(hits), family.predictor(np.array(mu)))
        found = family.log_density(hits / trials, eta, 1.0, np.full(len(hits), float(trials)))
        assert found == pytest.approx(stats.binom.logpmf(hits, trials, mu), rel=1e-11, abs=1e-12)


def test_large_counts_keep_their_digits() -> None:
    """log y! of a count of 1e12 is 2.7e13: written out, a difference of such numbers has three digits left."""
    with mp.workdps(60):
        y, mu = mp.mpf(10) ** 12, mp.mpf(10) ** 12 + 10**6
        expected = float(y * mp.log(mu) - mu - mp.loggamma(y + 1))
    found = Poisson().log_density(np.array([1e12]), np.log([1e12 + 1e6]), 1.0)
    assert found == pytest.approx(expected, rel=1e-8)  # limited by the rounding of η, 4e-15 of μ
    exact = Poisson().log_saturated(np.array([1e12]), np.ones(1))
    assert exact == pytest.approx(-0.5 * np.log(2 * np.pi * 1e12), rel=1e-13)


LOG = sm.families.links.Log()
BINOMIAL_LINKS = {
    "probit": sm.families.links.Probit,
    "cloglog": sm.families.links.CLogLog,
    "loglog": sm.families.links.LogLog,
    "cauchit": sm.families.links.Cauchy,
}
SM: list[tuple[Family, Any, np.ndarray]] = [
    (Gaussian(), sm.families.Gaussian(), AMOUNTS),
    (as_family("gaussian", "log"), sm.families.Gaussian(LOG), AMOUNTS),
    (Bernoulli(), sm.families.Binomial(), np.array([0.0, 1.0, 0.0, 1.0, 1.0])),
    *(
        (as_family("binomial", link), sm.families.Binomial(theirs()), np.array([0.0, 1, 1, 0, 1]))
        for link, theirs in BINOMIAL_LINKS.items()
    ),
    (Poisson(), sm.families.Poisson(), COUNTS),
    (as_family("poisson", "sqrt"), sm.families.Poisson(sm.families.links.Sqrt()), COUNTS),
    (as_family("poisson", "identity"), sm.families.Poisson(sm.families.links.Identity()), COUNTS),
    (Gamma(), sm.families.Gamma(LOG), AMOUNTS),
    (as_family("gamma", "inverse"), sm.families.Gamma(), AMOUNTS),
    (InverseGaussian(), sm.families.InverseGaussian(LOG), AMOUNTS),
    (as_family("inverse_gaussian", "1/mu^2"), sm.families.InverseGaussian(), AMOUNTS),
    (NegativeBinomial(2.0), sm.families.NegativeBinomial(LOG, alpha=0.5), COUNTS),
    *(
        (Tweedie(p), sm.families.Tweedie(LOG, var_power=p), np.array([0.0, 0.2, 1.0, 7.5, 0.0]))
        for p in (1.5, 1.9)
    ),
    (Tweedie(2.5), sm.families.Tweedie(LOG, var_power=2.5), AMOUNTS),
]


@pytest.mark.parametrize(("ours", "theirs", "y"), SM, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("phi", [0.4, 1.0])
def test_statsmodels_agrees(ours: Family, theirs: Any, y: np.ndarray, phi: float) -> None:
    phi = 1.0 if ours.dispersion_known else phi
    weight = np.array([1.0, 2.0, 0.5, 3.0, 1.0])
    mu = np.array([0.1, 0.3, 0.95, 0.6, 0.2]) if ours.name == "binomial" else MEANS
    eta = ours.predictor(mu)
    assert eta == pytest.approx(theirs.link(mu), rel=1e-12, abs=1e-12)
    assert ours.mean(eta) == pytest.approx(theirs.link.inverse(eta), rel=1e-12)
    assert ours.mean_derivative(eta) == pytest.approx(theirs.link.inverse_deriv(eta), rel=1e-9)
    assert ours.variance(mu) == pytest.approx(theirs.variance(mu), rel=1e-12)
    assert ours.expected_curvature(eta) == pytest.approx(theirs.weights(mu), rel=1e-9)
    if ours.name != "tweedie" or ours.power < 2:
        expected = theirs.loglike_obs(y, mu, var_weights=weight, scale=phi)
        assert ours.log_density(y, eta, phi, weight) == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert ours.deviance(y, eta).sum() == pytest.approx(theirs.deviance(y, mu), rel=1e-10)


def compound_series(y: float, phi: float, p: float) -> float:
    """log Σ P(N = j) · Gamma density of y, at μ = y, in 40 digits."""
    with mp.workdps(40):
        y_, phi_, p_ = mp.mpf(y), mp.mpf(phi), mp.mpf(p)
        rate = y_ ** (2 - p_) / (phi_ * (2 - p_))
        shape, scale = (2 - p_) / (p_ - 1), phi_ * (p_ - 1) * y_ ** (p_ - 1)
        reach = int(15 * mp.sqrt(rate / (1 + shape)) + 60)
        total = mp.mpf(0)
        for j in range(max(1, int(rate) - reach), int(rate) + reach + 1):
            log_p = -rate + j * mp.log(rate) - mp.loggamma(j + 1)
            k = j * shape
            total += mp.exp(log_p + (k - 1) * mp.log(y_) - y_ / scale - k * mp.log(scale) - mp.loggamma(k))
        return float(mp.log(total))


@pytest.mark.parametrize("p", [1.01, 1.2, 1.5, 1.8, 1.99])
@pytest.mark.parametrize("y", [1e-6, 0.3, 1.0, 7.3, 1000.0])
@pytest.mark.parametrize("phi", [0.01, 1.0, 30.0])
def test_compound_poisson_series(p: float, y: float, phi: float) -> None:
    if y ** (2 - p) / phi > 3e4:
        phi *= 1000
    found = log_saturated_compound(np.array([y]), np.array([phi]), p)
    assert found == pytest.approx(compound_series(y, phi, p), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("p", [1.1, 1.5, 1.9, 2.05, 2.5, 4.0])
@pytest.mark.parametrize("phi", [0.05, 1.0])
def test_tweedie_is_a_probability_with_its_mean(p: float, phi: float) -> None:
    """Integrals of 1 and y. (Below p = 1.1 the density is a comb.)"""
    family, mu = Tweedie(p), 1.3
    nil = float(np.exp(family.log_density(np.zeros(1), np.log([mu]), phi))[0]) if p < 2 else 0.0

    def density(z: float, power: int) -> float:
        y = np.exp([z])
        return float(np.exp(family.log_density(y, np.log([mu]), phi) + (power + 1) * z)[0])

    for power, expected in ((0, 1 - nil), (1, mu)):
        ends = [-300, -40, -8, 0, 12, 40] if p > 1.1 else [-300, -40, -8, 0, 12]
        found = sum(
            integrate.quad(density, a, b, args=(power,), limit=400, epsabs=1e-11)[0]
            for a, b in itertools.pairwise(ends)
        )
        assert found == pytest.approx(expected, rel=2e-8)


def test_tweedie_meets_the_inverse_gaussian() -> None:
    y = np.repeat([1e-6, 1e-3, 0.1, 1.0, 10.0, 1e4, 1e8], 4)
    phi = np.tile([1e-4, 0.1, 1.0, 50.0], 7)
    expected = InverseGaussian().log_saturated(y, phi)
    assert log_saturated_stable(y, phi, 3.0) == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("p", [1.000001, 1.999999, 2.000001, 30.0])
@pytest.mark.parametrize("phi", [1e-12, 1.0, 1e12])
def test_tweedie_at_its_ends_is_finite(p: float, phi: float) -> None:
    y = np.array([1e-200, 1e-6, 1.0, 1e6, 1e200]) if p < 2 else np.array([1e-6, 1.0, 1e6])
    found = Tweedie(p).log_saturated(y, np.full(len(y), phi))
    assert not np.isnan(found).any()
