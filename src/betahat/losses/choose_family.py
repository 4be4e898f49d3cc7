"""What users write for a family of distributions and a link."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from numbers import Real
from typing import Any

from betahat.losses.bernoulli import Bernoulli
from betahat.losses.bernoulli_links import BernoulliCloglog, BernoulliLoglog, BernoulliProbit
from betahat.losses.composed import Composed
from betahat.losses.exponential import ExponentialFamily
from betahat.losses.family import Family
from betahat.losses.gamma import Gamma
from betahat.losses.gaussian import Gaussian
from betahat.losses.inverse_gaussian import InverseGaussian
from betahat.losses.link import Link
from betahat.losses.negative_binomial import NegativeBinomial
from betahat.losses.poisson import Poisson
from betahat.losses.power_links import Log, Power
from betahat.losses.probability_links import Cauchit, Cloglog, Logit, Loglog, Probit
from betahat.losses.tweedie_family import Tweedie, check_power

FAMILIES: dict[str, Callable[[], ExponentialFamily]] = {
    "gaussian": Gaussian,
    "binomial": Bernoulli,
    "poisson": Poisson,
    "gamma": Gamma,
    "inverse_gaussian": InverseGaussian,
    "tweedie": Tweedie,
    "negative_binomial": NegativeBinomial,
}
_FAMILY_ALIASES = {"normal": "gaussian", "bernoulli": "binomial", "inversegaussian": "inverse_gaussian"}
_FAMILY_ALIASES |= {"negativebinomial": "negative_binomial"}

LINKS: dict[str, Link] = {
    "identity": Power(1.0),
    "log": Log(),
    "logit": Logit(),
    "probit": Probit(),
    "cloglog": Cloglog(),
    "loglog": Loglog(),
    "cauchit": Cauchit(),
    "inverse": Power(-1.0),
    "inverse_squared": Power(-2.0),
    "sqrt": Power(0.5),
}
_LINK_ALIASES = {
    "logistic": "logit",
    "cauchy": "cauchit",
    "complementary_log_log": "cloglog",
    "1/mu": "inverse",
}
_LINK_ALIASES |= {"inverse_power": "inverse", "inversepower": "inverse", "reciprocal": "inverse"}
_LINK_ALIASES |= {
    "inversesquared": "inverse_squared",
    "1/mu^2": "inverse_squared",
    "1/mu**2": "inverse_squared",
}
_SPECIAL: dict[tuple[str, str], Callable[[], Family]] = {
    ("binomial", "probit"): BernoulliProbit,
    ("binomial", "cloglog"): BernoulliCloglog,
    ("binomial", "loglog"): BernoulliLoglog,
}


def as_family(family: Any, link: Any = None) -> Family:
    """The family that a name ("gaussian" alias "normal", "binomial" alias "bernoulli", "poisson", "gamma",
    "inverse_gaussian", "tweedie", "negative_binomial") or a :class:`betahat.losses.family.Family` stands for, with
    `link` in place of its own.

    link : None, "identity", "log", "logit", "probit", "cloglog", "loglog", "cauchit", "inverse", "inverse_squared",
    "sqrt", "power(k)", or a :class:`betahat.losses.link.Link`. Without one: identity for Gaussian, logit for binomial,
    and log for all others (where R's Gamma has "inverse" and its inverse Gaussian "1/mu^2").

    Raises ValueError for another name, TypeError for anything else.

    >>> as_family("poisson")
    Poisson()
    >>> as_family("binomial", "probit")
    BernoulliProbit()
    >>> as_family("gamma", "inverse")
    Composed(base=Gamma(), link_function=Power(k=-1.0))
    """
    if isinstance(family, str):
        family = FAMILIES[_named(family, "family", list(FAMILIES), _FAMILY_ALIASES)]()
    if not isinstance(family, Family):
        raise TypeError(
            _wrong_kind(family, "family", Family, "a family such as Tweedie(1.5)", list(FAMILIES))
        )
    if link is None:
        return family
    function = as_link(link)
    if function.name == family.link:
        return family
    if not isinstance(family, ExponentialFamily):
        raise ValueError(
            f"link (={link!r}) cannot replace the link of family (={family!r}), which has one already: {family.link!r}"
        )
    return _composed(family, function)


def as_link(link: Any) -> Link:
    """The link that a name or a :class:`betahat.losses.link.Link` stands for; names as in :func:`as_family`.

    >>> as_link("1/mu^2") == as_link("inverse_squared") == as_link("power(-2)")
    True
    """
    if isinstance(link, Link):
        return link
    if not isinstance(link, str):
        raise TypeError(_wrong_kind(link, "link", Link, "a link such as Power(0.5)", [*LINKS, "power(k)"]))
    power = re.fullmatch(r"\s*power\((.+)\)\s*", link, re.IGNORECASE)
    if power is None:
        return LINKS[_named(link, "link", list(LINKS), _LINK_ALIASES)]
    try:
        k = float(power[1])
    except ValueError:
        raise ValueError(
            f"link (={link!r}) must have a number in its parentheses: 'power(0.5)' is √μ"
        ) from None
    return Power(k)


def tweedie(power: float) -> ExponentialFamily:
    """The family with the variance φ μ^`power`: Gaussian (0, with its link the identity), Poisson (1), Gamma (2),
    InverseGaussian (3), else Tweedie.

    Raises ValueError where there is none (below 1, but for 0), TypeError where `power` is no number.

    >>> tweedie(2), tweedie(1.7)
    (Gamma(), Tweedie(power=1.7))
    """
    known: dict[float, Callable[[], ExponentialFamily]] = {
        0: Gaussian,
        1: Poisson,
        2: Gamma,
        3: InverseGaussian,
    }
    if isinstance(power, Real) and not isinstance(power, bool) and power in known:
        return known[power]()
    check_power(power)
    return Tweedie(float(power))


def _composed(base: ExponentialFamily, function: Link) -> Family:
    special = _SPECIAL.get((base.name, function.name))
    if special is not None:
        return special()
    return Composed(base, function)


def _named(given: str, argument: str, names: list[str], aliases: dict[str, str]) -> str:
    """The one of `names` that `given` is, in small letters, with underscores, or by another word for it."""
    key = given.strip().casefold()
    key = aliases.get(key, re.sub(r"[\s.-]+", "_", key))
    key = aliases.get(key, key)
    if key not in names:
        near = difflib.get_close_matches(key, [*names, *aliases], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{argument} (={given!r}) must be one of {', '.join(map(repr, names))}{hint}")
    return key


def _wrong_kind(given: Any, argument: str, kind: type, example: str, names: list[str]) -> str:
    hint = f"; write {given.__name__}()" if isinstance(given, type) and issubclass(given, kind) else ""
    return f"{argument} (={given!r}) must be one of {', '.join(map(repr, names))}, or {example}{hint}"
