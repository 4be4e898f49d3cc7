"""`betahat predict`: predictions for a file of any size, in blocks, beside its own columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.cli.images import predict_images, takes_images
from betahat.cli.output import Report
from betahat.cli.progress import Progress
from betahat.cli.showing import load_model

if TYPE_CHECKING:
    from betahat.data import Block
    from betahat.data.design import Design


def predict_command(
    report: Report,
    path: Path,
    data: str,
    out: Path | None,
    *,
    interval: float | None,
    columns: list[str] | None,
    name: str,
    options: dict[str, Any],
) -> None:
    """Write `data` with predictions (and intervals) to `out`."""
    from betahat.data import write_predictions
    from betahat.data.image_file import is_image
    from betahat.inference.distributions import check_level

    if interval is not None:
        check_level(interval)
    model = load_model(path)
    if takes_images(model) and (Path(data).is_dir() or is_image(data)):
        given = [
            each for each, value in {"interval": interval, "columns": columns, **options}.items() if value
        ]
        if given:
            raise ValueError(f"--{given[0].replace('_', '-')} is for tables, and {data!r} is of images")
        return predict_images(report, model, data, out, name)
    if out is None:
        raise ValueError(
            "--out is missing: the .parquet or .csv file that predictions of a table are written to"
        )
    if not model.certificate_.converged:
        report.warn(f"{str(path)!r} was saved without a certificate: {model.certificate_.message}")
    if options["exposure"] is not None and hasattr(model, "_check_exposure"):
        model._check_exposure()
    rows, names = 0, []

    with Progress("predicting", enabled=not report.as_json) as progress:

        def predict(block: Block) -> dict[str, np.ndarray]:
            nonlocal rows, names
            made = model._written(block, name, interval)
            rows, names = rows + len(block.X), list(made)
            progress.say(f"predicting: {rows:,} rows")
            return made

        written = write_predictions(data, _design(model, columns), predict, out, **options)
    if report.as_json:
        report.result({"rows": written, "out": str(out), "columns": names, "interval": interval})
    else:
        report.note(f"{written:,} rows written to {out}")


def _design(model: Any, columns: list[str] | None) -> Design:
    """How the table becomes X: as in training, or by the names given for a model fitted on an array."""
    design: Design | None = model.design_
    if design is not None:
        if columns is not None:
            raise ValueError(
                f"--columns is for models fitted on arrays; this one needs {list(design.input_names)}"
            )
        return design
    from betahat.data import Column, TableDesign

    p = model.n_features_in_
    if columns is None or len(columns) != p:
        given = "none are" if columns is None else f"{len(columns)} are"
        raise ValueError(
            f"the model was fitted on an array of {p} columns without names, so --columns must name them in "
            "that order; "
            f"{given} given"
        )
    return TableDesign(tuple(Column(each) for each in columns))
