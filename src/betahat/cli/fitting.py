"""`betahat fit`: from a file, database or query to a fitted, certified and perhaps saved model."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from betahat.cli.output import NOT_CERTIFIED, Report
from betahat.cli.progress import Progress, WatchedSource
from betahat.cli.showing import model_values, print_summary
from betahat.errors import StorageError


def fit_command(
    report: Report,
    data: str,
    *,
    formula: str | None,
    roles: dict[str, Any],
    options: dict[str, Any],
    parameters: dict[str, Any],
    out: Path | None,
    level: float,
) -> int:
    """Fit, print, save; the exit code. `roles` and `options` go to :func:`betahat.data.query`."""
    from betahat.data import query
    from betahat.estimators.linear_regression import LinearRegression
    from betahat.inference.distributions import check_level

    check_level(level)
    if formula is not None and not parameters["fit_intercept"]:
        raise ValueError("--no-intercept is said by a formula itself: write '- 1' at its end")
    if out is not None:
        refuse_unwritable(out)
    model = LinearRegression(**parameters)
    model._check_parameters()
    with Progress("reading", enabled=not report.as_json) as progress:
        source = query(data, formula=formula, missing=parameters["missing"], **roles, **options)
        if formula is not None:
            model.fit_intercept = source.design.has_intercept
        model.fit(WatchedSource(source, progress))
    report.hear()
    if out is not None:
        model.save(out)
    if report.as_json:
        saved = None if out is None else str(out)
        report.result({**model_values(model, level), "rows": source.n_rows, "saved": saved})
    else:
        print_summary(report, model, level)
        if out is not None:
            report.note(f"saved to {out}")
    return 0 if model.certificate_.converged else NOT_CERTIFIED


def names_in(lists: list[str] | None) -> list[str] | None:
    """The names in options such as ``a,b`` (given once or more); a name with a comma stands in double quotes.

    >>> names_in(["a, b", '"c,d"'])
    ['a', 'b', 'c,d']
    """
    if not lists:
        return None
    return [name.strip() for row in csv.reader(lists, skipinitialspace=True) for name in row if name.strip()]


def refuse_unwritable(out: Path, option: str = "--out") -> None:
    """Before a long fit, not after it: whether its result can be written there."""
    folder = out.resolve().parent
    if out.is_dir():
        raise StorageError(f"{option} (={str(out)!r}) is a folder; name a file in it")
    if not folder.is_dir():
        raise StorageError(f"{option} (={str(out)!r}) is in a folder that is not there")
    if not os.access(folder, os.W_OK):
        raise StorageError(f"{option} (={str(out)!r}) is in a folder that this user may not write to")
