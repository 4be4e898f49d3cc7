"""What a whole program reads and writes, as a table of addresses and sizes."""

from __future__ import annotations

X, ROW, COLUMN, KIND, CENTRE, SCALE, INDPTR, INDICES, ORDER, TARGETS, OUTPUTS, WEIGHTS = range(12)
"""The data: addresses of X, its strides and kind, of what standardises it, CSR's arrays, rows in their order, targets
(n, outputs) and weights as doubles; 0 where there are none."""
DOUBLE, SINGLE, BYTE, SPARSE = range(4)
"""Kinds of X."""
BATCH, SHARD, SHARDS, TOTAL, FIRST_STEP, SEED = range(12, 18)
"""Rows of a batch and of a shard, shards, rows in all, the number of the first step, dropout's seed."""
LOSSES, SHARD_LOSSES = range(18, 20)
"""Addresses: losses of the steps, and of shards (2, shards)."""
STRETCHES, LINKS, NUMBERS, LINK_COUNT, NORMS, NORM_COUNT = range(20, 26)
"""Addresses and counts of what `update` reads."""
ANSWERS, BROKEN = range(26, 28)
"""The address of what leaves the network; set to 1 by whoever met a number of X that is not finite."""
CHANGES, MIXES = range(28, 30)
"""Addresses: how each row of the span is changed (see `betahat.kernels.augment`), and of each step the share that a row
keeps of itself and how many rows further on its partner is; 0 for neither."""
SIZE = 30
