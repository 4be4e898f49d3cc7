"""A convolutional network that classifies images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from betahat.data.image_folder import ImageFolder
from betahat.errors import DataError
from betahat.estimators.network.classifier import NetworkClassification
from betahat.estimators.network.convnet import ConvolutionalNetwork
from betahat.estimators.network.parameters import keep
from betahat.losses.smoothed import check_smoothing


@final
class ConvNetClassifier(ConvolutionalNetwork, NetworkClassification):
    """A convolutional network for labels of images: blocks of convolutions and pooling, and dense layers after them.

    J(β) is that of :class:`~betahat.estimators.mlp_classifier.MLPClassifier`: cross-entropy of the labels, and α/2 Σ β²
    over the weights (LeCun et al. 1998).

    X : images (n, height, width, channels) or grey ones (n, height, width), of whole numbers (uint8) or floats, also
    mapped from a file (`numpy.memmap`), which is never read into memory as a whole; with image_order="NCHW" (n,
    channels, height, width), as PyTorch has them; tables (n, p) of the same numbers, the last axis running fastest; a
    source of such rows (:func:`betahat.data.query`); or :func:`betahat.data.images`, which brings its labels.
    image_shape : (height, width) or (height, width, channels), which rows of a table need. Without it a table of p = k²
    columns is taken for grey images k × k, another of up to 32 columns for lines 1 × p, over which windows are made as
    small as they must be (`explain` says so), and any other is refused.

    channels : of each block: a convolution that keeps the size ("same"), the activation, and pooling. kernel_size : of
    the windows, or (height, width). pool : "max" or "average" over 2 × 2 after each block, or None. hidden : units of
    the dense layers after the blocks. activation : as of MLPClassifier. batch_norm : normalise each channel before its
    activation (Ioffe & Szegedy 2015). residual : let each block be two convolutions that are added to what they are
    given (He et al. 2016). dropout : the rate after every hidden layer, or one for each; without hidden layers before
    the outputs.
    architecture : in the place of channels, kernel_size, hidden and residual "lenet" (LeCun et al. 1998), "vgg-small"
    (3 pairs of 3 × 3 convolutions, after Simonyan & Zisserman 2015) or "resnet-9" (8 convolutions, all normalised;
    after He et al. 2016), with the pool, activation, batch_norm and dropout that are asked for.

    augment : a :class:`betahat.data.Augmentation`, or a dict of its parameters, such as {"shift": 2, "flip": True,
    "rotate": 10, "mixup": 0.2}: images are changed at random each time they come by in training, in compiled code, by
    numbers that depend on the seed alone. Steps then lower the mean of J over such draws; predictions, scores and
    `certify` are of the images as they are, whose J is another function, so that its derivatives need not vanish.

    Training: learning_rate="one_cycle" lets the rate of any solver by name rise to learning_rate_init over 3/10 of the
    steps of max_iter epochs and fall to almost nothing (:class:`betahat.solvers.OneCycle`, Smith & Topin 2018). For
    `partial_fit` a call is an epoch, and max_iter calls make the cycle. batch_size : "auto" is 128, and n/32 but at
    least 32 where there are fewer than 4,096 rows. label_smoothing : ε of [0, 1); a target is 1 − ε + ε/K for its class
    and ε/K for the others (:class:`~betahat.losses.smoothed.SmoothedMultinomial`). standardize : channels are centred
    and divided by their standard deviation on their way in. All other parameters and attributes are those of
    MLPClassifier, and `image_shape_` (height, width, channels).

    Raises DataError and ValueError where images have another shape or number of channels than those of the training,
    windows do not fit into them, or pooling leaves nothing, and what MLPClassifier raises.

    >>> import numpy as np, betahat as bh
    >>> X = np.zeros((60, 6, 6), np.uint8)
    >>> X[:30, :, 2], X[30:, 2, :] = 255, 255
    >>> y = ["upright"] * 30 + ["level"] * 30
    >>> model = bh.ConvNetClassifier(channels=4, hidden=(), max_iter=10, random_state=0).fit(X, y)
    >>> model.image_shape_, model.predict(X[29:31]).tolist()
    ((6, 6, 1), ['upright', 'level'])
    """

    label_smoothing: float

    def __init__(
        self,
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
        label_smoothing: float = 0.0,
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
        class_weight: Any = None,
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

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_smoothing(self.label_smoothing, "label_smoothing")

    @property
    def _smoothing(self) -> float:
        return float(self.label_smoothing)

    def _labels_of(self, folder: ImageFolder) -> np.ndarray:
        if folder.y is None:
            raise DataError(
                f"{folder!r} has no labels, since its files are in no folders of classes; give y, or a folder with one "
                "for each class"
            )
        return folder.y

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy; y may be left out for images that bring their labels."""
        return super().score(
            X, self._labels_of(X) if y is None and isinstance(X, ImageFolder) else y, sample_weight
        )
