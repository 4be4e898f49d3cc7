"""`betahat fit`: from a file, database or query to a fitted, certified and perhaps saved model."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from betahat.cli.guessing import Guess, guess_model
from betahat.cli.output import NOT_CERTIFIED, Report
from betahat.cli.progress import Progress, WatchedSource
from betahat.cli.showing import model_values, print_summary
from betahat.errors import StorageError


def fit_command(
    report: Report,
    data: str,
    *,
    name: str | None,
    formula: str | None,
    roles: dict[str, Any],
    options: dict[str, Any],
    parameters: dict[str, Any],
    special: dict[str, Any],
    out: Path | None,
    level: float,
) -> int:
    """Fit, print, save; the exit code. `roles` and `options` go to :func:`betahat.data.query`.

    name : of the model, guessed from the target where None. parameters : of all models. special : of some models,
    None where not given.
    """
    from betahat.data import query
    from betahat.inference.distributions import check_level

    check_level(level)
    if formula is not None and not parameters["fit_intercept"]:
        raise ValueError("--no-intercept is said by a formula itself: write '- 1' at its end")
    if out is not None:
        refuse_unwritable(out)
    guess = guess_model(data, formula, roles, options) if name is None else None
    name = name or (guess.model if guess is not None else "linear")
    model, classifies = _model(name, guess, parameters, special, roles)
    if guess is not None:
        report.note(f"--model {guess.model}, guessed: {guess.why}")
    with Progress("reading", enabled=not report.as_json) as progress:
        source = query(
            data, formula=formula, missing=parameters["missing"], labels=classifies, **roles, **options
        )
        if formula is not None:
            model.fit_intercept = source.design.has_intercept
        model.fit(WatchedSource(source, progress))
    report.hear()
    if out is not None:
        model.save(out)
    if report.as_json:
        report.result({
            "model": name, "guessed": None if guess is None else guess.why, **model_values(model, level),
            "rows": source.n_rows, "saved": None if out is None else str(out),
        })  # fmt: skip
    else:
        print_summary(report, model, level)
        if out is not None:
            report.note(f"saved to {out}")
    return 0 if model.certificate_.converged else NOT_CERTIFIED


def _model(
    name: str, guess: Guess | None, parameters: dict[str, Any], special: dict[str, Any], roles: dict[str, Any]
) -> tuple[Any, bool]:
    """An estimator, and whether its target is of labels; a ValueError that names an option it does not have."""
    from betahat.estimators.models import MODELS, model_named

    given = {option: value for option, value in special.items() if value is not None}

    def refusal(option: str, models: str) -> ValueError:
        here = f"--model {name}" if guess is None else f"--model {name}, guessed since {guess.why}"
        return ValueError(f"--{option} is for --model {models}, and this is {here}")

    found = model_named(name, given.get("link"))
    for role in ("offset", "exposure"):
        if roles[role] is not None and name == "linear":
            raise refusal(role, ", ".join(other for other in MODELS if other != "linear"))
    known = found.made_of._get_param_names()
    for option in given:
        if option not in known:
            able = [
                other
                for other in MODELS
                if option in model_named(other, given.get("link")).made_of._get_param_names()
            ]
            raise refusal(option, ", ".join(able))
    model = found.made_of(**{**found.parameters, **parameters, **given})
    model._check_parameters()
    return model, found.classifies


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
