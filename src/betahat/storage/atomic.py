"""Writing a file so that at any moment either the old one or the whole new one is there."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from betahat.errors import StorageError


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to a temporary name in the same folder, see it on the disk, and rename it to `path`.

    A link is followed; the permissions of a file that was there are kept. Raises StorageError naming the
    path where it cannot be written; then what was there before is untouched and nothing is left behind.
    """
    try:
        _replace(Path(os.path.realpath(path)), content)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StorageError(
            f"{str(path)!r} cannot be written: {reason}. Usual causes: the folder is not there or not "
            "writable, the "
            "name is a folder's, the disk is full"
        ) from error


def _replace(target: Path, content: bytes) -> None:
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        raise ValueError("it is there already and not a regular file")
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """See the new name on the disk too, where the system lets a folder be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
