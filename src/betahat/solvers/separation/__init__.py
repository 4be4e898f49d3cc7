"""Whether a likelihood has a maximum: an exact test for complete and quasi-complete separation.

May not hold estimators, nor anything that fits."""

from __future__ import annotations

from betahat.solvers.separation.find import find_separation
from betahat.solvers.separation.result import Separation

__all__ = ["Separation", "find_separation"]
