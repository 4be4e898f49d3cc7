"""Where networks are trained: mini-batches through a network, a loss and a chain of transformations.

Nothing here knows estimators; nothing below knows engines.
"""

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.engines.choose import engine_for
from betahat.engines.reference import ReferenceEngine

__all__ = ["Engine", "ReferenceEngine", "Rows", "Task", "TrainingState", "engine_for"]
