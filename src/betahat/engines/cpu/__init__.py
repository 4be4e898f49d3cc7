"""Networks on processors: lowered to programs of compiled operations, run for many mini-batches at once.

What cannot be lowered runs in the reference engine instead; nothing here knows estimators.
"""

from betahat.engines.cpu.engine import CpuEngine

__all__ = ["CpuEngine"]
