"""The images that a classifier got wrong, those it was surest of first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import seen, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 6
_TILE = 1.35  # inches


@final
class MistakesDisplay:
    """Images that were taken for something else, with what they are, what they were taken for, and the probability
    that the network gave its answer. The surest mistakes come first.

    Parameters
    ----------
    images : (n, height, width, channels), all that were asked
    truth, predicted : (n,) labels
    probability : (n,) of what is predicted

    Attributes
    ----------
    rows : array of int, the numbers of the mistaken images, the surest mistake first
    figure_ : matplotlib's figure
    axes_ : array of Axes
    images_ : list of AxesImage

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> images = np.arange(16.0).reshape(4, 2, 2, 1)
    >>> shown = bh.plots.MistakesDisplay(images, [0, 1, 1, 0], [0, 0, 1, 1], [0.9, 0.6, 0.9, 0.8])
    >>> shown.rows
    array([3, 1])
    >>> shown.plot().axes_[0, 0].get_title()
    'is 0\\ntaken for 1\\n(80 %)'
    """

    def __init__(self, images: Any, truth: Any, predicted: Any, probability: Any) -> None:
        self.images = np.asarray(images)
        self.truth, self.predicted = np.asarray(truth), np.asarray(predicted)
        self.probability = np.asarray(probability, np.float64)
        n = len(self.images)
        if self.images.ndim != 4:
            raise ValueError(f"images has shape {self.images.shape}; expected (n, height, width, channels)")
        for name in ("truth", "predicted", "probability"):
            if getattr(self, name).shape != (n,):
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}; expected ({n},), one for each image"
                )
        wrong = np.flatnonzero(self.truth != self.predicted)
        self.rows = wrong[np.argsort(-self.probability[wrong], kind="stable")]

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Ask a fitted classifier, and draw what it got wrong.

        X : (n, …) images, as `predict` takes them; y : (n,) labels, None for those of a folder of images. ax,
        kwargs : as in :meth:`plot`.

        Raises TypeError for a regressor, ValueError for images of several labels each.
        """
        predicted, probability = seen.answers(estimator, X)
        if probability is None:
            raise TypeError(
                f"estimator (={estimator!r}) gives no single label a row; expected a fitted classifier of images"
            )
        truth = seen.truth_of(X, y, predicted)
        images = seen.opened(estimator, X).images
        return cls(images, truth, predicted, probability).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, most: int = 12, cmap: str = "gray",
        image_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw in the place of `ax`, or in a new figure.

        most : how many at most; cmap : of grey images; image_kw : what matplotlib's `imshow` takes. Returns the
        display.
        """
        if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 1:
            raise ValueError(f"most (={most!r}) must be a whole number above 0")
        rows = self.rows[:most]
        lines = max(1, math.ceil(len(rows) / _ACROSS))
        columns = max(1, math.ceil(len(rows) / lines))
        long = any(len(str(label)) > 8 for k in rows for label in (self.truth[k], self.predicted[k]))
        tile = _TILE + 0.35 * long if ax is None else style.width_of(ax) / columns
        titles = [self._title(int(k), int(tile / seen.LETTER)) for k in rows]
        high = max((title.count("\n") + 1 for title in titles), default=0)
        above = 0.08 + 0.16 * high
        self.axes_ = style.tiles(
            ax,
            lines,
            columns,
            (max(3.6, tile * columns + 0.2), (tile + above) * lines + 0.35),
            self._heading(len(rows)),
        )
        self.figure_ = style.figure_of(self.axes_[0, 0])
        self.images_: list[Any] = []
        for place in self.axes_.flat[max(len(rows), 1) :]:
            place.set_visible(False)
        for place, k, title in zip(self.axes_.flat, rows, titles, strict=False):
            self.images_.append(seen.draw_image(place, self.images[k], cmap, **(image_kw or {})))
            place.set_title(title, fontsize="small")
        if not len(rows):
            self.axes_[0, 0].text(
                0.5,
                0.5,
                "nothing was mistaken",
                ha="center",
                va="center",
                transform=self.axes_[0, 0].transAxes,
            )
        return self

    def _title(self, k: int, letters: int) -> str:
        what, taken = (seen.wrapped(f"{a} {b}", letters) for a, b in
                       (("is", self.truth[k]), ("taken for", self.predicted[k])))  # fmt: skip
        return f"{what}\n{taken}\n({seen.share(float(self.probability[k]))})"

    def _heading(self, shown: int) -> str:
        wrong, n = len(self.rows), len(self.images)
        text = f"{wrong:,} of {n:,} mistaken"
        return f"{text}, the surest {shown} first" if shown < wrong else text
