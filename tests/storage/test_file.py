"""Files: atomic, checked, and refused with a reason."""

from __future__ import annotations

import json
import os
import pickle
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from betahat.errors import StorageError
from betahat.storage import file as storage_file
from betahat.storage import read, write

DOCUMENT = {
    "name": "β̂",
    "number": 0.1,
    "list": [1, None],
    "a": np.arange(6.0).reshape(2, 3),
    "b": np.array([True]),
}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("file") / "model"
    write(path, DOCUMENT)
    return path.read_bytes()


def is_document(found: dict[str, Any]) -> bool:
    plain = {key: value for key, value in DOCUMENT.items() if not isinstance(value, np.ndarray)}
    return {key: found[key] for key in plain} == plain and all(
        np.array_equal(found[key], DOCUMENT[key]) and found[key].dtype == DOCUMENT[key].dtype
        for key in ("a", "b")
    )


def test_equal_documents_give_equal_files(content: bytes, tmp_path: Path) -> None:
    for _ in range(3):
        write(tmp_path / "again", DOCUMENT)
        assert (tmp_path / "again").read_bytes() == content


@pytest.mark.parametrize("name", ["model", "model.safetensors", "mod el.β", ".hidden", "a" * 200])
@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_the_file_has_just_the_name_given(tmp_path: Path, name: str, kind: Any) -> None:
    write(kind(tmp_path / name), DOCUMENT)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert is_document(read(kind(tmp_path / name)))


def test_no_cut_off_file_is_read(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(StorageError, match="model"):
            read(path)


@settings(max_examples=400)
@given(data=st.data())
def test_a_changed_byte_is_found_or_changes_nothing(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    found, refusal = None, ""
    try:
        found = read(path)
    except StorageError as error:
        refusal = str(error)
    assert "flipped" in refusal if found is None else is_document(found)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="random"):
        read(path)


def safetensors_file(envelope: Any, arrays: dict[str, np.ndarray] | None = None) -> bytes:
    text = envelope if isinstance(envelope, str) else json.dumps(envelope)
    return save(arrays or {}, {storage_file.FORMAT: text})


def with_header(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\0", "cut off"),
        (pickle.dumps({"a": 1}), "pickle"),
        (with_header(b"{" * 100, 0x480), "cut off"),  # as a pickle of protocol 4 begins
        (b"PK\x03\x04" + b"\0" * 50, "zip"),
        (b"PAR1" + b"\x15" * 50, "Parquet"),
        (b"x,y\n1,2\n3,4\n" * 20, "cut off, or no model file"),
        (with_header(b"{}", 2**63), "header"),
        (with_header(b"{}", 2**40), "header"),
        (with_header(b"[]"), "header"),
        (with_header(b'{"a":{"dtype":"F64","shape":[9999999999999],"data_offsets":[0,8]}}') + b"\0" * 8, "header"),
        (with_header(b"{" * 10_000), "header"),
        (save({"a": np.zeros(2)}), "not of a betahat model"),
        (save({"a": np.zeros(2)}, {"format": "pt"}), "not of a betahat model"),
        (safetensors_file("not json"), "not readable"),
        (safetensors_file("[]"), "is a list"),
        (safetensors_file("[" * 100_000), "nested"),
        (safetensors_file('{"format_version": 1, "sha256": "", "document": ' + "[" * 50_000), "nested"),
        (safetensors_file('{"format_version": NaN}'), "not readable"),
        (safetensors_file('{"format_version": ' + "9" * 5000 + "}"), "not readable"),
        (safetensors_file({}), "format_version` is missing"),
        (safetensors_file({"format_version": 2}), "newer betahat; upgrade"),
        (safetensors_file({"format_version": "1"}), "format version is '1'"),
        (safetensors_file({"format_version": True}), "format version is True"),
        (safetensors_file({"format_version": 0}), "not a known one"),
        (safetensors_file({"format_version": 1}), "document` is missing"),
        (safetensors_file({"format_version": 1, "document": {}}), "sha256` is missing"),
        (safetensors_file({"format_version": 1, "document": {}, "sha256": 3}), "text is expected"),
        (safetensors_file({"format_version": 1, "document": {}, "sha256": "0"}), "checksum"),
    ],
)  # fmt: skip
def test_strange_files_are_refused_with_a_reason(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "strange"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="strange") as caught:
        read(path)
    assert words in str(caught.value)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64"])
def test_arrays_of_kinds_that_numpy_lacks_are_refused(tmp_path: Path, dtype: str) -> None:
    header = {
        "__metadata__": {
            storage_file.FORMAT: json.dumps({"format_version": 1, "document": {}, "sha256": ""})
        },
        "a": {
            "dtype": dtype,
            "shape": [8 // {"BF16": 2, "F8_E4M3": 1, "C64": 8}[dtype]],
            "data_offsets": [0, 8],
        },
    }
    (tmp_path / "odd").write_bytes(with_header(json.dumps(header).encode()) + b"\0" * 8)
    with pytest.raises(StorageError, match="odd"):
        read(tmp_path / "odd")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be opened"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "model")
    with pytest.raises(StorageError, match=words):
        read(tmp_path / "model")


@pytest.mark.parametrize("path", [None, 3, ["model"]])
@pytest.mark.parametrize("call", [read, lambda path: write(path, DOCUMENT)])
def test_a_path_is_text(call: Any, path: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        call(path)


def test_the_old_file_stays_until_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = tmp_path / "model"
    write(path, DOCUMENT)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, step, full)
            with pytest.raises(StorageError, match="No space left"):
                write(path, {"other": 1})
        assert path.read_bytes() == content
        assert [found.name for found in tmp_path.iterdir()] == ["model"]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "model", DOCUMENT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["missing/model", "folder", "fifo"])
def test_what_cannot_be_written_is_named(tmp_path: Path, target: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StorageError, match=f"{target}.*cannot be written"):
        write(tmp_path / target, DOCUMENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "folder"]


def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "model", tmp_path / "link"
    write(path, {"a": 1})
    path.chmod(0o640)
    link.symlink_to(path)
    write(link, {"a": 2})
    assert link.is_symlink()
    assert read(path) == {"a": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    write(tmp_path / "model", DOCUMENT)
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode
