"""Names of families and links, other libraries' words for them, and what is refused."""

from __future__ import annotations

import itertools
import math

import pytest

from betahat.losses import (
    FAMILIES,
    LINKS,
    Bernoulli,
    BernoulliCloglog,
    BernoulliLoglog,
    BernoulliProbit,
    Composed,
    Gamma,
    Gaussian,
    Huber,
    InverseGaussian,
    Log,
    Logit,
    Loss,
    NegativeBinomial,
    Poisson,
    Power,
    Tweedie,
    as_family,
    as_link,
    as_loss,
    tweedie,
)


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (("gaussian", "normal", "Gaussian", " NORMAL "), Gaussian()),
        (("binomial", "bernoulli", "Binomial"), Bernoulli()),
        (("poisson", "Poisson"), Poisson()),
        (("gamma", "Gamma"), Gamma()),
        (("inverse_gaussian", "inverse.gaussian", "InverseGaussian", "inverse gaussian"), InverseGaussian()),
        (("tweedie",), Tweedie(1.5)),
        (
            ("negative_binomial", "NegativeBinomial", "negative.binomial", "negative-binomial"),
            NegativeBinomial(1.0),
        ),
    ],
)
def test_family_names(names: tuple[str, ...], family: Loss) -> None:
    for name in names:
        assert as_family(name) == family
    assert as_family(family) is family


@pytest.mark.parametrize(
    ("names", "link"),
    [
        (("identity", "Identity", "power(1)"), Power(1.0)),
        (("log", "Log"), Log()),
        (("logit", "logistic", "Logit"), Logit()),
        (("inverse", "inverse_power", "InversePower", "1/mu", "power(-1)"), Power(-1)),
        (("1/mu^2", "inverse_squared", "InverseSquared", "power( -2.0 )"), Power(-2)),
        (("sqrt", "power(0.5)", "Power(.5)"), Power(0.5)),
        (("power(3)",), Power(3)),
    ],
)
def test_link_names(names: tuple[str, ...], link: object) -> None:
    for name in names:
        assert as_link(name) == link


@pytest.mark.parametrize(("family", "link"), list(itertools.product(FAMILIES, [*LINKS, "power(0.25)"])))
def test_names_of_what_is_made_make_it_again(family: str, link: str) -> None:
    made = as_family(family, link)
    assert (made.name, made.link) == (as_family(family).name, link)
    assert as_family(made.name, made.link) == made
    assert as_family(made, link) is made
    assert made.formula


def test_pairs_written_out_come_first() -> None:
    assert as_family("binomial", "probit") == BernoulliProbit()
    assert as_family("binomial", "cloglog") == BernoulliCloglog()
    assert as_family("binomial", "loglog") == BernoulliLoglog()
    assert as_family("poisson", "log") == Poisson()
    assert as_family(Tweedie(1.7), "log") == Tweedie(1.7)
    assert as_family(NegativeBinomial(3.0), "sqrt") == Composed(NegativeBinomial(3.0), Power(0.5))


def test_tweedie_powers() -> None:
    assert [tweedie(p) for p in (0, 1, 2, 3)] == [Gaussian(), Poisson(), Gamma(), InverseGaussian()]
    assert tweedie(1.25) == Tweedie(1.25)
    assert tweedie(2.0) == Gamma()


@pytest.mark.parametrize("power", [0.5, -1.0, math.nan, math.inf])
def test_powers_without_a_distribution_are_refused(power: float) -> None:
    with pytest.raises(ValueError, match="power"):
        tweedie(power)
    with pytest.raises(ValueError, match="power"):
        Tweedie(power)


@pytest.mark.parametrize(
    ("power", "name"), [(2, "Gamma"), (3.0, "InverseGaussian"), (1, "Poisson"), (0, "Gaussian")]
)
def test_powers_of_other_families_name_them(power: float, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Tweedie(power)


@pytest.mark.parametrize("kind", [Tweedie, NegativeBinomial, Power])
@pytest.mark.parametrize("given", ["1.5", None, True])
def test_parameters_must_be_numbers(kind: type, given: object) -> None:
    with pytest.raises(TypeError, match="must be a number"):
        kind(given)


@pytest.mark.parametrize("theta", [0.0, -1.0, math.inf, math.nan])
def test_sizes_must_be_positive(theta: float) -> None:
    with pytest.raises(ValueError, match="theta"):
        NegativeBinomial(theta)


@pytest.mark.parametrize("k", [0.0, math.inf, math.nan])
def test_powers_of_means(k: float) -> None:
    with pytest.raises(ValueError, match="k "):
        Power(k)


@pytest.mark.parametrize(
    ("family", "link", "error", "words"),
    [
        ("poison", None, ValueError, "did you mean 'poisson'"),
        ("gama", None, ValueError, "did you mean 'gamma'"),
        ("weibull", None, ValueError, "must be one of 'gaussian', 'binomial'"),
        (Poisson, None, TypeError, r"write Poisson\(\)"),
        (Huber(), None, TypeError, "must be one of 'gaussian'"),
        (None, None, TypeError, "must be one of"),
        ("poisson", "logg", ValueError, "did you mean 'log'"),
        ("poisson", "exp", ValueError, "must be one of 'identity', 'log'"),
        ("poisson", Log, TypeError, r"write Log\(\)"),
        ("poisson", 0.5, TypeError, "must be one of"),
        ("poisson", "power(two)", ValueError, "number in its parentheses"),
        ("poisson", "power(0)", ValueError, "'log'"),
        (BernoulliProbit(), "logit", ValueError, "has one already: 'probit'"),
    ],
)
def test_other_families_and_links_are_refused(
    family: object, link: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        as_family(family, link)


def test_a_composition_wants_objects() -> None:
    with pytest.raises(TypeError, match=r"write Poisson\(\)"):
        Composed(Poisson, Log())  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="link_function"):
        Composed(Poisson(), "log")  # pyright: ignore[reportArgumentType]


def test_a_family_is_a_loss() -> None:
    assert as_loss(Poisson()) == Poisson()
