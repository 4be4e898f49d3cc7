"""What reports see of a fit: not the estimator, but this."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from betahat.certificate import Certificate
from betahat.inference import LinearStatistics
from betahat.solvers.trace import Trace


class ResultLike(Protocol):
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
    def statistics(self) -> LinearStatistics: ...
    @property
    def refusal(self) -> str | None: ...
