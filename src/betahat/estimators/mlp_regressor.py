"""A multilayer perceptron that predicts numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from betahat.estimators.network.parameters import keep
from betahat.estimators.network.regressor import NetworkRegression
from betahat.estimators.network.stack import check_stack, stack
from betahat.layers import Layer, Shape


@final
class MLPRegressor(NetworkRegression):
    """A multilayer perceptron for numbers: scikit-learn's `MLPRegressor` by name and meaning, and what it lacks.

    J(β) = (1/Σw) Σ w L(y, f(x, β)) + α/2Σw Σ β² over the weights, biases free, with the losses of several targets added
    (scikit-learn shows their mean in `loss_`, but descends their sum too).

    loss : "squared_error" (½(y − f)²), "huber", "pseudo_huber", "cauchy"; a family ("poisson", "gamma", "tweedie",
    "inverse_gaussian", "binomial", "negative_binomial", "gaussian"), whose link makes the mean of the output ("exp" in
    `out_activation_` for a logarithm; terms of y alone are left out of the loss, which scikit-learn's deviances add); a
    loss of `betahat.losses`; or a function L(y, f) in plain NumPy, its derivative found and checked.

    standardize : X as in :class:`~betahat.estimators.mlp_classifier.MLPClassifier`; and y, where the loss is of the
    residual y − f: each target is brought to mean 0 and variance 1 for squared error, and one unit is taken for all in
    the others, whose δ is divided by it, so that they stay what they are. `loss_` and `coefs_` then speak of these
    units; predictions are in those of y. For a family the outputs begin at the link of the mean.

    All other parameters and attributes are those of :class:`~betahat.estimators.mlp_classifier.MLPClassifier`.
    scoring : None is R².

    >>> import numpy as np, betahat as bh
    >>> x = np.linspace(-2, 2, 60)[:, None]
    >>> model = bh.MLPRegressor(hidden_layer_sizes=(10,), activation="tanh", solver="lbfgs", random_state=0)
    >>> bool(model.fit(x, np.sin(3 * x[:, 0])).score(x, np.sin(3 * x[:, 0])) > 0.99)
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
        layer_norm: bool = False,
        clip_norm: float | None = None,
        average: Any = None,
        standardize: bool = True,
        dtype: Any = "auto",
        scoring: Any = None,
        callbacks: Any = None,
        checkpoint: Any = None,
        checkpoint_every: int = 1,
        shuffle_buffer: int | None = None,
    ) -> None:
        keep(self, locals())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_stack(self)

    def _width(self, shape: Shape, wanted: tuple[int, ...], why: str) -> int:
        return wanted[-1]

    def _layers(self, outputs: int) -> list[Layer]:
        return stack(self, outputs)
