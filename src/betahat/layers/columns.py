"""Rows of a table: numeric columns as they are, and a vector for each categorical one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Child, Composite, Pass, Shape
from betahat.layers.embedding import Embedding


@final
@dataclass(frozen=True, repr=False)
class Columns(Composite):
    """f = the numeric columns of x, in the order given, and then for each embedded column, in the order given, its
    Embedding of the column's codes: (n, numeric + Σ sizes).

    numeric : places of columns. embedded : pairs of a place and its Embedding. Every column of x must be named once,
    so that none is lost; names of parameters say which one: "column.2.weight".

    Raises ValueError where places do not match the columns of x.

    >>> import numpy as np
    >>> from betahat.layers import Columns, Embedding, Pass
    >>> split = Columns(numeric=(0, 2), embedded=((1, Embedding(2, 3)),))
    >>> split.output_shape((3,))
    (5,)
    >>> weight = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    >>> split.forward(np.array([[7.0, 1.0, 8.0]]), (weight,), Pass())[0]
    array([[7. , 8. , 0.4, 0.5, 0.6]])
    """

    numeric: tuple[int, ...] = ()
    embedded: tuple[tuple[int, Embedding], ...] = ()

    formula = "f = (numeric columns, weight[code] of each other)"

    def __post_init__(self) -> None:
        for name in ("numeric", "embedded"):
            given = getattr(self, name)
            if not isinstance(given, (tuple, list, range)):
                raise TypeError(f"{name} of Columns (={given!r}) must be a tuple or list")
        numeric = tuple(checks.whole(place, "numeric of Columns", 0) for place in self.numeric)
        embedded = []
        for pair in self.embedded:
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[1], Embedding)):
                raise TypeError(
                    f"embedded of Columns holds {pair!r}; expected pairs of a column's place and its Embedding: "
                    "(2, Embedding(7, 4))"
                )
            embedded.append((checks.whole(pair[0], "embedded of Columns", 0), pair[1]))
        object.__setattr__(self, "numeric", numeric)
        object.__setattr__(self, "embedded", tuple(embedded))
        places = [*numeric, *(place for place, _ in embedded)]
        twice = sorted({place for place in places if places.count(place) > 1})
        if twice:
            raise ValueError(f"Columns names column {twice[0]} twice; each column goes to one place")

    def children(self, shape: Shape) -> tuple[Child, ...]:
        self._check(shape)
        return tuple(Child(f"column.{place}", place, layer, ()) for place, layer in self.embedded)

    def output_shape(self, shape: Shape) -> Shape:
        self._check(shape)
        return (len(self.numeric) + sum(layer.size for _, layer in self.embedded),)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        parts, saved = [x[:, list(self.numeric)]], []
        for (place, layer), weight in zip(self.embedded, parameters, strict=True):
            within = context.within(f"column.{place}", place)
            part, codes = layer.forward(x[:, place], (weight,), within)
            parts.append(part)
            saved.append(codes)
        return np.concatenate(parts, axis=1), saved

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        at, gradients = len(self.numeric), []
        for (_, layer), codes, weight in zip(self.embedded, saved, parameters, strict=True):
            gradients += layer.backward(slope[:, at : at + layer.size], codes, (weight,))[1]
            at += layer.size
        return self._back(slope), tuple(gradients)

    def _back(self, slope: Any) -> Any:
        """The numeric columns where they were, and 0 for codes."""
        columns = len(self.numeric) + len(self.embedded)
        zeros = np.zeros((slope.shape[0], 1), slope.dtype)
        source = np.full(columns, len(self.numeric))
        source[list(self.numeric)] = np.arange(len(self.numeric))
        return np.concatenate([slope[:, : len(self.numeric)], zeros], axis=1)[:, source]

    def _check(self, shape: Shape) -> None:
        columns = checks.one_axis(self, shape)
        places = {*self.numeric, *(place for place, _ in self.embedded)}
        beyond, missing = sorted(places - set(range(columns))), sorted(set(range(columns)) - places)
        if beyond or missing:
            raise ValueError(
                f"Columns names columns {sorted(places)}, and rows have {columns}: "
                + (
                    f"there is no column {beyond[0]}"
                    if beyond
                    else f"column {missing[0]} is in neither group"
                )
            )
