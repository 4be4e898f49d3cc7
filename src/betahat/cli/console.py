"""rich's console, as this package wants it."""

from __future__ import annotations

from typing import final

from rich.console import Console


@final
class PlainConsole(Console):
    """A console that tells a closed pipe to the caller instead of leaving the process with code 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError
