"""Where to begin without an intercept by a link whose predictors have an end, so that β = 0 is no place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn, final

import numpy as np

from betahat.data.source import Block, DerivedSource, Source
from betahat.errors import DataError
from betahat.losses.family import Family
from betahat.objective.targets import target_sums
from betahat.solvers.fit import LinearFit


def needs_inside(family: Family, intercept: bool) -> bool:
    """Whether β = 0 is no place to begin."""
    low, high = family.domain
    return not (intercept or low < 0 < high)


def inside(source: Source, family: Family, fit: Callable[[Source], LinearFit]) -> np.ndarray:
    """β (p,) by least squares of g((y + ȳ)/2) − offset on the columns (McCullagh & Nelder 1989, section 2.5).

    fit : least squares without an intercept.

    Raises DataError where half the mean has no finite predictor, as of targets that are all zero by the inverse link.
    """
    mean = target_sums(source, family).mean
    with np.errstate(all="ignore"):
        known = np.isfinite(family.predictor(np.array([0.5 * mean]))).all()
    if not known:
        raise DataError(
            f"the mean of y is {mean:.3g}, where the {family.link} link of the {family.name} likelihood is not finite; "
            "no maximum exists. Choose a link that is finite there, or leave these rows out"
        )
    return fit(_Predictors(source, family, mean)).coef[0]


def refuse_outside(source: Source, family: Family, intercept: bool) -> NoReturn:
    """Raise DataError: no β was found to begin with."""
    low, high = (0.0 if abs(end) < 1e-100 else end for end in family.domain)
    mean = target_sums(source, family).mean
    with np.errstate(all="ignore"):
        (level,) = family.predictor(np.array([mean]))
    if intercept and not low < level < high:
        raise DataError(
            f"every y is {mean:.3g}, an end of the means that the {family.link} link of the {family.name} likelihood "
            "allows: a mean of just that in every row, β = 0, leaves nothing to fit. Leave these rows out, or add rows "
            "with other values of y"
        )
    raise DataError(
        f"no β to begin with was found whose linear predictors, offset + xᵀβ, all lie between {low:.3g} and "
        f"{high:.3g}, as the {family.link} link of the {family.name} likelihood needs them. Fit an intercept "
        "(fit_intercept=True), rescale columns beyond 1e±100, or choose a link without ends, such as 'log'"
    )


@final
class _Predictors(DerivedSource):
    """Another source with what the predictor should be about, less the offset, for y."""

    def __init__(self, source: Source, family: Family, mean: float) -> None:
        super().__init__(source)
        self._family, self._mean = family, mean
        self.has_offset = False

    def _derive(self, block: Block) -> Block:
        assert block.y is not None
        with np.errstate(all="ignore"):
            eta = self._family.predictor(0.5 * (block.y[:, 0] + self._mean))
        eta = eta if block.offset is None else eta - block.offset
        return replace(block, y=eta[:, None], offset=None)
