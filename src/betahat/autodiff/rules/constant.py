"""Functions that are constant between jumps: their derivative is 0; traced values enter them as plain ones."""

from __future__ import annotations

import numpy as np

from betahat.autodiff.table import CONSTANT, WRITING

CONSTANT.update((
    # comparisons and questions
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.logical_and, np.logical_or,
    np.logical_not, np.logical_xor, np.isfinite, np.isinf, np.isnan, np.signbit, np.isclose, np.allclose,
    np.array_equal, np.any, np.all, np.iscomplexobj, np.isrealobj, np.isreal, np.iscomplex, np.isposinf, np.isneginf,
    # rounding
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.floor_divide, np.heaviside, np.fix,
    # places and counts
    np.argmax, np.argmin, np.argsort, np.argpartition, np.nanargmax, np.nanargmin, np.nonzero, np.flatnonzero,
    np.argwhere, np.count_nonzero, np.searchsorted, np.digitize, np.lexsort, np.shape, np.ndim, np.size,
    np.result_type, np.min_scalar_type, np.may_share_memory, np.shares_memory,
    # arrays of the same shape
    np.zeros_like, np.ones_like, np.empty_like, np.linalg.matrix_rank,
))  # fmt: skip

WRITING.update((np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal))
