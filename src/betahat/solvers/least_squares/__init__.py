"""Sums of squares: solvers that know the residuals one by one, not just their sum.

Nothing here knows what the residuals are of.
"""
