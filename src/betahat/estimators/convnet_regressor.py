"""A convolutional network that predicts numbers from images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, final

from betahat.data.image_folder import ImageFolder
from betahat.errors import DataError
from betahat.estimators.network.convnet import ConvolutionalNetwork
from betahat.estimators.network.parameters import keep
from betahat.estimators.network.regressor import NetworkRegression


@final
class ConvNetRegressor(ConvolutionalNetwork, NetworkRegression):
    """A convolutional network for numbers: the images and layers of
    :class:`~betahat.estimators.convnet_classifier.ConvNetClassifier`, with the losses and targets of
    :class:`~betahat.estimators.mlp_regressor.MLPRegressor`.

    Images of :func:`betahat.data.images` are fitted with y (n,), in the order of its `files`.

    >>> import numpy as np, betahat as bh
    >>> X = np.random.default_rng(0).random((200, 6, 6))
    >>> y = X[:, :3].mean(axis=(1, 2))
    >>> model = bh.ConvNetRegressor(channels=4, hidden=16, max_iter=60, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        channels: int | Sequence[int] = (32, 64),
        kernel_size: int | tuple[int, int] = 3,
        *,
        pool: str | None = "max",
        hidden: int | Sequence[int] = (128,),
        activation: Any = "relu",
        batch_norm: bool = False,
        residual: bool = False,
        dropout: float | Sequence[float] = 0.0,
        architecture: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        image_order: str = "NHWC",
        augment: Any = None,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "one_cycle",
        learning_rate_init: Any = 0.003,
        power_t: float = 0.5,
        max_iter: int = 20,
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
        clip_norm: float | None = None,
        average: Any = None,
        standardize: bool = True,
        dtype: Any = "auto",
        scoring: Any = None,
        callbacks: Any = None,
        checkpoint: Any = None,
        checkpoint_every: int = 1,
    ) -> None:
        keep(self, locals())

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """R², of several targets their mean."""
        if y is None and isinstance(X, ImageFolder):
            self._labels_of(X)
        return super().score(X, y, sample_weight)

    def _labels_of(self, folder: ImageFolder) -> NoReturn:
        raise DataError(
            f"y is None: {folder!r} has labels at most, and a regression needs a number for each image"
        )
