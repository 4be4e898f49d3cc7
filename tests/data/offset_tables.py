"""One table with an offset and an exposure, and every way to say which columns those are."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from betahat.data import Design, Source, query, read_formula, read_inputs

N = 40
I = np.arange(N)  # noqa: E741
COLUMNS: dict[str, Any] = {
    "y": (I % 5).astype(float).tolist(),
    "x": (I / 7).tolist(),
    "kind": ["ab"[i % 2] for i in range(N)],
    "z": (I / 10 - 1).tolist(),
    "n": (I % 6 + 0.5).tolist(),
}
Z, T = np.array(COLUMNS["z"]), np.array(COLUMNS["n"])
EXPECTED = {(False, False): None, (True, False): Z, (False, True): np.log(T), (True, True): Z + np.log(T)}
ROLES = [(True, False), (False, True), (True, True)]


def frame_source(make, columns: dict[str, Any], names: dict[str, str], missing: Any) -> tuple[Design, Source]:
    """Offsets as arrays of their own beside a table."""
    given = {role: np.array(columns[name], dtype=float) for role, name in names.items()}
    return read_inputs(make({k: columns[k] for k in ("x", "kind")}), columns["y"], missing=missing, **given)


def series_source(
    make, columns: dict[str, Any], names: dict[str, str], missing: Any
) -> tuple[Design, Source]:
    """Offsets as columns of the same library."""
    given = {role: make({name: columns[name]}) for role, name in names.items()}
    given = {
        role: table.collect() if isinstance(table, pl.LazyFrame) else table for role, table in given.items()
    }
    return read_inputs(make({k: columns[k] for k in ("x", "kind")}), columns["y"], missing=missing, **given)


def named_source(make, columns: dict[str, Any], names: dict[str, str], missing: Any) -> tuple[Design, Source]:
    return read_formula("y ~ x + kind", make(columns), missing=missing, **names)


def term_source(make, columns: dict[str, Any], names: dict[str, str], missing: Any) -> tuple[Design, Source]:
    terms = {"offset": "offset(z)", "exposure": "offset(log(n))"}
    return read_formula(
        " + ".join(["y ~ x + kind", *(terms[r] for r in names)]), make(columns), missing=missing
    )


WAYS = {"arrays": frame_source, "columns": series_source, "names": named_source, "terms": term_source}


def roles_of(both: tuple[bool, bool]) -> dict[str, str]:
    return {role: name for role, name, on in zip(("offset", "exposure"), ("z", "n"), both, strict=True) if on}


def query_of(what: str, way: str, both: tuple[bool, bool], missing: Any = "drop", block_rows: int = 7) -> Any:
    if way == "terms":
        terms = [t for t, on in zip(("offset(z)", "offset(log(n))"), both, strict=True) if on]
        return query(
            what, formula=" + ".join(["y ~ x + kind", *terms]), missing=missing, block_rows=block_rows
        )
    how = {"formula": "y ~ x + kind"} if way == "names" else {"target": "y", "columns": ["x", "kind"]}
    return query(what, **how, **roles_of(both), missing=missing, block_rows=block_rows)
