"""How all pictures look: colours that colour-blind eyes tell apart, on light and on dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), those first that stand out from the ground.
_ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_ON_DARK = ("#56B4E9", "#E69F00", "#2CC295", "#E293BF", "#F0E442", "#F0763A")
MARKERS = ("o", "s", "^", "D", "v", "P")
_INK_ON_LIGHT, _INK_ON_DARK = "#46566B", "#9DB0C8"


def pyplot() -> ModuleType:
    """matplotlib.pyplot, or an ImportError that says how to have it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "pictures are drawn by matplotlib, which is not installed: pip install 'betahat[plots]'"
        ) from error
    return plt


def axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.4)) -> Axes:
    """The axes given, or those of a new figure."""
    plt = pyplot()
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained")[1]
    return _checked(ax)


_HEADING = 0.3
"""Inches that a line over tiles takes."""


def panels(
    ax: Axes | None,
    rows: int,
    columns: int,
    size: tuple[float, float],
    heights: Sequence[float] | None = None,
) -> np.ndarray:
    """Panels (rows, columns) in a new figure, or in the place of the axes given. Those of a column share x."""
    figure, grid = _grid(ax, rows, columns, size, "constrained", height_ratios=heights)
    made = np.empty((rows, columns), dtype=object)
    for i in range(rows):
        for j in range(columns):
            made[i, j] = figure.add_subplot(grid[i, j], sharex=made[0, j] if i else None)
            if i + 1 < rows:
                made[i, j].tick_params(labelbottom=False)
    return made


def tiles(
    ax: Axes | None, rows: int, columns: int, size: tuple[float, float], heading: str = ""
) -> np.ndarray:
    """Axes (rows, columns) for images, without frames and ticks, in a new figure or in the place of the axes given;
    heading : over all of them."""
    figure, grid = _grid(
        ax, 1 + (ax is not None and bool(heading)), 1, size, "compressed", height_ratios=None
    )
    if heading and ax is None:
        figure.suptitle(heading, fontsize="medium")
    elif heading:
        grid.set_height_ratios([_HEADING, max(figure.get_figheight() - _HEADING, _HEADING)])
        above = figure.add_subplot(grid[0])
        above.set_axis_off()
        above.text(0.5, 0.5, heading, ha="center", va="center", transform=above.transAxes)
    inner = grid[-1].subgridspec(rows, columns)
    made = np.empty((rows, columns), dtype=object)
    for i, j in np.ndindex(rows, columns):
        tile = figure.add_subplot(inner[i, j])
        bare(tile)
        made[i, j] = tile
    return made


def bare(ax: Axes) -> None:
    """No ticks and no frame; labels stay."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_facecolor("none")


def edge(ax: Axes) -> None:
    """A faint line around, so that an image ends where it ends on any ground."""
    ax.spines[:].set(visible=True, color=mixed(ax, 0.35), linewidth=0.6)


def _grid(
    ax: Axes | None, rows: int, columns: int, size: tuple[float, float], layout: Any, **ratios: Any
) -> tuple[Figure, Any]:
    """A figure and a grid in it, or in the place of the axes given."""
    plt = pyplot()
    ratios = {name: list(value) for name, value in ratios.items() if value is not None}
    if ax is None:
        figure = plt.figure(figsize=size, layout=layout)
        return figure, figure.add_gridspec(rows, columns, **ratios)
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    place = _checked(ax).get_subplotspec()
    if place is None:
        raise ValueError("ax must come from plt.subplots or a grid, so that its place can be divided")
    ax.set_axis_off()
    return figure_of(ax), GridSpecFromSubplotSpec(rows, columns, subplot_spec=place, hspace=0.1, **ratios)


def _checked(ax: Any) -> Axes:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax (={ax!r}) must be a matplotlib Axes, or None for a new figure")
    return ax


def figure_of(ax: Axes) -> Figure:
    """The figure that the axes are in, not a part of it."""
    from matplotlib.figure import Figure

    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def ground(ax: Axes) -> np.ndarray:
    """The colour behind the picture, as (red, green, blue) from 0 to 1; where it is clear, text tells which it is."""
    from matplotlib.colors import to_rgb, to_rgba

    for colour in (ax.get_facecolor(), figure_of(ax).get_facecolor()):
        if to_rgba(colour)[3] > 0.5:
            return np.array(to_rgb(colour))
    return (
        np.array([1.0, 1.0, 1.0])
        if _brightness(ax.xaxis.label.get_color()) < 0.5
        else np.array([0.1, 0.11, 0.14])
    )


def _brightness(colour: Any) -> float:
    from matplotlib.colors import to_rgb

    return float(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722]))


def palette(ax: Axes) -> tuple[str, ...]:
    """Six colours for lines on this ground."""
    return _ON_LIGHT if _brightness(ground(ax)) > 0.5 else _ON_DARK


def mixed(ax: Axes, share: float, colour: Any = None) -> tuple[float, float, float]:
    """A colour of which `share` is `colour` (a grey that stands out where None) and the rest the ground."""
    from matplotlib.colors import to_rgb

    if colour is None:
        colour = _INK_ON_LIGHT if _brightness(ground(ax)) > 0.5 else _INK_ON_DARK
    red, green, blue = share * np.array(to_rgb(colour)) + (1 - share) * ground(ax)
    return float(red), float(green), float(blue)


def halo(ax: Axes, width: float) -> list[Any]:
    """An outline in the ground's colour, so that a line stands out from what it crosses."""
    from matplotlib.patheffects import Normal, Stroke

    return [Stroke(linewidth=width, foreground=tuple(ground(ax))), Normal()]


def calm(ax: Axes, grid: bool = True) -> None:
    """No frame above and to the right; faint lines at the ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(True, color=mixed(ax, 0.18), linewidth=0.8)
        ax.set_axisbelow(True)


_LETTER = 0.068
"""Inches that a small letter takes, on average."""


def legend_above(ax: Axes, handles: Sequence[Any], columns: int | None = None) -> Any:
    """A legend over the axes, where it covers nothing; in one row where there is room."""
    lengths = [len(handle.get_label()) + 6 for handle in handles]
    room = width_of(ax) / _LETTER
    fitting = len(handles) if sum(lengths) <= room else max(1, int(room // max(lengths)))
    return ax.legend(
        handles=list(handles), loc="lower left", bbox_to_anchor=(0.0, 1.01), frameon=False, borderaxespad=0.0,
        ncols=columns or fitting, handlelength=2.0, columnspacing=1.6, fontsize="small",
    )  # fmt: skip


def width_of(ax: Axes) -> float:
    """How wide the axes will be, in inches, once labels have taken their room."""
    figure, place = figure_of(ax), ax.get_subplotspec()
    if place is None:
        return float(ax.get_position().width * figure.get_figwidth())
    outer = place.get_topmost_subplotspec()
    return 0.82 * float(figure.get_figwidth()) * len(outer.colspan) / outer.get_gridspec().ncols


def name_points(ax: Axes, named: Sequence[tuple[np.ndarray, str]], avoid: np.ndarray) -> list[Any]:
    """Names beside points, each on the side that is farthest from what else is drawn, at `avoid` (k, 2)."""
    sides = {(12, 0): ("left", "center"), (-12, 0): ("right", "center"), (0, 12): ("center", "bottom"),
             (0, -12): ("center", "top")}  # fmt: skip
    crowd = ax.transAxes.inverted().transform(ax.transData.transform(avoid[np.isfinite(avoid).all(axis=1)]))
    texts: list[Any] = []
    for point, name in named:
        where = ax.transAxes.inverted().transform(ax.transData.transform(point))
        room: dict[tuple[int, int], float] = {}
        for side in sides:
            middle = where + np.sign(side) * [0.11, 0.07]
            room[side] = float(np.abs((crowd - middle) / [0.09, 0.05]).max(axis=1).min(initial=np.inf))
            if not ((middle > [0.09, 0.04]) & (middle < [0.91, 0.96])).all():
                room[side] = -1.0
        best = max(room, key=lambda side: room[side])
        across, along = sides[best]
        texts.append(ax.annotate(
            name, (point[0], point[1]), xytext=best, textcoords="offset points", ha=across, va=along,
            fontsize="small", zorder=7, path_effects=halo(ax, 2.5), annotation_clip=True,
        ))  # fmt: skip
    return texts


def diverging(ax: Axes) -> Any:
    """Colours from blue over the ground to orange, for numbers on both sides of 0."""
    from matplotlib.colors import LinearSegmentedColormap

    blue, orange = palette(ax)[:2]
    return LinearSegmentedColormap.from_list("diverging", [blue, mixed(ax, 0.0), orange])


def rising(ax: Axes) -> Any:
    """Colours from the ground over orange to what stands out most, for numbers from 0 on."""
    from matplotlib.colors import LinearSegmentedColormap

    light = _brightness(ground(ax)) > 0.5
    stops = [mixed(ax, 0.0), palette(ax)[1], "#3A1600" if light else "#FFF6DF"]
    return LinearSegmentedColormap.from_list("rising", stops)


def towards(ax: Axes) -> Any:
    """Colours from the ground to the first of the palette, for shares from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("towards", [mixed(ax, 0.04), palette(ax)[0]])


def readable(colour: Any) -> str:
    """Black or white, what stands out from the colour."""
    return "black" if _brightness(colour) > 0.6 else "white"
