"""The filters of a convolution: what it looks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.layers.convolution import Convolution
from betahat.report.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 64
_TILE = 0.85  # inches


@final
class FiltersDisplay:
    """The weights of a convolution, filter by filter.

    With one channel, each filter is a tile, blue below 0 and orange above, on one scale. With three in the first
    convolution, red, green and blue, each filter is a tile of colour, where grey is 0 and its largest weight is full.
    Otherwise filters are rows and their channels columns.

    Parameters
    ----------
    weight : (height, width, channels, filters)
    name : of the layer
    colour : whether three channels are red, green and blue

    Attributes
    ----------
    figure_ : matplotlib's figure
    axes_ : array of Axes (rows, columns)
    images_ : list of AxesImage, in the order of filters, and of channels within
    colorbar_ : Colorbar, or None for tiles of colour

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> from betahat.layers import Conv2d, Dense, Flatten
    >>> X = np.random.default_rng(0).normal(size=(40, 6, 6, 1))
    >>> stack = [Conv2d(4, 3), Flatten(), Dense(2)]
    >>> model = bh.NetworkClassifier(stack, max_iter=2, random_state=0).fit(X, X[:, 0, 0, 0] > 0)
    >>> shown = bh.plots.FiltersDisplay.from_estimator(model)
    >>> shown.weight.shape, len(shown.images_)
    ((3, 3, 1, 4), 4)
    """

    def __init__(self, weight: Any, *, name: str = "filters", colour: bool = False) -> None:
        self.weight = np.asarray(weight, np.float64)
        if self.weight.ndim != 4 or not self.weight.size or not np.isfinite(self.weight).all():
            raise ValueError(
                f"weight has shape {self.weight.shape}; expected (height, width, channels, filters) of finite numbers"
            )
        if colour and self.weight.shape[2] != 3:
            raise ValueError(f"colour=True needs 3 channels, and weight has {self.weight.shape[2]}")
        self.name, self.colour = name, colour

    @classmethod
    def from_estimator(
        cls, estimator: Any, layer: str | None = None, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw the filters of a fitted network.

        layer : the path of a convolution, as `network_.table()` names it; None takes the first. Those of `Conv1d` are
        drawn as channels × length. ax, kwargs : as in :meth:`plot`.

        Raises ValueError where there is no such convolution, TypeError where the estimator is no network.
        """
        if not hasattr(estimator, "network_") or not hasattr(estimator, "parameters_"):
            raise TypeError(
                f"estimator (={estimator!r}) has no network_; expected a fitted network, such as bh.NetworkClassifier"
            )
        found = {
            leaf.path: leaf.layer for leaf in estimator.network_.leaves if isinstance(leaf.layer, Convolution)
        }
        if not found:
            raise ValueError("the network has no convolution")
        path = next(iter(found)) if layer is None else layer
        if path not in found:
            raise ValueError(
                f"layer (={layer!r}) must be a convolution's path, one of {', '.join(map(repr, found))}"
            )
        weight, conv = estimator.parameters_[f"{path}.weight"], found[path]
        if conv.axes == 1:
            weight = np.moveaxis(weight, 0, 1)[:, :, None, :]
        first = conv.axes == 2 and path == next(iter(found)) and weight.shape[2] == 3 and conv.groups == 1
        return cls(weight, name=f"{path}: {conv!r}", colour=first).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, filters: int | None = None, channels: int | None = None,
        image_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw in the place of `ax`, or in a new figure.

        filters, channels : how many of them, the first ones; None draws up to 64 tiles, and of several channels 8 of
        each. image_kw : what matplotlib's `imshow` takes. Returns the display.
        """
        _, _, in_channels, count = self.weight.shape
        single = self.colour or in_channels == 1
        shown = _count(filters, "filters", count, _MOST if single else 8)
        across = 1 if single else _count(channels, "channels", in_channels, 8)
        columns = min(shown, max(4, math.ceil(math.sqrt(1.6 * shown)))) if single else across
        rows = math.ceil(shown / columns) if single else shown
        size = (max(3.2, _TILE * columns + 1.2), max(1.4, _TILE * rows + 0.7))
        left_out = f" ({shown} of {count})" if shown < count else ""
        self.axes_ = style.tiles(ax, rows, columns, size, f"{self.name}{left_out}")
        self.figure_ = style.figure_of(self.axes_[0, 0])
        self.images_: list[Any] = []
        largest = float(np.abs(self.weight).max()) or 1.0
        look: dict[str, Any] = {"vmin": -largest, "vmax": largest, "interpolation": "nearest"}
        look |= {"cmap": style.diverging(self.axes_[0, 0])} | (image_kw or {})
        for tile in self.axes_.flat[shown * across :]:
            tile.set_visible(False)
        for number in range(shown * across):
            k, c = divmod(number, across)
            tile, w = self.axes_.flat[number], self.weight[..., k]
            if self.colour:
                self.images_.append(
                    tile.imshow(0.5 + 0.5 * w / (np.abs(w).max() or 1.0), interpolation="nearest")
                )
            else:
                self.images_.append(tile.imshow(w[..., c], **look))
            style.edge(tile)
            if not single and k == 0:
                tile.set_title(f"channel {c}" if c == 0 else str(c), fontsize="x-small")
            if not single and c == 0:
                tile.set_ylabel(f"filter {k}" if k == 0 else str(k), fontsize="x-small")
        self.colorbar_ = None
        if not self.colour:
            self.colorbar_ = self.figure_.colorbar(
                self.images_[0], ax=list(self.axes_.flat), label="weight", shrink=min(1.0, 1.6 / (_TILE * rows) + 0.4),
                aspect=max(8.0, 6.0 * rows),
            )  # fmt: skip
            self.colorbar_.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        return self


def _count(given: int | None, what: str, there: int, usual: int) -> int:
    if given is None:
        return min(there, usual)
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 1:
        raise ValueError(f"{what} (={given!r}) must be a whole number above 0")
    return min(int(given), there)
