"""Model files: plain values and arrays in one safetensors file, written atomically, checked when read.

Nothing here knows an estimator, and nothing read from a file is ever unpickled or evaluated.
"""

from __future__ import annotations

from betahat.storage.fields import Fields
from betahat.storage.file import read, write

__all__ = ["Fields", "read", "write"]
