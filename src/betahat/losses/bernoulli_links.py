"""The Bernoulli distribution with links other than the logistic one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from betahat.losses.bernoulli import Bernoulli
from betahat.losses.probability_links import Cloglog, Loglog, Probit
from betahat.losses.through import Through


@final
@dataclass(frozen=True)
class BernoulliProbit(Through):
    """P(y = 1) = Φ(η):  L = −y log Φ(η) − (1 − y) log Φ(−η).

    L'' = m (m + η) for y = 1, with m = φ(η)/Φ(η): between 0 and 1 (Sampford 1953). L'''/L'' has no bound.

    >>> import numpy as np
    >>> BernoulliProbit().value(np.array([1.0]), np.array([-1e4])).round(6)
    array([50000010.129279])
    """

    convex = True
    largest_curvature = 1.0
    code = 6

    def parts(self) -> tuple[Bernoulli, Probit]:
        return Bernoulli(), Probit()


@final
@dataclass(frozen=True)
class BernoulliCloglog(Through):
    """P(y = 1) = 1 − exp(−eᶯ):  L = −y log(1 − exp(−eᶯ)) + (1 − y) eᶯ.

    >>> import numpy as np
    >>> BernoulliCloglog().value(np.array([0.0, 1.0]), np.array([0.0, -800.0]))
    array([  1., 800.])
    """

    convex = True
    code = 7

    def parts(self) -> tuple[Bernoulli, Cloglog]:
        return Bernoulli(), Cloglog()


@final
@dataclass(frozen=True)
class BernoulliLoglog(Through):
    """P(y = 1) = exp(−e⁻ᶯ):  L = y e⁻ᶯ − (1 − y) log(1 − exp(−e⁻ᶯ)).

    >>> import numpy as np
    >>> BernoulliLoglog().value(np.array([0.0, 1.0]), np.array([800.0, 0.0]))
    array([800.,   1.])
    """

    convex = True

    def parts(self) -> tuple[Bernoulli, Loglog]:
        return Bernoulli(), Loglog()
