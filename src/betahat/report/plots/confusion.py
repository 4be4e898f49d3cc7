"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import seen, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = 0.52  # inches
_WIDEST = 5.0  # inches that cells may take for their names' sake
_SHARES_UP_TO = 12  # classes up to which a cell has room for its share too


@final
class ConfusionMatrixDisplay:
    """Rows are what is true, columns what was predicted: in each cell how many, and which share of its row. Colour is
    the share, so that classes of different size compare; the diagonal is right.

    Parameters
    ----------
    matrix : (K, K) counts
    labels : (K,) of rows and columns

    Attributes
    ----------
    ax_, figure_ : matplotlib's axes, and its figure
    image_ : AxesImage of the shares
    texts_ : dict of Text, by (row, column), of cells that are not 0

    Examples
    --------
    >>> import betahat as bh
    >>> shown = bh.plots.ConfusionMatrixDisplay.from_predictions(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    >>> shown.matrix
    array([[1, 1],
           [0, 2]])
    >>> shown.texts_[0, 1].get_text()
    '1\\n50 %'
    """

    def __init__(self, matrix: Any, labels: Sequence[Any] | np.ndarray | None = None) -> None:
        self.matrix = np.asarray(matrix)
        K = len(self.matrix) if self.matrix.ndim else 0
        if self.matrix.shape != (K, K) or not K or not (self.matrix >= 0).all():
            raise ValueError(f"matrix has shape {self.matrix.shape}; expected (K, K) counts from 0 up")
        self.labels = list(range(K)) if labels is None else list(labels)
        if len(self.labels) != K:
            raise ValueError(f"labels has {len(self.labels)} for the {K} rows of matrix")

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Ask a fitted classifier, any of scikit-learn's too, and draw what it answers.

        X : (n, …) rows; y : (n,) labels, None for those of a folder of images. ax, kwargs : as in :meth:`plot`.
        """
        if not hasattr(estimator, "classes_"):
            raise TypeError(f"estimator (={estimator!r}) has no classes_; expected a fitted classifier")
        predicted = np.asarray(estimator.predict(X))
        truth = seen.truth_of(X, y, predicted)
        return cls.from_predictions(truth, predicted, labels=estimator.classes_, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_pred: Any, *, labels: Any = None, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Count, and draw.

        y_true, y_pred : (n,) labels; labels : in the order of rows and columns, None for all there are, sorted; those
        that y_true has beside them come behind. ax, kwargs : as in :meth:`plot`.

        Raises ValueError for answers of several labels each.
        """
        from sklearn.metrics import confusion_matrix

        truth, answer = np.asarray(y_true), np.asarray(y_pred)
        if truth.ndim != 1 or answer.shape != truth.shape:
            raise ValueError(
                f"y_true has shape {truth.shape} and y_pred {answer.shape}; expected (n,) and (n,), a label a row"
            )
        known = list(np.unique(np.concatenate([truth, answer])) if labels is None else np.asarray(labels))
        known += [label for label in np.unique(truth) if label not in known]
        return cls(confusion_matrix(truth, answer, labels=known), known).plot(ax=ax, **kwargs)

    @property
    def shares(self) -> np.ndarray:
        """(K, K) of each row; 0 for a class that is not there."""
        total = self.matrix.sum(axis=1, keepdims=True)
        return self.matrix / np.where(total > 0, total, 1)

    def plot(
        self, ax: Axes | None = None, *, shares: bool | None = None, colorbar: bool = True,
        image_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw on `ax`, or in a new figure.

        shares : whether cells say their share; None where there is room. colorbar : whether there is one; image_kw :
        what matplotlib's `imshow` takes. Returns the display.
        """
        K = len(self.labels)
        names = [seen.wrapped(label, 16) for label in self.labels]
        needed = seen.LETTER * max(len(line) for name in names for line in name.splitlines()) + 0.1
        cell = max(_CELL, needed) if needed * K <= _WIDEST else _CELL
        side = max(3.0, cell * K + 1.2)
        self.ax_ = style.axes(ax, (side + 0.9 * colorbar + 0.5, side))
        self.figure_ = style.figure_of(self.ax_)
        look: dict[str, Any] = {"cmap": style.towards(self.ax_), "vmin": 0.0, "vmax": 1.0} | (image_kw or {})
        self.image_ = self.ax_.imshow(self.shares, **look)
        long = needed > cell
        self.ax_.set_xticks(range(K), names, rotation=45 if long else 0, ha="right" if long else "center",
                            rotation_mode="anchor" if long else "default")  # fmt: skip
        self.ax_.set_yticks(range(K), names)
        self.ax_.set(xlabel="predicted", ylabel="true")
        self.ax_.tick_params(length=0, labelsize="small" if K <= 20 else "xx-small")
        self.ax_.spines[:].set_visible(False)
        self._write(K <= _SHARES_UP_TO if shares is None else shares)
        if colorbar:
            bar = self.figure_.colorbar(
                self.image_, ax=self.ax_, label="share of the true class", fraction=0.046, pad=0.03
            )
            bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        return self

    def _write(self, shares: bool) -> None:
        self.texts_: dict[tuple[int, int], Any] = {}
        size = "small" if len(self.labels) <= 6 else "x-small" if len(self.labels) <= 20 else 4.0
        for i, j in zip(*np.nonzero(self.matrix), strict=True):
            text = f"{self.matrix[i, j]:,}"
            if shares:
                text += f"\n{seen.share(float(self.shares[i, j]))}"
            colour = self.image_.cmap(self.image_.norm(self.shares[i, j]))
            self.texts_[int(i), int(j)] = self.ax_.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=size,
                color=style.readable(colour),
                linespacing=1.0,
            )
