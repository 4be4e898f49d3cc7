"""Threads: the same bits for any number, two fits at once, a fork after a fit, and whose limits are honoured."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import betahat as bh
from betahat.kernels import team

SCRIPT = """
import sys, warnings, numpy as np, betahat as bh
rng = np.random.default_rng(7)
X = np.asarray(rng.standard_normal({shape}), order="{order}"); y = X[:, :3].sum(1) + rng.standard_normal(len(X))
warnings.simplefilter("ignore")
m = bh.LinearRegression(cov_type="{cov}").fit(X, y, sample_weight=rng.random(len(X)))
sys.stdout.write(m.coef_.tobytes().hex() + m.inference_.std_err.tobytes().hex())
"""


def _bits(threads, shape, order, cov):
    count = str(threads)
    env = {**os.environ, "BETAHAT_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": ""}
    code = SCRIPT.format(shape=shape, order=order, cov=cov)
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("shape", "order", "cov"),
    [((200_000, 6), "C", "nonrobust"), ((200_000, 6), "F", "nonrobust"), ((4_000, 420), "C", "nonrobust"),
     ((60_000, 9), "C", "HC1"),
     ((2_000, 60), "C", "nonrobust"), ((40, 900), "C", "nonrobust"), ((5_000, 20), "C", "HC3")],
)  # fmt: skip
def test_same_bits_for_any_number_of_threads(shape, order, cov):
    bits = {threads: _bits(threads, shape, order, cov) for threads in (1, 2, 3)}
    assert len(bits[1]) > 0
    assert bits[1] == bits[2] == bits[3]


def test_two_fits_at_once(rng):
    X = rng.standard_normal((150_000, 8))
    targets = [X @ rng.standard_normal(8) + rng.standard_normal(len(X)) for _ in range(4)]
    alone = [bh.LinearRegression().fit(X, y).coef_ for y in targets]
    together: list = [None] * 4

    def fit(i):
        together[i] = bh.LinearRegression().fit(X, targets[i]).coef_

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def _fit_in_child(X, y, queue):
    queue.put(bh.LinearRegression().fit(X, y).coef_)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_fork_after_a_fit(rng):
    X = rng.standard_normal((100_000, 4))
    y = X.sum(axis=1)
    here = bh.LinearRegression().fit(X, y).coef_
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fit_in_child, args=(X, y, queue))
    child.start()
    there = queue.get(timeout=60)
    child.join(timeout=60)
    assert child.exitcode == 0
    assert np.array_equal(here, there)


def test_limits_are_honoured(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("BETAHAT_NUM_THREADS", "1")
    assert team.number_of_threads() == 1
    monkeypatch.delenv("BETAHAT_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert team.number_of_threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    with threadpool_limits(1):
        assert team.number_of_threads() == 1


def test_a_wrong_limit_is_named(monkeypatch):
    monkeypatch.setenv("BETAHAT_NUM_THREADS", "many")
    with pytest.raises(ValueError, match="BETAHAT_NUM_THREADS is 'many'"):
        team.number_of_threads()


def test_an_error_in_a_task_reaches_the_caller(monkeypatch):
    done = []

    def work(i):
        if i == 3:
            raise RuntimeError("task 3 failed")
        done.append(i)

    with pytest.raises(RuntimeError, match="task 3 failed"):
        team.run(work, [(i,) for i in range(8)])
    assert 3 not in done
