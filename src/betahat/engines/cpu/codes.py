"""Codes of embedded columns, looked at before compiled code uses them as places."""

from __future__ import annotations

import numpy as np

from betahat.engines.base import Rows
from betahat.layers.base import Pass
from betahat.layers.columns import Columns
from betahat.models.network import Network


def check_codes(network: Network, rows: Rows) -> None:
    """Raise DataError where a column of codes holds what its Embedding does not take."""
    first = network.layers[0] if network.layers else None
    if not isinstance(first, Columns):
        return
    for place, embedding in first.embedded:
        column = rows.X[:, [place]]
        column = np.asarray(column.toarray() if hasattr(column, "toarray") else column)[:, 0]
        context = Pass(path=f"0.column.{place}.")
        embedding._codes(column.astype(np.float64, copy=False), context)
