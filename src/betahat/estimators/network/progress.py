"""How far a training is, on standard error: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, final


@final
class Bar:
    """A context manager that is told of rows and epochs; it shows nothing unless `verbose`."""

    def __init__(self, verbose: Any, epochs: int, rows: int) -> None:
        self._rows, self._bar, self._task, self._console = rows, None, None, None
        if not verbose:
            return
        from rich.console import Console

        self._console = Console(stderr=True, markup=False, highlight=False)
        if self._console.is_terminal:
            self._bar = _bar(self._console)
            self._task = self._bar.add_task("", total=epochs * rows, loss="", score="", rate="")

    def advance(self, rows: int, seconds: float) -> None:
        """So many rows more, which took so long."""
        if self._bar is not None and self._task is not None:
            rate = f"{rows / seconds:,.0f} rows/s" if seconds > 0 else ""
            self._bar.update(self._task, advance=rows, rate=rate)

    def epoch(self, number: int, loss: float, score: float | None) -> None:
        """An epoch is over."""
        told = "" if score is None else f"validation score {score:.4f}"
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, completed=number * self._rows, loss=f"loss {loss:.5g}", score=told,
                description=f"epoch {number}",
            )  # fmt: skip
        elif self._console is not None:
            self._console.print(f"epoch {number}, loss {loss:.8f}{', ' * bool(told)}{told}")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(console: Any) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    fields = ("description", "loss", "score", "rate")
    words = [
        TextColumn(f"{{task.{'fields[' + f + ']' if f != 'description' else f}}}", markup=False)
        for f in fields
    ]
    return Progress(words[0], BarColumn(), *words[1:], TimeRemainingColumn(), console=console)
