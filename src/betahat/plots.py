"""Pictures of descents, convergence, fits and trainings, and of what networks see in images, under their public name
(`betahat.report.plots` has them).

>>> import numpy as np
>>> from betahat.plots import DescentDisplay
>>> valley = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
>>> shown = DescentDisplay.from_function(valley, np.array([-1.2, 1.0]), solvers=["bfgs"])
>>> shown.ax_.get_xlabel(), shown.paths["BFGS"].points[0]
('β[0]', array([-1.2,  1. ]))
"""

from betahat.report.plots import (
    AugmentationDisplay,
    ConfusionMatrixDisplay,
    ConvergenceDisplay,
    Course,
    Descent,
    DescentDisplay,
    FeatureMaps,
    FeatureMapsDisplay,
    FiltersDisplay,
    FitDisplay,
    GradCamDisplay,
    LearningRateDisplay,
    MistakesDisplay,
    SaliencyDisplay,
    TrainingDisplay,
)

__all__ = [
    "AugmentationDisplay", "ConfusionMatrixDisplay", "ConvergenceDisplay", "Course", "Descent", "DescentDisplay",
    "FeatureMaps", "FeatureMapsDisplay", "FiltersDisplay", "FitDisplay", "GradCamDisplay", "LearningRateDisplay",
    "MistakesDisplay", "SaliencyDisplay", "TrainingDisplay",
]  # fmt: skip
