"""DescentDisplay and ConvergenceDisplay: what is drawn is J and where the solvers were."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import betahat as bh
from betahat.plots import ConvergenceDisplay, Descent, DescentDisplay
from betahat.solvers.descent.bfgs import BFGS
from betahat.solvers.trace import Trace

SOLVERS = ["steepest_descent", "conjugate_gradient", "bfgs", "lbfgs", "trust_region", "newton_cg"]
START = np.array([-1.2, 1.0])
A = np.diag([1.0, 30.0, 4.0, 0.2])
CENTRE = np.array([1.0, -2.0, 0.5, 3.0])


def rosenbrock(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def bowl(x: Any) -> Any:
    return 0.5 * (x - CENTRE) @ A @ (x - CENTRE) + 7.0


def named(p: Any) -> Any:
    return (p["a"] - 1) ** 2 + 3 * (p["w"][0] - p["a"]) ** 2 + np.exp(p["w"][1]) - p["w"][1]


def followed(function: Any, start: Any, **options: Any) -> tuple[np.ndarray, Any]:
    """The points that bh.minimize calls back with, the start first."""
    points = [np.array(start)]
    found = bh.minimize(function, start, callback=lambda x, _: points.append(np.array(x)), **options)
    return np.array(points), found


@pytest.fixture
def valley() -> DescentDisplay:
    return DescentDisplay.from_function(rosenbrock, START, solvers=["bfgs", "steepest_descent"], max_iter=60)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_path_is_where_the_solver_was(solver: str) -> None:
    points, found = followed(rosenbrock, START, solver=solver)
    shown = DescentDisplay.from_function(rosenbrock, START, solvers=solver, resolution=8)
    (path,), (line,) = shown.paths.values(), shown.lines_.values()
    np.testing.assert_array_equal(np.transpose(line.get_data()), points)
    np.testing.assert_allclose(path.values, [rosenbrock(x) for x in points], rtol=1e-13)
    assert (path.iterations, path.evaluations) == (found.iterations, found.evaluations)
    assert f"{path.iterations:,} iterations, {found.evaluations:,} evaluations" in line.get_label()
    assert ("(" in line.get_label()) == (found.stop_reason != "converged")


def test_the_grid_is_j_and_contours_lie_on_levels(valley: DescentDisplay) -> None:
    expected = [[rosenbrock(np.array([a, b])) for a in valley.x] for b in valley.y]
    np.testing.assert_allclose(valley.values, expected, rtol=1e-13)
    np.testing.assert_allclose(
        valley.levels_[1:] / valley.levels_[:-1], valley.levels_[1] / valley.levels_[0]
    )
    checked = 0
    for level, path in zip(valley.contours_.levels, valley.contours_.get_paths(), strict=True):
        for x in path.vertices[:: max(1, len(path.vertices) // 20)]:
            slope = np.linalg.norm(bh.grad(rosenbrock)(x))
            cell = np.hypot(valley.x[1] - valley.x[0], valley.y[1] - valley.y[0])
            assert abs(rosenbrock(x) - level) <= slope * cell + 802 * cell**2
            checked += 1
    assert checked > 50


def test_start_and_minimum_are_marked_and_in_the_picture(valley: DescentDisplay) -> None:
    np.testing.assert_array_equal(np.ravel(valley.start_.get_data()), START)
    np.testing.assert_allclose(np.ravel(valley.minimum_.get_data()), [1.0, 1.0], rtol=1e-7)
    (left, right), (bottom, top) = valley.ax_.get_xlim(), valley.ax_.get_ylim()
    for x in (START, [1.0, 1.0]):
        assert left < x[0] < right
        assert bottom < x[1] < top
    assert [text.get_text() for text in valley.texts_] == ["start", "minimum"]


def test_the_legend_says_iterations_evaluations_and_an_unfinished_descent(valley: DescentDisplay) -> None:
    texts = [text.get_text() for text in valley.legend_.get_texts()]
    assert texts[0].startswith("BFGS: ")
    steps = valley.paths["steepest descent"].iterations
    assert texts[1].startswith(f"steepest descent: {steps} iterations, ")
    assert texts[1].endswith("(budget spent at ×)")
    assert list(valley.ends_) == ["steepest descent"]
    end = np.ravel(valley.ends_["steepest descent"].get_data())
    np.testing.assert_array_equal(end, valley.paths["steepest descent"].points[-1])
    assert texts[2].startswith("J − min J, × ")


@pytest.mark.parametrize("pair", [(0, 1), (3, 1), (2, 0)])
def test_coordinates_of_more_numbers(pair: tuple[int, int]) -> None:
    points, _ = followed(bowl, np.zeros(4), solver="bfgs")
    shown = DescentDisplay.from_function(bowl, np.zeros(4), solvers="bfgs", directions=pair, resolution=9)
    np.testing.assert_array_equal(shown.paths["BFGS"].points, points[:, pair])
    for i, j in ((0, 0), (3, 7), (8, 2)):
        x = CENTRE.copy()
        x[list(pair)] = shown.x[i], shown.y[j]
        assert shown.values[j, i] == pytest.approx(bowl(x), rel=1e-12)
    assert shown.ax_.get_xlabel() == f"β[{pair[0]}]"


def test_two_vectors() -> None:
    first, second = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, -2.0, 0.0, 1.0])
    shown = DescentDisplay.from_function(
        bowl, np.zeros(4), solvers="bfgs", directions=(first, second), resolution=8
    )
    assert shown.values[2, 5] == pytest.approx(
        bowl(CENTRE + shown.x[5] * first + shown.y[2] * second), rel=1e-12
    )
    nearest = np.linalg.lstsq(np.column_stack([first, second]), -CENTRE, rcond=None)[0]
    np.testing.assert_allclose(shown.paths["BFGS"].points[0], nearest, rtol=1e-6)
    np.testing.assert_allclose(np.ravel(shown.minimum_.get_data()), 0.0, atol=1e-12)


def test_by_default_the_two_largest_curvatures() -> None:
    """In units of each number's own curvature: J = ½ Σ λₖ uₖ² + 7 in the plane, whatever the units of x."""
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    H = Q @ np.diag([9.0, 1.0, 0.1]) @ Q.T
    for units in (np.ones(3), np.array([1e-3, 1.0, 1e4])):
        scaled = H / np.sqrt(np.outer(H.diagonal(), H.diagonal()))
        large = np.linalg.eigvalsh(scaled)[::-1][:2]
        shown = DescentDisplay.from_function(
            lambda x, units=units: 0.5 * (x / units - 1) @ H @ (x / units - 1),
            np.zeros(3) * units,
            resolution=8,
        )
        X, Y = np.meshgrid(shown.x, shown.y)
        np.testing.assert_allclose(
            shown.values, (large[0] * X**2 + large[1] * Y**2) / 2, rtol=1e-5, atol=1e-8
        )


@pytest.mark.parametrize("pair", [("a", "w[1]"), (0, 2)])
def test_names_of_a_dict(pair: Any) -> None:
    start = {"a": 0.0, "w": np.array([2.0, 1.0])}
    shown = DescentDisplay.from_function(named, start, solvers=BFGS(), directions=pair, resolution=8)
    assert shown.names == ("a", "w[1]")
    np.testing.assert_array_equal(np.ravel(shown.start_.get_data()), [0.0, 1.0])
    at = {"a": float(shown.x[2]), "w": np.array([1.0, shown.y[6]])}
    assert shown.values[6, 2] == pytest.approx(named(at), rel=1e-6)


def test_labels_and_a_gradient_that_is_given() -> None:
    asked: list[Any] = []

    def gradient(x: Any) -> Any:
        asked.append(x)
        return bh.grad(rosenbrock)(x)

    shown = DescentDisplay.from_function(
        rosenbrock, START, solvers={"quasi-Newton": "bfgs", "best": None}, gradient=gradient, resolution=8,
        limits=((-2, 2), (-1, 3)),
    )  # fmt: skip
    assert list(shown.lines_) == ["quasi-Newton", "best"]
    assert (shown.ax_.get_xlim(), shown.ax_.get_ylim()) == ((-2, 2), (-1, 3))
    assert asked


def test_where_j_is_not_defined_nothing_is_drawn() -> None:
    shown = DescentDisplay.from_function(
        lambda x: x[0] - np.log(x[0]) + x[1] ** 2,
        np.array([2.0, 1.0]),
        limits=((-1, 3), (-2, 2)),
        resolution=21,
    )
    assert np.isinf(shown.values[:, shown.x <= 0]).all()
    assert np.isfinite(shown.values[:, shown.x > 0]).all()
    assert all((path.vertices[:, 0] > 0).all() for path in shown.contours_.get_paths())


def test_a_divergent_descent_does_not_blow_up_the_picture() -> None:
    far = Descent(
        np.array([[1.0, 1.0], [-50.0, 3.0], [4e3, 9.0]]),
        np.array([2.0, 2600.0, 1.6e7]),
        2,
        3,
        "diverged",
        Trace(),
    )
    from betahat.report.plots.descent import _marks

    np.testing.assert_array_equal(
        np.unique(_marks({"far": far}, np.zeros(2)), axis=0), [[0.0, 0.0], [1.0, 1.0]]
    )


def test_given_axes_and_levels() -> None:
    figure, axes = plt.subplots(1, 2)
    shown = DescentDisplay.from_function(
        rosenbrock, START, ax=axes[1], levels=[1, 10, 100], legend=False, resolution=30
    )
    assert shown.ax_ is axes[1]
    assert shown.figure_ is figure
    np.testing.assert_array_equal(shown.contours_.levels, [1, 10, 100])
    again = shown.plot(ax=axes[0], line_kw={"linewidth": 5.0})
    assert again is shown
    assert next(iter(shown.lines_.values())).get_linewidth() == 5.0


@pytest.mark.parametrize("sheet", ["default", "dark_background"])
def test_lines_stand_out_from_light_and_dark_ground(sheet: str) -> None:
    from matplotlib.colors import to_rgb

    with plt.style.context(sheet):
        shown = ConvergenceDisplay.from_function(bowl, np.zeros(4), solvers=SOLVERS, max_iter=50)
        ground = to_rgb(shown.ax_.get_facecolor())

    def luminance(colour: Any) -> float:
        parts = np.array(to_rgb(colour))
        return float(
            np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
            @ [0.2126, 0.7152, 0.0722]
        )

    colours = {line.get_color() for line in shown.lines_.values()}
    assert len(colours) == len(SOLVERS)
    for colour in colours:
        low, high = sorted([luminance(colour), luminance(ground)])
        assert (high + 0.05) / (low + 0.05) > 2.2, colour


REFUSED: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (ValueError, "one number", {"start": np.zeros(1), "function": lambda x: np.sum(x**2)}),
    (ValueError, "solver \\(='nope'\\)", {"solvers": ["nope"]}),
    (TypeError, "solvers holds 3", {"solvers": [3]}),
    (ValueError, "solvers is empty", {"solvers": []}),
    (ValueError, "two called 'BFGS'", {"solvers": ["bfgs", BFGS()]}),
    (ValueError, "from 0 to 1", {"directions": (0, 2)}),
    (ValueError, "twice", {"directions": (1, 1)}),
    (ValueError, "'b' is not among 'β\\[0\\]'", {"directions": ("b", "β[1]")}),
    (ValueError, "must be two", {"directions": (0, 1, 2)}),
    (ValueError, "must be two", {"directions": "ab"}),
    (ValueError, "parallel", {"directions": (np.ones(2), -2 * np.ones(2))}),
    (ValueError, "has 3 numbers", {"directions": (np.ones(3), np.ones(2))}),
    (ValueError, "limits", {"limits": ((1, 0), (0, 1))}),
    (ValueError, "limits", {"limits": (0, 1)}),
    (ValueError, "resolution \\(=2\\)", {"resolution": 2}),
    (ValueError, "levels", {"levels": [1, 1]}),
    (ValueError, "levels", {"levels": [-1, 1]}),
    (ValueError, "the same everywhere", {"function": lambda x: 0 * x[0]}),
    (TypeError, "must be a matplotlib Axes", {"ax": 3}),
]


@pytest.mark.parametrize(("error", "message", "given"), REFUSED, ids=[message for _, message, _ in REFUSED])
def test_refusals_of_a_descent(error: type[Exception], message: str, given: dict[str, Any]) -> None:
    options = {"function": rosenbrock, "start": START, "resolution": 8} | given
    with pytest.raises(error, match=message):
        DescentDisplay.from_function(options.pop("function"), options.pop("start"), **options)


# --- convergence --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["iteration", "second", ["iteration", "second"]])
@pytest.mark.parametrize("quantities", ["loss", "gradient_norm", ["loss", "gradient_norm"]])
def test_lines_are_the_traces(quantities: Any, by: Any) -> None:
    traces = {name: bh.minimize(rosenbrock, START, solver=name).trace for name in ("bfgs", "trust_region")}
    shown = ConvergenceDisplay.from_traces(traces, quantities=quantities, by=by)
    rows, columns = np.atleast_1d(quantities), np.atleast_1d(by)
    assert shown.axes_.shape == (len(rows), len(columns))
    assert len(shown.lines_) == 2 * shown.axes_.size
    lowest = min(trace.loss.min() for trace in traces.values())
    for (name, quantity, clock), line in shown.lines_.items():
        x, y = line.get_data()
        trace = traces[name]
        np.testing.assert_array_equal(x, np.arange(len(trace)) if clock == "iteration" else trace.seconds)
        expected, least = (
            (trace.loss - lowest, 2.0**-47 * lowest) if quantity == "loss" else (trace.gradient_norm, 0)
        )
        np.testing.assert_array_equal(y, np.where(expected > least, expected, np.nan))
    assert all(ax.get_yscale() == "log" for ax in shown.axes_.flat)


def test_losses_within_rounding_of_the_lowest_are_left_out() -> None:
    eps = 2.0**-52
    trace = SimpleNamespace(
        loss=np.array([3.0, 1 + 100 * eps, 1 + eps, 1.0]), gradient_norm=np.ones(4), seconds=np.ones(4)
    )
    y = ConvergenceDisplay.from_traces({"a": trace}).lines_["a", "loss", "iteration"].get_ydata()
    np.testing.assert_array_equal(y, [2.0, 100 * eps, np.nan, np.nan])


def test_a_lowest_loss_that_is_known() -> None:
    shown = ConvergenceDisplay.from_function(
        bowl, np.zeros(4), solvers=["bfgs"], lowest=6.0, quantities="loss"
    )
    y = shown.lines_["BFGS", "loss", "iteration"].get_ydata()
    assert y[0] == bowl(np.zeros(4)) - 6.0
    assert y[-1] == pytest.approx(1.0)


def test_panels_in_the_place_of_axes() -> None:
    figure, axes = plt.subplots(1, 2)
    shown = ConvergenceDisplay.from_function(bowl, np.zeros(4), ax=axes[0])
    assert shown.figure_ is figure
    assert not axes[0].axison
    assert shown.axes_[0, 0].get_position().x1 < axes[1].get_position().x0
    single = ConvergenceDisplay(shown.traces).plot(ax=axes[1], quantities="loss")
    assert single.ax_ is axes[1]


def test_estimators_by_class_and_by_name() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    plain, ridge = bh.LinearRegression().fit(X, y), bh.Ridge(1.0).fit(X, y)
    shown = ConvergenceDisplay.from_estimators([plain, ridge])
    assert set(shown.traces) == {"LinearRegression", "Ridge"}
    line = shown.lines_["Ridge", "gradient_norm", "iteration"]
    np.testing.assert_array_equal(
        line.get_ydata(), np.where(ridge.trace_.gradient_norm > 0, ridge.trace_.gradient_norm, np.nan)
    )
    assert list(ConvergenceDisplay.from_estimators({"mine": plain}).traces) == ["mine"]
    with pytest.raises(ValueError, match="several of one class"):
        ConvergenceDisplay.from_estimators([plain, plain])
    with pytest.raises(TypeError, match="no trace_"):
        ConvergenceDisplay.from_estimators({"theirs": object()})  # pyright: ignore[reportArgumentType]


def test_refusals_of_a_convergence() -> None:
    trace = bh.minimize(bowl, np.zeros(4)).trace
    uneven = SimpleNamespace(loss=np.ones(3), gradient_norm=np.ones(2), seconds=np.ones(2))
    for error, message, call in (
        (TypeError, "at least one trace", lambda: ConvergenceDisplay({})),
        (TypeError, "must have arrays", lambda: ConvergenceDisplay({"a": 3})),  # pyright: ignore[reportArgumentType]
        (ValueError, "no iteration", lambda: ConvergenceDisplay({"a": Trace()})),
        (ValueError, "different lengths", lambda: ConvergenceDisplay({"a": uneven})),
        (ValueError, "above the lowest", lambda: ConvergenceDisplay({"a": trace}, lowest=1e9)),
        (ValueError, "by \\(='hour'\\)", lambda: ConvergenceDisplay({"a": trace}).plot(by="hour")),
        (ValueError, "quantities", lambda: ConvergenceDisplay({"a": trace}).plot(quantities=["loss", "loss"])),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()
