"""100 × 5 in a warm process: what a fit costs when there is next to nothing to compute."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from benchmarks.timing import alternate, table


def run() -> str:
    import statsmodels.api as sm
    from sklearn.linear_model import LinearRegression

    import betahat as bh

    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 5))
    y = X.sum(axis=1) + rng.standard_normal(100)

    def ours() -> None:
        model = bh.LinearRegression().fit(X, y)
        model.certificate_, model.inference_.std_err  # noqa: B018

    timings = alternate(
        {
            "betahat": ours,
            "scikit-learn LinearRegression": lambda: LinearRegression().fit(X, y),
            "statsmodels OLS": lambda: sm.OLS(y, sm.add_constant(X)).fit().bse,
        },
        30,
        inner=20,
    )
    code = (
        "import sys, numpy as np, betahat as bh; X = np.random.default_rng(0).standard_normal((100, 5)); "
        "bh.LinearRegression().fit(X, X[:, 0]).inference_.std_err; print('numba' in sys.modules)"
    )
    compiled = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    return "\n\n".join([
        "100 × 5, warm process; ours with certificate and standard errors.",
        table(timings),
        f"Compiler loaded: {compiled}.",
    ])  # fmt: skip
