"""Folders of checkpoints: what is kept, what a killed process leaves, and what damage does."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import betahat as bh
from betahat.errors import StorageError
from betahat.storage.checkpoint import CheckpointFolder


def test_the_newest_two_are_kept(tmp_path):
    folder = CheckpointFolder(tmp_path / "new" / "place")
    assert folder.newest() is None
    for epoch in (1, 2, 10, 100):
        folder.save(epoch, {"epoch": epoch, "x": np.arange(epoch)})
        number, found = folder.newest()
        assert number == found["epoch"] == len(found["x"]) == epoch
    assert sorted(os.listdir(folder.path)) == [
        ".lock",
        "epoch-00000010.checkpoint",
        "epoch-00000100.checkpoint",
    ]


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "text"])
def test_a_damaged_one_is_named_and_the_one_before_used(damage, tmp_path):
    folder = CheckpointFolder(tmp_path)
    for epoch in (7, 8):
        folder.save(epoch, {"epoch": epoch, "x": np.arange(100.0)})
    newest = tmp_path / "epoch-00000008.checkpoint"
    content = bytearray(newest.read_bytes())
    content[-9] ^= 4
    newest.write_bytes(
        {"empty": b"", "cut": content[:200], "bit": bytes(content), "text": b"epoch 8"}[damage]
    )
    with pytest.warns(bh.CheckpointWarning, match=r"epoch-00000008\.checkpoint.* of epoch 7, is used"):
        number, found = folder.newest()
    assert (number, found["epoch"]) == (7, 7)
    (tmp_path / "epoch-00000007.checkpoint").write_bytes(b"")
    with pytest.raises(StorageError, match=r"no checkpoint in .* can be read"):
        folder.newest()


@pytest.mark.parametrize(("folder", "error"), [(3, TypeError), (None, TypeError), ("file", StorageError)])
def test_refusals(folder, error, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match="checkpoint"):
        CheckpointFolder(tmp_path / folder if isinstance(folder, str) else folder)


WRITER = """
import sys
import numpy as np
from betahat.storage.checkpoint import CheckpointFolder
folder = CheckpointFolder(sys.argv[1])
for epoch in range(1, 10**6):
    folder.save(epoch, {"epoch": epoch, "x": np.full(200_000, float(epoch))})
    print(epoch, flush=True)
"""


def test_killed_at_any_moment(tmp_path):
    for wait in (0.0, 0.003, 0.007, 0.013, 0.021):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        seen = [int(process.stdout.readline()) for _ in range(3)]
        time.sleep(wait)
        process.kill()
        seen += map(int, process.communicate()[0].split())
        number, found = CheckpointFolder(tmp_path).newest()
        assert number >= seen[-1]
        assert (found["x"] == number).all()
        for name in os.listdir(tmp_path):
            if not name.endswith(".tmp"):
                (tmp_path / name).unlink()
    CheckpointFolder(tmp_path).save(1, {})
    assert sorted(os.listdir(tmp_path)) == [".lock", "epoch-00000001.checkpoint"]


def test_a_folder_whose_name_no_system_has() -> None:
    with pytest.raises(StorageError, match=r"checkpoint \(=.*cannot be made a folder: embedded null"):
        CheckpointFolder("a\0b")
