"""Any distribution with any link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from betahat.losses.exponential import ExponentialFamily
from betahat.losses.link import Link
from betahat.losses.through import Through


@final
@dataclass(frozen=True)
class Composed(Through):
    """The distribution of `base` with the link `link_function`; :func:`betahat.losses.as_family` makes it from names,
    and prefers a family written for the pair where there is one.

    >>> import numpy as np
    >>> from betahat.losses import Poisson, Power
    >>> Composed(Poisson(), Power(1)).value(np.array([2.0, 2.0]), np.array([2.0, -1.0])).round(6)
    array([0.613706,      inf])
    """

    base: ExponentialFamily
    link_function: Link

    def __post_init__(self) -> None:
        for argument, kind in (("base", ExponentialFamily), ("link_function", Link)):
            given = getattr(self, argument)
            if not isinstance(given, kind):
                hint = f"; write {given.__name__}()" if isinstance(given, type) else ""
                raise TypeError(
                    f"{argument} (={given!r}) of Composed must be "
                    f"{'a family such as Poisson()' if argument == 'base' else 'a link such as Log()'}{hint}"
                )

    def parts(self) -> tuple[ExponentialFamily, Link]:
        return self.base, self.link_function

    @property
    def convex(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.convex_through(self.link_function)
