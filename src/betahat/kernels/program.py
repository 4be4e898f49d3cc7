"""Straight-line programs: an elementwise formula of columns and parameters as a list of operations on slots.

A fixed set of compiled operations runs any such program, so that no formula is ever compiled itself. `reference` states
in NumPy what the compiled operations must equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

OPERATIONS = (
    "add", "subtract", "multiply", "divide", "power", "negative", "exp", "log", "sqrt", "square", "reciprocal", "sin",
    "cos", "tan", "arctan", "sinh", "cosh", "tanh", "absolute", "expm1", "log1p", "log10", "log2", "arcsin", "arccos",
    "arcsinh", "arccosh", "arctanh", "erf", "expit",
)  # fmt: skip
"""By their names in NumPy, or in scipy.special; the number of an operation is its place here."""
(
    ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, NEGATIVE, EXP, LOG, SQRT, SQUARE, RECIPROCAL, SIN, COS, TAN, ARCTAN, SINH,
    COSH, TANH, ABSOLUTE, EXPM1, LOG1P, LOG10, LOG2, ARCSIN, ARCCOS, ARCSINH, ARCCOSH, ARCTANH, ERF, EXPIT,
) = range(len(OPERATIONS))  # fmt: skip
BINARY = (ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER)
"""Operations of two slots; the others take one, which stands in both places."""


@final
@dataclass(frozen=True, eq=False)
class Program:
    """f over n rows. Slots hold, in this order, the p parameters, the constants, the columns, and the operations'
    results.

    size : p; constants : (k,); columns : (c, n); operations : (m, 3) int64, each an operation's number and the slots
    that it takes; result : the slot of f; moves : for each slot whether it depends on a parameter.
    """

    size: int
    constants: np.ndarray
    columns: np.ndarray
    operations: np.ndarray
    result: int
    moves: np.ndarray

    @property
    def rows(self) -> int:
        """n."""
        return self.columns.shape[1]

    @property
    def work(self) -> int:
        """Operations in one evaluation, over all rows."""
        return self.rows * (len(self.operations) + self.size)


def program(
    size: int, constants: np.ndarray, columns: np.ndarray, operations: Sequence[Sequence[int]], result: int
) -> Program:
    """The program of these operations: of each its number and the slots that it takes.

    >>> import numpy as np
    >>> p = program(1, np.array([2.0]), np.array([[1.0, 3.0]]), [(MULTIPLY, 0, 2), (ADD, 3, 1)], 4)
    >>> p.moves, p.rows
    (array([ True, False, False,  True,  True]), 2)
    """
    moves = [True] * size + [False] * (len(constants) + len(columns))
    for _, a, b in operations:
        moves.append(moves[a] or moves[b])
    code = np.array(operations, np.int64).reshape(-1, 3)
    return Program(size, constants, columns, code, result, np.array(moves, bool))
