"""Images on the command line: a convolutional network of a folder, and its answers for files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from betahat.cli.output import Report
from betahat.cli.tables import print_table
from betahat.errors import DataError

if TYPE_CHECKING:
    from betahat.data.image_folder import ImageFolder

MODEL = "convnet"
_PARAMETERS = {"epochs": "max_iter", "seed": "random_state"}
_SHOWN = 20  # rows of a table on a terminal


def is_images(data: str, name: str | None) -> bool:
    """Whether what is to be fitted are images: the model says so, or data is a folder and no other is asked for."""
    return name == MODEL or (name is None and Path(data).is_dir())


def refuse_image_options(given: dict[str, Any]) -> None:
    """ValueError for an option that only images have."""
    for option, value in given.items():
        if value is not None:
            raise ValueError(
                f"--{option} is for --model {MODEL}, which is fitted to a folder of images by class"
            )


def size_in(text: str | None) -> int | tuple[int, int] | None:
    """What --size says.

    >>> size_in("32"), size_in("24,32"), size_in(None)
    (32, (24, 32), None)
    """
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise ValueError(f"--size (={text!r}) must be a whole number of pixels, or two: height,width")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def augmentation_in(text: str | None) -> dict[str, Any] | None:
    """What --augment says.

    >>> augmentation_in("shift=2,flip=true,scale=0.1"), augmentation_in(None)
    ({'shift': 2, 'flip': True, 'scale': 0.1}, None)
    """
    if text is None:
        return None
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not (name and equals and value) or name in found:
            raise ValueError(
                f"--augment (={text!r}) must be like shift=2,flip=true,rotate=10, each named once"
            )
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    """A truth value, a number, or the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def fit_images(
    report: Report,
    data: str,
    out: Path | None,
    refused: dict[str, Any],
    size: str | None,
    parameters: dict[str, Any],
) -> int:
    """Fit a `ConvNetClassifier` to a folder of images by class, print what it is, save it; the exit code.

    refused : options that are for tables, by name; parameters : options of the network, None where not given.
    """
    from betahat.cli.fitting import refuse_unwritable
    from betahat.cli.showing import model_values
    from betahat.data.image_folder import images
    from betahat.estimators.convnet_classifier import ConvNetClassifier

    given = [option for option, value in refused.items() if value]
    if given:
        raise ValueError(
            f"--{given[0]} is for tables, and --model {MODEL} is fitted to a folder of images by class"
        )
    if not Path(data).is_dir():
        raise DataError(
            f"DATA (={data!r}) is no folder; --model {MODEL} takes one with a folder of images for each class"
        )
    if out is not None:
        refuse_unwritable(out)
    parameters = parameters | {"augment": augmentation_in(parameters["augment"])}
    own = {_PARAMETERS.get(k, k): v for k, v in parameters.items() if v is not None}
    model = ConvNetClassifier(verbose=not report.as_json, **own)
    model._check_parameters()
    folder = images(data, size_in(size))
    report.note(f"{folder!r}".strip("<>"))
    model.fit(folder)
    model.set_params(verbose=False)
    report.hear()
    share = model.score(folder)
    if out is not None:
        model.save(out)
    if report.as_json:
        report.result({
            "model": MODEL, "classes": folder.classes, "images": len(folder), "image_shape": model.image_shape_,
            "accuracy": share, **model_values(model, 0.95), "saved": None if out is None else str(out),
        })  # fmt: skip
    else:
        report.out.print(model.explain())
        report.note(f"{share:.1%} of these images are told rightly; of others it may be fewer")
        if out is not None:
            report.note(f"saved to {out}")
    return 0


def takes_images(model: Any) -> bool:
    """Whether a loaded model is fitted to images."""
    from betahat.estimators.network.convnet import ConvolutionalNetwork

    return isinstance(model, ConvolutionalNetwork)


def predict_images(report: Report, model: Any, data: str, out: Path | None, name: str) -> None:
    """What a model says of an image file, or of all in a folder: printed, or written to a .csv file."""
    from betahat.storage.atomic import replace_file

    if out is not None and out.suffix != ".csv":
        raise ValueError(f"--out (={str(out)!r}) must be a .csv file for predictions of images")
    folder = _read(model, data)
    columns = {"file": list(folder.files)} | {
        key: values.tolist() for key, values in model._columns(model._outputs(folder), name).items()
    }
    rows = list(zip(*columns.values(), strict=True))
    if out is not None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([list(columns), *rows])
        replace_file(out, text.getvalue().encode())
        report.note(f"{len(rows):,} rows written to {out}")
    if report.as_json:
        report.result({
            "rows": len(rows), "out": None if out is None else str(out), "columns": list(columns),
            "predictions": [dict(zip(columns, row, strict=True)) for row in rows],
        })  # fmt: skip
    elif out is None:
        shown = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in row] for row in rows[:_SHOWN]]
        print_table(report, list(columns), shown, good=lambda row: False)
        if len(rows) > _SHOWN:
            report.note(f"and {len(rows) - _SHOWN:,} more; --out FILE.csv writes all")


def _read(model: Any, data: str) -> ImageFolder:
    """The files as the model takes them; resized only where those of its training were."""
    from betahat.data.image_folder import images

    height, width, channels = model.image_shape_
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if channels not in modes:
        raise DataError(
            f"the model was fitted to images of {channels} channels, which files of images do not have"
        )
    found = images(data, (height, width) if model._resized else None, mode=modes[channels])
    if found.shape[1:3] != (height, width):
        raise DataError(
            f"{found.files[0]!r} is {found.shape[1]} × {found.shape[2]} (height × width), and the model was fitted to "
            f"images of {height} × {width}, which were not resized (fit --size {height},{width} does)"
        )
    return found
