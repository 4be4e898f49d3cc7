"""Maximum likelihood with 50 digits, by Newton's method on exact copies of the doubles."""

from __future__ import annotations

import mpmath as mp
import numpy as np

# of a predictor: L' and L''
DERIVATIVES = {
    "logit": lambda y, e: (1 / (1 + mp.exp(-e)) - y, 1 / ((1 + mp.exp(-e)) * (1 + mp.exp(e)))),
    "poisson": lambda y, e: (mp.exp(e) - y, mp.exp(e)),
    "gamma": lambda y, e: (1 - y * mp.exp(-e), y * mp.exp(-e)),
}


def exact(values):
    return [mp.mpf(float(v)) for v in values]


def maximum(X, y, kind, start, weight=None, offset=None, alpha=0.0, intercept=True, digits=50):
    """β (1 + p,), the intercept first; `alpha` of the mean loss."""
    X = np.asarray(X, float)
    n = len(X)
    with mp.workdps(digits):
        rows = [[mp.mpf(1)] * intercept + exact(row) for row in X]
        y, w = exact(y), exact(np.ones(n) if weight is None else weight)
        o = exact(np.zeros(n) if offset is None else offset)
        beta, m, total = mp.matrix(exact(start)), len(rows[0]), mp.fsum(w)
        unit = [max(abs(row[j]) for row in rows) or mp.mpf(1) for j in range(m)]
        rows = [[v / u for v, u in zip(row, unit, strict=True)] for row in rows]
        beta = mp.matrix([b * u for b, u in zip(beta, unit, strict=True)])
        for _ in range(60):
            g, H = mp.zeros(m, 1), mp.zeros(m)
            for row, t, v, shift in zip(rows, y, w, o, strict=True):
                eta = shift + mp.fsum(a * b for a, b in zip(row, beta, strict=True))
                first, second = DERIVATIVES[kind](t, eta)
                for i in range(m):
                    g[i] += v * first * row[i]
                    for j in range(m):
                        H[i, j] += v * second * row[i] * row[j]
            for j in range(int(intercept), m):
                ridge = mp.mpf(float(alpha)) * total / unit[j] ** 2
                g[j] += ridge * beta[j]
                H[j, j] += ridge
            step = mp.lu_solve(H, g)
            beta = beta - step
            if max(abs(s) for s in step) <= mp.mpf(10) ** (8 - digits) * (1 + max(abs(b) for b in beta)):
                return [b / u for b, u in zip(beta, unit, strict=True)]
        raise AssertionError("no maximum was found")


def assert_bound_holds(model, truth, looser=1.0):
    """No coefficient is further from the truth than the certificate says."""
    found = np.append(model.intercept_, np.ravel(model.coef_))
    for value, best, bound in zip(found, truth, np.ravel(model.certificate_.error_bound), strict=True):
        error = float(abs(mp.mpf(float(value)) - best))
        assert error <= looser * bound, f"|β̂ − β*| = {error:.3g}, bound {bound:.3g}"
