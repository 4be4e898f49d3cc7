"""The demo's images: its table says what the two networks do, and its picture is drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import betahat as bh
from betahat.cli.demo_images import PICTURE, digit_images, drawn, images, network
from betahat.cli.output import reporting


def test_its_table_is_what_the_networks_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with reporting() as report:
        images(report)
    captured = capsys.readouterr()
    assert "warning" not in captured.err
    X, unseen, y, truth = digit_images()
    dense = bh.MLPClassifier(max_iter=20, random_state=0).fit(X.reshape(-1, 64), y)
    for name, model, test, size in (
        ("100 hidden units", dense, unseen.reshape(-1, 64), 65 * 100 + 101 * 10),
        ("two convolutions", network().fit(X, y), unseen, 10 * 16 + (9 * 16 + 1) * 32 + (16 * 32 + 1) * 10),
    ):
        line = next(line for line in captured.out.splitlines() if line.strip().startswith(name))
        right = np.mean(model.predict(test) == truth)
        assert right > 0.93
        for cell in (f"{size:,}", f"{100 * right:.1f} %", f"{np.sum(model.predict(test) != truth)}"):
            assert f" {cell} " in line
    assert str(tmp_path / PICTURE) in captured.out.replace("\n", "")
    with Image.open(tmp_path / PICTURE) as image:
        assert image.width > image.height > 500


def test_a_network_that_misreads_nothing_is_drawn_too() -> None:
    X, unseen, y, _ = digit_images()
    model = network().set_params(max_iter=1).fit(X[:100], y[:100])
    with mpl.rc_context({"backend": "agg"}):
        figure = drawn(model, unseen[:20], model.predict(unseen[:20]))
        figure.canvas.draw()
    assert "nothing was mistaken" in [text.get_text() for ax in figure.axes for text in ax.texts]
    plt.close(figure)
