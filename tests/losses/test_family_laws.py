"""What families claim of themselves, tried at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from betahat.losses import (
    Bernoulli,
    Family,
    Gamma,
    Gaussian,
    Huber,
    InverseGaussian,
    Loss,
    NegativeBinomial,
    Poisson,
    SquaredError,
    Tweedie,
    as_family,
)

OWN: list[Family] = [
    *(Gaussian(), Bernoulli(), Poisson(), Gamma(), InverseGaussian(), NegativeBinomial(0.7)),
    *(Tweedie(1.1), Tweedie(1.6), Tweedie(2.6)),
]
OTHER = [
    *(as_family("binomial", link) for link in ("probit", "cloglog", "loglog", "cauchit", "log", "identity")),
    *(as_family("poisson", link) for link in ("identity", "sqrt", "power(0.3)", "power(2)", "power(-1)")),
    *(as_family("gamma", link) for link in ("inverse", "identity", "power(-0.4)", "power(-2)")),
    *(as_family("inverse_gaussian", f"power({k})") for k in (1, -0.5, -1, -1.3, -2, -3)),
    *(as_family(Tweedie(1.6), f"power({k})") for k in (1, 0.4, -0.5, -0.7)),
    *(as_family(Tweedie(2.6), f"power({k})") for k in (-0.5, -0.7, -1.6, -1.7)),
]
FAMILIES = OWN + OTHER
etas = st.floats(-40, 40)
steps = st.floats(-3, 3)
fractions = st.floats(0, 1)


def target(family: Family, fraction: float) -> np.ndarray:
    """Some y that the family can give."""
    if family.name == "binomial":
        return np.array([round(fraction) if fraction > 0.8 or fraction < 0.2 else fraction])
    if family.name == "gaussian":
        return np.array([20 * fraction - 10])
    y = math.floor(30 * fraction) if family.name in ("poisson", "negative_binomial") else 30 * fraction
    try:
        family.check_target(np.array([float(y)]))
    except ValueError:
        y = 0.01
    return np.array([float(y)])


def inside(family: Family, eta: float) -> np.ndarray:
    """η, or where the domain has ends, one of its predictors instead."""
    low, high = family.domain
    if low == -math.inf:
        return np.array([eta if high == math.inf else high - 1e-3 - abs(eta)])
    return np.array([low + 1e-3 + abs(eta) if high == math.inf else low + (high - low) * (0.5 + eta / 82)])


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@given(fraction=fractions, eta=etas)
def test_convexity_and_largest_curvature(family: Family, fraction: float, eta: float) -> None:
    f = inside(family, eta)
    curvature = family.second_derivative(target(family, fraction), f)
    if family.convex:
        assert curvature >= 0
    if family.largest_curvature is not None:
        assert abs(curvature) <= family.largest_curvature * (1 + 1e-15)
    assert family.expected_curvature(f) >= 0


@pytest.mark.parametrize("family", [f for f in FAMILIES if not f.convex], ids=repr)
def test_what_is_not_called_convex_is_not(family: Family) -> None:
    eta = np.concatenate([-np.geomspace(1e-6, 1e6, 200), np.geomspace(1e-6, 1e6, 200)])
    eta = eta[(eta > family.domain[0]) & (eta < family.domain[1])]
    assert any((family.second_derivative(np.full(len(eta), y), eta) < 0).any() for y in (1e-3, 1.0, 1e3))


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.self_concordance is not None], ids=repr)
@given(fraction=fractions, eta=etas, step=steps)
def test_self_concordance(family: Family, fraction: float, eta: float, step: float) -> None:
    """|L'''| ≤ M L'' integrated: L''(η + d) ≤ e^{M |d|} L''(η) for every step d."""
    assert family.self_concordance is not None
    y, f = target(family, fraction), inside(family, eta)
    growth = math.exp(family.self_concordance * abs(step))
    subnormal = 1e-320  # whose few bits are rounded coarsely
    assert (
        family.second_derivative(y, f + step)
        <= growth * family.second_derivative(y, f) * (1 + 1e-12) + subnormal
    )


@pytest.mark.parametrize("family", OWN, ids=repr)
@given(fraction=fractions, eta=st.floats(-10, 10))
def test_canonical_families(family: Family, fraction: float, eta: float) -> None:
    y, f = target(family, fraction), np.array([eta])
    same = family.second_derivative(y, f) == pytest.approx(family.expected_curvature(f), rel=1e-12)
    if family.canonical:
        assert same
        assert family.first_derivative(y, f) == pytest.approx(family.mean(f) - y, rel=1e-12, abs=1e-13)
    score = (family.mean(f) - y) * family.mean_derivative(f) / family.variance(family.mean(f))
    assert family.first_derivative(y, f) == pytest.approx(
        score, rel=1e-9, abs=1e-9 * abs(float(score[0]) + 1)
    )


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@given(eta=st.floats(-10, 10))
def test_expected_curvature_is_the_curvature_at_the_mean(family: Family, eta: float) -> None:
    """L'' is linear in y, so its expectation is its value at y = μ."""
    f = inside(family, eta)
    mu = family.mean(f)
    assume(mu > 1e-12)
    if family.name == "binomial":
        assume(mu < 1 - 1e-6)
    curvature = family.second_derivative(mu, f)
    assert curvature == pytest.approx(family.expected_curvature(f), rel=1e-7)


CONJUGATES: list[Loss] = [
    *(SquaredError(), Huber(), Huber(0.2), Gaussian(), Bernoulli(), Poisson(), Gamma()),
    *(NegativeBinomial(0.7), NegativeBinomial(40.0)),
]


@pytest.mark.parametrize("loss", CONJUGATES, ids=repr)
@given(fraction=fractions, f=st.floats(-12, 12), other=st.floats(-12, 12))
def test_fenchel_and_young(loss: Loss, fraction: float, f: float, other: float) -> None:
    """L*(u) ≥ u f − L(f) for every f, with equality at u = L'(f)."""
    y = target(loss, fraction) if isinstance(loss, Family) else np.array([20 * fraction - 10])
    F, G = np.array([f]), np.array([other])
    u = loss.first_derivative(y, F)
    conjugate = loss.conjugate(y, u)
    assert conjugate is not None
    scale = (
        1
        + np.abs(u * F)
        + np.abs(u * G)
        + np.abs(loss.value(y, F))
        + np.abs(loss.value(y, G))
        + np.abs(y * u)
    )
    assert conjugate == pytest.approx(u * F - loss.value(y, F), abs=1e-12 * float(scale[0]))
    assert conjugate >= u * G - loss.value(y, G) - 1e-12 * scale


@pytest.mark.parametrize(
    ("loss", "y", "u"),
    [
        (Huber(1.0), 0.0, 1.1),
        (Bernoulli(), 1.0, 0.1),
        (Bernoulli(), 0.0, -0.1),
        (Poisson(), 2.0, -2.1),
        (Gamma(), 2.0, 1.1),
        (NegativeBinomial(0.5), 2.0, 0.6),
    ],
)
def test_conjugates_are_infinite_outside_their_domain(loss: Loss, y: float, u: float) -> None:
    found = loss.conjugate(np.array([y]), np.array([u]))
    assert found is not None
    assert found == math.inf


def test_no_conjugate_is_none() -> None:
    for family in (InverseGaussian(), Tweedie(1.5), as_family("binomial", "probit")):
        assert family.conjugate(np.ones(1), np.zeros(1)) is None


def test_codes_and_powers() -> None:
    """The numbers by which kernels know losses."""
    known = {
        SquaredError(): 0, Gaussian(): 0, Bernoulli(): 1, Poisson(): 2, Gamma(): 3, Tweedie(1.3): 4,
        InverseGaussian(): 5, as_family("binomial", "probit"): 6, as_family("binomial", "cloglog"): 7, Huber(2.0): 8,
        NegativeBinomial(): None, as_family("poisson", "sqrt"): None,
    }  # fmt: skip
    assert {loss: loss.code for loss in known} == known
    assert [loss.power for loss in known] == [0, 0, 0, 0, 0, 1.3, 0, 0, 0, 2.0, 0, 0]
