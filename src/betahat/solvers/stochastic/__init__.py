"""Steps with a learning rate, as chains of small transformations of a gradient; over mini-batches or all rows.

A transformation keeps nothing itself: what it remembers lies in arrays that the chain's state owns.
"""
