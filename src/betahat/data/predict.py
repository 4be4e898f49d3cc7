"""Predictions for files of any size: read in blocks, written in the order of the rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from betahat.data.design import Design
from betahat.data.duck import Table, fit_memory, literal, open_table, quoted, wrapped
from betahat.data.offset import Offset
from betahat.data.prefetch import prefetch
from betahat.data.reader import Reader, block_rows_for, slices
from betahat.data.source import Block
from betahat.errors import DataError

_WRITERS = {".parquet": "FORMAT parquet", ".pq": "FORMAT parquet", ".csv": "FORMAT csv, HEADER"}


def iter_design_blocks(
    what: Any,
    design: Design,
    *,
    offset: str | None = None,
    exposure: str | None = None,
    table: str | None = None,
    block_rows: int | None = None,
    memory_limit: str | None = None,
) -> Iterator[Block]:
    """Blocks of new rows, X (k, p) float64 with the offset (k,) of the design if it has one, in the order of the rows.

    offset, exposure : columns of these rows, in place of those that were named in training.
    what, table, block_rows, memory_limit : as for :func:`betahat.data.query`.

    Raises MissingValueError, UnseenLevelError and DataError as `design.matrix` and `design.offset` do.

    >>> from betahat.data import query
    >>> sql = "SELECT i AS x, 2.0 * i AS y FROM range(3) AS t(i)"
    >>> design = query(sql, target="y").design
    >>> [rows.X[:, 0].tolist() for rows in iter_design_blocks(sql, design, block_rows=2)]
    [[0.0], [1.0, 2.0]]
    """
    design = design.with_offset(Offset(offset, exposure))
    return _design_blocks(open_table(what, table, memory_limit), design, block_rows, memory_limit)


def _design_blocks(
    table: Table, design: Design, block_rows: int | None, memory_limit: str | None
) -> Iterator[Block]:
    # a column that both X and the offset use is read once, as X does
    columns = {column.name: column for column in (*design.offset_columns, *design.columns)}
    fit_memory(table, [name for name in columns if name in table.types], memory_limit)
    reader = Reader(table, tuple(columns.values()))
    at_most = block_rows_for(len(design.names), block_rows)

    def read() -> Iterator[Block]:
        for values, _ in reader.batches():
            reader.refuse_unseen(values)
            total = len(next(iter(values.values())))
            for part in slices(total, at_most):
                block = {name: values[name][part] for name in columns}
                rows = part.stop - part.start
                offset = design.complete_offset(block, rows) if design.offset_columns else None
                inputs = {name: block[name] for name in design.input_names}
                yield Block(design.assemble(design.complete(inputs), rows), offset=offset)

    return prefetch(read)


def write_predictions(
    what: Any,
    design: Design,
    predict: Callable[[Block], Mapping[str, np.ndarray]],
    out: str | os.PathLike[str],
    *,
    offset: str | None = None,
    exposure: str | None = None,
    table: str | None = None,
    block_rows: int | None = None,
    memory_limit: str | None = None,
) -> int:
    """Write the input with columns of predictions added, and return the number of rows.

    predict : from a block, with X (k, p) and perhaps an offset (k,), to columns of k values each, by name; the same
        names for every block.
    offset, exposure : columns of these rows, in place of those that were named in training.
    out : a .parquet or .csv file. It is replaced only when the new one is complete.

    From CSV to CSV the given fields are kept as the text they are. Predictions wait in a temporary file
    beside `out`, so memory does not grow with the rows.

    Raises ValueError for another kind of file, DataError where a column of that name is in the input already,
    where there are no rows, or where `predict` returns columns of another length, and what
    :func:`iter_design_blocks` raises.
    """
    target = Path(out)
    if target.suffix.lower() not in _WRITERS:
        raise ValueError(f"`out` (={str(out)!r}) must end in {' or '.join(_WRITERS)}")
    if not target.parent.is_dir():
        raise ValueError(f"`out` (={str(out)!r}) is in a folder that is not there")
    opened = open_table(what, table, memory_limit)
    design = design.with_offset(Offset(offset, exposure))
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        kept, made = Path(folder) / "predictions.duckdb", Path(folder) / f"made{target.suffix}"
        connection = opened.connection
        with wrapped(str(kept)):
            connection.execute(f"ATTACH {literal(str(kept))} AS betahat_out")
        try:
            blocks = _design_blocks(opened, design, block_rows, memory_limit)
            rows = _keep(opened, blocks, predict)
            given = opened.verbatim if target.suffix.lower() == ".csv" else opened.expression
            with wrapped(f"the output {str(out)!r}"):
                connection.execute(
                    f"COPY (SELECT given.*, made.* FROM {given} AS given "
                    f"POSITIONAL JOIN betahat_out.predictions AS made) TO {literal(str(made))} "
                    f"({_WRITERS[target.suffix.lower()]})"
                )
        finally:
            connection.close()
        os.replace(made, target)
    return rows


def _keep(
    table: Table,
    blocks: Iterator[Block],
    predict: Callable[[Block], Mapping[str, np.ndarray]],
) -> int:
    """Put the predictions of every block into a table on disk, in order; the number of rows."""
    names: list[str] = []
    total = 0
    cursor = table.cursor()
    for block in blocks:
        columns = {name: np.asarray(values) for name, values in predict(block).items()}
        _check_columns(columns, len(block.X), names, table)
        if any(
            values.dtype.kind in "US" for values in columns.values()
        ):  # as text, not as an enum of this block
            columns = {k: v.astype(object) if v.dtype.kind in "US" else v for k, v in columns.items()}
        with wrapped("the predictions"):
            cursor.register("betahat_block", columns)
            select = f"SELECT {', '.join(map(quoted, columns))} FROM betahat_block"
            verb = (
                "INSERT INTO betahat_out.predictions" if names else "CREATE TABLE betahat_out.predictions AS"
            )
            cursor.execute(f"{verb} {select}")
            cursor.unregister("betahat_block")
        names = list(columns)
        total += len(block.X)
    if not total:
        raise DataError(f"{table.described} has no rows, so there is nothing to predict")
    return total


def _check_columns(columns: Mapping[str, np.ndarray], rows: int, before: list[str], table: Table) -> None:
    if before and list(columns) != before:
        raise DataError(
            f"`predict` returned the columns {list(columns)} for one block and {before} for another"
        )
    if not columns:
        raise DataError("`predict` returned no columns")
    present = {name.casefold() for name in table.types}
    for name, values in columns.items():
        if values.shape != (rows,):
            raise DataError(
                f"`predict` returned {name!r} of shape {values.shape} for {rows:,} rows; ({rows},) is meant"
            )
        if name.casefold() in present:
            raise DataError(
                f"{table.described} has a column {name!r} already; leave it out or rename it in SQL"
            )
