"""Pictures that the demonstration leaves where it runs; another's file of the same name stays."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from betahat.cli.output import Report

_OURS = b"drawn by betahat demo"  # in a picture's metadata


def keep_picture(report: Report, name: str, what: str, draw: Callable[[], Any]) -> None:
    """Draw a figure into the file `name` of this folder; say what it shows and where it is, or why there is none."""
    target = Path(name).resolve()
    try:
        import matplotlib as mpl
    except ImportError:
        report.out.print("Pictures are drawn by matplotlib: pip install 'betahat[plots]'")
        return
    if target.exists() and not _is_ours(target):
        report.warn(f"no picture was drawn: {target} is there already, and no earlier demo drew it")
        return
    from betahat.errors import StorageError
    from betahat.storage.atomic import replace_file

    with mpl.rc_context({"backend": "agg"}):
        content = _png(draw())
    try:
        replace_file(target, content)
    except StorageError as error:
        report.warn(f"no picture was kept: {error}")
        return
    report.out.print(f"{what}: {target}")


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _OURS in file.read(4096)
    except OSError:
        return False


def _png(figure: Any) -> bytes:
    import matplotlib.pyplot as plt

    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=130, metadata={"Software": _OURS.decode()})
    plt.close(figure)
    return image.getvalue()
