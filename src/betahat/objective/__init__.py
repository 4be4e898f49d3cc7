"""The objective: model + loss + penalty over a source, with its value and derivatives as passes over the rows."""

from __future__ import annotations

from betahat.objective.linear import LinearObjective
from betahat.objective.smooth import SmoothObjective, SmoothSums

__all__ = ["LinearObjective", "SmoothObjective", "SmoothSums"]
