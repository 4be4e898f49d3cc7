"""Parameters of networks' estimators, checked before anything is done; each refusal names the parameter."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from betahat.estimators.checks import check_choice, check_number
from betahat.solvers import LEARNING_RATES
from betahat.solvers.checks import (
    check_count,
    check_memory,
    check_not_negative,
    check_positive,
    is_finite,
    is_real,
)
from betahat.solvers.descent.base import Solver
from betahat.solvers.growing_rates import Growing
from betahat.solvers.named import class_hint
from betahat.solvers.schedules import Schedule
from betahat.solvers.stochastic.average import Average
from betahat.solvers.stochastic.chain import Chain, ChainSolver

SOLVERS = (*(name for name in LEARNING_RATES if name != "gradient_descent"), "lbfgs")
RATES = ("constant", "invscaling", "adaptive", "one_cycle")
DTYPES = ("auto", "float32", "float64")


SMALLEST, LARGEST, STEPS = 1e-6, 10.0, 200
"""Learning rates that a range test goes from and to, and in how many steps."""
_FEWEST = 10  # steps of a range test
_MOST = 2**31  # units of a layer


def keep(estimator: Any, given: Mapping[str, Any]) -> None:
    """Put the arguments of `__init__` where scikit-learn looks for them, as they are."""
    for name, value in given.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def is_full_batch(estimator: Any) -> bool:
    """Whether all rows are used at every step."""
    return isinstance(estimator.solver, str) and estimator.solver == "lbfgs"


def takes_parts(estimator: Any) -> bool:
    """Whether it has a partial_fit."""
    if is_full_batch(estimator):
        raise AttributeError(
            "partial_fit is only available for solvers that take mini-batches, and solver='lbfgs' takes all rows"
        )
    return True


def check_training(p: Any) -> None:
    """The parameters that say how a network is trained."""
    _check_solver(p.solver)
    _check_rate(p.learning_rate)
    check_not_negative("alpha", p.alpha)
    _check_first_rate(p)
    check_number("power_t", p.power_t, 0.0, "the power of time that the learning rate is divided by")
    if not (isinstance(p.batch_size, str) and p.batch_size == "auto"):
        _check_batch(p.batch_size)
    check_count("max_iter", p.max_iter)
    check_count("max_fun", p.max_fun)
    check_not_negative("tol", p.tol)
    for name in ("momentum", "beta_1", "beta_2"):
        check_memory(name, getattr(p, name))
    check_positive("epsilon", p.epsilon)
    for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "standardize"):
        check_flag(name, getattr(p, name))
    if is_one_cycle(p) and p.warm_start:
        raise ValueError(
            "learning_rate='one_cycle' and warm_start=True: the cycle of a fit ends with a rate of almost nothing, at "
            'which another fit cannot go on; use learning_rate="constant" or a schedule'
        )
    if not (isinstance(p.n_iter_no_change, float) and p.n_iter_no_change == np.inf):
        check_count("n_iter_no_change", p.n_iter_no_change)
        if not is_finite(p.n_iter_no_change):
            raise ValueError(
                "n_iter_no_change is beyond 1e308; to end by nothing but max_iter, give numpy.inf"
            )
    fraction = check_number("validation_fraction", p.validation_fraction, 0.0, "the share of rows set aside")
    if fraction >= 1:
        raise ValueError(
            f"validation_fraction (={fraction!r}) must be below 1: some rows must be left to train with"
        )
    if p.clip_norm is not None:
        check_positive("clip_norm", p.clip_norm)
    if not (p.average is None or isinstance(p.average, Average)):
        raise TypeError(
            f"average (={p.average!r}) must be None or an average of betahat.solvers, such as ExponentialAverage(0.999)"
        )
    if p.shuffle_buffer is not None:
        check_count("shuffle_buffer", p.shuffle_buffer)
    _check_dtype(p.dtype)
    _check_verbose(p.verbose)
    callbacks_of(p.callbacks)
    _check_checkpoint(p)
    _check_scoring(p.scoring)


def check_flag(name: str, value: Any) -> None:
    """Only True and False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} (={value!r}) must be True or False")


def callbacks_of(callbacks: Any) -> tuple[Any, ...]:
    """The functions that are called after every epoch."""
    if callbacks is None:
        return ()
    found = (callbacks,) if callable(callbacks) else callbacks
    if not isinstance(found, (list, tuple)) or not all(callable(each) for each in found):
        raise TypeError(
            f"callbacks (={callbacks!r}) must be None, a function of an Epoch, or a list of such functions"
        )
    return tuple(found)


def growing(smallest: Any, largest: Any, steps: Any) -> Growing:
    """The rates of a range test, from what users asked for.

    Raises ValueError where it cannot be.
    """
    check_positive("smallest", smallest)
    check_positive("largest", largest)
    check_count("steps", steps, _FEWEST)
    return Growing(float(smallest), float(largest), int(steps))


def hidden_sizes(value: Any, name: str = "hidden_layer_sizes") -> tuple[int, ...]:
    """Units of each hidden layer; a number stands for one layer.

    >>> hidden_sizes(64), hidden_sizes([100, 50]), hidden_sizes(())
    ((64,), (100, 50), ())
    """
    sizes = [value] if isinstance(value, Integral) else value
    if (
        not isinstance(sizes, (Sequence, np.ndarray))
        or isinstance(sizes, (str, bytes))
        or np.ndim(sizes) != 1
    ):
        raise TypeError(
            f"{name} (={value!r}) must be a list of whole numbers, the units of each hidden layer"
        )
    found = list(sizes)
    for size in found:
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise TypeError(f"{name} (={value!r}) must hold whole numbers; {size!r} is none")
        if size <= 0:
            raise ValueError(f"{name} (={value!r}) must be > 0: every hidden layer needs a unit")
        if int(size) >= _MOST:
            raise ValueError(f"{name} (={value!r}) must be below 2**31: no memory holds such a layer")
    return tuple(map(int, found))


def _check_solver(solver: Any) -> None:
    if isinstance(solver, str):
        check_choice("solver", solver, SOLVERS)
    elif not isinstance(solver, (ChainSolver, Chain)):
        full = " That one steps along the gradient of all rows" if isinstance(solver, Solver) else ""
        raise TypeError(
            f"solver (={solver!r}) must be one of {', '.join(map(repr, SOLVERS))}, or a solver of betahat.solvers that "
            f"takes mini-batches, such as Adam(0.001){class_hint(solver)}.{full}"
        )


def _check_rate(rate: Any) -> None:
    if isinstance(rate, str):
        check_choice("learning_rate", rate, RATES)
    elif not isinstance(rate, Schedule):
        raise TypeError(
            f"learning_rate (={rate!r}) must be one of {', '.join(map(repr, RATES))}, or a schedule of betahat.solvers "
            "such as Cosine(0.001, steps=1000); the number to begin with is learning_rate_init"
        )


def is_one_cycle(p: Any) -> bool:
    """Whether the learning rate rises and falls once over all epochs."""
    named = isinstance(p.learning_rate, str) and p.learning_rate == "one_cycle"
    return named and isinstance(p.solver, str) and not is_full_batch(p)


def finds_rate(p: Any) -> bool:
    """Whether a fit is to find its learning rate first."""
    return isinstance(p.learning_rate_init, str)


def _check_first_rate(p: Any) -> None:
    rate = p.learning_rate_init
    if not finds_rate(p):
        if not is_real(rate):
            raise TypeError(f'learning_rate_init (={rate!r}) must be a number above 0, or "auto"')
        return check_positive("learning_rate_init", rate)
    if rate != "auto":
        raise ValueError(
            f'learning_rate_init (={rate!r}) must be a number above 0, or "auto", which finds one by a range test'
        )
    if not isinstance(p.solver, str):
        raise ValueError(
            f"learning_rate_init='auto' is for solvers by name, and solver (={p.solver!r}) has a learning rate of its "
            "own; find_learning_rate(X, y) finds one for it"
        )
    if is_full_batch(p):
        raise ValueError(
            "learning_rate_init='auto' is for solvers that take mini-batches; solver='lbfgs' has no learning rate: a "
            "line search makes its steps as long as they should be"
        )
    if isinstance(p.learning_rate, Schedule):
        raise ValueError(
            f"learning_rate_init='auto' cannot be used with learning_rate (={p.learning_rate!r}), a schedule with "
            "rates of its own; find_learning_rate(X, y) says what a schedule may rise to"
        )


def _check_batch(size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, Integral):
        raise TypeError(f'batch_size (={size!r}) must be "auto" or a whole number of rows')
    if size < 1:
        raise ValueError(f"batch_size (={size!r}) must be at least 1 row")


def _check_dtype(dtype: Any) -> None:
    if isinstance(dtype, str):
        check_choice("dtype", dtype, DTYPES)
    elif not isinstance(dtype, (type, np.dtype)) or dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype (={dtype!r}) must be one of {', '.join(map(repr, DTYPES))}")


def _check_checkpoint(p: Any) -> None:
    check_count("checkpoint_every", p.checkpoint_every)
    if p.checkpoint is None:
        return
    if not isinstance(p.checkpoint, (str, os.PathLike)):
        raise TypeError(
            f"checkpoint (={p.checkpoint!r}) must be None or the name of a folder: a string or pathlib.Path"
        )
    if not os.fspath(p.checkpoint):
        raise ValueError(f"checkpoint (={p.checkpoint!r}) must name a folder; '.' is the one you are in")
    if is_full_batch(p):
        raise ValueError(
            f"checkpoint (={p.checkpoint!r}) is for solvers that take mini-batches, whose epochs it can go on from; "
            "solver='lbfgs' cannot be broken off and go on to the same bits: leave checkpoint out, or use 'adam'"
        )


def _check_scoring(scoring: Any) -> None:
    wanted = (
        "must be None, the name of a scorer of scikit-learn such as 'neg_log_loss', or a scorer(model, X, y)"
    )
    if scoring is None or callable(scoring):
        return
    if not isinstance(scoring, str):
        raise TypeError(f"scoring (={scoring!r}) {wanted}")
    from sklearn.metrics import get_scorer_names

    if scoring not in get_scorer_names():
        raise ValueError(f"scoring (={scoring!r}) {wanted}")


def _check_verbose(verbose: Any) -> None:
    if isinstance(verbose, (bool, np.bool_)):
        return
    if not isinstance(verbose, Integral):
        raise TypeError(f"verbose (={verbose!r}) must be True, False or a whole number")
    if verbose < 0:
        raise ValueError(f"verbose (={verbose!r}) must be 0 (quiet) or more")
