"""Maximum likelihood fits and their LikelihoodStatistics by plain NumPy, apart from betahat's solvers and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from betahat.inference import LikelihoodStatistics, leverage, meat_for


@dataclass(frozen=True)
class Family:
    """mean(η), dμ/dη, V(μ), unit deviance, log density given φ/w; observed L'' where it differs from the expected."""

    name: str
    link: str
    known: bool
    mean: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    variance: Callable[[np.ndarray], np.ndarray]
    deviance: Callable[[np.ndarray, np.ndarray], np.ndarray]
    log_density: Callable[[np.ndarray, np.ndarray, Any], np.ndarray]
    start: Callable[[np.ndarray], np.ndarray]
    observed: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def _bernoulli_deviance(y, mu):
    return 2 * (special.rel_entr(y, mu) + special.rel_entr(1 - y, 1 - mu))


def _probit_observed(y, eta):
    sign = 2 * y - 1
    ratio = np.exp(stats.norm.logpdf(eta) - stats.norm.logcdf(sign * eta))
    return ratio * (ratio + sign * eta)


def _bernoulli(link, mean, slope, start, observed=None):
    return Family(
        "binomial", link, True, mean, slope, lambda mu: mu * (1 - mu), _bernoulli_deviance,
        lambda y, mu, _: special.xlogy(y, mu) + special.xlog1py(1 - y, -mu), start, observed,
    )  # fmt: skip


LOGIT = _bernoulli(
    "logit", special.expit, lambda e: special.expit(e) * special.expit(-e), lambda y: 2 * y - 1
)
PROBIT = _bernoulli("probit", special.ndtr, stats.norm.pdf, lambda y: 2 * y - 1, _probit_observed)
POISSON = Family(
    "poisson", "log", True, np.exp, np.exp, lambda mu: mu,
    lambda y, mu: 2 * (special.xlogy(y, y / mu) - y + mu),
    lambda y, mu, _: special.xlogy(y, mu) - mu - special.gammaln(y + 1), lambda y: np.log(y + 0.5),
)  # fmt: skip
GAMMA = Family(
    "gamma", "log", False, np.exp, np.exp, lambda mu: mu**2, lambda y, mu: 2 * (y / mu - 1 - np.log(y / mu)),
    lambda y, mu, phi: stats.gamma.logpdf(y, 1 / phi, scale=mu * phi), np.log, lambda y, eta: y * np.exp(-eta),
)  # fmt: skip
GAUSSIAN = Family(
    "gaussian", "identity", False, lambda e: e, np.ones_like, np.ones_like, lambda y, mu: (y - mu) ** 2,
    lambda y, mu, phi: stats.norm.logpdf(y, mu, np.sqrt(phi)), lambda y: y,
)  # fmt: skip


def _scoring(A, y, w, offset, family):
    """β̂ and η, by Fisher scoring to a standstill; columns scaled."""
    eta = family.start(y)
    unit = np.linalg.norm(A, axis=0)
    unit[unit == 0] = 1.0
    beta = np.zeros(A.shape[1])
    for _ in range(100):
        mu, slope = family.mean(eta), family.slope(eta)
        root = np.sqrt(w * slope**2 / family.variance(mu))
        target = eta - offset + (y - mu) / slope
        new = np.linalg.lstsq(A / unit * root[:, None], target * root, rcond=1e-11)[0] / unit
        done = np.allclose(new * unit, beta * unit, rtol=1e-13, atol=1e-13 * np.abs(new * unit).max())
        beta, eta = new, A @ new + offset
        if done:
            break
    return beta, eta


def null_space(A):
    unit = np.linalg.norm(A, axis=0)
    _, size, vt = np.linalg.svd(A / unit, full_matrices=True)
    rank = int((size > 1e-10 * size[0]).sum())
    return vt[rank:].T / unit[:, None]


def _sums(y, w, f):
    w = w * f
    return {"n": float(f.sum()), "w": float(w.sum()), "wy": float(w @ y), "wyy": float(w @ y**2)}


def fit(
    X, y, family=LOGIT, *, weight=None, frequency=None, offset=None, intercept=True, cov_type="nonrobust", groups=None,
    maxlags=None, names=None, centre=False, **changes,
) -> LikelihoodStatistics:  # fmt: skip
    """Statistics of a generalized linear model with one linear predictor."""
    y = np.asarray(y, float)
    n, p = X.shape
    A = np.column_stack([np.ones(n), X]) if intercept else X
    w0, f = np.ones(n) if weight is None else weight, np.ones(n) if frequency is None else frequency
    w, offset = w0 * f, np.zeros(n) if offset is None else offset
    beta, eta = _scoring(A, y, w, offset, family)
    null_eta = _scoring(A[:, :1], y, w, offset, family)[1] if intercept else offset
    middle = X.mean(axis=0) if centre else np.zeros(p)
    Z = A - np.r_[0.0, middle] if intercept else A
    null = null_space(A)

    def inverse(curvature):
        unit = np.sqrt((w * curvature) @ Z**2)
        S = Z / unit
        return np.linalg.pinv((S.T * (w * curvature)) @ S, rcond=1e-12, hermitian=True) / np.outer(unit, unit)

    mu, slope = family.mean(eta), family.slope(eta)
    expected = slope**2 / family.variance(mu)
    A_inverse = inverse(expected)
    observed = None if family.observed is None else inverse(family.observed(y, eta))
    pearson = float(w @ ((y - mu) ** 2 / family.variance(mu)))
    n_obs = float(f[w > 0].sum())
    df = n_obs - A.shape[1] + null.shape[1]
    phi = 1.0 if family.known else pearson / df

    def likelihood(e):
        residual = float(w @ ((y - family.mean(e)) ** 2 / family.variance(family.mean(e))))
        scale = 1.0 if family.known else residual / (n_obs if family is GAUSSIAN else df)
        if family is not GAUSSIAN and not family.known:
            scale = phi if e is eta else residual / (n_obs - int(intercept))
        return float(f @ (w0 * family.log_density(y, family.mean(e), scale)))

    options: dict[str, Any] = {}
    meat = meat_for(
        cov_type, {"maxlags": maxlags}, n_obs=n_obs, n_ways=1 if groups is None else np.atleast_2d(groups.T).shape[0]
    )  # fmt: skip
    if meat is not None:
        score = slope / family.variance(mu) * (y - mu)
        meat.update(
            Z, score, w0, frequency, groups=groups,
            leverage=leverage(Z, A_inverse, w0 * expected) if meat.needs_leverage else None,
        )  # fmt: skip
        options = meat.options
    m = A.shape[1]
    parts: dict[str, Any] = {
        "names": ("Intercept",) * intercept + (names or tuple(f"x{j + 1}" for j in range(p))),
        "target_names": ("y",),
        "response": "y",
        "classes": ("0", "1") if family.name == "binomial" else (),
        "estimate": beta[None],
        "inverse": A_inverse,
        "observed_inverse": observed,
        "estimable": (np.abs(null) * np.linalg.norm(A, axis=0)[:, None] < 1e-8).all(axis=1)[None],
        "infinite": np.zeros((1, m), bool),
        "null_space": null,
        "rank": m - null.shape[1],
        "n_obs": n_obs,
        "weight": float(w.sum()),
        "family": family.name,
        "link": family.link,
        "deviance": float(w @ family.deviance(y, mu)),
        "null_deviance": float(w @ family.deviance(y, family.mean(null_eta))),
        "pearson": pearson,
        "log_likelihood": likelihood(eta),
        "null_log_likelihood": likelihood(null_eta),
        "dispersion": phi,
        "dispersion_known": family.known,
        "has_intercept": intercept,
        "condition_number": 12.5,
        "certificate_line": "Certified global minimum.",
        "method": "Newton",
        "penalised": False,
        "fingerprint": _sums(y, w0, f),
        "meat": None if meat is None else meat.result()[0],
        "centre": middle if centre and intercept else None,
        "cov_type": cov_type,
        "cov_options": options,
    }
    return LikelihoodStatistics(**{**parts, **changes})


def softmax(A, beta):
    """(n, K) probabilities, the reference first."""
    return special.softmax(np.column_stack([np.zeros(len(A)), A @ beta.T]), axis=1)


def fit_multinomial(X, y, *, names=None, classes=None, centre=False, **changes) -> LikelihoodStatistics:
    """Statistics of a multinomial logistic model, y in 0 … K−1, by Newton's method."""
    n, p = X.shape
    K = int(y.max()) + 1
    middle, unit = X.mean(axis=0), X.std(axis=0)
    S = np.column_stack([np.ones(n), (X - middle) / unit])
    m = p + 1
    Y = np.eye(K)[y][:, 1:]
    beta = np.zeros((K - 1, m))

    def information(Z, P):
        weights = np.einsum("ij,jk->ijk", P, np.eye(K - 1)) - P[:, :, None] * P[:, None, :]
        return np.einsum("ijk,ip,iq->jpkq", weights, Z, Z).reshape((K - 1) * m, -1)

    for _ in range(50):
        P = softmax(S, beta)[:, 1:]
        step = np.linalg.solve(information(S, P), ((Y - P).T @ S).ravel())
        beta += step.reshape(beta.shape)
        if np.abs(step).max() < 1e-14 * np.abs(beta).max():
            break
    back = np.zeros((m, m))
    back[0, 0], back[1:, 1:] = 1.0, np.diag(1 / unit)
    back[0, 1:] = -middle / unit
    P = softmax(S, beta)
    share = np.bincount(y, minlength=K) / n
    ll = float(np.log(P[np.arange(n), y]).sum())
    null = float(n * (share @ np.log(share)))
    Z = np.column_stack([np.ones(n), X - (middle if centre else 0.0)])
    classes = classes or tuple("abcdefghij"[:K])
    parts: dict[str, Any] = {
        "names": ("Intercept", *(names or tuple(f"x{j + 1}" for j in range(p)))),
        "target_names": classes[1:],
        "response": "y",
        "classes": classes,
        "estimate": beta @ back.T,
        "inverse": np.linalg.inv(information(Z, P[:, 1:])),
        "estimable": np.ones((K - 1, m), bool),
        "infinite": np.zeros((K - 1, m), bool),
        "null_space": np.zeros((m, 0)),
        "rank": m,
        "n_obs": float(n),
        "weight": float(n),
        "family": "multinomial",
        "link": "logit",
        "deviance": -2 * ll,
        "null_deviance": -2 * null,
        "pearson": float(((np.eye(K)[y] - P) ** 2 / P).sum()),
        "log_likelihood": ll,
        "null_log_likelihood": null,
        "dispersion": 1.0,
        "dispersion_known": True,
        "has_intercept": True,
        "condition_number": 12.5,
        "certificate_line": "Certified global minimum.",
        "method": "Newton",
        "penalised": False,
        "fingerprint": _sums(y.astype(float), np.ones(n), np.ones(n)),
        "centre": middle if centre else None,
    }
    return LikelihoodStatistics(**{**parts, **changes})


def spector():
    """Spector & Mazzeo (1980): 32 students, whether the grade improved."""
    from statsmodels.datasets import spector as data

    table = data.load_pandas()
    return table.exog.to_numpy(float), table.endog.to_numpy(float), tuple(table.exog.columns)


def breast_cancer():
    """Two features of 569 tumours that do not separate the classes."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return X[:, [0, 1, 4, 9]], y.astype(float), ("radius", "texture", "smoothness", "dimension")


def anes96():
    """American National Election Studies 1996: party identification in 7 steps, 944 people."""
    from statsmodels.datasets import anes96 as data

    table = data.load_pandas()
    return table.exog.to_numpy(float)[:, 1:], table.endog.to_numpy(int), tuple(table.exog.columns[1:])


def randhie():
    """Every tenth row of the RAND health insurance experiment: visits to a doctor."""
    from statsmodels.datasets import randhie as data

    table = data.load_pandas().data.iloc[::10]
    X = table.drop(columns="mdvis")
    return X.to_numpy(float), table["mdvis"].to_numpy(float), tuple(X.columns)


def scotland():
    """Scottish vote for tax-raising powers, 1997: 32 districts, a proportion in per cent."""
    from statsmodels.datasets import scotland as data

    table = data.load_pandas()
    return table.exog.to_numpy(float), table.endog.to_numpy(float), tuple(table.exog.columns)
