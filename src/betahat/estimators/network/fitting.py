"""One fit: rows set aside, an engine for the others, epochs, and what came of it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.data.far_rows import FarRows, chosen
from betahat.engines import Engine, Task, engine_for
from betahat.errors import CertificateWarning, users_line
from betahat.estimators.network.chains import SMALLEST_RATE, is_adaptive
from betahat.estimators.network.feed import ArrayFeed, FarFeed, Feed
from betahat.estimators.network.given import Given, TrainingRows
from betahat.estimators.network.history import Epoch
from betahat.estimators.network.parameters import callbacks_of, is_full_batch
from betahat.estimators.network.progress import Bar
from betahat.estimators.network.training import Plan, Training, leaves_one
from betahat.layers.base import size_of
from betahat.models.network_units import dead_units
from betahat.solvers.stochastic.chain import Chain, ChainState

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator
    from betahat.estimators.network.checkpoints import Checkpoints
    from betahat.estimators.network.stream import Stream

_ASKED, _NUMBERS = 1000, 2**22  # rows that show which units are dead, and the numbers that they may hold


def fit_epochs(
    model: NetworkEstimator,
    given: Given | Stream,
    kept: Checkpoints | None = None,
    judged: Given | None = None,
) -> None:
    """Train to the end that the parameters ask for.

    judged : rows whose score early stopping goes by; None for a share of those given
    """
    if is_full_batch(model):
        from betahat.estimators.network.full_batch import fit_full_batch

        return fit_full_batch(model, given)
    if isinstance(given, Given):
        which, aside = (given.which, None) if judged is not None else split(model, given)
        if aside is not None and len(aside):
            judged = Given(given.X, given.y, given.weight, aside)
        given = Given(given.X, given.y, given.weight, which)
    elif judged is None:
        judged = given.aside
    score = None if judged is None else _score_of(model, judged)
    train(model, feed_of(model, given), model.max_iter, score, kept=kept)
    look_for_dead_units(model, given)


def feed_of(model: NetworkEstimator, given: Given | Stream) -> Feed:
    """The epochs of a training on these rows."""
    if isinstance(given, Given):
        rows, which = model._rows(given, given.which), given.which
        if isinstance(given.X, FarRows):
            return FarFeed(*rows, which, batch_rows(model, len(which)))
        return ArrayFeed(*rows, which)
    return given.feed(model, batch_rows(model, given.rows))


def look_for_dead_units(model: NetworkEstimator, given: TrainingRows) -> None:
    """Ask some of the rows."""
    most = max(1, min(_ASKED, _NUMBERS // max(size_of(model._network.input_shape), 1)))
    beta = model._state.chain.point
    some = given.some(model, most, beta.dtype)
    with np.errstate(all="ignore"):
        found = dead_units(model._network, beta, some, model._state.buffers)
    model._dead, model._asked = found, len(some)


def train(
    model: NetworkEstimator,
    feed: Feed,
    epochs: int,
    score: Callable[[], float] | None = None,
    part: bool = False,
    kept: Checkpoints | None = None,
) -> None:
    """So many epochs at most over the rows of a feed, and the model's attributes.

    part : whether these are some of the rows only, and others came before: a learning rate that falls goes on falling.
    kept : the checkpoints of this fit, at the newest of which the model is.
    """
    history = model._history
    if not part and not (kept and kept.epochs):
        history.rate = None  # which a fit before this one had come to
    rate = history.rate
    if part and model.learning_rate == "invscaling":
        rate = model.learning_rate_init_ / (history.rows + 1) ** model.power_t
    count, mean = feed.rows, feed.mean_weight
    size = history.batch = batch_rows(model, count)
    whole = bool(model._network.buffer_size and model.shuffle)
    steps = -(-count // size) - leaves_one(count, size, whole)
    task = model._task(steps, count, mean, rate)
    model._state.chain = _resumed(task.chain, model._state.chain)
    engine = model._engine = _engine_of(model, task)
    plan = Plan(
        feed.which, epochs, size, model._seed, bool(model.shuffle), model.tol, float(model.n_iter_no_change),
        score is not None, whole,
    )  # fmt: skip
    current = [rate or model.learning_rate_init_]

    def slower() -> Engine | None:
        if not is_adaptive(model) or current[0] <= SMALLEST_RATE:
            return None
        current[0] /= 5
        history.rate = current[0]
        return engine_for(model._task(steps, count, mean, current[0]))

    called = callbacks_of(model.callbacks)

    def tell(epoch: Epoch) -> bool:
        return any([bool(each(epoch)) for each in called])  # noqa: C419  (each is called)

    bar = Bar(model.verbose, epochs, count)
    training = Training(
        engine, model._state, feed, plan, history, model.trace_, bar, score, tell, slower, model, kept
    )
    reason = training.run()
    model._show(reason, training.epochs)
    if reason == "diverged":
        warn_diverged(model)


def _engine_of(model: NetworkEstimator, task: Task) -> Engine:
    """The one there is, where it does just that, so that nothing is planned and compiled anew; else a new one."""
    engine = getattr(model, "_engine", None)
    if engine is not None and _is_same(engine.task, task):
        return engine
    return engine_for(task)


def _is_same(one: Task, other: Task) -> bool:
    return (
        one.network is other.network
        and one.loss is other.loss
        and (one.alpha, one.dtype, one.seed) == (other.alpha, other.dtype, other.seed)
        and one.augment == other.augment
        and one.chain.transformations == other.chain.transformations
        and one.chain.average == other.chain.average
    )


def _resumed(chain: Chain, state: ChainState) -> ChainState:
    """Where a chain goes on: with what an earlier one remembered, if it kept the same, else from its point."""
    try:
        return chain.resume(state)
    except ValueError:
        return chain.start(state.point)


def warn_diverged(model: NetworkEstimator) -> None:
    """That the loss left the numbers, and what helps."""
    warnings.warn(
        f"the loss grew beyond what numbers can hold in epoch {model.n_iter_ + 1}, and the parameters were put back to "
        f"where they were before it (stop_reason_ is 'diverged'). What helps: {against_divergence(model)}",
        CertificateWarning,
        stacklevel=users_line(),
    )


def against_divergence(model: NetworkEstimator) -> str:
    """What helps, of what is not done already."""
    helps = ["a smaller learning_rate_init"]
    if model.clip_norm is None:  # pyright: ignore[reportAttributeAccessIssue]
        helps.append("clip_norm, such as 1.0")
    if not model.standardize:
        helps.append("standardize=True")
    return " or ".join(helps)


def batch_rows(model: NetworkEstimator, rows: int) -> int:
    """Rows of a mini-batch, of so many in all."""
    batch_size = model.batch_size
    if isinstance(batch_size, str):
        return model._batch(rows)
    if batch_size > rows:
        warnings.warn(
            f"batch_size (={batch_size}) is more than the {rows} rows there are to train with, and is taken as {rows}",
            stacklevel=users_line(),
        )
    return min(int(batch_size), rows)


def split(model: NetworkEstimator, given: Given) -> tuple[np.ndarray, np.ndarray]:
    """The rows to train with, and those set aside."""
    which = given.which
    if not model.early_stopping:
        return which, which[:0]
    from sklearn.model_selection import train_test_split

    strata = _proportionate(model, given)
    try:
        rest, aside = train_test_split(
            which,
            random_state=np.random.RandomState(model._seed % 2**32),
            test_size=float(model.validation_fraction),
            stratify=strata,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True sets a share of rows aside, validation_fraction (={model.validation_fraction!r}) of "
            f"{len(which)}, and that is not possible here: {error}. Change validation_fraction, or give more rows"
        ) from None
    if len(aside) < 2:
        raise ValueError(
            f"The validation set is too small: validation_fraction (={model.validation_fraction!r}) of {len(which)} "
            "rows is one row. Increase 'validation_fraction' or the size of your dataset."
        )
    return np.sort(rest), np.sort(aside)


def _proportionate(model: NetworkEstimator, given: Given) -> np.ndarray | None:
    """Classes that both parts can have in the same proportions; None where there are too few rows for that."""
    strata = model._strata(given.y)
    if strata is None:
        return None
    counts = np.unique(strata[given.which], return_counts=True)[1]
    aside = int(np.ceil(model.validation_fraction * len(given.which)))
    enough = counts.min() >= 2 and min(aside, len(given.which) - aside) >= len(counts)
    return strata[given.which] if enough else None


def _score_of(model: NetworkEstimator, judged: Given) -> Callable[[], float]:
    """The score of rows, as the model is when it is asked."""
    aside = judged.which
    X, y = chosen(judged.X, aside), model._original(judged.y[aside])
    weight = None if judged.weight is None else judged.weight[aside]
    view = copy.copy(model)
    view._trusted = True
    scorer: Any = None
    if model.scoring is not None:
        from sklearn.metrics import check_scoring

        scorer = check_scoring(model, scoring=model.scoring)

    def asked(*rows: Any, **weights: Any) -> float:
        try:
            return float(scorer(view, *rows, **weights))
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"scoring (={model.scoring!r}) cannot score this {type(model).__name__}: {error}. It is asked as "
                "scoring(model, X, y) for a number, the higher the better"
            ) from error

    def score() -> float:
        if not np.isfinite(view._outputs(X)).all():
            return np.nan
        if scorer is None:
            return float(view.score(X, y, sample_weight=weight))
        weighs = weight is not None and hasattr(scorer, "_score_func")  # other functions take three arguments
        return asked(X, y, sample_weight=weight) if weighs else asked(X, y)

    return score
