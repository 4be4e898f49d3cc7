"""The scikit-learn face: parameters in, objective and solver out, results as attributes. Thin.

No arithmetic of fits or statistics lives here.
"""
