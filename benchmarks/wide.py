"""Many columns: 5000 × 2000 least squares, and 200 × 20,000 ridge."""

from __future__ import annotations

import numpy as np

from benchmarks.timing import alternate, table


def run() -> str:
    from sklearn.linear_model import LinearRegression, Ridge

    import betahat as bh

    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 2000))
    y = X[:, :5].sum(axis=1) + rng.standard_normal(5000)
    square = alternate(
        {
            "betahat": lambda: bh.LinearRegression().fit(X, y).inference_.std_err,
            "scikit-learn LinearRegression": lambda: LinearRegression().fit(X, y),
            "numpy solve(XᵀX, Xᵀy)": lambda: np.linalg.solve(X.T @ X, X.T @ y),
        },
        5,
    )
    Z = rng.standard_normal((200, 20_000))
    z = Z[:, :5].sum(axis=1) + rng.standard_normal(200)
    wide = alternate(
        {"betahat": lambda: bh.Ridge(1.0).fit(Z, z), "scikit-learn Ridge": lambda: Ridge(1.0).fit(Z, z)}, 15
    )
    return "\n\n".join([
        "5000 × 2000 least squares; ours with standard errors and certificate.",
        table(square),
        "200 × 20,000 ridge; ours with certificate.",
        table(wide),
    ])  # fmt: skip
