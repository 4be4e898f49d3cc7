"""Where networks are trained: mini-batches through a network, a loss and a chain of transformations.

Nothing here knows estimators; nothing below knows engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.engines.choose import engine_for
from betahat.names import find

if TYPE_CHECKING:
    from betahat.engines.reference import ReferenceEngine

__all__ = ["Engine", "ReferenceEngine", "Rows", "Task", "TrainingState", "engine_for"]


def __getattr__(name: str) -> Any:
    return find(__name__, {"ReferenceEngine": "reference"}, name)  # which few tasks need
