"""Families with every link, against 120-digit arithmetic from η = −1e4 to 1e4."""

from __future__ import annotations

import math

import exact_families
import mpmath as mp
import numpy as np
import pytest

import betahat as bh
from betahat.losses import ExponentialFamily, Family, as_family

BASES: list[tuple[ExponentialFamily, float, list[float]]] = [
    (bh.losses.Gaussian(), 0.0, [-3.0, 0.0, 0.4, 250.0]),
    (bh.losses.Bernoulli(), 0.0, [0.0, 1.0, 0.5, 0.01]),
    (bh.losses.Poisson(), 0.0, [0.0, 1.0, 7.0, 1e6]),
    (bh.losses.Gamma(), 0.0, [1e-8, 0.3, 1.0, 1e5]),
    (bh.losses.InverseGaussian(), 0.0, [1e-8, 0.3, 1.0, 1e5]),
    (bh.losses.Tweedie(1.1), 1.1, [0.0, 0.3, 100.0]),
    (bh.losses.Tweedie(1.5), 1.5, [0.0, 0.3, 100.0]),
    (bh.losses.Tweedie(1.9), 1.9, [0.0, 0.3, 100.0]),
    (bh.losses.Tweedie(2.5), 2.5, [1e-3, 0.3, 100.0]),
    (bh.losses.NegativeBinomial(0.5), 0.5, [0.0, 1.0, 40.0]),
    (bh.losses.NegativeBinomial(1e6), 1e6, [0.0, 1.0, 40.0]),
]
SIZES = [1e-8, 0.2, 1.1, 3.1, 9.0, 37.0, 700.0, 745.0, 1e4]
ETA = sorted([-x for x in SIZES] + [0.0] + SIZES)
USUAL = {
    "gaussian": ("identity", "log", "inverse"),
    "binomial": tuple(exact_families.LINKS),
    "poisson": ("log", "identity", "sqrt"),
    "gamma": ("log", "identity", "inverse"),
    "inverse_gaussian": ("log", "identity", "inverse", "inverse_squared"),
    "tweedie": ("log", "identity", "power(3.0)"),
    "negative_binomial": ("log", "identity"),
}
CASES = [
    pytest.param(base, parameter, ys, link, id=f"{base!r}-{link}")
    for base, parameter, ys in BASES
    for link in exact_families.LINKS
    if link in USUAL[base.name] or parameter in (0.0, 0.5, 1.5)
]
EPS = np.finfo(float).eps


def inside(family: Family) -> list[float]:
    low, high = family.domain
    return [eta for eta in ETA if low < eta < high and (eta or family.link != "inverse")]


def agrees(found: float, wanted: mp.mpf, allowed: mp.mpf) -> bool:
    """Within `allowed`, where a double can say it; else inf or nearly 0."""
    if abs(wanted) + min(allowed, abs(wanted)) > mp.mpf("1e308"):
        return abs(found) > 1e300 and (allowed > abs(wanted) or math.copysign(1, found) == mp.sign(wanted))
    return abs(mp.mpf(found) - wanted) <= allowed + mp.mpf("1e-307")


@pytest.mark.parametrize(("base", "parameter", "ys", "link"), CASES)
def test_value_and_derivatives(base: ExponentialFamily, parameter: float, ys: list[float], link: str) -> None:
    """As accurate as if η were off in its last digit, and each term of L were: nothing else may be lost."""
    family = as_family(base, link)
    lost = 0 if link in USUAL[base.name] else 100 * EPS  # where h(η)ᵃ may be nearly straight
    etas = inside(family)
    parts = [family.value, family.first_derivative, family.second_derivative]
    for y in ys:
        for order, part in enumerate(parts):
            found = part(np.full(len(etas), y), np.array(etas))
            assert not np.isnan(found).any()
            for eta, value in zip(etas, found, strict=True):
                wanted, size, slope = exact_families.exact(base.name, parameter, link, y, eta, order)
                allowed = 20 * EPS * size + (4 * EPS * abs(eta) + 1e-40) * slope
                if lost:
                    values = exact_families.exact(base.name, parameter, link, y, eta, 0)[1]
                    allowed += lost * values / max(abs(eta), 1.0) ** order
                assert agrees(float(value), wanted, allowed), (y, eta, order, value, wanted)


@pytest.mark.parametrize(("base", "parameter", "ys", "link"), CASES)
def test_mean_and_expected_curvature(
    base: ExponentialFamily, parameter: float, ys: list[float], link: str
) -> None:
    family = as_family(base, link)
    etas = inside(family)
    h = exact_families.LINKS[link][0]
    means = family.mean(np.array(etas))
    slopes = family.mean_derivative(np.array(etas))
    curvatures = family.expected_curvature(np.array(etas))
    for eta, mean, slope, curvature in zip(etas, means, slopes, curvatures, strict=True):
        with mp.workdps(exact_families.digits(link, eta)):
            x = mp.mpf(eta)
            mu, first, _, _ = exact_families.differences(h, x)
            expected, steepness = exact_families.information(base.name, parameter, link, x)
            size = 1 + 3 * abs(x) * steepness
        assert agrees(float(mean), mu, 20 * EPS * size * abs(mu))
        assert agrees(float(slope), first, 20 * EPS * size * abs(first))
        assert agrees(float(curvature), expected, 40 * EPS * size * abs(expected)), (eta, curvature, expected)


@pytest.mark.parametrize(("base", "parameter", "ys", "link"), CASES)
def test_deviance(base: ExponentialFamily, parameter: float, ys: list[float], link: str) -> None:
    family = as_family(base, link)
    etas = inside(family)
    for y in ys:
        found = family.deviance(np.full(len(etas), y), np.array(etas))
        assert (found >= 0).all()
        for eta, value in zip(etas, found, strict=True):
            loss, size, slope = exact_families.exact(base.name, parameter, link, y, eta, 0)
            low = exact_families.minimum(base.name, parameter, y)
            allowed = 400 * EPS * (abs(loss - low) + abs(eta) * slope) + 1e-14 * min(size, abs(low))
            assert agrees(float(value), 2 * (loss - low), allowed), (y, eta, value)


@pytest.mark.parametrize(("base", "parameter", "ys", "link"), CASES)
def test_deviance_vanishes_at_its_mean(
    base: ExponentialFamily, parameter: float, ys: list[float], link: str
) -> None:
    family = as_family(base, link)
    low, high = (0.0, 1.0) if link in ("logit", "probit", "cloglog", "loglog", "cauchit") else base.mean_range
    low = max(low, -np.inf if link in ("identity", "inverse") else 0.0)
    means = np.array([y for y in ys if low < y < high and (y or link != "inverse")] or [0.3])
    eta = family.predictor(means)
    assert ((eta > family.domain[0]) & (eta < family.domain[1])).all()
    assert family.deviance(means, eta) == pytest.approx(0, abs=1e-12)
    assert family.mean(eta) == pytest.approx(means, rel=1e-11)


def test_what_the_written_formulas_would_lose() -> None:
    one, nil = np.ones(1), np.zeros(1)
    family = bh.losses.Bernoulli()
    assert family.value(nil, np.array([-700.0])) == pytest.approx(math.exp(-700), rel=1e-15)
    assert family.first_derivative(one, np.array([700.0])) == pytest.approx(-math.exp(-700), rel=1e-15)
    assert family.second_derivative(one, np.array([-720.0])) == pytest.approx(math.exp(-720), rel=1e-8)
    probit = as_family("binomial", "probit")
    assert 1 - probit.second_derivative(one, np.array([-1e4])) == pytest.approx(1e-8, rel=1e-6)


@pytest.mark.parametrize(
    ("family", "link", "outside"),
    [
        ("poisson", "identity", [-1e4, -1.0, 0.0]),
        ("poisson", "sqrt", [-2.0, 0.0]),
        ("gamma", "inverse", [-1.0, 0.0]),
        ("inverse_gaussian", "inverse_squared", [-1.0, 0.0]),
        ("binomial", "identity", [-1.0, 0.0, 1.0, 3.0]),
        ("binomial", "log", [0.0, 1.0, 1e4]),
        ("negative_binomial", "identity", [-1.0, 0.0]),
        ("tweedie", "power(3)", [-1.0, 0.0]),
    ],
)
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_outside_the_domain_the_loss_is_infinite(
    family: str, link: str, outside: list[float], y: float
) -> None:
    composed = as_family(family, link)
    eta = np.array([*outside, 0.5 * (max(composed.domain[0], -2) + min(composed.domain[1], 2))])
    Y = np.full(len(eta), y if y or family not in ("gamma", "inverse_gaussian") else 2.0)
    assert composed.value(Y, eta).tolist()[:-1] == [math.inf] * len(outside)
    assert composed.deviance(Y, eta).tolist()[:-1] == [math.inf] * len(outside)
    assert composed.log_density(Y, eta, 1.0).tolist()[:-1] == [-math.inf] * len(outside)
    assert not composed.first_derivative(Y, eta)[:-1].any()
    assert not composed.second_derivative(Y, eta)[:-1].any()
    assert np.isnan(composed.mean(eta)[:-1]).all()
    assert np.isfinite([composed.value(Y, eta)[-1], composed.mean(eta)[-1]]).all()


@pytest.mark.parametrize(
    ("family", "bad"),
    [
        ("binomial", [1.0, 2.0]),
        ("binomial", [-0.1]),
        ("poisson", [3.0, -1.0]),
        ("gamma", [1.0, 0.0]),
        ("inverse_gaussian", [0.0]),
        ("tweedie", [-1e-9]),
        ("negative_binomial", [-1.0]),
        ("gaussian", [math.inf]),
        *((name, [math.nan]) for name in ("gaussian", "binomial", "poisson", "gamma", "negative_binomial")),
    ],
)
def test_targets_that_cannot_be_are_named(family: str, bad: list[float]) -> None:
    with pytest.raises(ValueError, match=f"y holds {bad[-1]!r}"):
        as_family(family).check_target(np.array(bad))


@pytest.mark.parametrize(("base", "parameter", "ys"), BASES)
def test_targets_that_can_be_pass(base: ExponentialFamily, parameter: float, ys: list[float]) -> None:
    base.check_target(np.array(ys))
    with pytest.raises(ValueError, match=r"y holds 0\.0, but a tweedie target is positive"):
        bh.losses.Tweedie(2.5).check_target(np.zeros(2))
