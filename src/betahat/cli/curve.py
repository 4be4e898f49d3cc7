"""`betahat curve`: a curve through columns of a file, with its parameters, their intervals and a picture."""

from __future__ import annotations

import textwrap
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from betahat.cli.curve_picture import draw, picture_path
from betahat.cli.curve_text import print_profile, profile_values
from betahat.cli.fitting import refuse_unwritable
from betahat.cli.output import NOT_CERTIFIED, Report
from betahat.cli.progress import Progress, WatchedSource
from betahat.cli.showing import model_values, print_summary
from betahat.errors import InferenceError

if TYPE_CHECKING:
    import numpy as np

    from betahat.data import ArraySource
    from betahat.estimators.nonlinear_regression import NonlinearRegression

_MISSING = ("drop", "error")
_INDENT = 4 * " "


def curve_command(
    report: Report,
    data: str | None,
    *,
    roles: dict[str, Any],
    options: dict[str, Any],
    parameters: dict[str, Any],
    missing: str,
    profile: bool,
    picture: bool | None,
    plot: Path | None,
    feature: str | None,
    out: Path | None,
    level: float,
) -> int:
    """Fit, print, draw, save; the exit code. `roles` and `options` go to :func:`betahat.data.query`.

    picture : whether to draw; None means where a reader is there to look at it. plot : where, None for a name made of
    the data's.
    """
    from betahat.estimators.nonlinear_inputs import resolve
    from betahat.estimators.nonlinear_regression import NonlinearRegression
    from betahat.estimators.nonlinear_source import check_source, gathered
    from betahat.inference.distributions import check_level
    from betahat.losses import as_loss

    check_level(level)
    data = _complete(data, roles, parameters, options)
    if missing not in _MISSING:
        raise ValueError(f"--missing (={missing!r}) must be one of {', '.join(_MISSING)}")
    if out is not None:
        refuse_unwritable(out)
    wanted = not report.as_json if picture is None else picture
    where = picture_path(plot, data, options["table"]) if wanted or plot is not None else None
    model = NonlinearRegression(**parameters)
    model._check_parameters()
    if profile and not as_loss(parameters["loss"]).quadratic:
        raise ValueError("--profile is defined for squared error only; leave it or --loss out")
    with Progress("reading", enabled=not report.as_json) as progress:
        from betahat.data import query

        source = query(data, missing=missing, **roles, **options)  # pyright: ignore[reportArgumentType]
        check_source(source)
        resolve(model.f, source.names)  # a wrong model is told before a long file is read
        rows = gathered(WatchedSource(source, progress))
        progress.say(f"fitting {rows.n_rows:,} rows")
        _fit(model, rows)
        report.hear()
        intervals = _profile(report, model, rows, level) if profile else None
    if out is not None:
        model.save(out)
    drawn = None if where is None else draw(report, model, rows, where, plot is not None, feature, level)
    if not model.certificate_.converged and isfinite(model.certificate_.condition_number):
        report.note(
            "other beginnings (--start a=…,b=…), bounds (--bounds b=0:) or --max-iter may find a minimum"
        )
    if report.as_json:
        saved = None if out is None else str(out)
        report.result({
            **model_values(model, level), **profile_values(model, intervals),
            "rows": rows.n_rows, "saved": saved, "plot": None if drawn is None else str(drawn),
        })  # fmt: skip
    else:
        print_summary(report, model, level)
        print_profile(report, model, intervals, level)
        if drawn is not None:
            report.note(f"drawn to {drawn}")
        if out is not None:
            report.note(f"saved to {out}")
    return 0 if model.certificate_.converged else NOT_CERTIFIED


def _complete(
    data: str | None, roles: dict[str, Any], parameters: dict[str, Any], options: dict[str, Any]
) -> str:
    """The data, where everything that is needed was given."""
    if data is None:
        raise ValueError("DATA is missing: a file, a table or SQL (--list names the curves)")
    if parameters["f"] is None:
        raise ValueError(
            "--model is missing: an expression such as 'a*exp(-b*x)+c', or a curve's name (--list)"
        )
    for option, role in (("--x", "columns"), ("--y", "target")):
        if not roles[role]:
            from betahat.data.duck import open_table

            there = ", ".join(open_table(data, options["table"]).types)
            raise ValueError(f"{option} is missing: the name of a column of {data!r}; there are {there}")
    return data


def _fit(model: NonlinearRegression, rows: ArraySource) -> None:
    try:
        model.fit(rows)
    except ValueError as error:
        if not str(error).startswith("start"):
            raise
        raise ValueError(f"{error}. Here: --start a=…,b=…") from error


def _profile(
    report: Report, model: NonlinearRegression, rows: ArraySource, level: float
) -> np.ndarray | None:
    """Profile intervals; None, with a warning, where the fit has none, so that the rest is told all the same."""
    try:
        return model.profile_interval(rows, level=level)
    except InferenceError as error:
        report.warn(f"no profile intervals: {error}")
        return None


def curves_command(report: Report) -> None:
    """The named curves."""
    from rich.text import Text

    from betahat.curves import CURVES

    if report.as_json:
        report.result(
            {"curves": {name: {"expression": c.text, "about": c.about} for name, c in CURVES.items()}}
        )
        return
    for name, curve in CURVES.items():
        report.out.print(Text.assemble((name, "bold"), "  ", curve.about))
        shown = textwrap.fill(curve.text, 76, initial_indent=_INDENT, subsequent_indent=_INDENT)
        report.out.print(Text(shown, style="cyan"))
