"""Names that a package imports when they are first used, so that nobody waits for what nobody asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, final


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


@final
class _Postponed(ModuleType):
    """Stands where a module will: whatever it is asked for, it imports that module and hands on what that one has."""

    def __getattr__(self, name: str) -> Any:
        _leave(self)
        return getattr(import_module(self.__name__), name)


def _leave(module: _Postponed) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]


@contextmanager
def postponed(*names: str) -> Iterator[None]:
    """Let the imports inside ask for these modules without importing them: each is imported when something of it is
    first used, then or later, and not at all where nothing is. One that is not installed is not there inside, either.

    Parts of a package are for packages that find theirs when they are used, as SciPy does. Afterwards `sys.modules` has
    nothing that it would not have had if nobody had asked.
    """
    standing = [_Postponed(name) for name in names if name not in sys.modules and find_spec(name)]
    sys.modules.update({module.__name__: module for module in standing})
    try:
        yield
    finally:
        for module in standing:
            _leave(module)
