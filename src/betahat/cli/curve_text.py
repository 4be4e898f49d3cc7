"""What `betahat curve` and `show` say of a nonlinear fit beside its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.cli.output import Report

if TYPE_CHECKING:
    from betahat.estimators.nonlinear_regression import NonlinearRegression

_LARGEST = 10  # parameters whose correlations are shown in full


def print_correlation(report: Report, model: Any) -> None:
    """The lower triangle for a nonlinear model, where there are standard errors and it fits a terminal."""
    from betahat.inference.correlation import correlation_table

    R = _correlation(model)
    if R is not None and 2 <= len(R) <= _LARGEST:
        report.out.print()
        _print(report, correlation_table(model._result.statistics.names, R))


def correlation_values(model: Any) -> dict[str, Any]:
    """For JSON: the correlation of a nonlinear model's parameters in the summary's order, null where there is none."""
    return {"correlation": _correlation(model)} if _is_curve(model) else {}


def print_profile(
    report: Report, model: NonlinearRegression, intervals: np.ndarray | None, level: float
) -> None:
    """Profile intervals, if asked for."""
    from betahat.inference.text import cell, level_names, number, table

    if intervals is None:
        return
    rows = [
        [cell(name), *map(number, ends)] for name, ends in zip(model.parameter_names_, intervals, strict=True)
    ]
    report.out.print()
    _print(report, table(["by profile", *level_names(level)], rows))


def profile_values(model: NonlinearRegression, intervals: np.ndarray | None) -> dict[str, Any]:
    """For JSON: [low, high] by parameter, null where the sum of squares never rises so far."""
    if intervals is None:
        return {}
    return {"profile": dict(zip(model.parameter_names_, intervals, strict=True))}


def _is_curve(model: Any) -> bool:
    return getattr(getattr(model._result, "statistics", None), "nonlinear", False)


def _correlation(model: Any) -> np.ndarray | None:
    statistics = model._result.statistics
    if (
        not _is_curve(model)
        or model._result.refusal is not None
        or statistics.penalised
        or statistics.df_resid <= 0
    ):
        return None
    return model.inference_.correlation


def _print(report: Report, text: str) -> None:
    from rich.text import Text

    shown = Text(text)
    shown.highlight_regex(r"(?m)^-{8,}$", "dim")
    report.out.print(shown)
