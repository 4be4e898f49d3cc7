"""Names that a package imports when they are first used, so that nobody waits for what nobody asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def find(package: str, where: Mapping[str, str], name: str) -> Any:
    """`name` of a package, from the module of it that `where` tells; "" : the name is a module's own.

    Raises AttributeError for names that the package does not have.
    """
    if name not in where:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    module = import_module(f"{package}.{where[name] or name}")
    found = getattr(module, name) if where[name] else module
    setattr(sys.modules[package], name, found)  # so that nobody asks again
    return found
