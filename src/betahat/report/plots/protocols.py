"""What pictures see of fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from betahat.report.range_test import RangeTest


class TraceLike(Protocol):
    """What happened at each iteration, as arrays of one length."""

    @property
    def loss(self) -> np.ndarray: ...
    @property
    def gradient_norm(self) -> np.ndarray: ...
    @property
    def seconds(self) -> np.ndarray: ...


@runtime_checkable
class Traced(Protocol):
    """A fit that kept its trace."""

    @property
    def trace_(self) -> TraceLike: ...


@runtime_checkable
class Trained(Protocol):
    """A network that kept its loss epoch by epoch; `validation_scores_` and `stop_reason_` are looked for beside it."""

    @property
    def loss_curve_(self) -> Sequence[float]: ...


@runtime_checkable
class RateFinder(Protocol):
    """A network that makes a range test of learning rates."""

    def find_learning_rate(self, X: Any, y: Any, sample_weight: Any = None, **how: Any) -> RangeTest: ...


@runtime_checkable
class Predictor(Protocol):
    """A fit that predicts: (n,) for n rows."""

    def predict(self, X: Any) -> np.ndarray: ...


@runtime_checkable
class IntervalPredictor(Predictor, Protocol):
    """A fit that says how far off its predictions can be: (n, 2)."""

    def prediction_interval(self, X: Any, level: float = 0.95, kind: str = "prediction") -> np.ndarray: ...


class ObjectiveLike(Protocol):
    """J on rows, as a function of β (m,), with its gradient, β̂, and the names of its numbers."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def estimate(self) -> np.ndarray: ...
    def __call__(self, beta: Any) -> float: ...
    def gradient(self, beta: Any) -> np.ndarray: ...


@runtime_checkable
class HasObjective(Protocol):
    """A fit that gives J on rows."""

    def objective(self, X: Any, y: Any, sample_weight: Any = None) -> ObjectiveLike: ...


@runtime_checkable
class Started(Protocol):
    """A fit that tells where its descents began, (starts, p), and J where they ended."""

    @property
    def starts_(self) -> np.ndarray: ...
    @property
    def losses_(self) -> np.ndarray: ...
