"""A small team of threads for compiled kernels that hold no interpreter lock.

Why not numba's own threads: its OpenMP layer kills a forked child, its workqueue aborts when two Python threads use
it, and TBB is not on every machine. Tasks are cut by shape alone and each writes its own place, so that results have
the same bits for any number of threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

from betahat.kernels.placing import is_helper, make_way
from betahat.kernels.processor import cores

_lock = Lock()
_pool: ThreadPoolExecutor | None = None
_held: list[int] = []  # BLAS threads to be put back
_holders = 0


def _forget() -> None:
    """A forked child has none of its parent's threads: make the pool and its lock anew."""
    global _pool, _lock, _holders
    if _holders:
        for library, threads in zip(_blas(), _held, strict=True):
            library.set_num_threads(threads)
    _pool, _lock, _holders = None, Lock(), 0
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@lru_cache(maxsize=1)
def _blas() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def _positive(name: str) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    first = text.split(",")[0].strip()
    if not first.isdigit() or int(first) < 1:
        if name == "BETAHAT_NUM_THREADS":
            raise ValueError(
                f"BETAHAT_NUM_THREADS is {text!r}; expected a whole number of threads, such as 4"
            )
        return None
    return int(first)


def number_of_threads() -> int:
    """Threads a kernel may use now: BETAHAT_NUM_THREADS, else the cores of this process; never more than
    OMP_NUM_THREADS (which joblib sets in its workers) or the limit of an enclosing threadpoolctl block."""
    limits = [_positive("BETAHAT_NUM_THREADS") or cores()]
    omp = _positive("OMP_NUM_THREADS")
    if omp:
        limits.append(omp)
    with _lock:
        blas = _held if _held else [library.num_threads for library in _blas()]
    limits += [max(1, n) for n in blas if n]
    return min(limits)


@contextmanager
def steady_blas() -> Iterator[None]:
    """BLAS and LAPACK on one thread meanwhile, since their sums depend on how many there are; our kernels' do not.

    The setting is the process's: it is put back when the last of several fits that run at once is done.
    """
    global _held, _holders
    with _lock:
        if _holders == 0:
            _held = [library.num_threads for library in _blas()]
            for library in _blas():
                library.set_num_threads(1)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                for library, threads in zip(_blas(), _held, strict=True):
                    library.set_num_threads(threads)
                _held = []


def _submit(work: Callable[[], None], copies: int) -> list[Future[None]]:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(
                max(1, cores() - 1, (_positive("BETAHAT_NUM_THREADS") or 1) - 1), "betahat", is_helper
            )
        make_way()
        return [_pool.submit(work) for _ in range(copies)]


def run(function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> None:
    """Call function(*task) for every task, on as many threads as are allowed; the caller's thread works too."""
    waiting = deque(tasks)

    def work() -> None:
        while True:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            function(*task)

    helpers = min(number_of_threads(), len(waiting)) - 1 if len(waiting) > 1 else 0
    futures = _submit(work, helpers) if helpers > 0 else []
    try:
        work()
    finally:
        waiting.clear()  # after an error or Ctrl-C nobody starts another task
        errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None:
            raise error


def fold(
    function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], new: Callable[[], tuple[Any, ...]],
    merge: Callable[..., Any],
) -> None:  # fmt: skip
    """Call function(*task, *sums) for every task and merge(*sums) in the order of the tasks, whoever is done first.

    `new` makes sums of zeros, which `merge` leaves as it found them, so that there are as many as threads, not tasks:
    memory that several threads touch for the first time at once is slow.
    """
    lock, following = Lock(), 0
    free: list[tuple[Any, ...]] = []
    done: dict[int, tuple[Any, ...]] = {}

    def work(i: int, *task: Any) -> None:
        nonlocal following
        with lock:
            sums = free.pop() if free else new()
        function(*task, *sums)
        with lock:
            done[i] = sums
            while following in done:
                merge(*done[following])
                free.append(done.pop(following))
                following += 1

    run(work, [(i, *task) for i, task in enumerate(tasks)])
