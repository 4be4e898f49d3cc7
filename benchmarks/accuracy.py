"""Correct digits on the NIST StRD linear sets, beside the peers: the smallest over the coefficients of each set."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np


def run() -> str:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import statsmodels.api as sm
    from reference_data import FOLDER, correct_digits, nist_linear
    from sklearn.linear_model import LinearRegression

    import betahat as bh

    if not FOLDER.is_dir():
        return "The NIST files are not beside this checkout."
    warnings.simplefilter("ignore")
    lines = [
        "| set | betahat | its standard errors | PolynomialRegression | scikit-learn | statsmodels | numpy lstsq |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ("Norris", "Pontius", "NoInt1", "Longley", "Wampler1", "Wampler2", "Wampler3", "Filip"):
        r = nist_linear(name)
        y, x = r.data[:, 0], r.data[:, 1:]
        degree = {"Pontius": 2, "Wampler1": 5, "Wampler2": 5, "Wampler3": 5, "Filip": 10}.get(name)
        X = np.column_stack([x**k for k in range(1, degree + 1)]) if degree else x
        intercept = name != "NoInt1"

        def digits(beta, truth=r.estimates):
            return min(correct_digits(float(b), c) for b, c in zip(beta, truth, strict=True))

        def joined(model, intercept=intercept):
            return np.append(model.intercept_, model.coef_) if intercept else model.coef_

        model = bh.LinearRegression(fit_intercept=intercept).fit(X, y)
        poly = bh.PolynomialRegression(degree).fit(x, y) if degree else None
        peer = LinearRegression(fit_intercept=intercept).fit(X, y)
        design = sm.add_constant(X) if intercept else X
        row = [
            digits(joined(model)),
            digits(model.inference_.std_err, r.std_errors),
            digits(joined(poly)) if poly else None,
            digits(joined(peer)),
            digits(sm.OLS(y, design).fit().params),
            digits(np.linalg.lstsq(design, y, rcond=None)[0]),
        ]
        lines.append(f"| {name} | " + " | ".join("" if v is None else f"{max(v, 0):.1f}" for v in row) + " |")
    return "\n".join(lines)
