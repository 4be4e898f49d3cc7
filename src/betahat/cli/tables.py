"""Small tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable

from betahat.cli.output import Report


def print_table(
    report: Report, header: list[str], rows: list[list[str]],
    good: Callable[[list[str]], bool] = lambda row: row[0].startswith("betahat"),
) -> None:  # fmt: skip
    """Rows under a header, numbers flush right; those that are `good` in green."""
    from rich import box
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row, style="green" if good(row) else None)
    report.out.print(table)
