"""Models f(x, β) and what a pass sums of them: products with the derivative of f in β.

Losses, penalties and solvers do not live here.
"""
