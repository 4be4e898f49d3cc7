"""Linear models by mini-batches: the noise taken away, the answer is the direct one; else that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import betahat as bh
from betahat.errors import CertificateWarning
from betahat.solvers import SGD, Adam, Momentum, PolyakRuppert
from betahat.solvers.schedules import Cosine

RNG = np.random.default_rng(8)
N = 400
BASE = RNG.normal(size=(N, 4))
BASE[:, 1] += 0.5 * BASE[:, 0]
X = BASE * [1.0, 1e3, 1e-3, 5.0] + [0.0, 1e5, 2.0, -3.0]
Y = X @ [2.0, 1e-3, 300.0, -1.0] + RNG.normal(size=N)
WEIGHT = RNG.uniform(0.1, 3.0, N)

DATA: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "dense": (X, Y, {}, {}),
    "no intercept": (BASE, Y, {"fit_intercept": False}, {}),
    "weights": (X, Y, {}, {"sample_weight": WEIGHT}),
    "frequencies": (X, Y, {}, {"frequency_weight": RNG.integers(0, 4, N)}),
    "sparse": (sp.csr_array(np.where(BASE > 0.5, BASE, 0.0)), Y, {}, {}),
    "several targets": (X, np.column_stack([Y, Y[::-1] + 3]), {}, {}),
    "ridge": (X, Y, {"alpha": 0.3}, {}),
    "a constant target": (X, np.full(N, 3.0), {}, {}),
    "frame": (
        pd.DataFrame(BASE, columns=list("abcd")).assign(k=np.where(BASE[:, 0] > 0, "u", "v")),
        Y,
        {},
        {},
    ),
    "heavy tails": (np.sign(BASE) * np.abs(BASE) ** 3, Y, {}, {}),
}


@pytest.mark.parametrize("batch_size", [1, 32, 1000])
@pytest.mark.parametrize("data", DATA)
def test_sgd_reaches_the_direct_answer(data: str, batch_size: int) -> None:
    rows, target, parameters, beside = DATA[data]
    direct = bh.LinearRegression(**parameters).fit(rows, target, **beside)
    model = bh.LinearRegression(**parameters, solver="sgd", batch_size=batch_size, random_state=0)
    model.fit(rows, target, **beside)
    assert model.certificate_.status == "global minimum", model.certificate_.message
    assert model.stop_reason_ == "converged"
    size = np.abs(direct.coef_).max()
    assert model.coef_ == pytest.approx(direct.coef_, rel=1e-8, abs=1e-9 * size)
    missed = np.abs(np.atleast_2d(model.coef_) - np.atleast_2d(direct.coef_))
    assert (
        missed <= np.atleast_2d(model.certificate_.error_bound)[:, -missed.shape[1] :] * 1.001 + 1e-13 * size
    ).all()


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
@pytest.mark.parametrize("collinear", ["minimum_norm", "drop"])
def test_collinear_columns(collinear: str) -> None:
    rows = np.column_stack([BASE, BASE[:, 0] - BASE[:, 1], np.full(N, 2.0)])
    direct = bh.LinearRegression(collinear=collinear).fit(rows, Y)
    model = bh.LinearRegression(collinear=collinear, solver="sgd", random_state=0).fit(rows, Y)
    assert model.certificate_.status == "global minimum", model.certificate_.message
    assert model.coef_ == pytest.approx(direct.coef_, rel=1e-7, abs=1e-7)


def test_files(tmp_path: Path) -> None:
    pd.DataFrame(X, columns=list("abcd")).assign(y=Y).to_parquet(tmp_path / "rows.parquet")
    rows = bh.data.query(tmp_path / "rows.parquet", "y", block_rows=100)
    model = bh.LinearRegression(solver="sgd", random_state=0).fit(rows)
    assert model.certificate_.status == "global minimum"
    assert model.coef_ == pytest.approx(bh.LinearRegression().fit(X, Y).coef_, rel=1e-8)


@pytest.mark.parametrize("solver", [SGD(0.05), Momentum(0.01)], ids=str)
def test_solvers_of_the_users(solver: Any) -> None:
    model = bh.LinearRegression(solver=solver, random_state=0, tol=1e-3).fit(X, Y)
    assert model.certificate_.converged
    assert model.solver_ == solver.name
    assert model.coef_ == pytest.approx(bh.LinearRegression().fit(X, Y).coef_, rel=0.05)


@pytest.mark.parametrize(
    "solver", ["adagrad", "rmsprop", "adam", "adamw", Adam(0.01), SGD(0.05, average=PolyakRuppert())], ids=str
)
def test_noise_that_stays_is_told(solver: Any) -> None:
    """Their steps do not end at the minimum; how far they are from it is said, and bounded."""
    with pytest.warns(CertificateWarning, match="not certified"):
        model = bh.LinearRegression(solver=solver, random_state=0).fit(BASE, Y)
    direct = bh.LinearRegression().fit(BASE, Y)
    missed = np.abs(np.append(model.intercept_, model.coef_) - np.append(direct.intercept_, direct.coef_))
    assert model.certificate_.status == "not stationary"
    assert (missed <= model.certificate_.error_bound * 1.001).all()
    assert model.certificate_.loss < 1.2 * direct.certificate_.loss
    assert "mini-batch" in model.explain() or "running means" in model.explain()


def test_a_rate_that_falls_brings_the_noise_down() -> None:
    direct, missed = bh.LinearRegression().fit(BASE, Y), []
    for solver in (SGD(Cosine(0.1, 1300)), SGD(0.1, average=PolyakRuppert())):
        with pytest.warns(CertificateWarning):
            model = bh.LinearRegression(solver=solver, random_state=0).fit(BASE, Y)
        missed.append(np.abs(model.coef_ - direct.coef_).max())
    assert max(missed) < 0.02 * np.abs(direct.coef_).max()


def test_a_learning_rate_too_large_diverges() -> None:
    with pytest.warns(CertificateWarning, match="learning rate"):
        model = bh.LinearRegression(solver=SGD(5.0), random_state=0).fit(X, Y)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.coef_).all()


def test_a_spent_budget_is_told() -> None:
    with pytest.warns(CertificateWarning, match="max_iter"):
        model = bh.LinearRegression(solver="sgd", max_iter=3, random_state=0).fit(X, Y)
    assert model.stop_reason_ == "budget spent"
    assert model.n_iter_ == 3


def test_the_same_state_gives_the_same_bits() -> None:
    one, same, other = (
        bh.LinearRegression(solver="sgd", random_state=state, tol=1e-3).fit(X, Y) for state in (1, 1, 2)
    )
    assert one.coef_.tobytes() == same.coef_.tobytes()
    assert one.coef_.tobytes() != other.coef_.tobytes()
    drawn = bh.LinearRegression(solver="sgd", random_state=np.random.RandomState(1), tol=1e-3).fit(X, Y)
    assert drawn.coef_.tobytes() == one.coef_.tobytes()


@pytest.mark.parametrize(
    "solver", ["sgd", SGD(0.05), Momentum(Cosine(0.01, 100)), SGD(0.01, average=PolyakRuppert())]
)
@pytest.mark.filterwarnings("ignore::betahat.CertificateWarning")
def test_models_come_back_from_files(tmp_path: Path, solver: Any) -> None:
    model = bh.LinearRegression(solver=solver, random_state=3, max_iter=20).fit(X, Y)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.explain() == model.explain()
    assert repr(loaded) == repr(model)
    assert loaded.fit(X, Y).coef_.tobytes() == model.coef_.tobytes()


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"random_state": "seed"}, ValueError, "random_state"),
        ({"solver": "sgd", "loss": "huber"}, ValueError, "mini-batches"),
    ],
)
def test_wrong_choices_are_refused(parameters: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        bh.LinearRegression(**parameters).fit(X, Y)
