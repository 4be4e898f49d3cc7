"""Maximum likelihood of models with a linear predictor: coordinates, Newton's method, and whether a maximum exists.

Nothing here knows standard errors or estimators.
"""
