"""Pictures, as scikit-learn's displays: computed arrays in, matplotlib's artists out (`bh.plots`).

matplotlib is imported when something is drawn (``pip install 'betahat[plots]'``). Fits are seen through protocols only.
"""

from betahat.report.plots.augmentation import AugmentationDisplay
from betahat.report.plots.confusion import ConfusionMatrixDisplay
from betahat.report.plots.convergence import ConvergenceDisplay
from betahat.report.plots.descent import DescentDisplay
from betahat.report.plots.descents import Descent
from betahat.report.plots.feature_maps import FeatureMaps, FeatureMapsDisplay
from betahat.report.plots.filters import FiltersDisplay
from betahat.report.plots.fit import FitDisplay
from betahat.report.plots.learning_rate import LearningRateDisplay
from betahat.report.plots.mistakes import MistakesDisplay
from betahat.report.plots.overlay import GradCamDisplay, SaliencyDisplay
from betahat.report.plots.training import Course, TrainingDisplay

__all__ = [
    "AugmentationDisplay", "ConfusionMatrixDisplay", "ConvergenceDisplay", "Course", "Descent", "DescentDisplay",
    "FeatureMaps", "FeatureMapsDisplay", "FiltersDisplay", "FitDisplay", "GradCamDisplay", "LearningRateDisplay",
    "MistakesDisplay", "SaliencyDisplay", "TrainingDisplay",
]  # fmt: skip
