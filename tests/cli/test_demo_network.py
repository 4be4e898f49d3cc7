"""The demo's digits: its table says what the two networks do, and its picture shows what ours misread."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.preprocessing import StandardScaler

import betahat as bh
from betahat.cli.demo_network import PICTURE, digit_tables, digits, drawn
from betahat.cli.output import reporting


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(tmp_path)
    with reporting() as report:
        digits(report)
    captured = capsys.readouterr()
    assert "warning" not in captured.err
    return captured.out


def test_its_table_is_what_the_networks_do(out: str, tmp_path: Path) -> None:
    X, unseen, y, truth = digit_tables()
    assert not {row.tobytes() for row in X} & {row.tobytes() for row in unseen}
    assert len(X) + len(unseen) == 1797
    ours = bh.MLPClassifier(early_stopping=True, random_state=0).fit(X, y)
    scaler = StandardScaler().fit(X)
    theirs = Theirs(early_stopping=True, random_state=0).fit(scaler.transform(X), y)
    for name, model, rows in (("betahat", ours, unseen), ("scikit-learn", theirs, scaler.transform(unseen))):
        line = next(line for line in out.splitlines() if line.strip().startswith(f"{name}  "))
        assert f"{100 * np.mean(model.predict(rows) == truth):.1f} %" in line
        assert f"  {model.n_iter_}  " in line
    assert "early stopping" in out
    assert "not stationary" in out  # a training that ends by a score does not end at a minimum
    assert f"{sum(w.size for w in (*ours.coefs_, *ours.intercepts_)):,} parameters" in out
    assert str(tmp_path / PICTURE) in out.replace("\n", "")
    with Image.open(tmp_path / PICTURE) as image:
        assert image.width > image.height > 500


def test_misread_digits_are_drawn_under_what_they_are() -> None:
    X, unseen, y, truth = digit_tables()
    ours = bh.MLPClassifier(4, max_iter=30, random_state=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Theirs(4, max_iter=2, random_state=0).fit(X, y)
    with mpl.rc_context({"backend": "agg"}):
        figure = drawn(ours, theirs, unseen, truth)
    pictures = [ax for ax in figure.axes if ax.images]
    assert len(pictures) == 12
    answer, probability = ours.predict(unseen), ours.predict_proba(unseen).max(axis=1)
    sure: list[float] = []
    for ax in pictures:
        shown = np.asarray(ax.images[0].get_array()).ravel()
        (row,) = np.flatnonzero((unseen == shown).all(axis=1))
        assert answer[row] != truth[row]
        assert ax.get_title() == f"{truth[row]}, read as {answer[row]}\n({probability[row]:.0%} sure)"
        sure.append(probability[row])
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == probability[answer != truth].max()
    plt.close(figure)


def test_a_network_that_misreads_nothing_is_drawn_too() -> None:
    X, unseen, y, _ = digit_tables()
    ours = bh.MLPClassifier(4, max_iter=2, random_state=0).fit(X, y)
    with mpl.rc_context({"backend": "agg"}):
        figure = drawn(ours, ours, unseen, ours.predict(unseen))
    assert not [ax for ax in figure.axes if ax.images]
    plt.close(figure)
