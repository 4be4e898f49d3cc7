"""Networks whose training images are changed at random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from betahat.data.augmentation import augmentation_of
from betahat.engines import Task
from betahat.estimators.network.parameters import is_full_batch
from betahat.estimators.network.questions import AskedNetwork
from betahat.layers import Image


class AugmentedNetwork(AskedNetwork):
    """Abstract: with `augment`, for rows that are images (height, width, channels)."""

    augment: Any

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if augmentation_of(self.augment) is not None and is_full_batch(self):
            raise ValueError(
                f"augment (={self.augment!r}) changes images anew at every step, and solver='lbfgs' descends an "
                "objective of all rows that is the same at every step; use a solver that takes mini-batches, such as "
                "'adam'"
            )

    def _task(self, steps: int, rows: int, mean_weight: float = 1.0, rate: float | None = None) -> Task:
        augment = augmentation_of(self.augment)
        if augment is not None:
            first = self._network.leaves[0].layer
            if isinstance(first, Image) and first.order != "NHWC":
                raise ValueError(
                    f"augment (={self.augment!r}) changes images whose channels come last, and layers begins with "
                    f"{first!r}: give X as (n, height, width, channels)"
                )
            augment.check(self._network.input_shape)
        return replace(super()._task(steps, rows, mean_weight, rate), augment=augment)

    @property
    def _changes(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        augment = augmentation_of(self.augment)
        return "" if augment is None else augment.in_words()
