"""Named curves, for `betahat.NonlinearRegression("logistic")`: each with its expression and its own starting values.

>>> from betahat.curves import CURVES
>>> CURVES["michaelis_menten"].text
'vmax * x / (km + x)'
"""

from betahat.models.curves import CURVES, Curve

__all__ = ["CURVES", "Curve"]
