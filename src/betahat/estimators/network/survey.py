"""The first reading of a source: rows that memory holds are kept, and of others all that must be known of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from betahat.data.source import Block, Source
from betahat.errors import DataError
from betahat.estimators.inputs import refuse_beside_source
from betahat.estimators.network.entry import Entry, Reading, dense, joined_rows
from betahat.estimators.network.given import Given
from betahat.estimators.network.rows import levels_of
from betahat.estimators.network.stream import KEY_OF_ASIDE, Stream, Surveyed
from betahat.estimators.network.units import Moments, SparseMoments
from betahat.kernels.random import bits

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator

_BYTES = 256_000_000  # of rows that are held in memory, where nothing else is said
_BATCH = 200  # rows of batch_size="auto"
_FEW, _FEW_NUMBERS = 40_000, 2**22  # rows that stand for all where some will do, and their numbers
_ALL = 2**64
_KEY_OF_FEW = 1


def read_source(
    model: NetworkEstimator,
    source: Source,
    reset: bool,
    aside: bool = False,
    classes: np.ndarray | None = None,
    **beside: Any,
) -> Given | Stream:
    """What a fit is given by a source: its rows, where the buffer holds all of them, or where they can be read again.

    reset : whether names, columns and classes are learnt anew; aside : whether a share of rows is to be set aside;
    classes : all that there will ever be, where they are given

    Raises ValueError for what is given beside a source, DataError for rows that cannot be used, and what reading
    raises.
    """
    refuse_beside_source(source, **beside)
    source = coded(model, source, reset)
    entry = Entry(source, model._target_of(source, reset, classes))
    room = _room(model, source)
    survey = _Survey(model, room, aside, keep=True)
    given = survey.read(entry)
    if given is not None:
        weight = model._class_weighted(given.y, given.weight)
        which = np.arange(given.length) if weight is None else np.flatnonzero(weight > 0)
        return Given(model._laid(given.X), given.y, weight, which)
    own = model._weights_of_classes(survey.of_classes)
    if own is not None:  # which have a say in means and variances
        entry.own = own
        survey = _Survey(model, room, aside, keep=False)
        survey.read(entry)
    return Stream(entry, survey.found(), room)


def coded(model: NetworkEstimator, source: Source, reset: bool) -> Source:
    """The source with its categories as codes, by the design that a model has or is to have."""
    from betahat.data.coded import CodedDesign
    from betahat.data.query_source import QuerySource

    if reset:
        if isinstance(source, QuerySource) and source.design.kind == "columns":
            design = source.design
            source = source.with_design(CodedDesign(design.columns, design.missing))
        model.design_ = source.design if isinstance(source, QuerySource) else None
        names = source.names if model.design_ is None else model.design_.input_names
        model.n_features_in_ = len(names)
        if model.design_ is None:
            vars(model).pop("feature_names_in_", None)
        else:
            model.feature_names_in_ = np.asarray(names, dtype=object)
        model._settle_columns(len(source.names))
        return source
    if model.design_ is not None and isinstance(source, QuerySource):
        return source.with_design(model.design_)
    if model.design_ is not None and levels_of(model.design_):
        raise TypeError(
            f"this {type(model).__name__} was fitted with categories, in its columns "
            f"{list(model.design_.input_names)}; it needs a source made by betahat.data.query, or a table"
        )
    p = len(source.names)
    if not model._takes_columns(p):
        raise ValueError(
            f"the source has {p} columns of X ({', '.join(source.names[:10])}{', …' if p > 10 else ''}); this network "
            f"was fitted to rows of shape {model._network.input_shape}"
        )
    return source


def _room(model: NetworkEstimator, source: Source) -> int:
    """Rows of the buffer: two mini-batches at least."""
    size = _BATCH if isinstance(model.batch_size, str) else int(model.batch_size)
    a_row = 8 * (len(source.names) + len(source.target_names) + 1)
    return max(model.shuffle_buffer or _BYTES // a_row, 2 * size)


@final
class _Survey:
    """One reading. keep : whether rows are held as long as there is room for all."""

    def __init__(self, model: NetworkEstimator, room: int, aside: bool, keep: bool) -> None:
        self._model, self._room, self._kept = model, room, [] if keep else None
        self._X: Any = None
        self._y: Moments | None = None
        self._weighted, self._dtype = False, np.dtype(np.float64)
        self._aside = _Least(room, int(model.validation_fraction * _ALL), KEY_OF_ASIDE) if aside else None
        self.of_classes = np.zeros(0)
        self.reading = Reading()

    def read(self, entry: Entry) -> Given | None:
        """All rows, if there was room for them."""
        few: _Least | None = None
        in_memory = entry.source.in_memory
        for places, block in entry.read(self.reading):
            assert block.y is not None
            self._model._check_targets_of(block.y)
            if few is None:
                self._begin(block)
                most = max(1, min(_FEW, _FEW_NUMBERS // max(block.X.shape[1], 1)))
                few = _Least(most, _ALL, _KEY_OF_FEW)
            if self._kept is not None and not in_memory and self.reading.counted > self._room:
                self._kept = None
            if self._kept is not None:
                self._kept.append(block)
            few.add(places, block)
            if self._aside is not None:
                self._aside.add(places, block)
            self._add(block)
        if few is None or not self.reading.counted:
            raise DataError("the source has no rows that count; nothing to fit")
        self._few = few.block()
        if self._kept is None:
            return None
        whole = joined_rows(self._kept)
        assert whole.y is not None
        return Given(whole.X, whole.y, whole.weight, np.arange(whole.X.shape[0]))

    def found(self) -> Surveyed:
        """All of it."""
        assert self._y is not None
        assert self._few is not None
        aside, limit = None, 0
        if self._aside is not None:
            block, limit = self._aside.block(), self._aside.limit
            if block is None or block.X.shape[0] < 2:
                raise ValueError(
                    f"The validation set is too small: validation_fraction (={self._model.validation_fraction!r}) of "
                    f"{self.reading.counted:,} rows leaves less than two. Increase 'validation_fraction'."
                )
            assert block.y is not None
            X = self._model._laid(block.X)
            aside = Given(X, block.y, block.weight, np.arange(X.shape[0]))
        few = replace(self._few, X=self._model._laid(self._few.X))
        return Surveyed(
            self.reading, self._dtype, self._columns, tuple(few.X.shape[1:]), self._y.mass,
            self._weighted, self._X, self._y, few, aside,
            limit,
        )  # fmt: skip

    def _begin(self, block: Block) -> None:
        self._columns, self._dtype = block.X.shape[1], block.X.dtype
        assert block.y is not None
        if hasattr(block.X, "tocsr"):
            self._model._laid(block.X)  # which images refuse
            self._X = SparseMoments(self._columns)
        else:
            self._X = Moments(*self._model._laid(np.empty((0, self._columns))).shape[:0:-1])
        self._y = Moments(block.y.shape[1] if block.y.ndim == 2 else 1)

    def _add(self, block: Block) -> None:
        y, weight = block.y, block.weight
        assert y is not None
        assert self._y is not None
        self._weighted = self._weighted or weight is not None
        self._y.update(y.reshape(len(y), -1), weight)
        if y.ndim == 1:
            codes = y.astype(np.intp)
            more = codes.max(initial=-1) + 1 - len(self.of_classes)
            self.of_classes = np.append(self.of_classes, np.zeros(max(more, 0)))
            np.add.at(self.of_classes, codes, 1.0 if weight is None else weight)
        if self._model.standardize:
            self._X.update(self._model._laid(dense(block.X)) if self._model._images else block.X, weight)


@final
class _Least:
    """The rows whose hashes are below `limit`, which falls so that they are at most so many: a draw that depends on
    their places alone."""

    def __init__(self, most: int, limit: int, key: int) -> None:
        self._most, self.limit, self._key = most, limit, key
        self._hashes: list[np.ndarray] = []
        self._blocks: list[Block] = []
        self._count = 0

    def add(self, places: np.ndarray, block: Block) -> None:
        """Rows at these places."""
        hashes = bits(self._key, places + np.uint64(1))
        which = np.flatnonzero(hashes < np.uint64(min(self.limit, _ALL - 1)))
        if not len(which):
            return
        self._hashes.append(hashes[which])
        self._blocks.append(block.take(which))
        self._count += len(which)
        if self._count > 2 * self._most:
            self._prune()

    def _prune(self) -> None:
        hashes, whole = np.concatenate(self._hashes), joined_rows(self._blocks)
        if len(hashes) > self._most:
            self.limit = int(np.partition(hashes, self._most)[self._most])
            which = np.flatnonzero(hashes < np.uint64(self.limit))
            hashes, whole = hashes[which], whole.take(which)
        self._hashes, self._blocks, self._count = [hashes], [whole], len(hashes)

    def block(self) -> Block | None:
        """They, in the order that they came; None where there are none."""
        if not self._blocks:
            return None
        self._prune()
        return self._blocks[0]
