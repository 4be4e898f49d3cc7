"""Any stack of layers that classifies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from betahat.estimators.network.augmenting import AugmentedNetwork
from betahat.estimators.network.classifier import NetworkClassification
from betahat.estimators.network.given_layers import check_layers, ends_with_one, given_layers, outputs_of
from betahat.estimators.network.parameters import keep
from betahat.layers import Layer, Shape


@final
class NetworkClassifier(AugmentedNetwork, NetworkClassification):
    """Any stack of layers, trained to tell classes: the engine of `MLPClassifier`, with its parameters but those that
    make layers.

    layers : from `betahat.layers`, the last giving one score for each class (or a single one for two classes, log
    odds), as `Dense` does; probabilities are made of the scores by the loss. Rows of X may have several axes: (n, 28,
    28, 1) for images. `standardize` then goes by channels, the last axis. augment : for such images, how they are
    changed at random in training, as in :class:`ConvNetClassifier`; rows of another form are refused.

    >>> import numpy as np, betahat as bh
    >>> from betahat.layers import Dense, ReLU, Residual
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> stack = [Dense(16), Residual(Dense(16), ReLU()), Dense(2)]
    >>> model = bh.NetworkClassifier(stack, solver="lbfgs", random_state=0).fit(X, X[:, 0] * X[:, 1] > 0)
    >>> bool(model.score(X, X[:, 0] * X[:, 1] > 0) > 0.95)
    True
    """

    _images = True

    def __init__(
        self,
        layers: Sequence[Layer],
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
        class_weight: Any = None,
        clip_norm: float | None = None,
        average: Any = None,
        standardize: bool = True,
        augment: Any = None,
        dtype: Any = "auto",
        scoring: Any = None,
        callbacks: Any = None,
        checkpoint: Any = None,
        checkpoint_every: int = 1,
        shuffle_buffer: int | None = None,
    ) -> None:
        keep(self, locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not ends_with_one(self)
        tags.classifier_tags.multi_label &= not ends_with_one(self)
        return tags

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_layers(self)

    def _layers(self, outputs: int) -> list[Layer]:
        return given_layers(self)

    def _width(self, shape: Shape, wanted: tuple[int, ...], why: str) -> int:
        return outputs_of(self, shape, wanted, why)
