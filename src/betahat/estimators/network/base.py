"""What all estimators of networks share: from checked rows through an engine to fitted attributes."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from betahat.certificate import Certificate
from betahat.data.far_rows import FarRows, left_in_place
from betahat.data.source import Source
from betahat.engines import Engine, Rows, Task, TrainingState, engine_for
from betahat.errors import DataError, StorageError
from betahat.estimators.inputs import check_weight
from betahat.estimators.network.chains import chain_of
from betahat.estimators.network.given import Given, TrainingRows
from betahat.estimators.network.history import History
from betahat.estimators.network.parameters import check_training, finds_rate, is_full_batch
from betahat.estimators.network.rows import levels_of, mean_one, new_rows, read_rows
from betahat.estimators.network.stack import coded_columns, embedding
from betahat.estimators.network.target import TargetReader
from betahat.layers import Dense, Dropout, Layer, Shape
from betahat.losses.base import Loss
from betahat.losses.vector import VectorLoss
from betahat.models.network import Network
from betahat.solvers.trace import Trace
from betahat.storage import Fields

if TYPE_CHECKING:
    from betahat.estimators.network.checkpoints import Checkpoints
    from betahat.estimators.network.stream import Stream

_NO_TARGET = np.zeros((1, 1))
_WORDS = "for networks the derivatives over all rows are summed on request: certify(X, y)"


class NetworkEstimator(TargetReader):
    """Abstract: a network fitted to rows. Subclasses say which layers, and how y is read and answered."""

    solver: Any
    alpha: float
    batch_size: Any
    learning_rate: Any
    learning_rate_init: Any
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: Any
    max_fun: int
    clip_norm: float | None
    average: Any
    standardize: bool
    dtype: Any
    scoring: Any
    callbacks: Any
    checkpoint: Any
    checkpoint_every: int
    shuffle_buffer: int | None

    n_features_in_: int
    feature_names_in_: np.ndarray
    certificate_: Certificate
    trace_: Trace
    stop_reason_: str
    n_iter_: int
    loss_: float
    learning_rate_init_: float
    n_outputs_: int
    design_: Any

    _network: Network
    _state: TrainingState
    _history: History
    _loss: Loss | VectorLoss
    _seed: int
    _kind: Any
    _units: tuple[np.ndarray, np.ndarray] | None
    _engine: Engine | None
    _dead: dict[str, tuple[int, int]]
    _asked: int
    _found_rate: float | None

    _images = False
    """Whether rows may have several axes."""
    _rows_are = ""
    """What rows are taken for, a sentence for explain()."""
    _changes = ""
    """How rows are changed at random in training, part of a sentence for explain()."""
    _batch = staticmethod(lambda rows: min(200, rows))
    """Rows of a mini-batch where `batch_size` is "auto", of so many: scikit-learn's rule."""
    _trusted = False
    """Whether X is rows that were read already: of a copy that is asked for scores while it is trained."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: Any = dict(super().__getstate__())  # pyright: ignore[reportCallIssue, reportArgumentType]
        state.pop("_engine", None)  # made anew when needed
        return state

    # --- what subclasses say ------------------------------------------------------------------------------------

    @abstractmethod
    def _layers(self, outputs: int) -> list[Layer]:
        """The network, but for what codes of categories are put through first."""

    @abstractmethod
    def _width(self, shape: Shape, wanted: tuple[int, ...], why: str) -> int:
        """How many outputs the network has for rows of that shape, of the numbers that the target can do with."""

    @abstractmethod
    def _begin_at(self, state: TrainingState) -> None:
        """Change the state before the first step."""

    @abstractmethod
    def predict(self, X: Any) -> np.ndarray:
        """The answer for new rows."""

    @abstractmethod
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """How good the answers are, the higher the better."""

    def _rows_of(self, X: Any, reset: bool, finite: bool = True) -> Any:
        """X of users as rows of numbers. reset : whether names and shapes are learnt anew; finite : whether arrays are
        searched for what is not."""
        return read_rows(self, X, True, self._images) if reset else new_rows(self, X, self._images, finite)

    def _rows_to_dict(self) -> dict[str, Any]:
        """What a file is to hold of how rows are read."""
        return {}

    def _restore_rows(self, model: Fields, shape: Shape, columns: int) -> None:
        """Take it from one, for a network that takes rows of that shape, and inputs that give so many columns; raises
        StorageError where it does not fit."""
        if (shape[0] if shape else 0) != columns:
            raise StorageError(f"`model.input_shape` is {shape}, and the inputs give {columns} columns")

    def _laid(self, rows: Any) -> Any:
        """Rows of numbers (n, p) in the shape that the network takes."""
        return rows

    def _settle_columns(self, p: int) -> None:
        """Learn that rows are those of a source, of so many columns."""

    def _takes_columns(self, p: int) -> bool:
        """Whether rows of so many columns are such as those of the training."""
        return (p,) == self._network.input_shape

    # --- fitting ------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, validation: Any = None) -> Self:
        """Train the network on rows.

        X : (n, p) array of any real dtype, list, scipy.sparse matrix, or pandas/polars/pyarrow table, whose columns of
            text and categories are embedded; or a source that holds its own target (see :func:`betahat.data.query`).
        y : (n,) targets or labels, or (n, t) for several; None with a source.
        sample_weight : (n,) weights ≥ 0; rows of weight 0 are left out. A source holds its own.
        validation : rows whose score `early_stopping` goes by, in the place of a share of these: (X, y),
            (X, y, sample_weight) or a source of no more rows than the buffer holds.

        A source whose rows fit in the buffer (`shuffle_buffer`) is read once, and the training is that of the same rows
        as arrays. Of a larger one, one reading finds means, scales and how many rows there are, and each epoch is
        another. Its parts (row groups of Parquet files and of tables in a database) come in an order drawn anew for
        each epoch, and their rows pass through the buffer. `early_stopping` then sets aside, and holds in memory, the
        rows whose place has a hash below `validation_fraction`, but at most as many as the buffer holds.

        Ctrl-C ends the training and leaves a usable model, with ``stop_reason_ == "interrupted"``. With `checkpoint`
        the training goes on where the newest in that folder stands; a damaged one is named in a CheckpointWarning, and
        the one before it used.

        Raises MissingValueError, DataError, TypeError or ValueError where parameters or inputs cannot be used, each
        naming the argument, DataError where a source gives other rows than in its first reading; ValueError where the
        checkpoints are of another training, StorageError where they cannot be read or written, or another training is
        writing there.
        """
        from betahat.estimators.network.fitting import fit_epochs
        from betahat.estimators.network.validating import read_validation

        self._check_parameters()
        again = bool(self.warm_start) and hasattr(self, "_state")
        kept = self._checkpoints()
        try:
            given = self._read(X, y, sample_weight, reset=not again, aside=validation is None)
            self._prepare(given, again, None if kept is None else kept.seed(self.random_state))
            self._settle_rate(given)
            judged = read_validation(self, validation)
            if kept is not None:
                kept.resume(self, given, again, judged)
            fit_epochs(self, given, kept, judged)
        finally:
            if kept is not None:
                kept.close()
        return self

    def _fit_part(self, X: Any, y: Any, sample_weight: Any, classes: np.ndarray | None = None) -> Self:
        """One epoch over some rows, from where the last one ended."""
        from betahat.estimators.network.fitting import feed_of, train

        self._check_parameters()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True: it has no rows to set aside")
        first = not hasattr(self, "_state")
        given = self._read(X, y, sample_weight, first, classes)
        if not given.length:
            return self
        self._prepare(given, not first)
        self._settle_rate(given)
        train(self, feed_of(self, given), 1, part=True)
        return self

    def _checkpoints(self) -> Checkpoints | None:
        if self.checkpoint is None:
            return None
        from betahat.estimators.network.checkpoints import Checkpoints

        return Checkpoints(self.checkpoint, self.checkpoint_every)

    def _check_parameters(self) -> None:
        check_training(self)

    def _read(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        reset: bool,
        classes: np.ndarray | None = None,
        aside: bool = False,
    ) -> Given | Stream:
        """aside : whether rows of a source that is not held may be set aside."""
        if isinstance(X, Source):
            from betahat.estimators.network.survey import read_source

            aside = aside and bool(self.early_stopping) and not is_full_batch(self)
            return read_source(self, X, reset, aside, classes, y=y, sample_weight=sample_weight)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        rows = left_in_place(self._rows_of(X, reset))
        target = self._read_target(y, reset, classes)
        n = rows.shape[0]
        if len(target) != n:
            raise ValueError(
                f"Found input variables with inconsistent numbers of samples: X has {n} rows, y has {len(target)}"
            )
        weight = self._class_weighted(target, check_weight("sample_weight", sample_weight, n))
        which = np.arange(n) if weight is None else np.flatnonzero(weight > 0)
        return Given(rows, target, weight, which)

    def _prepare(self, given: TrainingRows, again: bool, seed: int | None = None) -> None:
        """The network and where it begins, or what there is of an earlier fit; seed : one that is known already."""
        if not given.length:
            raise DataError(
                "every row has weight 0 (sample_weight times class_weight), so that no row counts"
            )
        shape = given.shape
        first = embedding(levels_of(self.design_), shape[0] if shape else 0)
        entry = Network(first, shape).output_shape if first else shape
        if not again:
            self._seed = seed_of(self.random_state) if seed is None else seed
            self._kind = given.precision("float64" if _is_double(self) else self.dtype)
            self._units = None
            self.n_outputs_ = given.settle(self, entry)
            if self.standardize:
                self._units = given.units(coded_columns([*first, *self._layers(1)], shape))
        layers = [*first, *self._layers(self.n_outputs_)]
        if again:
            if tuple(layers) != self._network.layers:
                raise ValueError(
                    "a fit goes on with the network there is, and the parameters now describe another: "
                    f"{layers} in the place of {list(self._network.layers)}; begin anew with fit and warm_start=False"
                )
            return
        self._network = Network(layers, shape)
        self._refuse_random()
        task = self._task(1, 1, rate=1.0)  # any: what a chain keeps does not depend on it
        self._state = TrainingState.begin(task)
        self._begin_at(self._state)
        self._history, self.trace_ = History(), Trace()
        self._dead, self._asked = {}, 0
        self._found_rate = None

    def _settle_rate(self, given: TrainingRows) -> None:
        """What the learning rate begins with; one that was found stays where a fit goes on from another."""
        if not finds_rate(self):
            self.learning_rate_init_, self._found_rate = float(self.learning_rate_init), None
            return
        from betahat.estimators.network.finding import found_rate

        self._found_rate = self._found_rate or found_rate(self, given.held())
        self.learning_rate_init_ = self._found_rate

    def _refuse_random(self) -> None:
        if not is_full_batch(self):
            return
        for leaf in self._network.leaves:
            dropping = isinstance(leaf.layer, Dropout) and leaf.layer.rate > 0
            if dropping or self._network.buffer_size:
                raise ValueError(
                    "solver='lbfgs' descends an objective of all rows that is the same at every step, and "
                    f"{'dropout' if dropping else 'batch normalisation'} makes it another each time; use a solver that "
                    "takes mini-batches, such as 'adam'"
                )

    def _task(self, steps: int, rows: int, mean_weight: float = 1.0, rate: float | None = None) -> Task:
        """What an engine is to do, for epochs of so many steps and rows."""
        full = is_full_batch(self)
        chain = self._plain_chain() if full else chain_of(self, steps, rows, rate)
        return Task(self._network, self._loss, chain, float(self.alpha) / mean_weight, self._kind, self._seed)

    @staticmethod
    def _plain_chain() -> Any:
        from betahat.solvers.stochastic.chain import Chain

        return Chain()

    def _rows(self, given: Given, which: np.ndarray) -> tuple[Rows, float]:
        """Rows for an engine, and the mean that their weights had."""
        weight, mean = mean_one(given.weight, which)
        return Rows(given.X, self._as_targets(given.y), weight, *(self._units or (None, None))), mean

    def _show(self, reason: str, epochs: int) -> None:
        """Put what was found where users look for it."""
        history = self._history
        self.stop_reason_, self.n_iter_, self.t_ = reason, epochs, history.rows
        self.loss_curve_ = list(history.losses)
        self.loss_ = history.losses[-1] if history.losses else np.nan
        self.validation_scores_ = list(history.scores) if self.early_stopping else None
        self.best_validation_score_ = history.best_score if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else history.best_loss
        self.n_layers_ = 1 + sum(isinstance(leaf.layer, Dense) for leaf in self._network.leaves)
        self.certificate_ = unassessed(_WORDS)

    # --- prediction ---------------------------------------------------------------------------------------------

    def _outputs(self, X: Any, probabilities: bool = False) -> np.ndarray:
        """f of new rows, (n, outputs) float64, or the probabilities of classes."""
        check_is_fitted(self, "_state")
        if isinstance(X, Source):
            from betahat.estimators.network.asking import outputs_for

            return outputs_for(self, X, probabilities)
        if self._trusted:
            return self._of_rows(X, probabilities)
        try:  # the engine sees what is not finite in passing
            return self._of_rows(self._rows_of(X, reset=False, finite=False), probabilities)
        except DataError:
            self._rows_of(X, reset=False)
            raise

    def _of_source(self, source: Source, **beside: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """f of a source's rows, their targets as the loss takes them, and weights."""
        from betahat.estimators.network.asking import judged

        check_is_fitted(self, "_state")
        return judged(self, source, **beside)

    def _of_rows(self, rows: Any, probabilities: bool = False) -> np.ndarray:
        """The same of rows that are numbers already."""
        rows = left_in_place(rows)
        if isinstance(rows, FarRows):
            with closing(rows.blocks()) as blocks:
                return np.concatenate([self._of_near_rows(block, probabilities) for block in blocks])
        return self._of_near_rows(rows, probabilities)

    def _of_near_rows(self, rows: Any, probabilities: bool) -> np.ndarray:
        given, state = Rows(rows, _NO_TARGET, None, *(self._units or (None, None))), self._state
        f = self._engine_now().predict(state.chain.point, state.buffers, given, probabilities)
        return f.reshape(len(f), -1).astype(np.float64, copy=False)

    def _engine_now(self) -> Engine:
        if getattr(self, "_engine", None) is None:
            self._engine = engine_for(self._task(1, 1))
        assert self._engine is not None
        return self._engine


def seed_of(random_state: Any) -> int:
    """The seed of all random numbers of a fit; whole numbers are their own."""
    from sklearn.utils import check_random_state

    if (
        isinstance(random_state, (int, np.integer))
        and not isinstance(random_state, bool)
        and 0 <= random_state < 2**64
    ):
        return int(random_state)
    try:
        generator = check_random_state(random_state)
    except (ValueError, TypeError) as error:
        raise type(error)(
            f"random_state (={random_state!r}) must be None, a whole number from 0 on, or a numpy RandomState: {error}"
        ) from None
    return int(generator.randint(np.iinfo(np.int32).max))


def unassessed(words: str) -> Certificate:
    """A certificate that says so."""
    nothing = np.empty(0)
    return Certificate(
        "not assessed", False, np.nan, nothing, nothing, np.nan, np.nan, np.nan, nothing, "estimate", 0, words
    )


def _is_double(p: Any) -> bool:
    """Whether "auto" means double precision whatever X is: a line search feels the rounding of J."""
    return is_full_batch(p) and isinstance(p.dtype, str) and p.dtype == "auto"
