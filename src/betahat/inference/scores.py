"""The pass that robust covariances need: residuals, leverages and scores, block by block."""

from __future__ import annotations

import numpy as np

from betahat.data.passes import dense
from betahat.data.source import Source
from betahat.inference.meat import Meat, leverage

_ROWS = 1 << 15


def sum_scores(
    meat: Meat, source: Source, coef: np.ndarray, level: np.ndarray, centre: np.ndarray, inverse: np.ndarray,
    has_intercept: bool,
) -> None:  # fmt: skip
    """Feed a meat with all rows, in one reading; the design is Z = [1 | X − centre], `inverse` its (ZᵀWZ)⁻¹.

    `level` (t,) is the prediction at the centre: centred residuals lose nothing to large means.
    """
    first = int(has_intercept)
    for block in source.blocks():
        assert block.y is not None
        for start in range(0, block.X.shape[0], _ROWS):
            rows = slice(start, start + _ROWS)
            X = dense(block.X[rows])
            design = np.ones((len(X), X.shape[1] + first))
            np.subtract(X, centre, out=design[:, first:])
            weight = None if block.weight is None else block.weight[rows]
            meat.update(
                design,
                (block.y[rows] - level) - design[:, first:] @ coef.T,
                weight,
                None if block.frequency is None else block.frequency[rows],
                leverage=leverage(design, inverse, weight) if meat.needs_leverage else None,
                groups=None if block.groups is None else block.groups[rows],
            )
