"""What a command says: results to standard output, all else to standard error, errors without a traceback."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from rich.console import Console

NOT_CERTIFIED, WRONG, BUG, INTERRUPTED, NO_READER = 1, 2, 70, 130, 141
"""Exit codes beside 0: fit not certified; wrong usage or data; a defect of betahat; Ctrl-C; a closed pipe."""

_TOLD = (UserWarning, RuntimeWarning)


@final
class Report:
    """What one command has to say. With `as_json`, one object on standard output, warnings in it."""

    def __init__(self, as_json: bool) -> None:
        from betahat.cli.console import PlainConsole as Console

        self.as_json = as_json
        self.warnings: list[str] = []
        self.out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._heard: list[warnings.WarningMessage] = []

    def result(self, values: Mapping[str, Any]) -> None:
        """Print the JSON object, with the warnings heard so far."""
        self.hear()
        values = {**values, "warnings": self.warnings}
        print(json.dumps(jsonable(values), ensure_ascii=False, indent=2, allow_nan=False))

    def note(self, text: str) -> None:
        """A line for a reader, not for a program."""
        if not self.as_json:
            self.err.print(text)

    def warn(self, text: str) -> None:
        """A warning: at once as a line, or later in the JSON object."""
        if text in self.warnings:
            return
        self.warnings.append(text)
        if not self.as_json:
            line("warning", "yellow", text, self.err)

    def hear(self) -> None:
        """Pass on what Python's warnings said meanwhile, each text once."""
        for heard in self._heard:
            if issubclass(heard.category, _TOLD):
                self.warn(str(heard.message))
        self._heard.clear()


def line(word: str, style: str, text: str, console: Console) -> None:
    """`betahat: word: text`, the word in colour on a terminal."""
    from rich.text import Text

    console.print(Text.assemble("betahat: ", (f"{word}:", f"bold {style}"), f" {text}"))


@contextmanager
def reporting(debug: bool = False, as_json: bool = False) -> Iterator[Report]:
    """Run a command: warnings become lines, errors one block and an exit code; `debug` adds a traceback."""
    import typer

    report = Report(as_json)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            report._heard = heard
            try:
                yield report
            finally:
                report.hear()
        sys.stdout.flush()
    except KeyboardInterrupt:
        line("interrupted", "yellow", "stopped before the end", report.err)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Nobody reads on, such as `| head`; keep the interpreter from saying so when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(NO_READER) from None
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        raise typer.Exit(_fail(error, WRONG, debug, report)) from None
    except Exception as error:
        if _is_control_flow(error):
            raise
        raise typer.Exit(_fail(error, BUG, debug, report)) from None


def _is_control_flow(error: Exception) -> bool:
    """typer's own exceptions: exits, aborts and wrong usage."""
    import typer

    return isinstance(error, (typer.Exit, typer.Abort)) or hasattr(error, "exit_code")


def _fail(error: Exception, code: int, debug: bool, report: Report) -> int:
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError):
        text = f"not enough memory. {error} A file or query is read in blocks and needs little"
    if code == BUG:
        text = (
            f"{type(error).__name__}: {text}. This is a defect of betahat, not of your data; please "
            "report it with "
            "what --debug and `betahat versions` print"
        )
    if debug:
        traceback.print_exception(error)
    line("error", "red", text, report.err)
    if report.as_json:
        failure = {"error": {"type": type(error).__name__, "message": text}}
        report.result(failure)
    return code


def jsonable(value: Any) -> Any:
    """Numbers, lists and dicts that strict JSON can hold: arrays become lists, NaN and infinities null.

    >>> jsonable({"a": float("nan"), "b": (1, 2.5)})
    {'a': None, 'b': [1, 2.5]}
    """
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        value = value.tolist()
    match value:
        case float():
            return value if value - value == 0 else None
        case Mapping():
            return {str(key): jsonable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [jsonable(inner) for inner in value]
        case None | bool() | int() | str():
            return value
    return str(value)
