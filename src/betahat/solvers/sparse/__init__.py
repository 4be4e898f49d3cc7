"""Fits with an L1 penalty: working sets or Gram matrices, coordinate descent, proximal Newton steps, duality gaps.

Any convex loss; no estimator, no statistics.
"""
