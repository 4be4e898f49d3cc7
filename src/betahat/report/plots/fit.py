"""Data, the curve through them, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import style
from betahat.report.plots.columns import columns_of
from betahat.report.plots.protocols import IntervalPredictor, Predictor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BANDS = {"prediction": "prediction band", "confidence": "confidence band"}
_SHADES = {"prediction": 0.16, "confidence": 0.34}
_MANY = 1000  # points from which they are drawn small and pale


@final
class FitDisplay:
    """Data, fitted curve, confidence band (of the mean) and prediction band (of a new observation).

    Where X has other columns, they are held at their means, and the points are the curve plus their own residuals
    (partial residuals): what is left when the others' part is taken out.

    Parameters
    ----------
    x, y : float64 arrays (n,)
        The points.
    residuals : float64 array (n,)
        y − ŷ.
    grid, curve : float64 arrays (k,)
        The fit along x, ascending.
    bands : dict of float64 arrays (k, 2)
        "confidence" and "prediction", either or none.
    level : float
        Of the bands.
    names : pair of str
        What x and y are.

    Attributes
    ----------
    ax_, figure_ : matplotlib's axes and figure.
    line_ : Line2D, the curve
    points_ : Line2D, the data
    bands_ : dict of FillBetweenPolyCollection
    residual_ax_, residual_points_ : of the panel of residuals, where there is one
    legend_ : Legend

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> x = np.linspace(0.0, 1.0, 30)
    >>> m = bh.LinearRegression().fit(x[:, None], 2 * x + 0.1 * np.sin(50 * x))
    >>> shown = bh.plots.FitDisplay.from_estimator(m, x[:, None], 2 * x + 0.1 * np.sin(50 * x))
    >>> sorted(shown.bands_), bool((shown.bands["confidence"][:, 0] < shown.curve).all())
    (['confidence', 'prediction'], True)
    """

    def __init__(
        self, *, x: np.ndarray, y: np.ndarray, residuals: np.ndarray, grid: np.ndarray, curve: np.ndarray,
        bands: Mapping[str, np.ndarray] | None = None, level: float = 0.95, names: tuple[str, str] = ("x", "y"),
    ) -> None:  # fmt: skip
        self.x, self.y, self.residuals, self.grid, self.curve = x, y, residuals, grid, curve
        self.bands, self.level, self.names = dict(bands or {}), level, names

    @classmethod
    def from_estimator(
        cls, estimator: Predictor, X: Any, y: Any, *, feature: str | int | None = None, level: float = 0.95,
        bands: str | Sequence[str] = ("confidence", "prediction"), resolution: int = 200, ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Draw a fitted regressor over the data.

        estimator : with `predict` and, for bands, `prediction_interval(X, level=..., kind=...)`; X, y : rows as it was
        fitted on, (n, p) and (n,), arrays or tables; feature : name or position of the column to draw, where X has
        several; level : of the bands; bands : "confidence", "prediction", both, or () for none; resolution : points
        along the curve; ax, kwargs : as in :meth:`plot`.

        Raises ValueError or TypeError where these do not fit together, and what `prediction_interval` raises where the
        fit has no standard errors (then ``bands=()`` draws the curve alone).
        """
        if not isinstance(estimator, Predictor):
            raise TypeError(f"estimator (={estimator!r}) has no predict; expected a fitted regressor")
        wanted = _checked_bands(bands)
        if wanted and not isinstance(estimator, IntervalPredictor):
            raise TypeError(
                f"{type(estimator).__name__} has no prediction_interval, so there are no bands to draw: pass bands=()"
            )
        if not isinstance(resolution, (int, np.integer)) or resolution < 2:
            raise ValueError(f"resolution (={resolution!r}) must be a whole number of 2 or more")
        columns = columns_of(X, feature, estimator)
        x, target = columns.values(), _target(y)
        if len(x) != len(target):
            raise ValueError(f"X has {len(x)} rows and y {len(target)}; expected as many")
        residuals = target - _single(estimator.predict(X), len(x))
        grid = np.linspace(x.min(), x.max(), resolution)
        rows = columns.varied(grid)
        curve = _single(estimator.predict(rows), resolution)
        found = {
            kind: np.asarray(estimator.prediction_interval(rows, level=level, kind=kind))
            for kind in wanted
            if isinstance(estimator, IntervalPredictor)
        }
        name = str(getattr(y, "name", None) or "y")
        points = target
        if columns.held:
            points = _single(estimator.predict(columns.varied(x)), len(x)) + residuals
            name = f"{name}, other columns at their means"
        shown = cls(
            x=x, y=points, residuals=residuals, grid=grid, curve=curve, bands=found, level=level,
            names=(columns.name, name),
        )  # fmt: skip
        return shown.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, x: Any, y: Any, prediction: Any, *, confidence: Any = None, prediction_band: Any = None,
        level: float = 0.95, names: tuple[str, str] = ("x", "y"), ax: Axes | None = None, **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Draw predictions that are there already, (n,) at the points themselves, with bands (n, 2) or None."""
        a, b, p = (_target(values, name) for values, name in ((x, "x"), (y, "y"), (prediction, "prediction")))
        bands = {k: np.asarray(v, np.float64) for k, v in
                 (("confidence", confidence), ("prediction", prediction_band)) if v is not None}  # fmt: skip
        if not len(a) == len(b) == len(p) or any(band.shape != (len(a), 2) for band in bands.values()):
            shapes = {
                "x": a.shape,
                "y": b.shape,
                "prediction": p.shape,
                **{k: v.shape for k, v in bands.items()},
            }
            raise ValueError(f"shapes {shapes} do not fit together; expected (n,), and (n, 2) for bands")
        order = np.argsort(a, kind="stable")
        shown = cls(
            x=a, y=b, residuals=b - p, grid=a[order], curve=p[order],
            bands={kind: band[order] for kind, band in bands.items()}, level=level, names=names,
        )  # fmt: skip
        return shown.plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, residuals: bool = False, legend: bool = True,
        line_kw: dict[str, Any] | None = None, points_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw on `ax` (in its place, with a panel of residuals), or in a new figure.

        residuals : whether a panel below shows them; legend : whether there is one; line_kw, points_kw : what
        matplotlib's `plot` takes, for curve and data. Returns the display.
        """
        if residuals:
            above, below = style.panels(ax, 2, 1, (6.4, 5.2), heights=(3, 1))[:, 0]
        else:
            above, below = style.axes(ax), None
        blue, orange = style.palette(above)[:2]
        self.bands_: dict[str, Any] = {}
        for kind in _BANDS:  # the wide one first, so that the narrow one lies on it
            if kind in self.bands:
                low, high = self.bands[kind].T
                self.bands_[kind] = above.fill_between(
                    self.grid, low, high, color=style.mixed(above, _SHADES[kind], orange), linewidth=0, zorder=1,
                    label=f"{100 * self.level:g} % {_BANDS[kind]}",
                )  # fmt: skip
        dots = self._dots(above, blue) | (points_kw or {})
        (self.points_,) = above.plot(self.x, self.y, **dots)
        line: dict[str, Any] = {"color": orange, "linewidth": 1.8, "zorder": 3, "label": "fit"} | (
            line_kw or {}
        )
        (self.line_,) = above.plot(self.grid, self.curve, **line)
        above.set_ylabel(self.names[1])
        style.calm(above)
        if below is not None:
            below.axhline(0.0, color=orange, linewidth=1.4, zorder=2)
            (self.residual_points_,) = below.plot(self.x, self.residuals, **dots)
            below.set_ylabel("residual")
            style.calm(below)
            above.figure.align_ylabels([above, below])
            self.residual_ax_ = below
        (above if below is None else below).set_xlabel(self.names[0])
        if legend:
            handles = [
                self.points_,
                self.line_,
                *(self.bands_[k] for k in reversed(_BANDS) if k in self.bands_),
            ]
            self.legend_ = style.legend_above(above, handles)
        self.ax_, self.figure_ = above, above.figure
        return self

    def _dots(self, ax: Axes, colour: str) -> dict[str, Any]:
        many = len(self.x) >= _MANY
        return {
            "linestyle": "none", "marker": "o", "color": colour, "markeredgewidth": 0.0, "zorder": 2,
            "markersize": 2.2 if many else 4.2, "alpha": 0.35 if many else 0.8, "rasterized": many,
            "label": f"data ({len(self.x):,})",
        }  # fmt: skip


def _checked_bands(bands: str | Sequence[str]) -> list[str]:
    wanted = [bands] if isinstance(bands, str) else list(bands)
    if not set(wanted) <= set(_BANDS):
        raise ValueError(f"bands (={bands!r}) must be among 'confidence' and 'prediction', or ()")
    return wanted


def _target(values: Any, name: str = "y") -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"{name} has shape {array.shape}; expected (n,) finite numbers, for one target")
    return array


def _single(prediction: Any, n: int) -> np.ndarray:
    array = np.asarray(prediction, np.float64)
    if array.shape != (n,):
        raise ValueError(
            f"predict gave an array of shape {array.shape}; expected ({n},): a picture shows one target"
        )
    return array
