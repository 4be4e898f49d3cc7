"""Penalties R(β) added to the mean loss; the intercept is never penalised."""

from __future__ import annotations

from betahat.penalties.base import Penalty
from betahat.penalties.elastic_net import ElasticNetPenalty
from betahat.penalties.function import FunctionPenalty, Sum, as_penalty
from betahat.penalties.l1 import L1
from betahat.penalties.quadratic import L2, NoPenalty
from betahat.penalties.sparse import SeparablePenalty, SparsePenalty

__all__ = [
    "L1", "L2", "ElasticNetPenalty", "FunctionPenalty", "NoPenalty", "Penalty", "SeparablePenalty", "SparsePenalty",
    "Sum", "as_penalty",
]  # fmt: skip
