"""What reports see of a fit: not the estimator, but this."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from betahat.certificate import Certificate
from betahat.inference import LinearStatistics
from betahat.solvers.sparse.fit import SparseDetails
from betahat.solvers.trace import Trace


class FitLike(Protocol):
    """What every fit must show to be explained."""

    @property
    def coef(self) -> np.ndarray: ...
    @property
    def certificate(self) -> Certificate: ...
    @property
    def trace(self) -> Trace: ...
    @property
    def stop_reason(self) -> str: ...
    @property
    def solver(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def refusal(self) -> str | None: ...


class PredictorLike(FitLike, Protocol):
    """What every fit of β₀ + xᵀβ must show besides."""

    @property
    def remarks(self) -> list[str]: ...
    @property
    def alpha(self) -> float: ...
    @property
    def iterations(self) -> int: ...
    @property
    def sparse(self) -> SparseDetails | None: ...


class ResultLike(FitLike, Protocol):
    """What a fit with the statistics of least squares must show."""

    @property
    def statistics(self) -> LinearStatistics: ...
