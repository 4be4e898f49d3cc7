"""Contours of J in a plane, and the ways down it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import style
from betahat.report.plots.descents import Descent, Solvers, coordinate_names, descend, flat, read_start
from betahat.report.plots.plane import log_levels, plane_through, values_on_grid, window
from betahat.report.plots.protocols import HasObjective, Started
from betahat.solvers.descent.function import FunctionProblem
from betahat.solvers.minimize import minimize

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_UP_TO = 80  # points of a path up to which each is marked


@final
class DescentDisplay:
    """Contours of J in two directions with the paths of one or several solvers.

    Between neighbouring contours J − min J changes by one and the same factor, so that the floor of a narrow valley is
    seen as well as its walls. Where J has more than two numbers, the others stay at the minimum for the contours, and
    paths are seen from above.

    Parameters
    ----------
    x, y : float64 arrays (q,), (r,)
        The grid.
    values : float64 array (r, q)
        J on it; not finite where J is not defined.
    paths : dict of Descent
        The ways down, by label, with points in coordinates of the picture.
    minimum : float64 array (2,)
        Where J is lowest.
    lowest : float
        J there.
    names : pair of str
        What x and y are.

    Attributes
    ----------
    ax_, figure_ : matplotlib's axes and figure.
    contours_, filled_ : matplotlib.contour.QuadContourSet, of J − min J at levels_
    lines_ : dict of Line2D, by label of the path; ends_ : the crosses where those ended that did not converge
    start_, minimum_ : Line2D, and texts_, their names
    legend_ : Legend

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> valley = lambda x: (x[0] - 1) ** 2 + 10 * (x[1] - x[0]) ** 2
    >>> shown = bh.plots.DescentDisplay.from_function(valley, np.zeros(2), solvers=["steepest_descent", "bfgs"])
    >>> list(shown.lines_), shown.minimum.round(6)
    (['steepest descent', 'BFGS'], array([1., 1.]))
    """

    def __init__(
        self, *, x: np.ndarray, y: np.ndarray, values: np.ndarray, paths: Mapping[str, Descent], minimum: np.ndarray,
        lowest: float, names: tuple[str, str],
    ) -> None:  # fmt: skip
        self.x, self.y, self.values = x, y, values
        self.paths = dict(paths)
        self.minimum, self.lowest, self.names = minimum, lowest, names

    @classmethod
    def from_function(
        cls, function: Callable[[Any], Any], start: Any, *, solvers: Solvers = None, directions: Any = None,
        gradient: Callable[[Any], Any] | None = None, tol: float = 1e-9, max_iter: int | None = None,
        limits: Any = None, resolution: int = 160, ax: Axes | None = None, **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Minimise `function` from `start` by every solver, and draw what happened.

        function, start, gradient, tol, max_iter : as in :func:`betahat.minimize`; solvers : names or
        solver objects, several in a list, or in a dict with labels; None for the automatic choice; directions : two
        coordinates, by position or (in a dict) name, or two vectors from the minimum; by default the two coordinates
        there are, or else the eigenvectors of the two largest curvatures of the Hessian at the minimum, in units of
        each number's own curvature; limits : ((low, high), (low, high)), the part shown; by default all points lower
        than the start; resolution : J is evaluated on a grid of resolution²; ax, kwargs : as in :meth:`plot`.

        Raises ValueError or TypeError for what is not a solver, direction or limit, and where J is constant.
        """
        start = read_start(start)
        return cls._drawn(
            function, start, coordinate_names(start), solvers, directions, gradient, tol, max_iter, limits,
            resolution, ax, kwargs,
        )  # fmt: skip

    @classmethod
    def from_estimator(
        cls, estimator: HasObjective, X: Any, y: Any, *, sample_weight: Any = None, parameters: Any = None,
        start: Any = None, solvers: Solvers = None, tol: float = 1e-9, max_iter: int | None = None,
        limits: Any = None, resolution: int = 160, ax: Axes | None = None, **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Descend once more on J of a fitted model, on the rows given, and draw what happened.

        estimator : with `objective(X, y, sample_weight)`, such as LinearRegression and NonlinearRegression; X, y,
        sample_weight : rows as in its `fit`; parameters : two coefficients by name (the intercept is "Intercept") or
        position; by default as `directions` in :meth:`from_function`; start : (m,), the intercept first where there is
        one; by default where the estimator's own best descent began, or zeros. Other arguments as in
        :meth:`from_function`.

        >>> import numpy as np, betahat as bh
        >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3.0, 5.0, 7.0, 9.5])
        >>> m = bh.LinearRegression().fit(X, y)
        >>> shown = bh.plots.DescentDisplay.from_estimator(m, X, y, solvers=["steepest_descent", "bfgs"])
        >>> shown.names, shown.minimum.round(4)
        (('Intercept', 'x1'), array([0.75, 2.15]))
        """
        if not isinstance(estimator, HasObjective):
            raise TypeError(
                f"estimator (={estimator!r}) has no objective(X, y); expected a fitted LinearRegression, "
                "NonlinearRegression or the like (for any other J: from_function)"
            )
        J = estimator.objective(X, y, sample_weight)
        if start is None:
            start = np.zeros(len(J.names))
            if isinstance(estimator, Started):
                start = estimator.starts_[int(np.argmin(estimator.losses_))]
        begin = np.asarray(start, np.float64)
        if begin.shape != (len(J.names),):
            raise ValueError(
                f"start has shape {begin.shape}; expected ({len(J.names)},): {', '.join(J.names[:20])}"
            )
        return cls._drawn(
            J, begin, list(J.names), solvers, parameters, J.gradient, tol, max_iter, limits, resolution, ax,
            kwargs,
        )  # fmt: skip

    @classmethod
    def _drawn(
        cls, function: Callable[[Any], Any], start: Any, names: list[str], solvers: Solvers, directions: Any,
        gradient: Callable[[Any], Any] | None, tol: float, max_iter: int | None, limits: Any,
        resolution: int, ax: Axes | None, options: dict[str, Any],
    ) -> Self:  # fmt: skip
        if not isinstance(resolution, (int, np.integer)) or not 8 <= resolution <= 2000:
            raise ValueError(f"resolution (={resolution!r}) must be a whole number from 8 to 2000")
        style.pyplot()  # before the work, not after it
        ways = descend(function, start, solvers, gradient=gradient, tol=tol, max_iter=max_iter)
        problem = FunctionProblem(function, start, gradient)
        minimum, lowest = _lowest(problem, function, ways, gradient)
        plane = plane_through(minimum, directions, names, lambda: problem.hessian(minimum))
        paths = {label: replace(way, points=plane.seen(way.points)) for label, way in ways.items()}
        x_limits, y_limits = window(_marks(paths, plane.seen(minimum[None])[0]), limits)
        x, y = np.linspace(*x_limits, resolution), np.linspace(*y_limits, resolution)
        values = values_on_grid(problem.value, plane, x, y)
        shown = cls(
            x=x, y=y, values=values, paths=paths, minimum=plane.seen(minimum[None])[0], lowest=lowest,
            names=plane.names,
        )  # fmt: skip
        return shown.plot(ax=ax, **options)

    def plot(
        self, ax: Axes | None = None, *, levels: Any = None, legend: bool = True, line_kw: dict[str, Any] | None = None
    ) -> Self:  # fmt: skip
        """Draw on `ax`, or in a new figure.

        levels : of J − its lowest value, ascending and above 0; chosen on a log scale where None; legend : whether
        there is one; line_kw : what matplotlib's `plot` takes, for the paths. Returns the display.
        """
        ax = style.axes(ax, (6.4, 4.8))
        lowest = min(self.lowest, float(np.min(self.values)))
        excess = np.where(np.isfinite(self.values), self.values - lowest, np.nan)
        self.levels_ = log_levels(excess) if levels is None else _levels(levels)
        self._contours(ax, excess)
        ax.set(
            xlim=(self.x[0], self.x[-1]),
            ylim=(self.y[0], self.y[-1]),
            xlabel=self.names[0],
            ylabel=self.names[1],
        )
        self._ways(ax, line_kw or {})
        style.calm(ax, grid=False)
        if legend:
            self.legend_ = style.legend_above(ax, self._handles(ax), columns=1)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _contours(self, ax: Axes, excess: np.ndarray) -> None:
        from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("depth", [style.mixed(ax, 0.6), style.mixed(ax, 0.05)])
        norm = BoundaryNorm(self.levels_, shades.N, extend="both")
        self.filled_ = ax.contourf(
            self.x, self.y, excess, levels=self.levels_, cmap=shades, norm=norm, extend="both"
        )
        self.contours_ = ax.contour(
            self.x, self.y, excess, levels=self.levels_, colors=[style.mixed(ax, 0.6)], linewidths=0.5
        )

    def _ways(self, ax: Axes, given: dict[str, Any]) -> None:
        colours = style.palette(ax)
        self.lines_: dict[str, Any] = {}
        self.ends_: dict[str, Any] = {}
        for k, (label, path) in enumerate(self.paths.items()):
            few = len(path.points) <= _DOTS_UP_TO
            colour, order = colours[k % len(colours)], 4 + 0.01 * k
            look: dict[str, Any] = {
                "color": colour, "markersize": 3.8, "zorder": order, "markeredgewidth": 0.0,
                "marker": style.MARKERS[k % len(style.MARKERS)] if few else None, "solid_joinstyle": "round",
                "linewidth": 1.4 + 0.25 * (len(self.paths) - 1 - k),  # what lies beneath shows at the sides
                "label": f"{label}: {path.described()}",
            } | given  # fmt: skip
            (self.lines_[label],) = ax.plot(*path.points.T, **look)
            if path.stop_reason != "converged":
                (self.ends_[label],) = ax.plot(
                    *path.points[-1], marker="X", markersize=8, color=colour, zorder=5 + order, linestyle="none",
                    markeredgewidth=0.8, markeredgecolor=tuple(style.ground(ax)),
                )  # fmt: skip
        ink = ax.xaxis.label.get_color()
        mark: dict[str, Any] = {"linestyle": "none", "zorder": 6, "color": ink, "markeredgecolor": ink}
        hollow: dict[str, Any] = {**mark, "markerfacecolor": tuple(style.ground(ax)), "markeredgewidth": 1.5}
        start = next(iter(self.paths.values())).points[0] if self.paths else self.minimum
        (self.start_,) = ax.plot(*start, marker="o", markersize=7, **hollow)
        (self.minimum_,) = ax.plot(
            *self.minimum, marker="*", markersize=13, path_effects=style.halo(ax, 2.5), **mark
        )
        crowd = np.concatenate([self.minimum[None], *(path.points for path in self.paths.values())])
        self.texts_ = style.name_points(ax, [(start, "start"), (self.minimum, "minimum")], crowd)

    def _handles(self, ax: Axes) -> list[Any]:
        from matplotlib.lines import Line2D

        ratio = self.levels_[1] / self.levels_[0]
        told = f"J − min J, × {ratio:.3g} from line to line" if np.allclose(
            self.levels_[1:], ratio * self.levels_[:-1]) else "J − min J"  # fmt: skip
        return [*self.lines_.values(), Line2D([], [], color=style.mixed(ax, 0.6), linewidth=0.8, label=told)]


def _lowest(
    problem: FunctionProblem, function: Callable[[Any], Any], ways: Mapping[str, Descent], gradient: Any
) -> tuple[np.ndarray, float]:
    """The minimum near the lowest point that a solver came to; that point where none is found."""
    best = min(ways.values(), key=lambda way: np.nan_to_num(way.values, nan=np.inf).min())
    k = int(np.nan_to_num(best.values, nan=np.inf).argmin())
    point, value = best.points[k], float(best.values[k])
    found = minimize(function, problem.form(point), gradient=gradient)
    if found.converged and found.value <= value:
        return flat(found.point), found.value
    return point, value


def _marks(paths: Mapping[str, Descent], minimum: np.ndarray) -> np.ndarray:
    """Points (k, 2) that the picture must show: wherever J is not above its start."""
    below = [path.points[path.values <= path.values[0]] for path in paths.values()]
    marks = np.concatenate([*below, *(path.points[:1] for path in paths.values()), minimum[None]])
    return marks[np.isfinite(marks).all(axis=1)]


def _levels(levels: Any) -> np.ndarray:
    checked = np.asarray(levels, np.float64)
    if checked.ndim != 1 or len(checked) < 2 or not (np.diff(checked, prepend=0) > 0).all():
        raise ValueError(
            f"levels (={levels!r}) must be two or more ascending numbers above 0: of J − its lowest value"
        )
    return checked
