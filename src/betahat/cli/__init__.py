"""The command line: `betahat fit`, `curve`, `predict`, `show`, `warmup`, `demo`, `versions`.

Options in, calls of the library, text or JSON out; no arithmetic lives here. Heavy imports stand
inside commands.
"""

from __future__ import annotations


def main() -> None:
    """The entry point of the `betahat` command."""
    from betahat.cli.app import run

    run()
