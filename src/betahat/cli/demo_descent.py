"""The part of `betahat demo` that descends: a curve fitted to a real table, every way down, and a picture of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.cli.demo_data import real_table
from betahat.cli.demo_picture import keep_picture
from betahat.cli.output import Report
from betahat.cli.showing import print_summary
from betahat.cli.tables import print_table

PICTURE = "betahat-demo.png"
START = {"V": 120.0, "K": 0.4}
WAYS = {
    "gradient descent": "gradient_descent",
    "conjugate gradient": "conjugate_gradient",
    "L-BFGS": "lbfgs",
    "BFGS": "bfgs",
    "trust region": "trust_region",
}
_BUDGET = 2000


def descent(report: Report) -> None:
    """Michaelis and Menten's curve through Treloar's (1974) enzyme, as R has it in `Puromycin`."""
    table = real_table(report, "datasets", "Puromycin")
    if table is None:
        return
    from betahat.estimators.nonlinear_regression import NonlinearRegression

    treated = table[table["state"] == "treated"]
    report.out.print(
        "The speed of an enzyme (counts/min²) at concentrations of its substrate (ppm), and the curve\n"
        "rate = V·conc/(K + conc). No equation gives V and K; betahat follows the derivatives of its text:\n"
    )
    X, y = treated[["conc"]], treated["rate"]
    model = NonlinearRegression("V * conc / (K + conc)", start=START).fit(X, y)
    report.hear()
    print_summary(report, model, 0.95)
    function = objective(treated["conc"].to_numpy(np.float64), y.to_numpy(np.float64))
    _ways(report, function)
    keep_picture(
        report, PICTURE, "the fit with its bands, and the ways down", lambda: _drawn(model, X, y, function)
    )


def objective(x: np.ndarray, y: np.ndarray) -> Any:
    """Half the mean squared error as a function of {"V": …, "K": …}."""
    return lambda beta: np.mean((y - beta["V"] * x / (beta["K"] + x)) ** 2) / 2


def _ways(report: Report, function: Any) -> None:
    from betahat.solvers.minimize import minimize

    rows: list[list[str]] = []
    for label, solver in WAYS.items():
        found = minimize(function, START, solver=solver, max_iter=_BUDGET)
        gradient = f"{found.certificate.gradient_norm:.1e}"
        rows.append([label, f"{found.iterations:,}", f"{found.evaluations:,}", gradient, found.status])
    report.out.print(
        f"\nEvery way down the same J(V, K), from V = {START['V']:g}, K = {START['K']:g}. V is in hundreds and K in\n"
        "hundredths: the plain gradient minds, and methods that learn the curvature do not."
    )
    header = ["solver", "iterations", "evaluations", "|∂J/∂β|", "certificate"]
    print_table(report, header, rows, good=lambda row: row[-1] == "local minimum")


def _drawn(model: Any, X: Any, y: Any, function: Any) -> Any:
    """Fit and descent side by side."""
    import matplotlib.pyplot as plt

    from betahat.report.plots import DescentDisplay, FitDisplay

    figure, (left, right) = plt.subplots(1, 2, figsize=(12.0, 5.2), layout="constrained")
    fit = FitDisplay.from_estimator(model, X, y, ax=left)
    fit.ax_.set(xlabel="conc (ppm)", ylabel="rate (counts/min²)")
    ways = DescentDisplay.from_function(
        function, START, solvers=WAYS, max_iter=_BUDGET, limits=((100.0, 260.0), (0.0, 0.45)), ax=right,
        resolution=120,
    )  # fmt: skip
    ways.ax_.set(xlabel="V (counts/min²)", ylabel="K (ppm)")
    return figure
