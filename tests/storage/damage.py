"""Files that save() did not write: a document with a right checksum and one strange value."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import betahat as bh
from betahat.errors import StorageError
from betahat.storage import write

HOSTILE: list[Any] = [
    None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "__import__('os').system('touch pwned')",
    [], [1], ["x"], {}, {"a": 1}, np.zeros(0), np.zeros((2, 2)), np.full(3, np.nan), np.zeros(3, bool), [[[]]],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, each in inner for found in places(each, (*path, key))]


def damaged(data: st.DataObject, honest: dict[str, Any], strange: list[Any] = HOSTILE) -> dict[str, Any]:
    """One place of a document deleted, or with a strange value in it."""
    changed = copy.deepcopy(honest)
    path = data.draw(st.sampled_from(places(honest)))
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[path[-1]] = data.draw(st.sampled_from(strange))
    else:
        del inner[path[-1]]
    return changed


def assert_refused_or_harmless(
    folder: Path, document: dict[str, Any], X: Any, n: int, **functions: Any
) -> None:
    """A StorageError that names the file, or a model that predicts and explains."""
    write(folder / "hostile", document)
    loaded, refusal = None, "hostile"
    try:
        loaded = bh.load(folder / "hostile", **functions)
    except StorageError as error:
        refusal = str(error)
    except TypeError as error:  # a function that this file no longer asks for
        if not functions:
            raise
        refusal = f"hostile: {error}"
    assert "hostile" in refusal
    if loaded is None:
        return
    try:
        assert loaded.predict(X).shape == (n,)
        assert loaded.explain()
        assert str(loaded.summary())
    except ValueError as error:  # such as a level that another name took the place of; said in words
        refusal = str(error)
    except (TypeError, KeyError, IndexError) as error:  # of the function that was given
        if not functions:
            raise
        refusal = str(error)
    assert refusal
