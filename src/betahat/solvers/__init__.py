"""How β moves: one method a file. A solver asks an objective for derivatives and never sees where rows live.

No estimator, no statistics, no printing. The classes to hand to `solver=` are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betahat.names import find

if TYPE_CHECKING:  # what _WHERE says, for type checkers
    from betahat.solvers.descent.bfgs import BFGS
    from betahat.solvers.descent.conjugate_gradient import ConjugateGradient
    from betahat.solvers.descent.dogleg import Dogleg
    from betahat.solvers.descent.gradient_descent import GradientDescent
    from betahat.solvers.descent.lbfgs import LBFGS
    from betahat.solvers.descent.lbfgsb import LBFGSB
    from betahat.solvers.descent.newton import Newton
    from betahat.solvers.descent.newton_cg import NewtonCG
    from betahat.solvers.descent.steepest import SteepestDescent
    from betahat.solvers.descent.trust_region import TrustRegion
    from betahat.solvers.least_squares.gauss_newton import GaussNewton
    from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
    from betahat.solvers.schedules import (
        Constant,
        Cosine,
        Exponential,
        InverseScaling,
        OneCycle,
        StepDecay,
        WarmUp,
    )  # fmt: skip
    from betahat.solvers.stochastic.average import ExponentialAverage, PolyakRuppert
    from betahat.solvers.stochastic.chain import Chain
    from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

_WHERE = {
    "BFGS": "descent.bfgs",
    "ConjugateGradient": "descent.conjugate_gradient",
    "Dogleg": "descent.dogleg",
    "GaussNewton": "least_squares.gauss_newton",
    "LBFGS": "descent.lbfgs",
    "LevenbergMarquardt": "least_squares.levenberg_marquardt",
    "LBFGSB": "descent.lbfgsb",
    "Newton": "descent.newton",
    "NewtonCG": "descent.newton_cg",
    "SteepestDescent": "descent.steepest",
    "TrustRegion": "descent.trust_region",
    "GradientDescent": "descent.gradient_descent",
    **dict.fromkeys(
        ("SGD", "AdaGrad", "Adam", "AdamW", "Momentum", "Nesterov", "RMSProp"), "stochastic.named"
    ),
    "Chain": "stochastic.chain",
    **dict.fromkeys(("ExponentialAverage", "PolyakRuppert"), "stochastic.average"),
    **dict.fromkeys(
        ("Constant", "Cosine", "Exponential", "InverseScaling", "OneCycle", "StepDecay", "WarmUp"),
        "schedules",
    ),
}
DESCENTS = {
    "trust_region": "TrustRegion",
    "dogleg": "Dogleg",
    "newton": "Newton",
    "newton_cg": "NewtonCG",
    "bfgs": "BFGS",
    "lbfgs": "LBFGS",
    "lbfgsb": "LBFGSB",
    "conjugate_gradient": "ConjugateGradient",
    "steepest_descent": "SteepestDescent",
}
"""What `bh.minimize(solver=...)` takes by name, and the class that it names."""
LEARNING_RATES = {
    "gradient_descent": "GradientDescent",
    "sgd": "SGD",
    "momentum": "Momentum",
    "nesterov": "Nesterov",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adam": "Adam",
    "adamw": "AdamW",
}
"""It takes these too: their steps are as long as a learning rate says, which is to be chosen for the function. Only the
first finds one itself."""

__all__ = [
    "BFGS", "LBFGS", "LBFGSB", "SGD", "AdaGrad", "Adam", "AdamW", "Chain", "ConjugateGradient", "Constant", "Cosine",
    "Dogleg", "Exponential", "ExponentialAverage", "GaussNewton", "GradientDescent", "InverseScaling",
    "LevenbergMarquardt", "Momentum", "Nesterov", "Newton", "NewtonCG", "OneCycle", "PolyakRuppert", "RMSProp",
    "SteepestDescent", "StepDecay", "TrustRegion", "WarmUp",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return find(__name__, _WHERE, name)


def __dir__() -> list[str]:
    return sorted(__all__)
