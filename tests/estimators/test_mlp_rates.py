"""find_learning_rate and learning_rate_init="auto": against a quadratic by hand, and that nothing else is touched."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score

import betahat as bh
from betahat.layers import Dense, ReLU
from betahat.solvers import SGD, AdamW, Chain, Constant, Cosine, ExponentialAverage
from betahat.solvers.stochastic.adaptive import ScaleByAdam
from betahat.solvers.stochastic.transformation import ScaleByLearningRate

RNG = np.random.default_rng(5)
X = RNG.normal(size=(240, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
R = X[:, 0] + X[:, 1] ** 2
STACK = [Dense(8), ReLU(), Dense(2)]

MODELS = {
    "MLPClassifier": (lambda **p: bh.MLPClassifier((8,), **{"random_state": 0, **p}), Y),
    "MLPRegressor": (lambda **p: bh.MLPRegressor(hidden_layer_sizes=(8,), **{"random_state": 0, **p}), R),
    "NetworkClassifier": (lambda **p: bh.NetworkClassifier(STACK, **{"random_state": 0, **p}), Y),
    "NetworkRegressor": (lambda **p: bh.NetworkRegressor([*STACK[:2], Dense(1)], **{"random_state": 0, **p}), R),
}  # fmt: skip


def linear(**parameters: Any) -> bh.NetworkRegressor:
    """Least squares: one dense layer, gradient descent on all rows."""
    given = {
        "solver": "sgd",
        "momentum": 0.0,
        "alpha": 0.0,
        "standardize": False,
        "batch_size": 240,
        "shuffle": False,
    }
    return bh.NetworkRegressor([Dense(1)], random_state=0, **(given | parameters))


@pytest.mark.parametrize("alpha", [0.0, 30.0])
def test_least_squares_descends_as_the_textbook_says_and_diverges_at_2_over_l(alpha: float) -> None:
    Z = np.column_stack([X * [2.0, 1.0, 0.5, 0.2], np.ones(240)])
    penalty = alpha / 240 * np.diag([1.0, 1, 1, 1, 0])
    H = Z.T @ Z / 240 + penalty
    largest = np.linalg.eigvalsh(H)[-1]
    model = linear(alpha=alpha)
    found = model.find_learning_rate(Z[:, :4], R, smallest=1.6 / largest, largest=6 / largest, steps=400)

    start = linear(alpha=alpha, learning_rate_init=1e-300, max_iter=1).fit(Z[:, :4], R)
    beta = np.concatenate([start.coefs_[0].ravel(), start.intercepts_[0]])
    losses = []
    for rate in found.learning_rate:
        losses.append(np.mean((R - Z @ beta) ** 2) / 2 + beta @ penalty @ beta / 2)
        beta = beta - rate * (H @ beta - Z.T @ R / 240)
    below = found.learning_rate < 2 / largest  # beyond it rounding errors grow too
    np.testing.assert_allclose(found.loss[below], np.array(losses)[below], rtol=1e-9)
    assert len(losses) < 400
    assert found.divergence is not None
    assert 1.0 < found.divergence * largest / 2 < 1.4  # what fell to nothing below has to grow again


@pytest.mark.parametrize("rows", [8, 32, 100])
def test_the_noise_of_mini_batches_shows_2_over_l_in_the_usual_range(rows: int) -> None:
    A = RNG.normal(size=(2000, 4)) * [2.0, 1.0, 0.5, 0.2]
    largest = np.linalg.eigvalsh(np.cov(A.T, bias=True))[-1]
    found = linear(batch_size=rows, shuffle=True).find_learning_rate(A, A[:, 0] + RNG.normal(size=2000))
    assert found.divergence is not None
    assert 0.5 < found.divergence * largest / 2 < 2.5


def test_without_noise_the_divergence_comes_late_in_the_usual_range() -> None:
    """What fell to rounding errors has to grow again: the number in docs/neural-networks.md."""
    A = np.column_stack([X * [2.0, 1.0, 0.5, 0.2], np.ones(240)])
    largest = np.linalg.eigvalsh(A.T @ A / 240)[-1]
    found = linear().find_learning_rate(A[:, :4], R)
    assert found.divergence is not None
    assert 4 < found.divergence * largest / 2 < 8


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_test_is_a_training_with_a_growing_rate(name: str, dtype: str) -> None:
    """The same steps by a schedule in fit, whose losses are means over an epoch of one batch."""
    make, y = MODELS[name]
    found = make(dtype=dtype, alpha=0.0, batch_size=240).find_learning_rate(X, y, steps=40, largest=0.1)
    schedule = bh.solvers.schedules.WarmUp(Constant(1e-6), 1)
    assert found.learning_rate == pytest.approx(np.geomspace(1e-6, 0.1, 40), rel=1e-12)
    fitted = make(dtype=dtype, alpha=0.0, batch_size=240, learning_rate=schedule, max_iter=1).fit(X, y)
    assert found.loss[0] == pytest.approx(fitted.loss_, rel=1e-6)
    assert len(found.loss) == 40
    assert found.loss[-1] < 0.8 * found.loss[0]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("fitted", [False, True])
def test_the_estimator_stays_as_it_is(name: str, fitted: bool) -> None:
    make, y = MODELS[name]
    generator = np.random.RandomState(3)
    model = make(random_state=generator, max_iter=60, warm_start=True)
    if fitted:
        model.fit(X, y)
    before, state = pickle.dumps(model), generator.get_state()[1].copy()
    first = model.find_learning_rate(X, y)
    assert pickle.dumps(model) == before
    np.testing.assert_array_equal(generator.get_state()[1], state)
    assert hasattr(model, "_state") == fitted
    np.testing.assert_array_equal(model.find_learning_rate(X, y).loss, first.loss)
    if fitted:
        assert first.loss[0] < make(random_state=np.random.RandomState(3)).find_learning_rate(X, y).loss[0]


@pytest.mark.parametrize(
    "solver",
    [
        "adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", SGD(0.1), AdamW(Cosine(0.1, 10)),
        Chain(ScaleByAdam(), ScaleByLearningRate(0.3), average=ExponentialAverage(0.9)),
    ],
    ids=lambda s: s if isinstance(s, str) else type(s).__name__,
)  # fmt: skip
def test_every_solver_that_has_a_learning_rate(solver: Any) -> None:
    A, b = load_digits(return_X_y=True)
    model = bh.MLPClassifier((32,), solver=solver, random_state=0)
    found = model.find_learning_rate(A, b)
    assert found.suggestion is not None
    assert found.divergence is not None
    assert 1e-4 < found.suggestion < found.divergence < 10
    again = bh.MLPClassifier((32,), solver=solver, random_state=1).find_learning_rate(A, b)
    assert not np.array_equal(found.loss[:20], again.loss[:20])


@pytest.mark.parametrize(
    "more",
    [
        {"dropout": 0.3},
        {"batch_norm": True},
        {"early_stopping": True},
        {"average": ExponentialAverage(0.9)},
        {"learning_rate": Cosine(0.01, 50)},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"solver": "sgd", "learning_rate": "adaptive"},
        {"clip_norm": 1.0},
        {"class_weight": "balanced"},
        {"learning_rate_init": "auto"},
    ],
    ids=str,
)
def test_with_every_other_parameter(more: dict[str, Any]) -> None:
    found = MODELS["MLPClassifier"][0](**more).find_learning_rate(X, Y)
    assert found.suggestion is not None
    assert found.loss[0] == pytest.approx(0.7, abs=0.6)


def test_rows_that_early_stopping_sets_aside_are_left_out() -> None:
    """They have odd numbers: a look at one would be seen."""
    fit = MODELS["MLPRegressor"][0](early_stopping=True, max_iter=1, standardize=False).fit(X, R)
    from betahat.estimators.network.fitting import split

    which, aside = split(fit, fit._read(X, R, None, reset=False))
    odd = R.copy()
    odd[aside] = 1e100
    model = MODELS["MLPRegressor"][0](early_stopping=True, standardize=False)
    assert len(which) + len(aside) == 240
    np.testing.assert_array_equal(model.find_learning_rate(X, odd).loss, model.find_learning_rate(X, R).loss)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("more", [{}, {"batch_norm": True}])
def test_few_rows(rows: int, more: dict[str, Any]) -> None:
    found = MODELS["MLPRegressor"][0](**more).find_learning_rate(X[:rows], R[:rows])
    assert np.isfinite(found.smoothed).all()
    assert 0 < len(found.loss) <= 200


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("target", [np.zeros(240), np.full(240, 1e3)], ids=["zero", "1000"])
def test_constant_targets(standardize: bool, target: np.ndarray) -> None:
    found = MODELS["MLPRegressor"][0](standardize=standardize).find_learning_rate(X, target)
    assert np.isfinite(found.smoothed).all()
    assert found.suggestion is not None  # the network says something else at first


@pytest.mark.parametrize(("smallest", "largest"), [(1e29, 1e30), (1e-300, 1e300), (1e300, 1e308)])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_absurd_rates_are_named_so(smallest: float, largest: float, solver: str, dtype: str) -> None:
    model = MODELS["MLPRegressor"][0](solver=solver, dtype=dtype)
    found = model.find_learning_rate(X, R, smallest=smallest, largest=largest, steps=20)
    assert found.suggestion is None
    assert found.divergence is not None
    assert (found.divergence == smallest) == (smallest > 1)


def test_weights_and_forms_of_rows() -> None:
    weight = RNG.integers(0, 3, 240).astype(float)
    model = MODELS["MLPRegressor"][0](batch_size=240, shuffle=False)
    kept = weight > 0
    by_hand = MODELS["MLPRegressor"][0](batch_size=int(kept.sum()), shuffle=False).find_learning_rate(
        X[kept], R[kept]
    )
    with pytest.warns(UserWarning, match="is more than the"):
        weighed = model.find_learning_rate(X, R, np.where(kept, 1.0, 0.0))
    np.testing.assert_allclose(weighed.loss, by_hand.loss, rtol=1e-9)
    sparse = MODELS["MLPClassifier"][0]().find_learning_rate(sp.csr_matrix(np.where(X > 0, X, 0)), Y)
    assert sparse.suggestion is not None


# --- within fit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_auto_takes_the_suggestion(name: str, tmp_path: Path) -> None:
    make, y = MODELS[name]
    model = make(learning_rate_init="auto", max_iter=5).fit(X, y)
    expected = make().find_learning_rate(X, y).suggestion
    assert model.learning_rate_init_ == expected
    same = make(learning_rate_init=expected, max_iter=5).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], same.coefs_[0])
    assert same.learning_rate_init_ == expected
    assert re.search(r"was found\s+before", model.explain())
    assert "Smith 2017" not in same.explain()
    model.save(tmp_path / "m.safetensors")
    loaded = bh.load(tmp_path / "m.safetensors")
    assert loaded.learning_rate_init_ == expected
    assert loaded.explain() == model.explain()
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_auto_in_the_ways_to_go_on(tmp_path: Path) -> None:
    make, y = MODELS["MLPClassifier"]
    whole = make(learning_rate_init="auto", max_iter=4).fit(X, y)
    parts = make(learning_rate_init="auto", max_iter=2, warm_start=True)
    parts.fit(X, y).fit(X, y)
    pieces = make(learning_rate_init="auto")
    for _ in range(4):
        pieces.partial_fit(X, y, classes=[0, 1])
    make(learning_rate_init="auto", max_iter=2, checkpoint=tmp_path / "kept").fit(X, y)
    resumed = make(learning_rate_init="auto", max_iter=4, checkpoint=tmp_path / "kept").fit(X, y)
    for other in (parts, pieces, resumed):
        assert other.learning_rate_init_ == whole.learning_rate_init_
        np.testing.assert_array_equal(other.coefs_[0], whole.coefs_[0])
    parts.set_params(learning_rate_init=0.5).fit(X, y)
    assert parts.learning_rate_init_ == 0.5
    assert cross_val_score(make(learning_rate_init="auto", max_iter=20), X, y).mean() > 0.5


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"learning_rate_init": "find"}, ValueError, r"learning_rate_init \(='find'\) must be"),
        ({"learning_rate_init": None}, TypeError, r"learning_rate_init \(=None\) must be"),
        ({"learning_rate_init": "auto", "solver": "lbfgs"}, ValueError, "solver='lbfgs' has no learning rate"),
        ({"learning_rate_init": "auto", "solver": SGD(0.1)}, ValueError, "of its own; find_learning_rate"),
        ({"learning_rate_init": "auto", "learning_rate": Cosine(0.1, 5)}, ValueError, "what a schedule may rise to"),
    ],
    ids=str,
)  # fmt: skip
def test_auto_refusals(parameters: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MODELS["MLPClassifier"][0](**parameters).fit(X, Y)


def test_auto_refuses_a_loss_that_does_not_fall() -> None:
    model = bh.MLPRegressor(
        hidden_layer_sizes=(), alpha=0.0, learning_rate_init="auto", random_state=0, batch_size=1
    )
    with pytest.raises(ValueError, match="the loss fell at none of them"):
        model.fit(X, RNG.normal(size=240))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"steps": 9}, ValueError, r"steps \(=9\) must be a whole number of 10 or more"),
        ({"steps": 20.0}, ValueError, r"steps \(=20.0\)"),
        ({"smallest": 0}, ValueError, r"smallest \(=0\)"),
        ({"smallest": "1"}, ValueError, r"smallest \(='1'\)"),
        ({"largest": np.inf}, ValueError, r"largest \(=inf\)"),
        ({"smallest": 1.0, "largest": 1.0}, ValueError, "must be below largest"),
    ],
    ids=str,
)
def test_refused_ranges(how: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MODELS["MLPClassifier"][0]().find_learning_rate(X, Y, **how)


@pytest.mark.parametrize("name", MODELS)
def test_refused_solvers_and_rows(name: str) -> None:
    make, y = MODELS[name]
    with pytest.raises(ValueError, match="solver='lbfgs' has no learning rate to be found"):
        make(solver="lbfgs").find_learning_rate(X, y)
    for chain, count in ((Chain(ScaleByAdam()), 0), (Chain(*[ScaleByLearningRate(0.1)] * 2), 2)):
        with pytest.raises(ValueError, match=f"has {count} links ScaleByLearningRate"):
            make(solver=chain).find_learning_rate(X, y)
    with pytest.raises(ValueError, match="NaN"):
        make().find_learning_rate(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make().find_learning_rate(X, y[:10])
    with pytest.raises(ValueError, match=r"tol \(=-1.0\) must be"):
        make(tol=-1.0).find_learning_rate(X, y)
    assert not hasattr(make(), "_state")
