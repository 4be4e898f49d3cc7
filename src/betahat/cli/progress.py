"""A line on standard error that says how far a long command is."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Timer
from types import TracebackType
from typing import Any, Self, final

from betahat.data.source import Block, DerivedSource

_PATIENCE = 1.0  # seconds before anything is shown


@final
class Progress:
    """A spinner with words, shown after a second, on a terminal only; a context manager."""

    def __init__(self, text: str, enabled: bool) -> None:
        from rich.console import Console

        console = Console(stderr=True, markup=False, highlight=False)
        self._status = console.status(text) if enabled and console.is_terminal else None
        self._timer = Timer(_PATIENCE, self._show)
        self._timer.daemon = True

    def _show(self) -> None:
        if self._status is not None:
            self._status.start()

    def say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)

    def __enter__(self) -> Self:
        if self._status is not None:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._timer.cancel()
            self._timer.join()  # so that it cannot start the spinner after it was stopped
            self._status.stop()


@final
class WatchedSource(DerivedSource):
    """Another source whose readings a `Progress` tells of."""

    def __init__(self, source: Any, progress: Progress) -> None:
        super().__init__(source)
        self._progress, self.design = progress, source.design

    def _derive(self, block: Block) -> Block:
        return block

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        rows = 0
        for block in self._source.blocks(unsearched):
            rows += block.X.shape[0]
            self._progress.say(f"reading {self.readings}: {rows:,} rows")
            yield block
