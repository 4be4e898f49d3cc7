"""The scikit-learn face: parameters in, objective and solver out, results as attributes. Thin.

No arithmetic of fits or statistics lives here.
"""

from betahat.names import postponed

with postponed(
    "scipy.stats", "pandas"
):  # most of what scikit-learn's import takes, for functions that few call
    import sklearn.base  # noqa: F401
