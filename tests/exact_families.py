"""Likelihoods in 120-digit arithmetic: written from their definitions, and differentiated numerically."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]
DIGITS = 120  # and as many as h or 1 − h is small by
STEP = (
    mp.mpf(10) ** -25
)  # of central differences: their error is 1e-50 of the function's third derivative and on


def _upper(eta: mp.mpf) -> mp.mpf:
    return mp.erfc(eta / mp.sqrt(2)) / 2


# h and 1 − h, each with all its digits
LINKS: dict[str, tuple[Function, Function]] = {
    "identity": (lambda x: x, lambda x: 1 - x),
    "log": (mp.exp, lambda x: -mp.expm1(x)),
    "logit": (lambda x: 1 / (1 + mp.exp(-x)), lambda x: 1 / (1 + mp.exp(x))),
    "probit": (lambda x: _upper(-x), _upper),
    "cloglog": (lambda x: -mp.expm1(-mp.exp(x)), lambda x: mp.exp(-mp.exp(x))),
    "loglog": (lambda x: mp.exp(-mp.exp(-x)), lambda x: -mp.expm1(-mp.exp(-x))),
    "cauchit": (lambda x: mp.atan2(1, -x) / mp.pi, lambda x: mp.atan2(1, x) / mp.pi),
    "inverse": (lambda x: 1 / x, lambda x: 1 - 1 / x),
    "inverse_squared": (lambda x: 1 / mp.sqrt(x), lambda x: 1 - 1 / mp.sqrt(x)),
    "sqrt": (lambda x: x**2, lambda x: 1 - x**2),
    "power(3.0)": (mp.cbrt, lambda x: 1 - mp.cbrt(x)),
}


def _log(value: Function, complement: Function) -> Function:
    """log of a probability, from its complement where that is small."""
    return lambda x: mp.log1p(-complement(x)) if 0 < complement(x) < 0.5 else mp.log(value(x))


def terms(family: str, parameter: float, link: str) -> list[tuple[Callable[[mp.mpf], mp.mpf], Function]]:
    """L as a sum of (factor of y) × (function of η)."""
    h, c = LINKS[link]
    a = mp.mpf(parameter)
    return {
        "gaussian": lambda: [
            (lambda y: y**2 / 2, lambda x: mp.mpf(1)),
            (lambda y: -y, h),
            (lambda y: mp.mpf(1) / 2, lambda x: h(x) ** 2),
        ],
        "binomial": lambda: [
            (lambda y: -y, _log(h, c)),
            (lambda y: y - 1, _log(c, h)),
        ],
        "poisson": lambda: [(lambda y: mp.mpf(1), h), (lambda y: -y, lambda x: mp.log(h(x)))],
        "gamma": lambda: [(lambda y: y, lambda x: 1 / h(x)), (lambda y: mp.mpf(1), lambda x: mp.log(h(x)))],
        "inverse_gaussian": lambda: [
            (lambda y: y / 2, lambda x: h(x) ** -2),
            (lambda y: -mp.mpf(1), lambda x: 1 / h(x)),
        ],
        "tweedie": lambda: [
            (lambda y: y / (a - 1), lambda x: h(x) ** (1 - a)),
            (lambda y: 1 / (2 - a), lambda x: h(x) ** (2 - a)),
        ],
        "negative_binomial": lambda: [
            (lambda y: y, lambda x: mp.log1p(a / h(x))),
            (lambda y: a, lambda x: mp.log1p(h(x) / a)),
        ],
    }[family]()


def digits(link: str, eta: float) -> int:
    with mp.workdps(DIGITS):
        sizes = [abs(f(mp.mpf(eta))) for f in LINKS[link]]
        seen = [int(abs(mp.log10(x))) for x in sizes if mp.mpf("1e-330") < x < mp.mpf("1e330")]
        return DIGITS + max(seen, default=0)


def differences(f: Function, x: mp.mpf) -> list[mp.mpf]:
    """f and its first three derivatives."""
    two_down, down, here, up, two_up = (f(x + k * STEP) for k in range(-2, 3))
    third = (two_up - 2 * up + 2 * down - two_down) / (2 * STEP**3)
    return [here, (up - down) / (2 * STEP), (up - 2 * here + down) / STEP**2, third]


@cache
def derivatives(family: str, parameter: float, link: str, eta: float) -> list[list[mp.mpf]]:
    """Of each term: its value and first three derivatives at η."""
    with mp.workdps(digits(link, eta)):
        return [differences(f, mp.mpf(eta)) for _, f in terms(family, parameter, link)]


def exact(
    family: str, parameter: float, link: str, y: float, eta: float, order: int
) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """The derivative of L of this order; the sum of the sizes of its terms; and of the terms of the next order."""
    with mp.workdps(DIGITS):
        factors = [factor(mp.mpf(y)) for factor, _ in terms(family, parameter, link)]
        found = derivatives(family, parameter, link, eta)
        parts = [w * d[order] for w, d in zip(factors, found, strict=True)]
        onward = [abs(w * d[order + 1]) for w, d in zip(factors, found, strict=True)]
        return sum(parts, mp.mpf(0)), sum(map(abs, parts), mp.mpf(0)), sum(onward, mp.mpf(0))


def minimum(family: str, parameter: float, y: float) -> mp.mpf:
    """min over μ of L(y, ·)."""
    y = mp.mpf(y)
    a = mp.mpf(parameter)
    with mp.workdps(DIGITS):
        entropy = lambda p: p * mp.log(p) if p > 0 else mp.mpf(0)  # noqa: E731
        return {
            "gaussian": lambda: mp.mpf(0),
            "binomial": lambda: -entropy(y) - entropy(1 - y),
            "poisson": lambda: y - entropy(y),
            "gamma": lambda: 1 + mp.log(y),
            "inverse_gaussian": lambda: -1 / (2 * y),
            "tweedie": lambda: y ** (2 - a) / ((a - 1) * (2 - a)) if y > 0 else mp.mpf(0),
            "negative_binomial": lambda: (y + a) * mp.log(y + a) - entropy(y) - a * mp.log(a),
        }[family]()


def information(family: str, parameter: float, link: str, eta: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """(dμ/dη)² / V(μ), by the derivatives of log μ and log(1 − μ); and how steep these are."""
    h, c = LINKS[link]
    if family == "gaussian":
        slope = differences(h, eta)[1]
        return slope**2, 1 + abs(eta)
    mu = h(eta)
    rise, fall = differences(_log(h, c), eta)[1], differences(_log(c, h), eta)[1] if c(eta) > 0 else mp.mpf(0)
    steepness = 1 + abs(rise) + abs(fall)
    powers = {"poisson": 1, "gamma": 2, "inverse_gaussian": 3, "tweedie": mp.mpf(parameter)}
    if family in powers:
        return rise**2 * mu ** (2 - powers[family]), steepness
    return (-rise * fall if family == "binomial" else rise**2 * mu / (1 + mu / mp.mpf(parameter))), steepness
