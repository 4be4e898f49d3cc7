"""How nonlinear fits end: minima, saddles, flat and endless valleys, spent budgets, Ctrl-C; each said, and usable."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

import numpy as np
import pytest
from estimators.nonlinear_data import TEXT, decay, x, y
from numpy.testing import assert_allclose

import betahat as bh
from betahat.errors import CertificateWarning, DataError, InferenceError

START = [1.0, 1.0, 1.0]
ZERO = np.zeros(40)


def behaves(model, tmp_path, given=True):
    """Everything that needs no standard errors works, and the refusal is the same wherever it is met."""
    with pytest.raises(InferenceError) as refusal:
        _ = model.inference_
    for ask in (lambda: model.prediction_interval(x), lambda: model.profile_interval(x, y)):
        with pytest.raises(InferenceError) as again:
            ask()
        assert str(again.value) == str(refusal.value)
    assert model.predict(x).shape == (40,)
    for told in (str(model.summary()), model.summary()._repr_html_(), model.explain()):
        assert str(refusal.value)[:20].lower() in " ".join(told.split()).lower()
    assert np.isnan(model.summary().frame("pandas")["std_err"]).all()
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model", **({"f": model.f} if given else {}))
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()
    assert str(loaded.summary()) == str(model.summary())
    return str(refusal.value)


# --- what the data do not determine ---------------------------------------------------------------------------------

OPEN = {
    "product": (lambda X, a, b: a * b * X, [1.0, 2.0], "cannot tell a and b apart"),
    "product as text": ("a * b * x", None, "cannot tell a and b apart"),
    "sum": (lambda X, a, b: a + b + 0 * X, [1.0, 2.0], "cannot tell a and b apart"),
    "factor of an exponential": (
        lambda X, a, b, c: a * np.exp(b + c * X), [1.0, 1.0, -1.0], "cannot tell a and b apart"
    ),
    "no effect": (lambda X, a, b: a * X + 0 * b, [1.0, 2.0], "say nothing of b"),
    "steps": (lambda X, a, b: np.round(a) * X + b, [1.0, 2.0], "say nothing of a"),
    "nothing at all": (lambda X, a: 1.0 * X, [1.0], "say nothing of a"),
    "the same place": (lambda X, a, b, c: decay(0 * X + 1, a, b, c), START, "cannot tell a, b and c apart"),
}  # fmt: skip


@pytest.mark.parametrize("robust", [False, True], ids=["squares", "huber"])
@pytest.mark.parametrize("case", OPEN)
def test_parameters_that_cannot_be_told_apart_are_named(case, robust, tmp_path):
    f, start, words = OPEN[case]
    cov_type = "nonrobust" if robust else "HC1"
    model = bh.NonlinearRegression(f, start, loss="huber" if robust else "squared_error", cov_type=cov_type)
    with pytest.warns(CertificateWarning, match=words):
        model.fit(x, y)
    assert model.certificate_.status == "flat"
    assert model.certificate_.converged
    assert model.stop_reason_ == "converged"
    assert words in behaves(model, tmp_path, not isinstance(f, str))


def test_a_flat_valley_is_reached_all_the_same():
    with pytest.warns(CertificateWarning):
        model = bh.NonlinearRegression(lambda X, a, b: a * b * X, [1.0, 2.0]).fit(x, y)
    a, b = model.coef_
    assert_allclose(a * b, x @ y / (x @ x), rtol=1e-10)


def test_fixing_one_of_them_is_the_way_out():
    model = bh.NonlinearRegression(lambda X, a, b: a * b * X, [1.0, 2.0], bounds={"b": (2, 2)}).fit(x, y)
    slope = x @ y / (x @ x)
    assert_allclose(model.coef_, [slope / 2, 2], rtol=1e-12)
    line = bh.NonlinearRegression(lambda X, a: a * X, 1.0).fit(x, y)
    assert_allclose(model.inference_.std_err[0], line.inference_.std_err[0] / 2, rtol=1e-10)


def test_a_derivative_that_is_not_finite_names_the_row(tmp_path):
    rows = np.r_[0.0, x[1:]]
    model = bh.NonlinearRegression(lambda X, a: a * X + np.where(X == 0, np.sqrt(a - a) + a, 0), 1.0)
    with pytest.warns(CertificateWarning, match=r"not finite in row 0 \(X = 0.\)"):
        model.fit(rows, y)
    with pytest.raises(InferenceError, match="leave the row out"):
        _ = model.inference_
    assert model.predict(rows).shape == (40,)


# --- where there is no minimum, or not yet --------------------------------------------------------------------------


def test_saddles_are_left():
    """The gradient vanishes at the start, by symmetry."""
    model = bh.NonlinearRegression(lambda X, a, b: a**2 + b * X - 5, [0.0, 1.0]).fit(x, y)
    line = np.polynomial.polynomial.polyfit(x, y, 1)
    assert_allclose([model.coef_[0] ** 2 - 5, model.coef_[1]], line, rtol=1e-9)
    assert model.certificate_.status == "local minimum"
    wells = bh.NonlinearRegression(lambda X, a: (a**2 - 1) * X, 0.0).fit(x, ZERO)
    assert_allclose(wells.coef_**2, [1], rtol=1e-12)


def test_equal_exponents_part():
    both = bh.NonlinearRegression(
        lambda X, a, b, c, d: a * np.exp(-b * X) + c * np.exp(-d * X), [1.0] * 4
    ).fit(x, y)
    assert both.certificate_.status == "local minimum"
    assert both.certificate_.loss < bh.NonlinearRegression("a * exp(-b * x)").fit(x, y).certificate_.loss


@pytest.mark.parametrize(
    ("f", "target"),
    [
        (lambda X, a: np.exp(a * X), ZERO),
        (lambda X, a: np.arctan(a * X), ZERO + 2),
        (lambda X, a, b: a * np.exp(b * X), np.r_[np.zeros(39), 1.0]),
        (lambda X, a: np.abs(a) * X, -x),
    ],
    ids=["ever smaller", "ever larger", "ever steeper", "a kink"],
)
def test_where_nothing_is_lowest_no_minimum_is_claimed(f, target, tmp_path):
    with pytest.warns(CertificateWarning, match="no minimum found"):
        model = bh.NonlinearRegression(f, [1.0, 1.0] if f.__code__.co_argcount == 3 else 1.0).fit(x, target)
    assert not model.certificate_.converged
    assert model.certificate_.status == "not stationary"
    assert model.stop_reason_ in ("budget spent", "no progress")
    assert np.isfinite(model.coef_).all()
    behaves(model, tmp_path)


@pytest.mark.parametrize("solver", [None, "levenberg_marquardt", "gauss_newton", "trust_region", "bfgs"])
@pytest.mark.parametrize("max_iter", [1, 3])
def test_a_spent_budget_keeps_the_best_point(max_iter, solver, tmp_path):
    model = bh.NonlinearRegression(decay, [3.0, 2.0, 0.0], max_iter=max_iter, solver=solver)
    with pytest.warns(CertificateWarning, match=rf"budget spent.*max_iter \(={max_iter}\) are spent"):
        model.fit(x, y)
    assert model.stop_reason_ == "budget spent"
    assert model.n_iter_ <= max_iter + 1
    loss = float(np.mean((y - model.predict(x)) ** 2) / 2)
    assert_allclose(model.certificate_.loss, loss, rtol=1e-12)
    assert loss <= float(np.mean((y - decay(x, 3.0, 2.0, 0.0)) ** 2) / 2)
    assert "is no minimum" in behaves(model, tmp_path)
    assert "max_iter allows more" in model.explain()


def test_f_may_leave_its_domain_on_the_way():
    root = bh.NonlinearRegression(lambda X, a, b: a * np.sqrt(b - X), [1.0, 5.0]).fit(x, np.sqrt(4.5 - x))
    assert_allclose(root.coef_, [1, 4.5], rtol=1e-12)
    log = bh.NonlinearRegression("a * log(b + x)", [1.0, 2.0]).fit(x, 2 * np.log(x + 0.5))
    assert_allclose(log.coef_, [2, 0.5], rtol=1e-10)


class Interrupted:
    """The curve of the data, with Ctrl-C in its call of that number; plain code, so f itself is called everywhere."""

    def __init__(self, at: float) -> None:
        self.calls, self.at = 0, at

    def __call__(self, X, a, b, c):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return np.where(b < np.inf, decay(X, a, b, c), 0.0)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("starts", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_ctrl_c_keeps_the_best_point(loss, starts, share, tmp_path):
    first = [3.0, 2.0, 0.0]
    whole = Interrupted(np.inf)
    bh.NonlinearRegression(whole, first, loss=loss).fit(x, y)
    descent = whole.calls - 4  # the start is looked at before it, the certificate after it
    interrupted = Interrupted(starts + 1 + int(share * descent))
    model = bh.NonlinearRegression(interrupted, [first] * starts if starts > 1 else first, loss=loss)
    with pytest.warns(CertificateWarning, match="interrupted.*best point so far"):
        model.fit(x, y)
    assert model.stop_reason_ == "interrupted"
    assert len(model.losses_) == starts
    lost = (
        bh.losses.Huber().value(y, model.predict(x)) if loss == "huber" else (y - model.predict(x)) ** 2 / 2
    )
    assert_allclose(model.certificate_.loss, lost.mean(), rtol=1e-12)
    assert model.certificate_.loss <= np.mean((y - decay(x, *first)) ** 2) / 2 * (1 + 1e-12)
    behaves(model, tmp_path)


STARTS = [[3.0, 2.0, 0.0], [3.5, 1.0, 0.2], [2.0, 1.5, 0.1]]


@lru_cache
def interruptions(loss):
    """Of fits from three starts: how many of them are told to be done → the calls at which Ctrl-C comes for it."""
    found = {}
    for at in range(len(STARTS) + 1, 200):
        model = bh.NonlinearRegression(Interrupted(at), STARTS, loss=loss)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model.fit(x, y)
            except KeyboardInterrupt:  # once all is done but the certificate
                break
        for told in re.findall(
            r"interrupted after (\d) of 3 starts", " ".join(str(w.message) for w in caught)
        ):
            found.setdefault(int(told), []).append(at)
    return found


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_ctrl_c_is_told_in_the_order_of_the_starts(loss):
    found = interruptions(loss)
    assert sorted(found) == [0, 1, 2]
    assert [at for done in range(3) for at in found[done]] == sorted(
        at for calls in found.values() for at in calls
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("done", [1, 2])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_ctrl_c_after_a_minimum_tells_which_starts_are_left(loss, done, share, tmp_path):
    least = bh.NonlinearRegression(Interrupted(np.inf), STARTS, loss=loss).fit(x, y)
    calls = interruptions(loss)[done]
    model = bh.NonlinearRegression(Interrupted(calls[int(share * len(calls))]), STARTS, loss=loss)
    with pytest.warns(CertificateWarning, match=f"interrupted after {done} of 3 starts.*from the next"):
        model.fit(x, y)
    assert (model.stop_reason_, model.certificate_.status) == ("converged", "local minimum")
    assert_allclose(model.coef_, least.coef_, rtol=1e-7)
    assert_allclose(model.inference_.std_err, least.inference_.std_err, rtol=1e-6)
    assert np.isfinite(model.losses_).tolist() == [k <= done for k in range(3)]
    told = " ".join(model.explain().split())
    assert f"interrupted after {done} of 3 starts" in told
    assert "interrupted" not in least.explain()
    model.save(tmp_path / "model")
    assert bh.load(tmp_path / "model", f=model.f).explain() == model.explain()


class Steps:
    """A curve without a minimum for the first solver, so that another is tried; Ctrl-C in its call of that number."""

    def __init__(self, at: int) -> None:
        self.calls, self.at = 0, at

    def __call__(self, X, a, b):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return np.round(a) * X + b


def test_ctrl_c_in_any_solver_is_told_of():
    whole = Steps(0)
    with pytest.warns(CertificateWarning):
        bh.NonlinearRegression(whole, [1.0, 2.0]).fit(x, y)
    told = set()
    for at in range(2, whole.calls - 4, 3):
        model = bh.NonlinearRegression(Steps(at), [1.0, 2.0])
        try:
            with pytest.warns(CertificateWarning) as heard:
                model.fit(x, y)
        except KeyboardInterrupt:  # between two solvers
            continue
        assert "interrupted" in model.explain()
        if model.stop_reason_ != "interrupted":
            assert "interrupted during the descent by" in str(heard[0].message)
        told.add(model.stop_reason_)
    assert told == {"interrupted", "converged"}


def test_ctrl_c_before_anything_is_known_ends_the_fit():
    def interrupted(X, a):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bh.NonlinearRegression(interrupted, 1.0).fit(x, y)


# --- sizes ----------------------------------------------------------------------------------------------------------

PLAIN = bh.NonlinearRegression(decay, START).fit(x, y)


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1e-20, 1e20, 1e100, 1e150])
@pytest.mark.parametrize("which", ["x", "y"])
def test_units_do_not_matter(which, scale):
    X, target = (x * scale, y) if which == "x" else (x, y * scale)
    unit = np.array([1.0, 1 / scale, 1.0] if which == "x" else [scale, 1.0, scale])
    model = bh.NonlinearRegression(decay, unit).fit(X, target)
    assert model.certificate_.status == "local minimum"
    assert_allclose(model.coef_ / unit, PLAIN.coef_, rtol=1e-9)
    assert_allclose(model.inference_.std_err / unit, PLAIN.inference_.std_err, rtol=1e-8)
    assert_allclose(
        model.prediction_interval(X[:3]) / (scale if which == "y" else 1),
        PLAIN.prediction_interval(x[:3]),
        rtol=1e-8,
    )


def test_sizes_beyond_doubles_are_refused():
    with pytest.raises(DataError, match="other units"):
        bh.NonlinearRegression(TEXT).fit(x, y * 1e200)


def test_a_large_level_costs_the_digits_it_must_and_no_more():
    target = y + 1e8
    high = bh.NonlinearRegression(decay, [1.0, 1.0, 1e8]).fit(x, target)
    low = bh.NonlinearRegression(decay, START).fit(x, target - 1e8)  # the same rows, exactly
    assert_allclose(high.coef_ - [0, 0, 1e8], low.coef_, atol=3e-8)
    far = bh.NonlinearRegression(lambda X, a, b, c: decay(X - 1e9, a, b, c), START).fit(x + 1e9, y)
    assert_allclose(far.coef_, PLAIN.coef_, rtol=1e-6)


@pytest.mark.parametrize("level", [0.0, 3.0])
@pytest.mark.parametrize(
    "f", [decay, "exponential_offset", "logistic", "gaussian", "sinusoid", "michaelis_menten"]
)
def test_constant_targets_end_without_a_traceback(f, level):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", CertificateWarning)
        model = bh.NonlinearRegression(f, START if callable(f) else None).fit(x, ZERO + level)
        assert model.summary()
        assert model.explain()
    assert np.isfinite(model.coef_).all()
    if f != "michaelis_menten" and model.certificate_.converged:
        assert_allclose(model.predict(x), level, atol=1e-6)


@pytest.mark.parametrize("fall", [5e-324, 1.2e-312, 1e-160, 1.0])
@pytest.mark.parametrize("value", [0.0, 5e-324, 1.2e-312, 1.0])
@pytest.mark.parametrize("before", [1e-300, 3e-297, 1.0, np.nextafter(2.0, 3), 1e300])
def test_iterations_left_are_a_number_down_to_the_smallest_sums(fall, value, before):
    from betahat.solvers.least_squares.levenberg_marquardt import _iterations_left

    left = _iterations_left(fall, before, value)
    assert not np.isnan(left)
    if 0 < fall < before:  # falls shrink by before / fall each time, down to 1e-14 of the value
        assert value == 0 or (left <= 0) == (fall <= 1e-14 * value) or abs(left) < 1e-9
