"""L-BFGS: BFGS from the last few steps only, for many coefficients (Nocedal 1980; Liu & Nocedal 1989)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import State
from betahat.solvers.descent.limited_memory import LimitedMemory
from betahat.solvers.descent.problem import Problem


@final
class LBFGS(LimitedMemory):
    """BFGS whose matrix is never made: two vectors for each of the last `memory` steps. For many numbers.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.minimize(lambda x: np.sum(np.cosh(x - 1.0)), np.zeros(5000), solver="lbfgs")
    >>> bool(np.allclose(fit.point, 1)), fit.status
    (True, 'stationary')
    """

    name = "lbfgs"

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        return self._pairs.direction(state.gradient)
