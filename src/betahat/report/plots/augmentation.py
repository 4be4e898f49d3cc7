"""Images, and what training sees of them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.data.augmentation import Augmentation, augmentation_of
from betahat.report.plots import seen, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TILE = 1.05  # inches
_MOST = 16


@final
class AugmentationDisplay:
    """Images, one a row, each with draws of how training changes it, but for mixup. A row has one scale of grey.

    Parameters
    ----------
    images : (n, height, width, channels)
    draws : (n, k, height, width, channels), k of each
    name : of what was drawn

    Attributes
    ----------
    figure_ : matplotlib's figure
    axes_ : array of Axes (n, 1 + k)
    images_ : list of AxesImage, row by row

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> images = np.arange(32.0).reshape(2, 4, 4)
    >>> shown = bh.plots.AugmentationDisplay.from_augmentation({"shift": 1}, images, draws=5)
    >>> shown.draws.shape, shown.axes_.shape
    ((2, 5, 4, 4, 1), (2, 6))
    """

    def __init__(self, images: Any, draws: Any, *, name: str = "") -> None:
        self.images, self.draws, self.name = np.asarray(images), np.asarray(draws, np.float64), name
        n, *shape = self.images.shape
        if len(shape) != 3:
            raise ValueError(f"images has shape {self.images.shape}; expected (n, height, width, channels)")
        wanted = (n, *self.draws.shape[1:2], *shape)
        if self.draws.shape != wanted or self.draws.ndim != 5:
            raise ValueError(
                f"draws has shape {self.draws.shape}; expected (n, k, height, width, channels), some of each of images "
                f"of shape {self.images.shape}"
            )

    @classmethod
    def from_augmentation(
        cls, augment: Any, images: Any, *, draws: int = 7, seed: int = 0, ax: Axes | None = None, **kwargs: Any
    ) -> Self:  # fmt: skip
        """Draw changes of a few images.

        augment : a :class:`betahat.data.Augmentation` or a dict of its parameters; images : (n, height, width) or (n,
        height, width, channels), at most 16; draws : of each; seed : that they depend on; ax, kwargs : as in
        :meth:`plot`.

        Raises ValueError or TypeError for what is no augmentation, more images, or images without room for it.
        """
        augmentation, images = augmentation_of(augment) or Augmentation(), np.asarray(images)
        images = images[..., None] if images.ndim == 3 else images
        if images.ndim != 4:
            raise ValueError(
                f"images has shape {images.shape}; expected (n, height, width) or (n, height, width, channels)"
            )
        seen.several(images, _MOST)
        found = [augmentation.sample(image, draws, seed + k) for k, image in enumerate(images)]
        return cls(images, np.stack(found), name=repr(augmentation)).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, draws: int = 7, seed: int = 0, ax: Axes | None = None, **kwargs: Any
    ) -> Self:  # fmt: skip
        """Draw how the `augment` of a fitted network changes a few images X, in any form that `predict` takes.

        draws, seed, ax, kwargs : as in :meth:`from_augmentation`.

        Raises TypeError where the estimator has no `augment`.
        """
        if not hasattr(estimator, "augment"):
            raise TypeError(
                f"estimator (={estimator!r}) has no augment; expected a fitted network of images, such as "
                "bh.ConvNetClassifier"
            )
        images = seen.opened(estimator, X, _MOST).images
        return cls.from_augmentation(estimator.augment, images, draws=draws, seed=seed, ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, cmap: str = "gray", image_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw in the place of `ax`, or in a new figure.

        cmap : of grey images; image_kw : what matplotlib's `imshow` takes. Returns the display.
        """
        rows, columns = len(self.images), 1 + self.draws.shape[1]
        width = max(3.2, _TILE * columns + 0.2)
        letters = int((width if ax is None else style.width_of(ax)) / seen.LETTER)
        heading = textwrap.fill(self.name, max(letters, 20))
        above = 0.35 + 0.18 * (heading.count("\n") + 1) * bool(heading)
        tall = self.images.shape[1] / self.images.shape[2]
        size = (width, max(1.2, _TILE * rows * min(tall, 3.0) + above))
        self.axes_ = style.tiles(ax, rows, columns, size, heading)
        self.figure_ = style.figure_of(self.axes_[0, 0])
        self.images_: list[Any] = []
        for line, image, draws in zip(self.axes_, self.images, self.draws, strict=True):
            for tile, each in zip(line, _together(image, draws), strict=True):
                style.edge(tile)
                look = {"cmap": cmap, "vmin": 0.0, "vmax": 1.0, "interpolation": "nearest"} | (image_kw or {})
                self.images_.append(tile.imshow(each, **look))
        self.axes_[0, 0].set_title("as it is", fontsize="small")
        if columns > 1:
            self.axes_[0, 1].set_title("drawn", fontsize="small")
        return self


def _together(image: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """An image and its draws as matplotlib takes them, on one scale."""
    every = np.concatenate([image[None], draws])
    if image.dtype == np.uint8:
        every = np.clip(np.rint(every), 0, 255).astype(np.uint8)
    shown = seen.as_shown(every.reshape(-1, *image.shape[1:]))
    return shown.reshape(len(every), image.shape[0], *shown.shape[1:])
