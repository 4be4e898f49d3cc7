"""How β moves: one method a file. A solver asks an objective for derivatives and never sees where rows live.

No estimator, no statistics, no printing.
"""
