"""Where a network looks: saliency and Grad-CAM over the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.layers.receptive import ReceptiveField
from betahat.report.inside import Inside
from betahat.report.plots import seen, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 24
_ACROSS = 8  # images in a row
_TILE = 1.35  # inches
_STRENGTH = 0.85  # how far the largest value covers the image


def _checked(
    images: Any, heat: Any, titles: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    images, heat = np.asarray(images), np.asarray(heat, np.float64)
    if images.ndim != 4 or heat.ndim != 3 or len(images) != len(heat):
        raise ValueError(
            f"images has shape {images.shape} and the map {heat.shape}; expected (n, height, width, channels) and "
            "(n, height', width') of as many images"
        )
    seen.several(images, _MOST)
    names = [""] * len(images) if titles is None else list(titles)
    if len(names) != len(images):
        raise ValueError(f"titles has {len(names)} texts for {len(images)} images")
    return images, heat, names


def _titles(estimator: Any, X: Any, inside: Inside, target: Any) -> list[str]:
    """Whose score it is, and how sure the network is of what it predicts."""
    _, probability = seen.answers(estimator, X)
    if inside.classes is None:
        return [f"output {k}" if inside.outputs.shape[1] > 1 else "" for k in inside.chosen(target)]
    asked = inside.classes[inside.chosen(target)]
    if probability is None:
        return [seen.wrapped(label, 16) for label in asked]
    every = estimator.predict_proba(X)[np.arange(len(asked)), inside.chosen(target)]
    return [
        f"{seen.wrapped(label, 16)}\n({seen.share(float(p))})" for label, p in zip(asked, every, strict=True)
    ]


def _draw(
    ax: Axes | None, images: np.ndarray, heat: np.ndarray, titles: list[str], what: str, cmap: str,
    field: ReceptiveField | None, smooth: bool, image_kw: dict[str, Any],
) -> tuple[np.ndarray, list[Any]]:  # fmt: skip
    """Pairs of tiles, each image over itself with its map; the axes and the maps."""
    n = len(images)
    columns = min(n, _ACROSS)
    lines = math.ceil(n / columns)
    axes = style.tiles(ax, 2 * lines, columns, (_TILE * columns + 0.9, (2 * _TILE + 0.5) * lines + 0.2))
    drawn: list[Any] = []
    for tile in axes.flat:
        tile.set_visible(False)
    for k in range(n):
        above, below = axes[2 * (k // columns), k % columns], axes[2 * (k // columns) + 1, k % columns]
        for tile in (above, below):
            tile.set_visible(True)
            seen.draw_image(tile, images[k], cmap)
        above.set_title(titles[k], fontsize="small")
        drawn.append(_lay(below, images[k].shape[:2], heat[k], field, smooth, image_kw))
        if k % columns == 0:
            above.set_ylabel("image", fontsize="small")
            below.set_ylabel(what, fontsize="small")
    return axes, drawn


def _lay(
    tile: Axes, shape: tuple[int, ...], heat: np.ndarray, field: ReceptiveField | None, smooth: bool,
    given: dict[str, Any],
) -> Any:  # fmt: skip
    """The map over the image, the more opaque the larger it is; each place where the middle of its field lies."""
    height, width = shape
    if field is None:
        down, across, top, left = height / heat.shape[0], width / heat.shape[1], -0.5, -0.5
    else:
        (down, across), (y, x) = field.stride, field.centre(0)
        heat = _faded(heat, (y, x), (down, across), shape)
        top, left = y - 1.5 * down, x - 1.5 * across
    extent = (left, left + across * heat.shape[1], top + down * heat.shape[0], top)
    relative = heat / (heat.max() or 1.0)
    look: dict[str, Any] = {
        "cmap": "inferno", "vmin": 0.0, "vmax": 1.0, "alpha": _STRENGTH * np.sqrt(relative),
        "interpolation": "bilinear" if smooth else "nearest",
    } | given  # fmt: skip
    drawn = tile.imshow(relative, extent=extent, **look)
    tile.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return drawn


def _faded(
    heat: np.ndarray, first: tuple[float, ...], step: tuple[int, ...], shape: tuple[int, ...]
) -> np.ndarray:
    """The map with a ring of places around it: 0 where the image goes on and the layer has no place, so that the map
    fades out there; elsewhere beyond the edge, and as its neighbours."""
    ringed = np.pad(heat, 1, mode="edge")
    for axis in (0, 1):
        along = np.moveaxis(ringed, axis, 0)
        if first[axis] - step[axis] > -0.5:
            along[0] = 0.0
        if first[axis] + step[axis] * heat.shape[axis] < shape[axis] - 0.5:
            along[-1] = 0.0
    return ringed


@final
class SaliencyDisplay:
    """Images, and below each the pixels that move the score of a class most: max over channels of |∂s/∂x|, relative
    to the largest (Simonyan, Vedaldi & Zisserman 2014). The score s is the output before the softmax.

    The derivative is that at this image: it says which pixels change s if they change a little, not how much of s is
    due to them.

    Parameters
    ----------
    images : (n, height, width, channels), up to 24
    saliency : (n, height, width)
    titles : over the images

    Attributes
    ----------
    figure_ : matplotlib's figure
    axes_ : array of Axes, rows of images and of maps by turns
    maps_ : list of AxesImage, one for each image

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> from betahat.layers import Conv2d, Dense, Flatten, ReLU
    >>> X = np.random.default_rng(0).normal(size=(40, 6, 6, 1))
    >>> stack = [Conv2d(4, 3), ReLU(), Flatten(), Dense(2)]
    >>> model = bh.NetworkClassifier(stack, max_iter=2, random_state=0).fit(X, X[:, 0, 0, 0] > 0)
    >>> shown = bh.plots.SaliencyDisplay.from_estimator(model, X[:3])
    >>> shown.saliency.shape, shown.axes_.shape
    ((3, 6, 6), (2, 3))
    """

    def __init__(self, images: Any, saliency: Any, *, titles: Sequence[str] | None = None) -> None:
        self.images, self.saliency, self.titles = _checked(images, saliency, titles)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, target: Any = None, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw it for a fitted network.

        X : (n, …) up to 24 images, as `predict` takes them. target : a label whose score is asked for, or one for each
        image; None is what is predicted. For a regressor the number of an output, the first where None. ax, kwargs : as
        in :meth:`plot`.

        Raises ValueError for labels that are no class and rows that are no images.
        """
        inside = seen.opened(estimator, X, _MOST)
        titles = _titles(estimator, X, inside, target)
        return cls(inside.images, inside.saliency(target), titles=titles).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, cmap: str = "gray", image_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw in the place of `ax`, or in a new figure.

        cmap : of grey images; image_kw : what matplotlib's `imshow` takes, for the maps. Returns the display.
        """
        self.axes_, self.maps_ = _draw(
            ax, self.images, self.saliency, self.titles, "saliency", cmap, None, False, image_kw or {}
        )
        self.figure_ = style.figure_of(self.axes_[0, 0])
        return self


@final
class GradCamDisplay:
    """Images, and below each where a layer found what speaks for a class: max(0, Σ_c α_c A_c), with A (height', width',
    channels) the layer's output and α_c the mean over places of ∂s/∂A_c (Selvaraju et al. 2017).

    Each place of the map is drawn where the middle of its receptive field lies, and what is between them is
    interpolated; towards an edge without places the map fades out. It is as coarse as the layer. A map that is 0
    everywhere says that nothing at this layer speaks for the class.

    Parameters
    ----------
    images : (n, height, width, channels), up to 24
    cam : (n, height', width')
    field : ReceptiveField of the layer, or None where places are spread evenly over the image
    titles : over the images
    name : of the layer

    Attributes
    ----------
    figure_ : matplotlib's figure
    axes_ : array of Axes, rows of images and of maps by turns
    maps_ : list of AxesImage, one for each image

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> from betahat.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
    >>> X = np.random.default_rng(0).normal(size=(40, 8, 8, 1))
    >>> stack = [Conv2d(4, 3), ReLU(), MaxPool2d(2), Flatten(), Dense(2)]
    >>> model = bh.NetworkClassifier(stack, max_iter=2, random_state=0).fit(X, X[:, 0, 0, 0] > 0)
    >>> shown = bh.plots.GradCamDisplay.from_estimator(model, X[:3])
    >>> shown.cam.shape, shown.name
    ((3, 6, 6), '1: ReLU()')
    """

    def __init__(
        self, images: Any, cam: Any, *, field: ReceptiveField | None = None, titles: Sequence[str] | None = None,
        name: str = "",
    ) -> None:  # fmt: skip
        self.images, self.cam, self.titles = _checked(images, cam, titles)
        self.field, self.name = field, name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, target: Any = None, layer: str | None = None, ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Draw it for a fitted network.

        X, target : as of `SaliencyDisplay`. layer : the path of a layer whose output is an image, as `network_.table()`
        names it; None takes the last convolution or residual block, with the normalisation and activation behind it.
        ax, kwargs : as in :meth:`plot`.

        Raises ValueError for labels that are no class, and layers and rows that are no images.
        """
        inside = seen.opened(estimator, X, _MOST)
        titles = _titles(estimator, X, inside, target)
        cam, step = inside.grad_cam(target, layer)
        return cls(
            inside.images, cam, field=step.field, titles=titles, name=f"{step.path}: {step.layer!r}"
        ).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, cmap: str = "gray", image_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw in the place of `ax`, or in a new figure.

        cmap : of grey images; image_kw : what matplotlib's `imshow` takes, for the maps. Returns the display.
        """
        self.axes_, self.maps_ = _draw(
            ax, self.images, self.cam, self.titles, "Grad-CAM", cmap, self.field, True, image_kw or {}
        )
        self.figure_ = style.figure_of(self.axes_[0, 0])
        return self
