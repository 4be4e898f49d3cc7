"""One document in one safetensors file, with a checksum over all of it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from betahat.errors import StorageError
from betahat.storage.atomic import replace_file
from betahat.storage.document import join, split
from betahat.storage.fields import Fields

FORMAT = "betahat model"
VERSION = 1
"""Of the layout of the file; raised when older versions of betahat could not read it."""

_FOREIGN = {
    b"\x80": "it looks like a pickle, and betahat never unpickles; save the model with its save(path)",
    b"PK": "it is a zip archive (.npz, .xlsx, PyTorch ...)",
    b"PAR1": "it is a Parquet file, that is, data",
    b"\x1f\x8b": "it is gzip-compressed; unpack it first",
    b"\x89HDF": "it is an HDF5 file",
}
_CAUSE = "Usual causes: an interrupted download or copy, a full disk, or a file that save() did not write"


def write(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Store a document (see :func:`betahat.storage.document.split`) in the file `path`, as named, atomically.

    Raises StorageError where the file cannot be written, TypeError for values that cannot be stored.
    """
    from safetensors.numpy import save

    target = _as_path(path)
    encoded, arrays = split(document)
    envelope = {"format_version": VERSION, "sha256": _checksum(encoded, arrays), "document": encoded}
    # One entry only: safetensors writes several in any order, and equal models are to give equal files.
    replace_file(target, save(arrays, {FORMAT: _json(envelope)}))


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The document of a file that :func:`write` made.

    Any change of a stored value is found by the checksum. Raises StorageError naming the file and what is
    wrong with it where it is missing, damaged, of another kind or of a newer format.
    """
    source = _as_path(path)
    try:
        text, arrays = _contents(source)
        envelope = _envelope(text)
        _check_version(envelope.raw("format_version"))
        encoded = envelope.raw("document")
        if envelope.text("sha256") != _checksum(encoded, arrays):
            raise StorageError(f"its checksum does not fit its contents, so it is damaged. {_CAUSE}")
        return join(encoded, arrays)
    except RecursionError:
        raise StorageError(f"{str(source)!r} cannot be loaded: its values are nested too deeply") from None
    except StorageError as error:
        raise StorageError(f"{str(source)!r} cannot be loaded: {error}") from error.__cause__


def _as_path(path: Any) -> Path:
    try:
        return Path(os.fsdecode(path))
    except TypeError:
        raise TypeError(f"path (={path!r}) must be the name of a file: a string or pathlib.Path") from None


def _contents(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    _refuse_irregular(path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(FORMAT)
            if text is None:  # looked at first: somebody else's file may be large
                raise StorageError(f"it is a safetensors file, but not of a {FORMAT}")
            return text, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except StorageError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise StorageError(f"{_diagnosis(path) or error}. {_CAUSE}") from error


def _refuse_irregular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise StorageError(f"there is no such file (the current folder is {str(Path.cwd())!r})") from None
    except (OSError, ValueError) as error:
        raise StorageError(f"it cannot be opened ({error})") from error
    if stat.S_ISDIR(mode):
        raise StorageError("it is a folder; name the file of the model")
    if not stat.S_ISREG(mode):
        raise StorageError("it is not a regular file")


def _diagnosis(path: Path) -> str:
    """What is wrong with a file that safetensors refuses, or "" where its own words must do."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return ""
    if not start:
        return "it is empty"
    for magic, words in _FOREIGN.items():
        length = magic == b"\x80" and not any(start[3:8])  # of a header, which may begin with a pickle's byte
        if start.startswith(magic) and not length and int.from_bytes(start, "little") + 8 > size:
            return words
    header = int.from_bytes(start, "little")
    if len(start) < 8 or header + 8 > size:
        return f"it has {size:,} bytes, fewer than its header is said to have: cut off, or no model file"
    return ""


def _envelope(text: str) -> Fields:
    try:
        return Fields(json.loads(text, parse_constant=_refuse_constant), "header")
    except ValueError as error:
        raise StorageError(f"its description is not readable ({error}). {_CAUSE}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _check_version(found: Any) -> None:
    if found == VERSION and type(found) is int:
        return
    if type(found) is int and found > VERSION:
        raise StorageError(
            f"it has format version {found} and this betahat reads {VERSION}: it was saved by a newer "
            "betahat; "
            "upgrade (pip install -U betahat)"
        )
    raise StorageError(f"its format version is {found!r} and not a known one. {_CAUSE}")


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _checksum(encoded: Any, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(f"{FORMAT} {VERSION}\n{_json(encoded)}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name}\n{array.dtype.str}\n{array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
