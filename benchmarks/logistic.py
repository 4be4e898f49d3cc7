"""Logistic regression of 1,000,000 × 50 in memory, standard errors and certificate included, beside the peers' fits."""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.memory import extra_memory, print_extra
from benchmarks.timing import alternate, readable, table

N, P = 1_000_000, 50


def data(rows: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, P))
    eta = X @ rng.standard_normal(P) / np.sqrt(P) - 0.5
    return X, (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(np.int64)


def run() -> str:
    import statsmodels.api as sm
    from glum import GeneralizedLinearRegressor
    from sklearn.linear_model import LogisticRegression

    import betahat as bh

    X, y = data()
    ones = sm.add_constant(X)

    def ours() -> bh.LogisticRegression:
        model = bh.LogisticRegression().fit(X, y)
        model.inference_.std_err  # noqa: B018
        return model

    def sklearn(solver: str):
        return lambda: LogisticRegression(C=np.inf, solver=solver).fit(X, y)

    def glum() -> None:
        GeneralizedLinearRegressor(alpha=0, family="binomial").fit(X, y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ours()
        timings = alternate(
            {
                "betahat": ours,
                **{f"scikit-learn {s}": sklearn(s) for s in ("lbfgs", "newton-cg", "newton-cholesky")},
                "glum": glum,
                "statsmodels Logit": lambda: sm.Logit(y, ones).fit(disp=0).bse,
                "reading X once (numpy sum)": X.sum,
            },
            9,
        )
    c = model.certificate_
    extra = extra_memory("benchmarks.logistic", X.nbytes)
    return "\n\n".join([
        f"{N:,} × {P} float64, unpenalised, intercept; ours with standard errors and certificate, the peers at their "
        "default tolerances.",
        table(timings),
        f"Readings of X: {c.readings}, the first and the third of loss and gradient alone, the second with the Hessian "
        "in float32, which bends the third's step too, the last with the Hessian and what the certificate needs; a "
        "step below 1e-9 of β, with which it ends, is not read. Before them every 17th row was fitted, where it lies, "
        f"begun at the fit of every 9th of these. {c.line()}. {extra} {_readings()}",
        _TRIED,
    ])  # fmt: skip


_TRIED = (
    "Measured, and lost: two readings with the Hessian and steps bent by it (they end 2e-12 to 6e-12 from β̂); fetching "
    "rows from farther ahead, in more and smaller bursts, or while others are packed; packing and multiplying the next "
    "rows before the sums of these; more and smaller slabs. Hessians that only bend a step are products in float32 "
    "where columns are far from collinear: of the lower triangle of 51 columns 14 blocks of 8 × 16, where float64 has "
    "24.5 of 8 × 8, so that by count their products take 57 % of the time, not 50 %."
)


def _readings() -> str:
    """How long one fused reading takes, and its share of the tile's peak."""
    from time import perf_counter

    from betahat.kernels.irls import GRADIENT, HESSIAN, ROUGH, irls

    X, y = data()
    taken = {}
    for name, much in (("gradient", GRADIENT), ("rough", ROUGH), ("Hessian too", HESSIAN)):
        seconds = []
        for _ in range(9):
            start = perf_counter()
            irls(X, y.astype(float), None, None, np.zeros(P), np.zeros(P), 0.0, 1, 0.0, much)
            seconds.append(perf_counter() - start)
        taken[name] = min(seconds)
    flops = N * (P + 2) ** 2 / taken["Hessian too"] / 1e9
    return (
        f"One reading for loss and gradient takes {readable(taken['gradient'])}, with the Hessian "
        f"{readable(taken['Hessian too'])} ({flops:.0f} GFLOP/s in its products alone), "
        f"with products in float32 {readable(taken['rough'])}."
    )


if __name__ == "__main__":
    print_extra("LogisticRegression", data, 40_000)
