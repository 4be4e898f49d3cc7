"""How a network's y is read, from arrays and from sources, and what its loss is told of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from betahat.data.source import Source
from betahat.layers import Shape


class TargetReader(BaseEstimator, ABC):
    """Abstract: what networks that classify and those that predict numbers do each in their way."""

    @abstractmethod
    def _read_target(self, y: Any, reset: bool, classes: np.ndarray | None) -> np.ndarray:
        """y (n,) or (n, t) as numbers, its rows not yet counted; codes of classes for a classifier, of those given
        where any are."""

    @abstractmethod
    def _settle(self, y: np.ndarray, which: np.ndarray, weight: np.ndarray | None, shape: Shape) -> int:
        """Learn from the rows `which` what y is like; sets the loss and returns how many outputs it takes."""

    @abstractmethod
    def _settle_by(self, mean: np.ndarray, deviation: np.ndarray, few: np.ndarray, shape: Shape) -> int:
        """The same, of targets with this mean and standard deviation (t,), some of which are shown."""

    @abstractmethod
    def _target_of(
        self, source: Source, reset: bool, classes: np.ndarray | None
    ) -> Callable[[np.ndarray], np.ndarray]:
        """What makes y (k, t) of a source's block what `_read_target` makes of y."""

    @abstractmethod
    def _check_targets_of(self, y: np.ndarray) -> None:
        """Refuse numbers that the loss does not take."""

    @abstractmethod
    def _weights_of_classes(self, counts: np.ndarray) -> np.ndarray | None:
        """Of each class (K,), from the weight that its rows have together; None where none are asked for."""

    @abstractmethod
    def _as_targets(self, y: np.ndarray) -> np.ndarray:
        """y as the loss takes it: codes (n,) or numbers (n, t)."""

    @abstractmethod
    def _original(self, y: np.ndarray) -> np.ndarray:
        """What `_read_target` read, as users write it."""

    @abstractmethod
    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        """What the rows set aside are to have in the same proportions."""

    @abstractmethod
    def _class_weighted(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        """Weights times those of classes."""
