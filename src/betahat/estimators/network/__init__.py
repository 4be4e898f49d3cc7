"""What estimators that train networks share: parameters, rows, targets, the loop over epochs.

No layer and no step of a solver is written here.
"""
