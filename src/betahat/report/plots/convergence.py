"""How fast: loss and gradient against iterations and seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import style
from betahat.report.plots.descents import Solvers, descend
from betahat.report.plots.named import by_class
from betahat.report.plots.protocols import Traced, TraceLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_QUANTITIES = {"loss": "loss − lowest loss", "gradient_norm": "largest |∂J/∂β|"}
_BY = {"iteration": "iteration", "second": "seconds"}
_ROUNDING = 32 * float(np.finfo(np.float64).eps)  # of the lowest loss: differences that say nothing
_DOTS_UP_TO = 40  # iterations up to which each is marked


@final
class ConvergenceDisplay:
    """Loss (minus the lowest, on a log scale) and largest derivative, by iteration and by second.

    A straight line falls by the same factor at each iteration (linear convergence, as gradient descent); a line that
    bends down converges faster (superlinear as BFGS, quadratic as Newton). A loss equal to the lowest, up to
    rounding, has no place on a log scale and is left out.

    Parameters
    ----------
    traces : dict of Trace
        By label. Anything with arrays `loss`, `gradient_norm` and `seconds` of one length.
    lowest : float or None
        The loss to subtract; the lowest in the traces where None.

    Attributes
    ----------
    ax_, figure_ : matplotlib's first axes, and its figure.
    axes_ : array of Axes, a row for each quantity and a column for each of `by`
    lines_ : dict of Line2D, by (label, quantity, by)
    legend_ : Legend

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> bowl = lambda x: x[0] ** 2 + 10 * x[1] ** 2
    >>> shown = bh.plots.ConvergenceDisplay.from_function(bowl, np.ones(2), solvers=["steepest_descent", "bfgs"])
    >>> shown.axes_.shape, shown.ax_.get_yscale()
    ((2, 1), 'log')
    """

    def __init__(self, traces: Mapping[str, TraceLike], *, lowest: float | None = None) -> None:
        if not isinstance(traces, Mapping) or not traces:
            raise TypeError("traces must be a dict of label: trace with at least one trace")
        self.traces = dict(traces)
        for label, trace in self.traces.items():
            _check_trace(label, trace)
        least = min(float(np.min(trace.loss)) for trace in self.traces.values())
        if lowest is not None and not lowest <= least:
            raise ValueError(
                f"lowest (={lowest!r}) must not be above the lowest loss of the traces, {least:.17g}"
            )
        self.lowest = least if lowest is None else float(lowest)

    @classmethod
    def from_traces(
        cls, traces: Mapping[str, TraceLike], *, lowest: float | None = None, ax: Axes | None = None, **kwargs: Any
    ) -> Self:  # fmt: skip
        """Draw traces, by label: ``{"BFGS": bh.minimize(...).trace}``. Other arguments as in the class and in
        :meth:`plot`."""
        return cls(traces, lowest=lowest).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimators(
        cls, estimators: Mapping[str, Traced] | Sequence[Traced], *, lowest: float | None = None,
        ax: Axes | None = None, **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Draw the traces of fitted estimators: a dict with labels, or a list, whose classes' names are the labels."""
        named = estimators if isinstance(estimators, Mapping) else by_class(estimators)
        for label, estimator in named.items():
            if not isinstance(estimator, Traced):
                raise TypeError(
                    f"estimators[{label!r}] (={estimator!r}) has no trace_; expected a fitted betahat estimator"
                )
        return cls.from_traces({k: m.trace_ for k, m in named.items()}, lowest=lowest, ax=ax, **kwargs)

    @classmethod
    def from_function(
        cls, function: Callable[[Any], Any], start: Any, *, solvers: Solvers = None,
        gradient: Callable[[Any], Any] | None = None, tol: float = 1e-9, max_iter: int | None = None,
        lowest: float | None = None, ax: Axes | None = None, **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Minimise `function` from `start` by every solver, and draw their traces.

        function, start, gradient, tol, max_iter : as in :func:`betahat.minimize`; solvers : names or
        solver objects, several in a list, or in a dict with labels; lowest, ax, kwargs : as in the class and in
        :meth:`plot`.
        """
        style.pyplot()  # before the work, not after it
        ways = descend(function, start, solvers, gradient=gradient, tol=tol, max_iter=max_iter)
        return cls.from_traces({k: way.trace for k, way in ways.items()}, lowest=lowest, ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, quantities: str | Sequence[str] = ("loss", "gradient_norm"),
        by: str | Sequence[str] = "iteration", legend: bool = True, line_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw in the place of `ax`, or in a new figure.

        quantities : "loss", "gradient_norm" or both, a row each; by : "iteration", "second" or both, a column each;
        legend : whether there is one; line_kw : what matplotlib's `plot` takes. Returns the display.
        """
        rows, columns = _choice("quantities", quantities, _QUANTITIES), _choice("by", by, _BY)
        size = (6.4 if len(columns) == 1 else 10.0, 1.6 + 2.0 * len(rows))
        if len(rows) == len(columns) == 1:
            self.axes_ = np.array([[style.axes(ax)]], dtype=object)
        else:
            self.axes_ = style.panels(ax, len(rows), len(columns), size)
        self.ax_, self.lines_ = self.axes_[0, 0], {}
        self.figure_ = self.ax_.figure
        for i, quantity in enumerate(rows):
            for j, clock in enumerate(columns):
                self._panel(self.axes_[i, j], quantity, clock, line_kw or {})
                if j == 0:
                    self.axes_[i, j].set_ylabel(_QUANTITIES[quantity])
                if i + 1 == len(rows):
                    self.axes_[i, j].set_xlabel(_BY[clock])
        if legend:
            first = [self.lines_[label, rows[0], columns[0]] for label in self.traces]
            self.legend_ = style.legend_above(self.ax_, first)
        return self

    def _panel(self, ax: Axes, quantity: str, clock: str, given: dict[str, Any]) -> None:
        colours = style.palette(ax)
        for k, (label, trace) in enumerate(self.traces.items()):
            x, y = self._points(trace, quantity, clock)
            few = len(x) <= _DOTS_UP_TO
            look: dict[str, Any] = {
                "color": colours[k % len(colours)], "linewidth": 1.6, "label": label, "markersize": 4.0,
                "marker": style.MARKERS[k % len(style.MARKERS)] if few else None, "markeredgewidth": 0.0,
                "linestyle": "-" if k < len(colours) else "--",
            } | given  # fmt: skip
            (self.lines_[label, quantity, clock],) = ax.plot(x, y, **look)
        ax.set_yscale("log")
        style.calm(ax)

    def _points(self, trace: TraceLike, quantity: str, clock: str) -> tuple[np.ndarray, np.ndarray]:
        y, least = trace.gradient_norm, 0.0
        if quantity == "loss":
            y, least = trace.loss - self.lowest, _ROUNDING * abs(self.lowest)
        x = np.arange(len(y), dtype=np.float64) if clock == "iteration" else trace.seconds
        return x, np.where(np.isfinite(y) & (y > least), y, np.nan)


def _check_trace(label: str, trace: Any) -> None:
    try:
        sizes = {len(trace.loss), len(trace.gradient_norm), len(trace.seconds)}
    except (AttributeError, TypeError) as error:
        raise TypeError(
            f"traces[{label!r}] (={trace!r}) must have arrays loss, gradient_norm and seconds, as the trace of "
            "bh.minimize and trace_ of estimators have"
        ) from error
    if len(sizes) != 1 or not sizes.pop() or not np.isfinite(trace.loss).any():
        raise ValueError(
            f"traces[{label!r}] has no iteration with a finite loss, or arrays of different lengths"
        )


def _choice(name: str, value: str | Sequence[str], known: Mapping[str, str]) -> list[str]:
    chosen = [value] if isinstance(value, str) else list(value)
    if not chosen or not set(chosen) <= set(known) or len(set(chosen)) < len(chosen):
        raise ValueError(f"{name} (={value!r}) must be {' or '.join(map(repr, known))}, or both in a list")
    return chosen
