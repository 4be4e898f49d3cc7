"""How a training went: loss and validation score, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from betahat.report.plots import style
from betahat.report.plots.named import by_class
from betahat.report.plots.protocols import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_QUANTITIES = {"loss": "loss", "score": "validation score"}
_LOG_FROM = 10.0  # largest loss over smallest from which a log scale shows more
_DOTS_UP_TO = 40  # epochs up to which each is marked


@final
@dataclass(frozen=True, eq=False)
class Course:
    """A training: `loss` (epochs,) of J's mean over the batches of an epoch as they came by; `score` (epochs,) of the
    rows set aside, or None; `stop_reason` in a word, or None where it is not known."""

    loss: np.ndarray
    score: np.ndarray | None = None
    stop_reason: str | None = None

    @property
    def epochs(self) -> int:
        """How many there were."""
        return len(self.loss)

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 1, whose score was the best (of equals the first); None without a score.

        >>> Course(np.array([0.9, 0.5, 0.3, 0.2]), np.array([0.6, 0.8, 0.8, 0.7])).best_epoch
        2
        """
        if self.score is None or not np.isfinite(self.score).any():
            return None
        return int(np.nanargmax(self.score)) + 1

    def described(self) -> str:
        """Epochs, and why it ended, in words."""
        text = f"{self.epochs:,} epoch{'' if self.epochs == 1 else 's'}"
        return f"{text}, {self.stop_reason}" if self.stop_reason else text


@final
class TrainingDisplay:
    """The loss of each epoch, the score of rows set aside below it where there is one, where the training ended, and
    the epoch of the best score, whose parameters early stopping keeps.

    Losses are drawn on a log scale where all are positive and they fall tenfold. Networks of scikit-learn can be drawn
    beside ours.

    Parameters
    ----------
    courses : dict of Course
        By label.

    Attributes
    ----------
    ax_, figure_ : matplotlib's first axes, and its figure
    axes_ : array of Axes, one for each of `quantities`
    lines_ : dict of Line2D, by (label, quantity)
    ends_ : dict of Line2D, by label: where the training ended, on the first axes
    best_ : dict of Line2D, by label: the best epoch, on the axes of the score
    legend_ : Legend

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> model = bh.MLPClassifier(16, early_stopping=True, max_iter=5, random_state=0).fit(X, X[:, 0] > X[:, 1])
    >>> shown = bh.plots.TrainingDisplay.from_estimator(model)
    >>> shown.axes_.shape, shown.courses["MLPClassifier"].described()
    ((2,), '5 epochs, budget spent')
    """

    def __init__(self, courses: Mapping[str, Course]) -> None:
        if not isinstance(courses, Mapping) or not courses:
            raise TypeError("courses must be a dict of label: Course with at least one of them")
        self.courses = dict(courses)
        for label, course in self.courses.items():
            _check_course(label, course)

    @classmethod
    def from_estimator(
        cls, estimator: Trained, *, name: str | None = None, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw the training of a fitted network.

        name : its label, the name of its class where None; ax, kwargs : as in :meth:`plot`.
        """
        return cls.from_estimators({name or type(estimator).__name__: estimator}, ax=ax, **kwargs)

    @classmethod
    def from_estimators(
        cls, estimators: Mapping[str, Trained] | Sequence[Trained], *, ax: Axes | None = None, **kwargs: Any
    ) -> Self:
        """Draw several on the same axes: a dict with labels, or a list, whose classes' names are the labels."""
        named = estimators if isinstance(estimators, Mapping) else by_class(estimators)
        return cls({label: _course(label, m) for label, m in named.items()}).plot(ax=ax, **kwargs)

    def plot(
        self, ax: Axes | None = None, *, quantities: str | Sequence[str] | None = None, legend: bool = True,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:  # fmt: skip
        """Draw in the place of `ax`, or in a new figure.

        quantities : "loss", "score" or both, a row each; None draws what there is. legend : whether there is one;
        line_kw : what matplotlib's `plot` takes. Returns the display.
        """
        rows = self._rows(quantities)
        if len(rows) == 1:
            self.axes_ = np.array([style.axes(ax)], dtype=object)
        else:
            self.axes_ = style.panels(ax, len(rows), 1, (6.4, 5.2), heights=(3, 2))[:, 0]
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_: dict[tuple[str, str], Any] = {}
        self.ends_: dict[str, Any] = {}
        self.best_: dict[str, Any] = {}
        for i, quantity in enumerate(rows):
            self._panel(self.axes_[i], quantity, line_kw or {}, first=i == 0)
        self.axes_[-1].set_xlabel("epoch")
        if len(rows) > 1:
            self.figure_.align_ylabels(list(self.axes_))
        if legend:
            handles = [*(self._handle(label) for label in self.courses), *list(self.best_.values())[:1]]
            self.legend_ = style.legend_above(self.ax_, handles)
        return self

    def _rows(self, quantities: str | Sequence[str] | None) -> list[str]:
        scored = any(course.score is not None for course in self.courses.values())
        if quantities is None:
            return ["loss", "score"] if scored else ["loss"]
        chosen = [quantities] if isinstance(quantities, str) else list(quantities)
        if not chosen or not set(chosen) <= set(_QUANTITIES) or len(set(chosen)) < len(chosen):
            raise ValueError(
                f"quantities (={quantities!r}) must be {' or '.join(map(repr, _QUANTITIES))}, or both in a list"
            )
        if "score" in chosen and not scored:
            raise ValueError(
                f"quantities (={quantities!r}) asks for validation scores, and there are none: fit with "
                "early_stopping=True, which sets rows aside"
            )
        return chosen

    def _handle(self, label: str) -> Any:
        return next(line for (name, _), line in self.lines_.items() if name == label)

    def _panel(self, ax: Axes, quantity: str, given: dict[str, Any], first: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        colours = style.palette(ax)
        for k, (label, course) in enumerate(self.courses.items()):
            y = course.loss if quantity == "loss" else course.score
            if y is None:
                continue
            epochs, colour = np.arange(1, len(y) + 1), colours[k % len(colours)]
            look: dict[str, Any] = {
                "color": colour, "linewidth": 1.6, "label": f"{label}: {course.described()}", "markersize": 3.5,
                "marker": "." if len(y) <= _DOTS_UP_TO else None, "linestyle": "-" if k < len(colours) else "--",
            } | given  # fmt: skip
            (self.lines_[label, quantity],) = ax.plot(epochs, y, **look)
            if first:
                (self.ends_[label],) = ax.plot(
                    epochs[-1:], y[-1:], "o", color=self.lines_[label, quantity].get_color(), markersize=5.0,
                    markeredgewidth=0.0, zorder=3,
                )  # fmt: skip
            if course.best_epoch is not None:
                self._mark(ax, label, course, quantity)
        if quantity == "loss" and _wide([course.loss for course in self.courses.values()]):
            ax.set_yscale("log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_ylabel(_QUANTITIES[quantity])
        style.calm(ax)

    def _mark(self, ax: Axes, label: str, course: Course, quantity: str) -> None:
        """A line through the best epoch, and on the score a ring."""
        best, colour = course.best_epoch, self.lines_[label, quantity].get_color()
        assert best is not None
        ax.axvline(best, color=colour, linewidth=1.0, linestyle=":", zorder=1)
        if quantity == "score" and course.score is not None:
            (self.best_[label],) = ax.plot(
                [best], [course.score[best - 1]], "o", color=colour, markersize=8.0, markeredgewidth=1.6,
                fillstyle="none", zorder=3,
                label=f"best score: {course.score[best - 1]:.4g} in epoch {best:,}"
                if len(self.courses) == 1 else "best score",
            )  # fmt: skip


def _course(label: str, estimator: Any) -> Course:
    if not isinstance(estimator, Trained):
        raise TypeError(
            f"estimators[{label!r}] (={estimator!r}) has no loss_curve_; expected a fitted network, such as "
            "bh.MLPClassifier, trained in epochs"
        )
    score = getattr(estimator, "validation_scores_", None)
    return Course(
        np.asarray(estimator.loss_curve_, np.float64),
        None if score is None else np.asarray(score, np.float64),
        getattr(estimator, "stop_reason_", None),
    )


def _check_course(label: str, course: Any) -> None:
    if not isinstance(course, Course):
        raise TypeError(f"courses[{label!r}] (={course!r}) must be a Course")
    for what, values in (("loss", course.loss), ("score", course.score)):
        if values is not None and (np.ndim(values) != 1 or not np.isfinite(values).any()):
            raise ValueError(
                f"the {what} of courses[{label!r}] has shape {np.shape(values)}; expected a number for each epoch, at "
                "least one of them finite"
            )


def _wide(losses: Sequence[np.ndarray]) -> bool:
    """Whether a log scale can show them, and shows more."""
    found = np.concatenate(losses)
    found = found[np.isfinite(found)]
    return bool((found > 0).all() and found.max() >= _LOG_FROM * found.min())
