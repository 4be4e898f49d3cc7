"""`betahat show`, and how every command prints a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from betahat.cli.curve_text import correlation_values, print_correlation
from betahat.cli.output import Report
from betahat.errors import InferenceError, StorageError


def show_command(report: Report, path: Path, *, explain: bool, level: float) -> None:
    """Print what a model file holds."""
    model = load_model(path)
    if report.as_json:
        words = {"explanation": model.explain()} if explain else {}
        report.result({**model_values(model, level), **words})
        return
    print_summary(report, model, level)
    if explain:
        report.out.print()
        report.out.print(model.explain())


def load_model(path: Path) -> Any:
    """A saved model; one of a Python function is refused with what to do instead."""
    from betahat.estimators.storing import load

    try:
        return load(path)
    except StorageError as error:
        if "a Python function" not in str(error):
            raise
        raise StorageError(
            f"{error} in Python. The command line has no functions of yours; it takes models of expressions and named "
            "curves"
        ) from None


def print_summary(report: Report, model: Any, level: float) -> None:
    """The summary with its certificate, and the correlation of a curve's parameters; coloured on a terminal, the same
    text anywhere else."""
    from rich.text import Text

    if not hasattr(model, "summary"):  # a network has no coefficients with errors
        report.out.print(Text(model.explain()))
        return
    try:
        text = Text(str(model.summary(level)))
    except InferenceError as error:
        text = Text(_estimates(model, str(error)))
    text.highlight_regex(r"^[^\n]+", "bold")
    text.highlight_regex(r"(?m)^-{8,}$", "dim")
    start = text.plain.rfind("\n" + model.certificate_.line())
    if start >= 0:
        style = "green" if model.certificate_.converged else "bold red"
        text.stylize(style, start, start + 1 + len(model.certificate_.line()))
    report.out.print(text)
    print_correlation(report, model)


def _estimates(model: Any, refusal: str) -> str:
    """What can be said of a fit without a summary: its coefficients and its certificate."""
    from betahat.inference.text import cell, number, table

    s = model._result.statistics
    several = len(s.target_names) > 1
    rows = [
        [cell(f"{target}:{name}" if several else name), number(value)]
        for target, values in zip(s.target_names, s.estimate, strict=True)
        for name, value in zip(s.names, values, strict=True)
    ]
    lines = [type(model).__name__, "", table(["name", "coefficient"], rows), model.certificate_.line()]
    return "\n".join([*lines, f"No standard errors: {refusal}"])


def _summary_values(model: Any, level: float) -> dict[str, Any] | None:
    if not hasattr(model, "summary"):
        return None
    try:
        return model.summary(level).to_dict()
    except InferenceError as error:
        s = model._result.statistics
        targets = [
            {
                "name": target,
                "coefficients": [{"name": n, "coefficient": v} for n, v in zip(s.names, values, strict=True)],
            }
            for target, values in zip(s.target_names, s.estimate, strict=True)
        ]
        return {"refused": str(error), "targets": targets}


def model_values(model: Any, level: float) -> dict[str, Any]:
    """Everything `--json` says of a fitted model."""
    import betahat

    trace = model.trace_
    return {
        "betahat": betahat.__version__,
        "class": type(model).__name__,
        "parameters": model.get_params(deep=False),
        "summary": _summary_values(model, level),
        "certificate": {**model.certificate_.to_dict(), "line": model.certificate_.line()},
        "solver": model.solver_ if hasattr(model, "solver_") else str(model.solver),
        "stop_reason": model.stop_reason_,
        "trace": {name: getattr(trace, name) for name in ("loss", "gradient_norm", "step", "seconds")},
        **correlation_values(model),
    }
