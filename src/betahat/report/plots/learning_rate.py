"""What learning rates did to a loss: range tests, with the rate that each suggests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import style
from betahat.report.plots.protocols import RateFinder
from betahat.report.range_test import RangeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BELOW, _ABOVE = 0.06, 0.3  # of the height, left empty


@final
class LearningRateDisplay:
    """A range test of learning rates: the loss of each mini-batch as a dot, the smoothed loss as a line, the suggested
    rate, and a dotted line where the training diverged.

    The height is that of the smoothed loss before the divergence; what rises beyond it leaves the picture.

    Parameters
    ----------
    tests : dict of RangeTest
        By label.

    Attributes
    ----------
    ax_, figure_ : matplotlib's axes, and its figure
    dots_, lines_ : dict of Line2D, by label: losses, and smoothed losses
    suggestions_, divergences_ : dict of Line2D, by label, of the tests that have one
    legend_ : Legend

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> model = bh.MLPClassifier(16, random_state=0)
    >>> shown = bh.plots.LearningRateDisplay.from_estimator(model, X, X[:, 0] > X[:, 1])
    >>> shown.ax_.get_xscale(), list(shown.suggestions_)
    ('log', ['MLPClassifier'])
    """

    def __init__(self, tests: Mapping[str, RangeTest]) -> None:
        if not isinstance(tests, Mapping) or not tests:
            raise TypeError("tests must be a dict of label: RangeTest with at least one of them")
        self.tests = dict(tests)
        for label, test in self.tests.items():
            if not isinstance(test, RangeTest):
                raise TypeError(
                    f"tests[{label!r}] (={test!r}) must be a RangeTest, which find_learning_rate(X, y) gives"
                )

    @classmethod
    def from_estimator(
        cls, estimator: RateFinder, X: Any, y: Any, sample_weight: Any = None, *, name: str | None = None,
        ax: Axes | None = None, smallest: float | None = None, largest: float | None = None, steps: int | None = None,
        **kwargs: Any,
    ) -> Self:  # fmt: skip
        """Make the test, and draw it.

        X, y, sample_weight, smallest, largest, steps : as its `find_learning_rate` takes them; name : its label, that
        of its class where None; ax, kwargs : as in :meth:`plot`.
        """
        if not isinstance(estimator, RateFinder):
            raise TypeError(
                f"estimator (={estimator!r}) has no find_learning_rate; expected a network, such as bh.MLPClassifier()"
            )
        given = {"smallest": smallest, "largest": largest, "steps": steps}
        how = {key: value for key, value in given.items() if value is not None}
        found = estimator.find_learning_rate(X, y, sample_weight, **how)
        return cls.from_result(found, name=name or type(estimator).__name__, ax=ax, **kwargs)

    @classmethod
    def from_result(
        cls, result: RangeTest, *, name: str = "loss", ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw a test that was made."""
        return cls({name: result}).plot(ax=ax, **kwargs)

    @classmethod
    def from_results(cls, results: Mapping[str, RangeTest], *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw several on the same axes, by label."""
        return cls(results).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, legend: bool = True, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw on `ax`, or in a new figure.

        legend : whether there is one; line_kw : what matplotlib's `plot` takes, for the smoothed loss. Returns the
        display.
        """
        self.ax_ = style.axes(ax)
        self.figure_ = self.ax_.figure
        self.dots_: dict[str, Any] = {}
        self.lines_: dict[str, Any] = {}
        self.suggestions_: dict[str, Any] = {}
        self.divergences_: dict[str, Any] = {}
        colours = style.palette(self.ax_)
        for k, (label, test) in enumerate(self.tests.items()):
            dashed = "-" if k < len(colours) else "--"
            self._draw(
                label, test, {"color": colours[k % len(colours)], "linestyle": dashed} | (line_kw or {})
            )
        self.ax_.set_xscale("log")
        self.ax_.set_ylim(*_height(list(self.tests.values())))
        self.ax_.set_xlabel("learning rate")
        self.ax_.set_ylabel("loss")
        style.calm(self.ax_)
        if legend:
            marks = [
                *list(self.suggestions_.values())[: None if len(self.tests) == 1 else 1],
                *list(self.divergences_.values())[:1],
            ]
            self.legend_ = style.legend_above(self.ax_, [*self.lines_.values(), *marks])
        return self

    def _draw(self, label: str, test: RangeTest, given: dict[str, Any]) -> None:
        rate, alone = test.learning_rate, len(self.tests) == 1
        look: dict[str, Any] = {"linewidth": 1.6, "label": f"{label}, smoothed" if alone else label} | given
        (self.lines_[label],) = self.ax_.plot(rate, test.smoothed, **look)
        colour = self.lines_[label].get_color()
        (self.dots_[label],) = self.ax_.plot(
            rate, np.where(np.isfinite(test.loss), test.loss, np.nan), ".", color=colour, alpha=0.45, markersize=5.0,
            markeredgewidth=0.0, zorder=1,
        )  # fmt: skip
        if test.suggestion is not None:
            place = int(np.abs(rate - test.suggestion).argmin())
            (self.suggestions_[label],) = self.ax_.plot(
                [test.suggestion], [test.smoothed[place]], "o", color=colour, markersize=8.0, markeredgewidth=1.6,
                fillstyle="none", zorder=3, label=f"suggestion: {test.suggestion:.3g}" if alone else "suggestion",
            )  # fmt: skip
        if test.divergence is not None:
            self.divergences_[label] = self.ax_.axvline(
                test.divergence, color=colour, linewidth=1.0, linestyle=":", zorder=1,
                label=f"divergence: {test.divergence:.3g}" if alone else "divergence",
            )  # fmt: skip


def _height(tests: list[RangeTest]) -> tuple[float, float]:
    """Of what came before a divergence, and some room, through which its rise leaves the picture."""
    parts = [test.smoothed[test.learning_rate <= (test.divergence or np.inf)] for test in tests]
    low, high = float(min(map(np.min, parts))), float(max(map(np.max, parts)))
    height = (high - low) or abs(high) or 1.0
    return low - _BELOW * height, high + _ABOVE * height
