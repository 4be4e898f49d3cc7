"""A vector for each category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.autodiff.rules.indexing import put_items
from betahat.autodiff.trace import untraced
from betahat.errors import DataError
from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape
from betahat.layers.initialisation import as_initialisation

_EXACT = {
    np.dtype(np.float32): 2**24,
    np.dtype(np.float64): 2**53,
}  # whole numbers up to which none is left out


@final
@dataclass(frozen=True, repr=False)
class Embedding(Layer):
    """f = weight[x]: for each code x in 0, …, categories − 1 its row of `weight` (categories, size), which is a Dense
    layer without a bias on the code's indicators (Bengio et al. 2003; for columns of a table Guo & Berkhahn 2016).
    Codes (n, k) give f (n, k, size), and codes (n,) give (n, size).

    ∂J/∂weight[c] is the sum of ∂J/∂f over the places where x = c. ∂J/∂x is 0: codes do not change a little.

    categories, size : how many codes there are, and numbers for each. initialisation : of the weights; "auto" draws
    normal numbers of variance 1/size, so that a category's vector is as long as one standardised column.

    Raises DataError for codes that are not whole numbers from 0 to categories − 1, naming the first; ValueError for
    more categories than a float of the network's dtype tells apart.

    >>> import numpy as np
    >>> from betahat.layers import Embedding, Pass
    >>> weight = np.array([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])
    >>> Embedding(3, 2).forward(np.array([2, 0]), (weight,), Pass())[0]
    array([[2. , 2.5],
           [0. , 0.5]])
    """

    categories: int
    size: int
    initialisation: Any = "auto"

    formula = "f = weight[x]"

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", checks.whole(self.categories, "categories of Embedding"))
        object.__setattr__(self, "size", checks.whole(self.size, "size of Embedding"))
        how = as_initialisation(self.initialisation, "initialisation of Embedding")
        object.__setattr__(self, "initialisation", how)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        how = "lecun_normal" if self.initialisation == "auto" else self.initialisation
        whole = (self.categories, self.size)
        return (Parameter("weight", whole, how, self.size, self.categories, penalised=True),)

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.size)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        codes = self.codes(untraced(x), context)
        return parameters[0][codes], codes

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        weight = put_items(slope, saved, (self.categories, self.size))
        return np.zeros(saved.shape, slope.dtype), (weight,)

    def codes(self, x: np.ndarray, context: Pass) -> np.ndarray:
        """x as whole numbers; raises for what are none."""
        if self.categories > _EXACT.get(x.dtype, self.categories):
            raise ValueError(
                f"categories (={self.categories}) of Embedding is more than {x.dtype} tells apart (2²⁴ = 16777216); "
                "use float64"
            )
        good = (x >= 0) & (x < self.categories)
        if x.dtype.kind == "f":
            good &= x == np.floor(x)
        if not good.all():
            place = np.unravel_index(int(np.argmin(good)), good.shape)
            where = f" of {context.path.rstrip('.')}" if context.path else ""
            raise DataError(
                f"the codes{where} hold {x[place]!s} in row {place[0] + context.first_row}; {self!r} takes whole "
                f"numbers from 0 to {self.categories - 1}. Usual causes: a category that training did not have, codes "
                "that begin at 1, or a numeric column in the place of a categorical one"
            )
        return x.astype(np.intp)
