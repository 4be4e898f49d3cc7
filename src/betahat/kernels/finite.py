"""Whether numbers are finite, told in one reading where they are."""

from __future__ import annotations

import math

import numpy as np


def all_finite(values: np.ndarray) -> bool:
    """Whether an array of floats holds neither NaN nor infinity: then its squares add up to a number, unless they
    overflow, in which case each number is looked at.

    >>> all_finite(np.array([1.0, 2.0])), all_finite(np.array([1e300])), all_finite(np.array([np.nan]))
    (True, True, False)
    """
    if values.ndim == 1 and math.isfinite(np.vdot(values, values)):
        return True
    return bool(np.isfinite(values).all())
