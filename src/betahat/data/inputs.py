"""What the user hands to `fit`, checked and turned into a design and a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from betahat.data.beside import read_beside, read_numbers, total_offset
from betahat.data.design import Design
from betahat.data.formula import FormulaDesign
from betahat.data.formula_learning import learn_formula
from betahat.data.frame import open_frame, pick
from betahat.data.groups import group_codes
from betahat.data.labels import class_array, occurring, read_labels
from betahat.data.missing import Missing
from betahat.data.offset import Offset, added
from betahat.data.settle import together
from betahat.data.source import ArraySource, Block
from betahat.data.table import TableDesign, learn_table


def read_inputs(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    frequency_weight: Any = None,
    groups: Any = None,
    missing: Missing = "error",
    *,
    offset: Any = None,
    exposure: Any = None,
    labels: bool = False,
) -> tuple[TableDesign, ArraySource]:
    """A table and its target, as plain `fit(X, y)` is given them.

    X : pandas, polars (lazy too) or pyarrow table; every column is used.
    y : numbers, (n,) or (n, t): array, list, Series or table.
    sample_weight, frequency_weight : (n,) numbers, not negative; frequencies whole.
    groups : labels of clusters, one or two a row.
    missing : "error", "drop" or "mean" (which fills X only).
    offset, exposure : (n,) numbers, of which offset + log(exposure) is added to the linear predictor; exposures are
        positive. One number stands for n equal ones.
    labels : y is one column of labels (text, booleans, whole numbers, categories), which become codes 0 … K−1 in the
        order of numpy.unique; `source.classes` are the labels.

    Returns the design and the source, whose X may be the table's own memory: it is not to be written to.

    Raises DataError where lengths differ or values are infinite, MissingValueError, TypeError for a target,
    weight or offset that is not numbers.

    >>> import polars as pl
    >>> design, source = read_inputs(pl.DataFrame({"x": [1, 2], "kind": ["a", "b"]}), [3.0, 4.0])
    >>> source.names, source.target_names
    (('x', 'kind[b]'), ('y',))
    >>> read_inputs(pl.DataFrame({"x": [1, 2]}), ["no", "yes"], labels=True)[1].classes
    array(['no', 'yes'], dtype=object)
    """
    frame = open_frame(X, "X")
    n = len(frame)
    classes = None
    if labels:
        name, labelled, classes = read_labels(y, n)
        targets = {name: labelled}
    else:
        targets = read_numbers(y, "y", n)
    beside = read_beside(n, sample_weight, frequency_weight, offset, exposure)
    codes = None if groups is None else group_codes(groups, n)
    design, matrix, keep = learn_table(frame.to_native(), missing, together(targets, beside))
    Y = np.column_stack([_rows(target, keep) for target in targets.values()])
    if classes is not None:
        Y, classes = occurring(Y[:, 0], classes)
    return design, _source(design, Block(matrix, Y), beside, codes, keep, tuple(targets), classes)


def read_formula(
    formula: str,
    data: Any,
    sample_weight: Any = None,
    frequency_weight: Any = None,
    groups: Any = None,
    missing: Missing = "error",
    labels: bool = False,
    *,
    offset: Any = None,
    exposure: Any = None,
) -> tuple[FormulaDesign, ArraySource]:
    """A formula and the table it speaks of.

    Weights, groups, offset and exposure are given like those of :func:`read_inputs`, or as names of columns of `data`
    (groups: one name or a list of one or two), which `.` in the formula then leaves out. The design remembers the
    names of an offset and an exposure, and asks new rows for them. `offset(...)` in the formula is added as well.
    labels : one target of labels (text, booleans, whole numbers, categories), coded 0 … K−1 in the order of
    numpy.unique; `source.classes` are the labels.

    Raises what :func:`read_inputs` raises, and FormulaError.

    >>> import pandas as pd
    >>> data = pd.DataFrame({"y": [1.0, 2.0], "x": [3.0, 4.0], "w": [1, 2], "n": [1.0, 1.0]})
    >>> design, source = read_formula("y ~ . + offset(log(n)) - n", data, sample_weight="w")
    >>> source.names, next(source.blocks()).offset
    (('x',), array([0., 0.]))
    """
    frame = open_frame(data, "data")
    n = len(frame)
    given = {
        "sample_weight": sample_weight, "frequency_weight": frequency_weight, "offset": offset, "exposure": exposure,
    }  # fmt: skip
    named = {argument: name for argument, name in given.items() if isinstance(name, str)}
    given |= {argument: pick(frame, name).to_native() for argument, name in named.items()}
    columns: list[str] = []
    if isinstance(groups, str) or _are_names(groups, n):
        columns = [groups] if isinstance(groups, str) else list(groups)
        for name in columns:
            pick(frame, name)
        groups = frame.select(columns).to_native()
    beside = read_beside(n, **given)
    codes = None if groups is None else group_codes(groups, n)
    design, block, keep = learn_formula(
        formula, frame.to_native(), missing, beside, (*named.values(), *columns), labels,
        Offset(named.get("offset"), named.get("exposure")),
    )  # fmt: skip
    classes = None if design.classes is None else class_array(design.classes)
    return design, _source(design, block, beside, codes, keep, design.target_names, classes)


def _are_names(groups: Any, n: int) -> bool:
    """Whether a list is of one or two names of columns, not of n labels."""
    listed = isinstance(groups, (list, tuple)) and 0 < len(groups) <= 2 < n
    return listed and all(isinstance(name, str) for name in groups)


def _rows(values: np.ndarray, keep: np.ndarray | None) -> np.ndarray:
    return values if keep is None else values[keep]


def _source(
    design: Design,
    block: Block,
    beside: Mapping[str, np.ndarray],
    codes: np.ndarray | None,
    keep: np.ndarray | None,
    target_names: tuple[str, ...],
    classes: np.ndarray | None,
) -> ArraySource:
    """A source of X, y and the formula's offset (of the rows kept) and what stands beside them (of all rows)."""
    kept = {name: _rows(values, keep) for name, values in beside.items()}
    assert block.y is not None
    return ArraySource(
        block.X,
        block.y,
        kept.get("sample_weight"),
        kept.get("frequency_weight"),
        None if codes is None else _rows(codes, keep),
        design.names,
        target_names,
        offset=added(block.offset, total_offset(kept)),
        classes=classes,
    )
