"""A folder of checkpoints of one training: the newest two are kept, and a damaged one does not cost the one before."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from betahat.errors import CheckpointWarning, StorageError, users_line
from betahat.storage.file import read, write
from betahat.storage.lock import FolderLock

_NAME = re.compile(r"epoch-(\d{8})\.checkpoint")
_LEFT = re.compile(r"\.epoch-\d{8}\.checkpoint\.[0-9a-f]+\.tmp")
_KEPT = 2


@final
class CheckpointFolder:
    """Documents by the number of an epoch. Each is written under a temporary name and renamed, so that a process may be
    killed at any moment. Until :meth:`close` nobody else can have the folder.

    Raises StorageError where the folder cannot be made, or somebody else has it, TypeError for what is no name of one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = CheckpointFolder(place)
    ...     for epoch in (1, 2, 3):
    ...         folder.save(epoch, {"epoch": epoch})
    ...     folder.close()
    ...     sorted(os.listdir(place)), folder.newest()
    (['.lock', 'epoch-00000002.checkpoint', 'epoch-00000003.checkpoint'], (3, {'epoch': 3}))
    """

    def __init__(self, folder: Any) -> None:
        try:
            self.path = Path(os.fsdecode(folder))
        except TypeError:
            raise TypeError(
                f"checkpoint (={folder!r}) must be None or the name of a folder: a string or pathlib.Path"
            ) from None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # ValueError: of a name with a null byte
            said = getattr(error, "strerror", None) or error
            raise StorageError(
                f"checkpoint (={str(self.path)!r}) cannot be made a folder: {said}. Usual causes: there is a "
                "file of that name, or the place is not writable"
            ) from error
        self._lock = FolderLock(self.path, "checkpoint")

    def close(self) -> None:
        """Let others have the folder."""
        self._lock.close()

    def save(self, number: int, document: Mapping[str, Any]) -> None:
        """Write one, and remove those before the last two.

        Raises StorageError where it cannot be written; then those that were there still are.
        """
        write(self.path / f"epoch-{number:08d}.checkpoint", document)
        for old in self._numbers()[_KEPT:]:
            self._remove(f"epoch-{old:08d}.checkpoint")
        for name in os.listdir(self.path):
            if _LEFT.fullmatch(name):  # of a process that was killed while it wrote
                self._remove(name)

    def newest(self) -> tuple[int, dict[str, Any]] | None:
        """The newest that can be read, and its number; None where there is none. A damaged one is named in a
        CheckpointWarning.

        Raises StorageError where all are damaged.
        """
        damaged: list[StorageError] = []
        for number in self._numbers():
            try:
                found = read(self.path / f"epoch-{number:08d}.checkpoint")
            except StorageError as error:
                damaged.append(error)
                continue
            for error in damaged:
                warnings.warn(
                    f"{error}. The checkpoint before it, of epoch {number}, is used",
                    CheckpointWarning,
                    stacklevel=users_line(),
                )
            return number, found
        if damaged:
            raise StorageError(
                f"no checkpoint in {str(self.path)!r} can be read: {damaged[0]}. To begin anew, remove them or give "
                "another folder"
            )
        return None

    def _numbers(self) -> list[int]:
        """Of those that are there, the newest first."""
        found = [_NAME.fullmatch(name) for name in os.listdir(self.path)]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self.path / name).unlink()
