"""A folder that one writer has at a time, by a lock of the operating system, which ends with the process that holds it
however that ends."""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path
from typing import final

from betahat.errors import StorageError

_NAME = ".lock"


@final
class FolderLock:
    """A lock on a folder, from when it is made until :meth:`close`, until nobody has it any more, or the end of the
    process.

    The file it is on stays in the folder, since another might be waiting to open it.

    Raises StorageError where somebody holds it, in this process or another, or where there can be none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     lock = FolderLock(Path(place), "place")
    ...     try:
    ...         FolderLock(Path(place), "place")
    ...     except StorageError as error:
    ...         print("refused")
    ...     lock.close()
    ...     FolderLock(Path(place), "place").close()
    refused
    """

    def __init__(self, folder: Path, argument: str) -> None:
        where = f"{argument} (={str(folder)!r})"
        try:
            file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StorageError(f"{where} cannot be locked: {error.strerror}; is it writable?") from error
        self._release = weakref.finalize(self, os.close, file)
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            self.close()
            raise StorageError(
                f"{where} is being written to by another training, in this process or another; wait for its end, or "
                "give another folder"
            ) from None
        except OSError as error:
            self.close()
            raise StorageError(
                f"{where} cannot be locked: {error.strerror}. Usual cause: a file system without locks; give a folder "
                "on another"
            ) from error

    def close(self) -> None:
        """Let others have it."""
        self._release()


if sys.platform == "win32":

    def _lock(file: int) -> None:
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:

    def _lock(file: int) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
