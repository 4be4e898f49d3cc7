"""Chains over mini-batches of weighted least squares, from arrays, sparse matrices and files, against the exact β̂."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse

from betahat.data import ArraySource, query
from betahat.data.passes import combined_weight
from betahat.errors import DataError
from betahat.solvers.schedules import Cosine, InverseScaling, Schedule
from betahat.solvers.stochastic.average import ExponentialAverage, PolyakRuppert
from betahat.solvers.stochastic.chain import Chain
from betahat.solvers.stochastic.clip import ClipByGlobalNorm
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from betahat.solvers.stochastic.run import Epochs, train
from betahat.solvers.stochastic.transformation import ScaleByLearningRate
from betahat.solvers.trace import STOP_REASONS, Trace

N, P, RIDGE = 1200, 5, 0.01
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, P)) * (RNG.random((N, P)) < 0.6) + np.arange(P) / 4
BETA = np.array([2.0, 1.0, -1.0, 0.5, 0.0, 3.0])  # the intercept first
Y = BETA[0] + X @ BETA[1:] + 0.5 * RNG.standard_normal(N)
WEIGHTS = {  # importance weight and frequency; some rows weigh nothing, some a hundred times others
    "none": (None, None),
    "weight": (RNG.choice([0.0, 0.1, 1.0, 10.0], N), None),
    "frequency": (None, RNG.integers(0, 5, N).astype(float)),
    "both": (RNG.random(N) * 3, RNG.integers(1, 4, N).astype(float)),
}


def gradient(x, block):
    """Weighted mean of ½ r², with a ridge penalty on the slopes."""
    r = np.asarray(block.X @ x[1:]) + x[0] - block.y[:, 0]
    w = combined_weight(block)
    w = np.ones(len(r)) if w is None else w
    penalty = np.append(0.0, RIDGE * x[1:])
    slope = np.append(w @ r, np.asarray(block.X.T @ (w * r))) / w.sum() + penalty
    return float(w @ r**2) / (2 * w.sum()) + 0.5 * float(penalty @ x), slope


def exact(weights):
    w = np.prod([np.ones(N), *(part for part in weights if part is not None)], axis=0)
    Z = np.column_stack([np.ones(N), X])
    A = Z.T @ (w[:, None] * Z) / w.sum() + np.diag([0.0] + [RIDGE] * P)
    return np.linalg.solve(A, Z.T @ (w * Y) / w.sum())


def file_source(folder, weights):
    columns = {f"x{j}": X[:, j] for j in range(P)} | {"y": Y}
    named = {"weights": weights[0], "frequency": weights[1]}
    columns |= {name: values for name, values in named.items() if values is not None}
    path = folder / "rows.parquet"
    pd.DataFrame(columns).to_parquet(path, row_group_size=200)
    given = {name: name for name, values in named.items() if values is not None}
    return query(str(path), target="y", columns=[f"x{j}" for j in range(P)], block_rows=150, **given)


SOURCES = {
    "dense": lambda folder, w: ArraySource(X, Y, *w),
    "columns first": lambda folder, w: ArraySource(np.asfortranarray(X), Y, *w),
    "csr": lambda folder, w: ArraySource(sparse.csr_array(X), Y, *w),
    "csc": lambda folder, w: ArraySource(sparse.csc_matrix(X), Y, *w),
    "parquet": file_source,
}


def of_any(x, block):
    """`gradient`, for blocks that lie as columns too."""
    return gradient(x, block if hasattr(block.X, "dot") else replace(block, X=np.asarray(block.X)))


# --- to the exact solution ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("source", SOURCES)
def test_variance_reduction_reaches_the_exact_solution(source, weights, tmp_path):
    rows = SOURCES[source](tmp_path, WEIGHTS[weights])
    found = train(of_any, np.zeros(P + 1), rows, SGD(0.1), Epochs(40, 40, variance_reduction=True))
    assert found.stop_reason == "converged"
    np.testing.assert_allclose(found.x, exact(WEIGHTS[weights]), rtol=0, atol=1e-9)
    assert np.abs(found.gradient).max() <= 1e-9


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("source", SOURCES)
def test_decay_and_averaging_come_near(source, weights, tmp_path):
    """Robbins and Monro with the mean of Polyak and Ruppert; weights must not bias it though they vary by batch."""
    rows = SOURCES[source](tmp_path, WEIGHTS[weights])
    solver = SGD(InverseScaling(0.1, 0.6, delay=100.0), average=PolyakRuppert(emphasis=3.0))
    found = train(of_any, np.zeros(P + 1), rows, solver, Epochs(25, 20, n_iter_no_change=None))
    assert found.stop_reason == "budget spent"
    assert found.steps == 25 * N // 20
    np.testing.assert_allclose(found.x, exact(WEIGHTS[weights]), atol=0.03)


METHODS = {
    "sgd": SGD(Cosine(0.1, 3000)),
    "momentum": Momentum(Cosine(0.02, 3000)),
    "nesterov": Nesterov(Cosine(0.02, 3000)),
    "adagrad": AdaGrad(Cosine(0.5, 3000)),
    "rmsprop": RMSProp(Cosine(0.05, 3000)),
    "adam": Adam(Cosine(0.05, 3000)),
    "adamw": AdamW(Cosine(0.05, 3000), weight_decay=0.0),
    "own": Chain(ClipByGlobalNorm(2.0), ScaleByLearningRate(Cosine(0.1, 3000))),
    "ema": Adam(0.02, average=ExponentialAverage(0.99)),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_comes_near(method):
    trace = Trace()
    settings = Epochs(50, 20, n_iter_no_change=None)
    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), METHODS[method], settings, trace=trace)
    np.testing.assert_allclose(found.x, exact((None, None)), atol=0.03)
    assert len(trace) == found.epochs == 50
    assert trace.loss[-1] < 0.2 < 0.5 < trace.loss[0]
    assert trace.gradient_norm[-1] < 0.1 * trace.gradient_norm[0]
    assert found.loss == trace.loss[-1]


@pytest.mark.parametrize("solver", [SGD(0.05), Momentum(0.005), Nesterov(0.005)], ids=str)
def test_variance_reduction_in_chains(solver):
    """Momentum changes the way, not the end; what is left falls by a constant factor an epoch."""
    trace = Trace()
    settings = Epochs(60, 20, variance_reduction=True)
    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), solver, settings, trace=trace)
    np.testing.assert_allclose(found.x, exact((None, None)), atol=1e-8)
    falls = np.log(trace.gradient_norm[1:-1] / trace.gradient_norm[2:])
    assert falls.mean() > 0.4
    assert (falls > 0.1).mean() > 0.8


def test_plain_steps_of_constant_length_do_not_converge():
    """Which is why there is variance reduction: the same steps without it stay as far away as noise carries them."""
    settings = Epochs(60, 20, n_iter_no_change=None)
    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(0.03), settings)
    assert 1e-4 < np.abs(found.x - exact((None, None))).max() < 0.2


# --- what a step is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("reduced", [False, True])
def test_one_batch_is_gradient_descent(reduced, weights):
    """With all rows in each batch the steps are those of gradient descent, however the rows are weighted."""
    source = ArraySource(X, Y, *WEIGHTS[weights])
    settings = Epochs(7, N, n_iter_no_change=None, variance_reduction=reduced, gradient_tol=0.0)
    found = train(gradient, np.zeros(P + 1), source, SGD(0.1), settings)
    x = np.zeros(P + 1)
    (block,) = source.blocks()
    for _ in range(7):
        x = x - 0.1 * gradient(x, block)[1]
    np.testing.assert_allclose(found.x, x, rtol=1e-12)
    assert (found.steps, found.stop_reason) == (7, "budget spent")


def test_schedules_count_batches():
    steps = []

    class Recorded(Schedule):
        def at(self, step):
            steps.append(step)
            return 0.01

    train(gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(Recorded()), Epochs(3, 500))
    assert steps[-9:] == list(range(9))  # batches of 500, 500 and 200


@pytest.mark.parametrize("source", ["dense", "csr", "parquet"])
@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("solver", [SGD(0.02), Adam(0.01)], ids=str)
def test_the_same_seed_gives_the_same_bits(solver, reduced, source, tmp_path, monkeypatch):
    def run(seed, threads):
        monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
        rows = SOURCES[source](tmp_path, WEIGHTS["weight"])
        return train(of_any, np.zeros(P + 1), rows, solver, Epochs(3, 30, seed, variance_reduction=reduced)).x

    first = run(5, "1")
    np.testing.assert_array_equal(first, run(5, "4"))
    assert (first != run(6, "1")).any()


@pytest.mark.parametrize(
    "solver", [SGD(Cosine(0.05, 300)), Adam(0.01, average=ExponentialAverage(0.9))], ids=str
)
def test_going_on_gives_the_bits_of_one_run(solver):
    source = ArraySource(X, Y, *WEIGHTS["weight"])
    whole = train(gradient, np.zeros(P + 1), source, solver, Epochs(6, 50, seed=3))
    part = train(gradient, np.zeros(P + 1), source, solver, Epochs(2, 50, seed=3))
    rest = train(gradient, part.state, source, solver, Epochs(4, 50, seed=3, first_epoch=2))
    np.testing.assert_array_equal(rest.x, whole.x)
    assert part.steps + rest.steps == whole.steps == whole.state.step


def test_float32():
    def single(x, block):
        assert x.dtype == np.float32
        loss, slope = gradient(x, block)
        return loss, slope.astype(np.float32)

    settings = Epochs(30, 20, variance_reduction=True)
    found = train(single, np.zeros(P + 1, np.float32), ArraySource(X, Y), SGD(0.03), settings)
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, exact((None, None)), atol=2e-5)


def test_an_objective_may_write_to_the_same_array():
    own = np.empty(P + 1)

    def into(x, block):
        loss, own[:] = gradient(x, block)
        return loss, own

    for reduced in (False, True):
        settings = Epochs(3, 20, variance_reduction=reduced)
        runs = [train(f, np.zeros(P + 1), ArraySource(X, Y), SGD(0.03), settings).x for f in (gradient, into)]
        np.testing.assert_array_equal(*runs)


# --- how it ends --------------------------------------------------------------------------------------------


def test_early_stopping():
    trace = Trace()
    settings = Epochs(500, 20, tol=1e-3, n_iter_no_change=4)
    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(0.05), settings, trace=trace)
    assert found.stop_reason == "early stopping"
    assert found.epochs == len(trace) < 500
    improved = trace.loss[1:] < np.minimum.accumulate(trace.loss)[:-1] - 1e-3
    assert improved[-5]
    assert not improved[-4:].any()
    assert found.loss == trace.loss.min()


@pytest.mark.parametrize("patience", [2, None])
def test_a_score_chooses_the_point(patience):
    """The best by the score is what comes back, wherever the run goes on to."""
    seen = []

    def score(x):
        seen.append(x.copy())
        return abs(len(seen) - 3)

    settings = Epochs(8, 100, n_iter_no_change=patience)
    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(0.05), settings, score=score)
    assert found.stop_reason == ("early stopping" if patience else "budget spent")
    assert found.epochs == (5 if patience else 8)
    np.testing.assert_array_equal(found.x, seen[2])


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("rate", [1.0, 1e3, 1e200])
def test_divergence_keeps_the_best_point(rate, reduced):
    source = ArraySource(X, Y)
    settings = Epochs(400, 20, n_iter_no_change=None, variance_reduction=reduced)
    found = train(gradient, np.zeros(P + 1), source, SGD(rate), settings)
    assert found.stop_reason == "diverged"
    assert "learning rate" in found.remark
    (block,) = source.blocks()
    assert np.isfinite(found.x).all()
    assert gradient(found.x, block)[0] <= gradient(np.zeros(P + 1), block)[0]


def test_divergence_later_keeps_an_epoch():
    """A learning rate that grows too large after three good epochs."""

    class Rising(Schedule):
        def at(self, step):
            return 0.05 if step < 180 else 1e3

    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(Rising()), Epochs(20, 20))
    good = train(
        gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(0.05), Epochs(3, 20, n_iter_no_change=None)
    )
    assert (found.stop_reason, found.epochs) == ("diverged", 3)
    np.testing.assert_array_equal(found.x, good.x)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("calls", [1, 5, 70, 500])
def test_ctrl_c_keeps_the_best_point(calls, reduced):
    count = itertools.count()

    def interrupted(x, block):
        if next(count) == calls:
            raise KeyboardInterrupt
        return gradient(x, block)

    source = ArraySource(X, Y)
    settings = Epochs(100, 20, variance_reduction=reduced)
    found = train(interrupted, np.zeros(P + 1), source, SGD(0.03), settings)
    assert found.stop_reason == "interrupted"
    (block,) = source.blocks()
    losses = [gradient(x, block)[0] for x in (np.zeros(P + 1), found.x)]
    assert losses[1] <= losses[0]
    if calls >= (200 if reduced else 70):  # an epoch, or half of one
        assert losses[1] < 0.5 * losses[0]


@pytest.mark.parametrize("reduced", [False, True])
def test_callback_ends_it(reduced):
    seen = []
    found = train(
        gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(0.03), Epochs(50, 20, variance_reduction=reduced),
        callback=lambda x, loss: seen.append((x.copy(), loss)) or len(seen) == 3,
    )  # fmt: skip
    assert (found.stop_reason, found.epochs, len(seen)) == ("interrupted", 3, 3)
    np.testing.assert_array_equal(found.x, min(seen, key=lambda pair: pair[1])[0])


def test_variance_reduction_stops_where_rounding_does():
    settings = Epochs(500, 20, variance_reduction=True, gradient_tol=0.0)
    found = train(gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(0.03), settings)
    assert found.stop_reason == "no progress"
    assert found.epochs < 100
    np.testing.assert_allclose(found.x, exact((None, None)), rtol=1e-12, atol=1e-13)


def test_every_reason_is_a_known_one():
    assert {"converged", "budget spent", "early stopping", "diverged", "interrupted", "no progress"} <= set(
        STOP_REASONS
    )


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("weights", [(np.zeros(N), None), (None, np.zeros(N))])
def test_rows_that_weigh_nothing(weights, reduced):
    with pytest.raises(DataError, match="weight above 0"):
        train(
            gradient, np.zeros(P + 1), ArraySource(X, Y, *weights), SGD(), Epochs(variance_reduction=reduced)
        )


@pytest.mark.parametrize("reduced", [False, True])
def test_no_rows(reduced):
    with pytest.raises(DataError, match="nothing to fit"):
        train(gradient, np.zeros(P + 1), ArraySource(X[:0], Y[:0]), SGD(), Epochs(variance_reduction=reduced))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Epochs(0), "epochs.*=0"),
        (lambda: Epochs(batch_size=0), "batch_size"),
        (lambda: Epochs(batch_size=2.5), "batch_size"),
        (lambda: Epochs(first_epoch=-1), "first_epoch"),
        (lambda: Epochs(tol=-1.0), "tol"),
        (lambda: Epochs(n_iter_no_change=0), "n_iter_no_change"),
        (lambda: Epochs(gradient_tol=np.nan), "gradient_tol"),
        (
            lambda: train(
                gradient, np.zeros(P + 1), ArraySource(X, Y), SGD(average=PolyakRuppert()),
                Epochs(variance_reduction=True),
            ),
            "average.*variance_reduction",
        ),
        (
            lambda: train(gradient, Adam().chain.start(np.zeros(6)), ArraySource(X, Y), SGD(), Epochs()),
            "another chain",
        ),
        (lambda: train(gradient, np.zeros(6), ArraySource(X, Y), SGD(), Epochs(seed=-1)), "seed"),
    ],
)  # fmt: skip
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()
