"""A folder that one writer has at a time."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from betahat.errors import StorageError
from betahat.storage.lock import FolderLock

HELD = "is being written to by another training"

HOLDER = """
import sys, time
from pathlib import Path
from betahat.storage.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), "place")
print("held", flush=True)
time.sleep(600)
"""


def test_one_at_a_time(tmp_path):
    lock = FolderLock(tmp_path, "place")
    with pytest.raises(StorageError, match=rf"place \(=.*{tmp_path.name}.*\) {HELD}"):
        FolderLock(tmp_path, "place")
    refused: list[StorageError] = []

    def other() -> None:
        try:
            FolderLock(tmp_path, "place")
        except StorageError as error:
            refused.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(refused) == 1
    lock.close()
    lock.close()
    second = FolderLock(tmp_path, "place")
    (tmp_path / "inner").mkdir()
    FolderLock(tmp_path / "inner", "place")  # each folder has its own
    del second  # whoever forgets to close it
    FolderLock(tmp_path, "place").close()


def test_it_ends_with_its_process(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(StorageError, match=HELD):
        FolderLock(tmp_path, "place")
    process.kill()
    process.communicate()
    FolderLock(tmp_path, "place").close()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match="cannot be locked: No such file"):
        FolderLock(tmp_path / "nothing", "place")
