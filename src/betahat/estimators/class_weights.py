"""Weights of classes, as scikit-learn has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource, Block, DerivedSource, Source


def check_class_weight(class_weight: Any) -> None:
    """Raise unless it is None, "balanced" or a dict of numbers ≥ 0 by label."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return
    if isinstance(class_weight, str):
        raise ValueError(
            f'class_weight (={class_weight!r}) must be None, "balanced" or a dict of weights by label'
        )
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f'class_weight (={class_weight!r}) must be None, "balanced" or a dict of weights by label'
        )
    for label, weight in class_weight.items():
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight[{label!r}] (={weight!r}) must be a finite number of 0 or more: the weight of the class"
            )


def weighted_by_class(source: Source, class_weight: Any, classes: np.ndarray) -> Source:
    """The source with every weight times that of its row's class; `source` holds codes of `classes`.

    Raises ValueError for a label that is none of the classes.
    """
    if isinstance(class_weight, str):
        counts = np.zeros(len(classes))
        for block in source.blocks():
            assert block.y is not None
            counts += np.bincount(block.y[:, 0].astype(np.intp), combined_weight(block), len(classes))
        if source.in_memory:
            source.readings -= 1  # only targets were looked at
        there = counts > 0
        weights = np.where(there, counts.sum() / (len(classes) * np.where(there, counts, 1.0)), 1.0)
    else:
        weights = np.ones(len(classes))
        where = {label: k for k, label in enumerate(classes.tolist())}
        for label, weight in class_weight.items():
            if label not in where:
                raise ValueError(
                    f"class_weight names the class {label!r}, which y does not have; its classes are {classes.tolist()}"
                )
            weights[where[label]] = float(weight)
    weighted = _ClassWeighted(source, weights)
    if not isinstance(source, ArraySource):
        return weighted
    (block,) = weighted.blocks()
    return ArraySource(
        block.X, block.y, block.weight, block.frequency, block.groups, source.names, source.target_names, block.X_low,  # pyright: ignore[reportArgumentType]
        block.offset,
    )  # fmt: skip


@final
class _ClassWeighted(DerivedSource):
    def __init__(self, source: Source, weights: np.ndarray) -> None:
        super().__init__(source)
        self._weights = weights

    def _derive(self, block: Block) -> Block:
        assert block.y is not None
        own = self._weights[block.y[:, 0].astype(np.intp)]
        return replace(block, weight=own if block.weight is None else own * block.weight)
