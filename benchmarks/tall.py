"""1,000,000 × 50 in memory: the whole fit, standard errors and certificate included, beside the peers' fits."""

from __future__ import annotations

import numpy as np

from benchmarks.memory import extra_memory, print_extra
from benchmarks.timing import alternate, readable, table

N, P = 1_000_000, 50


def data(rows: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, P))
    return X, X @ rng.standard_normal(P) + rng.standard_normal(rows)


def run() -> str:
    import statsmodels.api as sm
    from sklearn.linear_model import LinearRegression

    import betahat as bh

    X, y = data()

    def ours() -> bh.LinearRegression:
        model = bh.LinearRegression().fit(X, y)
        model.inference_.std_err  # noqa: B018
        return model

    model = ours()
    quick = alternate(
        {
            "betahat": ours,
            "numpy solve(XᵀX, Xᵀy)": lambda: np.linalg.solve(X.T @ X, X.T @ y),
            "reading X once (numpy sum)": X.sum,
        },
        15,
    )
    slow = alternate(
        {
            "betahat": ours,
            "scikit-learn LinearRegression": lambda: LinearRegression().fit(X, y),
            "statsmodels OLS": lambda: sm.OLS(y, X).fit().bse,
            "glum OLS (alpha 0)": _glum(X, y),
        },
        3,
    )
    certificate = model.certificate_
    extra = extra_memory("benchmarks.tall", X.nbytes)
    return "\n\n".join([
        f"{N:,} × {P} float64, intercept; ours with standard errors and certificate.",
        table(quick),
        "The slower peers, in turn with ours:",
        table(slow),
        f"Readings of X: {certificate.readings} (one for the Gram matrix, one for gradient and certificate in "
        f"double-double arithmetic). {certificate.line()}. {extra} "
        f"{_peak(quick[0].median)}",
    ])  # fmt: skip


def _glum(X: np.ndarray, y: np.ndarray):
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(alpha=0, family="gaussian")
    return lambda: model.fit(X, y)


def _peak(fit_seconds: float) -> str:
    """The tile's share of its own peak in the Gram matrix, and the whole fit's."""
    from time import perf_counter

    from betahat.kernels.gram import gram
    from betahat.kernels.team import number_of_threads

    rng = np.random.default_rng(1)
    block = rng.standard_normal((4096, 383))
    wide = np.tile(block, (8, 1))
    Y = np.zeros((len(wide), 0))

    def flops(X: np.ndarray) -> float:
        gram(X, Y[: len(X)])
        taken = []
        for _ in range(7):
            start = perf_counter()
            gram(X, Y[: len(X)])
            taken.append(perf_counter() - start)
        return len(X) * (X.shape[1] + 1) ** 2 / min(taken) / 1e9

    fast = flops(wide)
    needed = N * (P + 2) ** 2 / fit_seconds / 1e9
    return (
        f"The Gram kernel reaches {fast:.0f} GFLOP/s on 384 columns with {number_of_threads()} threads; this fit's "
        f"Gram flops over its whole time ({readable(fit_seconds)}) are {needed:.0f} GFLOP/s."
    )


if __name__ == "__main__":
    print_extra("LinearRegression", data, 20_000)
