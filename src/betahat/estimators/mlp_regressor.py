"""A multilayer perceptron that predicts numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from betahat.estimators.network.parameters import keep
from betahat.estimators.network.regressor import NetworkRegression
from betahat.estimators.network.stack import check_stack, stack
from betahat.layers import Layer


@final
class MLPRegressor(NetworkRegression):
    """DOC"""

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
    ) -> None:
        keep(self, locals())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_stack(self)

    def _layers(self, outputs: int) -> list[Layer]:
        return stack(self, outputs)
