"""Which engine runs a task."""

from __future__ import annotations

from betahat.engines.base import Engine, Task
from betahat.engines.cpu.engine import CpuEngine
from betahat.engines.cpu.known import is_known


def engine_for(task: Task) -> Engine:
    """The fastest that knows every part of the task."""
    if is_known(task):
        return CpuEngine(task)
    from betahat.engines.reference import ReferenceEngine

    return ReferenceEngine(task)
