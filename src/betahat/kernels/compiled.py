"""numba.njit with this package's own on-disk cache: keyed by all kernel sources, and a notice when it compiles.

numba keys its cache by the file a function stands in, so a change of the tile would not reach the functions that
use it. Here the folder's name holds a hash of every kernel source. Where no place is writable, functions are compiled
in memory and a line says so.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, final

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime.nrt import rtsys

Function = TypeVar("Function", bound=Callable[..., Any])
_said: set[str] = set()


def say(line: str) -> None:
    """One line to standard error, once a process."""
    if line not in _said:
        _said.add(line)
        print(f"betahat: {line}", file=sys.stderr)


@lru_cache(maxsize=1)
def sources_hash() -> str:
    """A hash of every kernel source and of numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _candidates() -> list[Path]:
    chosen = os.environ.get("BETAHAT_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    try:
        home = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # no home directory at all
        return []
    return [home / "betahat"]


@lru_cache(maxsize=1)
def cache_directory() -> Path | None:
    """Where compiled kernels are kept, or None where no place is writable."""
    for base in _candidates():
        folder = base / f"kernels-{sources_hash()}-py{sys.version_info.major}{sys.version_info.minor}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


@final
class _Locator:
    """Tells numba's cache where this package's compiled functions live."""

    def __init__(self, function: Any) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"

    def get_cache_path(self) -> str:
        return str(cache_directory())

    def ensure_cache_path(self) -> None:
        os.makedirs(self.get_cache_path(), exist_ok=True)

    def get_source_stamp(self) -> str:
        return sources_hash()

    def get_disambiguator(self) -> str:
        return hashlib.sha256(self._name.encode()).hexdigest()[:8]

    @classmethod
    def from_function(cls, function: Any, path: str) -> _Locator:
        return cls(function)


@final
class _CacheFiles(CompileResultCacheImpl):
    def __init__(self, function: Any) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function)
        self._filename_base = self.get_filename_base(
            f"{function.__name__}-{self._locator.get_disambiguator()}", ""
        )


@final
class _Cache(FunctionCache):
    _impl_class = _CacheFiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What the cache holds; numba's own would first import all that a compiler needs, a third of a second."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:
            say(
                "compiling kernels for this processor; once, then they are read from the cache (betahat warmup)"
            )
        return found


def is_at_hand(function: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a call of a compiled function with such arguments would wait for no compiler."""
    signature = tuple(numba.typeof(argument) for argument in arguments)
    if signature in function.overloads:
        return True
    cache = function._cache
    if not isinstance(cache, _Cache):
        return False
    key = cache._index_key(signature, function.targetctx.codegen())
    return cache._cache_file.load(key) is not None


def compiled(function: Function) -> Function:
    """Compile on first call, without the interpreter lock; cached on disk."""
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if cache_directory() is not None:
        dispatcher._cache = _Cache(function)
    else:
        say("no writable cache folder: kernels are compiled anew in each process (set BETAHAT_CACHE_DIR)")
    return dispatcher
