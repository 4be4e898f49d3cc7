"""Penalties R(β) added to the mean loss; the intercept is never penalised."""

from __future__ import annotations

from betahat.penalties.base import Penalty
from betahat.penalties.function import FunctionPenalty, Sum, as_penalty
from betahat.penalties.quadratic import L2, NoPenalty

__all__ = ["L2", "FunctionPenalty", "NoPenalty", "Penalty", "Sum", "as_penalty"]
