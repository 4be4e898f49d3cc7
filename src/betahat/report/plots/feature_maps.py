"""An image on its way through a network, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.inside import Inside, follows
from betahat.report.plots import seen, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TILE = 0.95  # inches


@final
@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """The output of a layer for one image: its `path`, what `layer` it is, and `maps` (height, width, channels)."""

    path: str
    layer: str
    maps: np.ndarray

    @property
    def strongest(self) -> np.ndarray:
        """Channels by their mean absolute value, the largest first."""
        return np.argsort(-np.abs(self.maps).mean(axis=(0, 1)), kind="stable")


@final
class FeatureMapsDisplay:
    """The image, and below it the strongest channels of one layer after the other, those with the largest mean of
    absolute values, under their numbers and in their order.

    Each layer has a scale of its own, common to its channels: from 0 up where nothing is negative, as behind a ReLU,
    otherwise blue below 0 and orange above.

    Parameters
    ----------
    image : (height, width, channels)
    layers : list of FeatureMaps
    title : over the image

    Attributes
    ----------
    figure_ : matplotlib's figure
    axes_ : array of Axes, a row for the image and one for each layer
    images_ : dict of AxesImage, by (path, channel)

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> from betahat.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
    >>> X = np.random.default_rng(0).normal(size=(40, 8, 8, 1))
    >>> stack = [Conv2d(4, 3), ReLU(), MaxPool2d(2), Flatten(), Dense(2)]
    >>> model = bh.NetworkClassifier(stack, max_iter=2, random_state=0).fit(X, X[:, 0, 0, 0] > 0)
    >>> shown = bh.plots.FeatureMapsDisplay.from_estimator(model, X[:1])
    >>> [(each.path, each.maps.shape) for each in shown.layers]
    [('1', (6, 6, 4)), ('2', (3, 3, 4))]
    """

    def __init__(self, image: Any, layers: Sequence[FeatureMaps], *, title: str = "") -> None:
        self.image = np.asarray(image)
        self.layers = list(layers)
        self.title = title
        if self.image.ndim != 3:
            raise ValueError(f"image has shape {self.image.shape}; expected (height, width, channels)")
        if not self.layers:
            raise ValueError("layers is empty; expected a FeatureMaps for each layer to draw")

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, layers: str | Sequence[str] | None = None, ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Draw what a fitted network makes of one image.

        X : (1, …) the image, as `predict` takes it. layers : paths as `network_.table()` names them, or "all"; None
        draws convolutions, residual blocks and pooling, each with the normalisation and activation behind it. ax,
        kwargs : as in :meth:`plot`.

        Raises ValueError where X has more rows, or a layer's output is no image.
        """
        inside = seen.opened(estimator, X, 1)
        image = inside.images[0]
        predicted, probability = seen.answers(estimator, X)
        sure = "" if probability is None else f" ({seen.share(float(probability[0]))})"
        found = [_maps(inside, place) for place in _places(inside, layers)]
        text = f"predicted: {seen.wrapped(_plain(predicted[0]), 24, 1)}{sure}"
        return cls(image, found, title=text).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, channels: int = 8, cmap: str = "gray",
        image_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw in the place of `ax`, or in a new figure.

        channels : how many of each layer at most; cmap : of a grey image; image_kw : what matplotlib's `imshow` takes,
        for the maps. Returns the display.
        """
        if isinstance(channels, bool) or not isinstance(channels, (int, np.integer)) or channels < 1:
            raise ValueError(f"channels (={channels!r}) must be a whole number above 0")
        columns = max(min(channels, each.maps.shape[-1]) for each in self.layers)
        rows = 1 + len(self.layers)
        size = (_TILE * columns + 2.2, (_TILE + 0.2) * rows + 0.35)
        self.axes_ = style.tiles(ax, rows, columns, size, self.title)
        self.figure_ = style.figure_of(self.axes_[0, 0])
        self.images_: dict[tuple[str, int], Any] = {}
        first = self.axes_[0, 0]
        seen.draw_image(first, self.image, cmap)
        _name(first, "image", self.image.shape)
        for tile in self.axes_[0, 1:]:
            tile.set_visible(False)
        for line, each in zip(self.axes_[1:], self.layers, strict=True):
            self._layer(line, each, min(columns, channels), image_kw or {})
        return self

    def _layer(self, line: np.ndarray, each: FeatureMaps, most: int, given: dict[str, Any]) -> None:
        chosen = np.sort(each.strongest[:most])
        low, high = float(each.maps.min()), float(each.maps.max())
        if low >= 0.0:
            look: dict[str, Any] = {"cmap": style.rising(line[0]), "vmin": 0.0, "vmax": high or 1.0}
        else:
            largest = max(-low, high)
            look = {"cmap": style.diverging(line[0]), "vmin": -largest, "vmax": largest}
        look |= {"interpolation": "nearest"} | given
        for tile, channel in zip(line, chosen, strict=False):
            self.images_[each.path, int(channel)] = tile.imshow(each.maps[..., channel], **look)
            tile.set_title(str(channel), fontsize="x-small", pad=2.0)
            style.edge(tile)
        for tile in line[len(chosen) :]:
            tile.set_visible(False)
        _name(line[0], f"{each.path}: {each.layer}", each.maps.shape)


def _name(tile: Axes, what: str, shape: tuple[int, ...]) -> None:
    """To the left of a row."""
    text = f"{seen.wrapped(what, 24, 3)}\n{' × '.join(map(str, shape))}"
    tile.set_ylabel(text, rotation=0, ha="right", va="center", fontsize="x-small")


def _maps(inside: Inside, place: int) -> FeatureMaps:
    step = inside.walk.steps[place]
    return FeatureMaps(step.path, repr(step.layer), inside.walk.values[place][0])


def _places(inside: Inside, layers: str | Sequence[str] | None) -> list[int]:
    steps = inside.walk.steps
    images = [k for k, step in enumerate(steps) if step.is_image]
    if layers == "all":
        return images
    if layers is None:
        from betahat.layers import Image, Reshape

        ends = [k for k in images if not (k + 1 < len(steps) and follows(steps[k + 1]))]
        found = [k for k in ends if not isinstance(steps[k].layer, (Image, Reshape))]
        if not found:
            raise ValueError("no layer of the network gives images")
        return found
    found = [inside.walk.place(path, "layers") for path in ([layers] if isinstance(layers, str) else layers)]
    for k in found:
        if not steps[k].is_image:
            raise ValueError(
                f"layers names {steps[k].path!r} ({steps[k].layer!r}), which gives {steps[k].output_shape}, no image"
            )
    return found


def _plain(label: Any) -> Any:
    return f"{label:.4g}" if isinstance(label, (float, np.floating)) else label
