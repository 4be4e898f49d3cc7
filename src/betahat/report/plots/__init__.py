"""Pictures, as scikit-learn's displays: computed arrays in, matplotlib's artists out (`bh.plots`).

matplotlib is imported when something is drawn (``pip install 'betahat[plots]'``). Fits are seen through protocols only.
"""

from betahat.report.plots.convergence import ConvergenceDisplay
from betahat.report.plots.descent import DescentDisplay
from betahat.report.plots.descents import Descent
from betahat.report.plots.fit import FitDisplay
from betahat.report.plots.learning_rate import LearningRateDisplay
from betahat.report.plots.training import Course, TrainingDisplay

__all__ = [
    "ConvergenceDisplay", "Course", "Descent", "DescentDisplay", "FitDisplay", "LearningRateDisplay", "TrainingDisplay",
]  # fmt: skip
