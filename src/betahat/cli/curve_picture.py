"""The picture that `betahat curve` draws: data, curve and bands."""

from __future__ import annotations

import io
import re
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from betahat.cli.fitting import refuse_unwritable
from betahat.cli.output import Report
from betahat.errors import InferenceError, StorageError

if TYPE_CHECKING:
    from betahat.data import ArraySource
    from betahat.estimators.nonlinear_regression import NonlinearRegression

_SUFFIXES = (".png", ".svg", ".pdf")
_WIDE = 74  # characters of a title's line


def picture_path(plot: Path | None, data: str, table: str | None) -> Path:
    """Where the picture goes, checked before the fit if it was named, else a name in this folder made of the data's.

    >>> str(picture_path(None, "runs/decay.csv.gz", None)), str(picture_path(None, "SELECT 1 AS x", None))
    ('decay-curve.png', 'curve.png')
    """
    if plot is None:
        return Path(f"{_stem(data, table)}-curve.png".lstrip("-"))
    if plot.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"--plot (={str(plot)!r}) must end in {', '.join(_SUFFIXES)}")
    refuse_unwritable(plot, "--plot")
    from betahat.report.plots.style import pyplot

    pyplot()
    return plot


def draw(
    report: Report, model: NonlinearRegression, rows: ArraySource, where: Path, named: bool, feature: str | None,
    level: float,
) -> Path | None:  # fmt: skip
    """Draw to the file `where`; None, with a notice why, where there is nothing to draw or nobody asked for it."""
    if len(rows.names) > 1 and feature is None:
        told = f"no picture: the model has {len(rows.names)} columns; --feature NAME draws the curve along one of them"
        report.warn(told) if named else report.note(told)
        return None
    try:
        image = _image(model, rows, where.suffix[1:].lower(), feature, level)
        _write(where, image)
    except ImportError as error:
        report.note(f"no picture: {error}")
    except StorageError as error:
        if named:
            raise
        report.note(f"no picture: {error}")
    else:
        return where
    return None


def _write(where: Path, image: bytes) -> None:
    from betahat.storage.atomic import replace_file

    replace_file(where, image)


def _image(
    model: NonlinearRegression, rows: ArraySource, kind: str, feature: str | None, level: float
) -> bytes:
    from betahat.report.plots.style import pyplot

    plt = pyplot()
    plt.switch_backend("Agg")  # a file is all that is wanted, whatever display there is
    from betahat.report.plots import FitDisplay

    block, by_place = next(rows.blocks()), _ByPlace(model)
    assert block.y is not None
    X = np.asarray(block.X)
    shown = FitDisplay.from_estimator(
        by_place, X, block.y[:, 0], feature=feature, level=level,
        bands=_bands(by_place, X[:1], weighted=block.weight is not None),
    )  # fmt: skip
    name = rows.target_names[0]
    shown.ax_.set_ylabel(f"{name}, other columns at their means" if len(rows.names) > 1 else name)
    for label in (shown.ax_.xaxis.label, shown.ax_.yaxis.label):
        label.set_parse_math(False)  # a $ in a column's name is a $
    title = textwrap.wrap(f"{name} = {_expression(model)}", _WIDE, max_lines=2, placeholder=" …")
    shown.figure_.suptitle("\n".join(title), x=0.01, ha="left", fontsize="medium", parse_math=False)
    text = io.BytesIO()
    shown.figure_.savefig(text, format=kind, dpi=150)  # pyright: ignore[reportAttributeAccessIssue]
    plt.close(shown.figure_)
    return text.getvalue()


def _bands(model: _ByPlace, row: np.ndarray, weighted: bool) -> list[str]:
    """The bands that are defined; that of a new observation would need to know its weight."""
    found = []
    for kind in ("confidence",) if weighted else ("confidence", "prediction"):
        with suppress(InferenceError):
            if np.isfinite(model.prediction_interval(row, kind=kind)).all():
                found.append(kind)
    return found


def _expression(model: NonlinearRegression) -> str:
    from betahat.curves import CURVES

    text = str(model.f)
    return CURVES[text].text if text in CURVES else text.strip()


def _stem(data: str, table: str | None) -> str:
    """A name that files may have."""
    from betahat.data.duck import is_sql

    if is_sql(data):
        return ""
    path, _, inner = data.rpartition("::") if "::" in data else (data, "", "")
    name = inner or table or Path(path).name
    if not (inner or table):
        while Path(name).suffix and Path(name).stem:
            name = Path(name).stem
    return re.sub(r"[^\w.-]+", "", name).strip("-.")


@final
class _ByPlace:
    """The model as a predictor of rows whose columns are known by their place."""

    def __init__(self, model: NonlinearRegression) -> None:
        self._model = model
        self.feature_names_in_ = model.feature_names_in_

    def predict(self, X: Any) -> np.ndarray:
        return self._model._predict_rows(X)[:, 0]

    def prediction_interval(self, X: Any, level: float = 0.95, kind: str = "prediction") -> np.ndarray:
        return self._model._bound_rows(X, level, kind == "prediction")[:, 0]
