"""Sources that networks cannot be trained on are refused by name, whichever reading it shows in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
from streamed_rows import FRAME, Blocks, N, X, in_parts, numbers, query, source_of

import betahat as bh
from betahat.data.source import Block
from betahat.errors import DataError, MissingRowsWarning, MissingValueError, StorageError, UnseenLevelError

A, Y = numbers(), numbers()[:, :1] * 2
GOOD = Block(A, Y)
SMALL = {"max_iter": 2, "batch_size": 16, "random_state": 0, "shuffle_buffer": 100}


def changing(
    change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]], reading: int = 2
) -> Blocks:
    """Rows that are others in one reading (1 is the first)."""
    other = Block(*change(A.copy(), Y.copy()))
    return Blocks(lambda count: in_parts(other if count == reading else GOOD))


def moved(A: np.ndarray, Y: np.ndarray) -> Any:
    A[3, 1] += 1e-9
    return A, Y


def swapped(A: np.ndarray, Y: np.ndarray) -> Any:
    A[[3, 4]] = A[[4, 3]]
    Y[[3, 4]] = Y[[4, 3]]
    return A, Y


def mismatched(A: np.ndarray, Y: np.ndarray) -> Any:
    Y[[3, 4]] = Y[[4, 3]]
    return A, Y


@pytest.mark.parametrize(
    "change", [moved, swapped, mismatched, lambda A, Y: (A[1:], Y[1:]), lambda A, Y: (A[:0], Y[:0])]
)
@pytest.mark.parametrize("reading", [2, 3])
@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_that_change(change: Any, reading: int, shuffle: bool) -> None:
    with pytest.raises(DataError, match="other rows than in its first reading"):
        bh.MLPRegressor(shuffle=shuffle, **SMALL).fit(changing(change, reading))


def test_rows_that_change_before_a_certificate() -> None:
    source = changing(moved, 4)
    model = bh.MLPRegressor(**SMALL).fit(source)
    with pytest.raises(DataError, match="other rows"):
        model.certify(source)  # its survey is the fourth reading, and its sums the fifth


def test_a_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    FRAME.to_parquet(path, row_group_size=200)
    source = query(path, "r")
    changed = FRAME.assign(r=FRAME.r + 1)

    def overwrite(epoch: Any) -> None:
        changed.to_parquet(path, row_group_size=200)

    later = SMALL | {"max_iter": 8}  # the second epoch may have been read ahead by then
    with pytest.raises(DataError, match=r"other rows|cannot be read"):
        bh.MLPRegressor(callbacks=overwrite, **later).fit(source)
    with pytest.raises(DataError, match=r"other rows|gave 500 rows and 1,003 before|cannot be read"):
        bh.MLPRegressor(callbacks=lambda epoch: FRAME[:500].to_parquet(path), **later).fit(query(path, "r"))


def test_a_query_with_random_numbers(tmp_path: Path) -> None:
    what = "SELECT random() AS a, i * 1.0 AS b, if(i % 2 = 0, 'u', 'v') AS kind, i * 2.0 AS r FROM range(1000) AS t(i)"
    with pytest.raises(DataError, match=r"random\(\)"):
        bh.MLPRegressor(**SMALL).fit(query(what, "r"))


def spoilt(value: float, where: str) -> Block:
    parts = {"X": A.copy(), "y": Y.copy(), "weight": np.ones(N)}
    parts[where].reshape(N, -1)[700, 0] = value
    return Block(**parts)


@pytest.mark.parametrize("buffer", [100, None])
@pytest.mark.parametrize(
    ("block", "error", "words"),
    [
        (spoilt(np.nan, "X"), MissingValueError, r"X contains NaN or infinity \(rows 6\d\d to 7\d\d"),
        (spoilt(np.inf, "X"), MissingValueError, "X contains NaN or infinity"),
        (spoilt(np.nan, "y"), MissingValueError, "y contains NaN or infinity"),
        (spoilt(np.nan, "weight"), MissingValueError, "weights contains NaN or infinity"),
        (spoilt(-1.0, "weight"), DataError, "a weight is negative"),
        (Block(A), DataError, "holds no target"),
        (Block(A, Y, np.zeros(N)), DataError, "no rows that count"),
        (Block(A, Y, groups=np.zeros((N, 1), np.int64)), DataError, "holds groups"),
        (Block(A, Y, offset=np.zeros(N)), DataError, "holds an offset"),
        (Block(A.reshape(N, 3, 1), Y), DataError, r"shape \(84, 3, 1\)"),
        (Block(A[:0], Y[:0]), DataError, "no rows that count"),
    ],
)
def test_rows_that_cannot_be_used(block: Block, error: Any, words: str, buffer: int | None) -> None:
    with pytest.raises(error, match=words):
        bh.MLPRegressor(**SMALL | {"shuffle_buffer": buffer}).fit(Blocks(lambda reading: in_parts(block)))


def test_lengths_that_differ() -> None:
    blocks = [[Block(A[:50], Y[:49])]]
    with pytest.raises(DataError, match="50 rows of X and 49 of y"):
        bh.MLPRegressor(**SMALL).fit(Blocks(lambda reading: blocks))


def test_blocks_that_differ() -> None:
    blocks = [[Block(A, Y)], [Block(A[:, :2], Y)]]
    with pytest.raises((DataError, ValueError), match="2 columns of X, and the source 3"):
        bh.MLPRegressor(**SMALL).fit(Blocks(lambda reading: blocks))


@pytest.mark.parametrize(
    ("model", "block", "classes", "words"),
    [
        (bh.MLPClassifier(**SMALL), Block(A, np.full((N, 1), 3.0)), None, "labels=True"),
        (bh.MLPClassifier(**SMALL), Block(A, np.full((N, 1), 3.0)), ["a", "b", "c"], "codes of 3 classes"),
        (bh.MLPClassifier(**SMALL), Block(A, np.full((N, 1), 0.5)), ["a", "b"], "holds 0.5"),
        (bh.MLPClassifier(**SMALL), Block(A, np.zeros((N, 1))), ["a"], "one class only"),
        (bh.MLPClassifier(**SMALL), Block(A, np.full((N, 2), 0.5)), None, "each is a label"),
        (
            bh.MLPClassifier(class_weight={"z": 1.0}, **SMALL),
            Block(A, np.zeros((N, 1))),
            ["a", "b"],
            "class 'z'",
        ),
        (
            bh.MLPClassifier(class_weight="balanced", **SMALL),
            Block(A, np.zeros((N, 2))),
            None,
            "one label a row",
        ),
        (
            bh.MLPRegressor(**SMALL),
            Block(A, np.zeros((N, 1))),
            ["a", "b"],
            "a regressor is trained on numbers",
        ),
        (bh.MLPRegressor("poisson", **SMALL), Block(A, -np.ones((N, 1))), None, "poisson|Poisson"),
    ],
)
def test_targets_that_do_not_fit(model: Any, block: Block, classes: Any, words: str) -> None:
    given = None if classes is None else np.array(classes)
    with pytest.raises((DataError, ValueError, TypeError), match=words):
        model.fit(source_of(block, given))


def test_a_class_that_comes_later() -> None:
    first, later = Block(A, (A[:, :1] > 0) * 1.0), Block(A, (A[:, :1] > 0) * 2.0)
    source = Blocks(lambda reading: in_parts(later if reading else first), np.array(["no", "yes"]))
    source._made = lambda reading: in_parts(first if reading <= 1 else later)
    with pytest.raises(DataError, match=r"holds 2; codes of 2 classes"):
        bh.MLPClassifier(**SMALL).fit(source)


def test_arguments(tmp_path: Path) -> None:
    source = source_of(GOOD)
    with pytest.raises(ValueError, match="y given beside a Blocks"):
        bh.MLPRegressor(**SMALL).fit(source, Y)
    with pytest.raises(ValueError, match="sample_weight given beside"):
        bh.MLPRegressor(**SMALL).fit(source, sample_weight=np.ones(N))
    for buffer in (0, -5, 2.5, "many", True):
        with pytest.raises((ValueError, TypeError), match="shuffle_buffer"):
            bh.MLPRegressor(shuffle_buffer=buffer).fit(source)
    with pytest.raises(ValueError, match="early_stopping=True goes by, which is off"):
        bh.MLPRegressor(**SMALL).fit(source, validation=(A, Y))
    early = SMALL | {"early_stopping": True}
    with pytest.raises(ValueError, match="solver='lbfgs' does without"):
        bh.MLPRegressor(solver="lbfgs", **early).fit(source, validation=(A, Y))
    with pytest.raises(TypeError, match=r"validation is a ndarray; \(X, y\)"):
        bh.MLPRegressor(**early).fit(source, validation=A)
    with pytest.raises(
        ValueError, match="a source of 1,003 rows, which are held in memory, and the buffer holds 100"
    ):
        bh.MLPRegressor(**early).fit(source, validation=source_of(GOOD))
    with pytest.raises(ValueError, match="validation set is too small"):
        bh.MLPRegressor(**early, validation_fraction=1e-6).fit(source)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        bh.MLPRegressor(**early).partial_fit(source)
    model = bh.MLPRegressor(**SMALL).fit(source)
    with pytest.raises(ValueError, match=r"the source has 2 columns of X.*shape \(3,\)"):
        model.predict(bh.data.ArraySource(A[:, :2], Y))
    with pytest.raises(ValueError, match="y given beside"):
        model.score(source, Y)
    with pytest.raises(ValueError, match="y has 2 targets; training began with 1"):
        model.score(source_of(Block(A, np.zeros((N, 2)))))


def test_one_row_and_none() -> None:
    one = source_of(Block(A[:1], Y[:1]), parts=1)
    assert np.isfinite(bh.MLPRegressor(max_iter=2).fit(one).predict(one)).all()
    with pytest.raises(DataError, match="no rows"):
        bh.MLPRegressor(**SMALL).fit(bh.data.query("SELECT 1.0 AS a, 1.0 AS r FROM range(0)", "r"))


def test_missing_values_are_left_out_in_training_and_refused_in_prediction(tmp_path: Path) -> None:
    frame = FRAME.copy()
    frame.loc[::7, "a"] = np.nan
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=200)
    source = query(tmp_path / "rows.parquet", "r")
    with pytest.warns(MissingRowsWarning, match="144 of 1,003 rows"):
        model = bh.MLPRegressor(shuffle=False, standardize=False, **SMALL).fit(source)
    rest = frame.dropna()
    plain = bh.MLPRegressor(shuffle=False, standardize=False, **SMALL).fit(rest[X], rest.r)
    assert model.loss_curve_ == plain.loss_curve_
    assert model.score(source) == pytest.approx(plain.score(rest[X], rest.r), rel=1e-12)
    with pytest.raises(MissingValueError, match="'a'"):
        model.predict(source)
    with pytest.raises(MissingValueError, match="'a'"):
        bh.MLPRegressor(**SMALL).fit(query(tmp_path / "rows.parquet", "r", missing="error"))
    filled = query(tmp_path / "rows.parquet", "r", missing="mean")
    assert len(bh.MLPRegressor(**SMALL).fit(filled).predict(filled)) == N


def test_levels_and_labels_that_training_did_not_have(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "rows.parquet", row_group_size=200)
    FRAME.assign(kind=np.where(FRAME.a > 0, "u", "z"), c="never").to_parquet(tmp_path / "others.parquet")
    model = bh.MLPClassifier(**SMALL).fit(query(tmp_path / "rows.parquet", "c", labels=True))
    others = query(tmp_path / "others.parquet", "c", labels=True)
    with pytest.raises(UnseenLevelError, match="'z'"):
        model.predict(others)
    with pytest.raises((UnseenLevelError, DataError), match=r"'z'|never"):
        model.score(others)
    with pytest.raises(TypeError, match="was fitted with categories"):
        model.predict(source_of(GOOD))


def test_sparse_blocks_pass_through_the_buffer() -> None:
    dense = np.where(np.abs(A) > 1, A, 0.0)
    source = source_of(Block(sparse.csr_array(dense), Y))
    how = SMALL | {"shuffle": False, "standardize": False}
    streamed = bh.MLPRegressor(**how).fit(source)
    assert streamed.loss_curve_ == bh.MLPRegressor(**how).fit(sparse.csr_array(dense), Y[:, 0]).loss_curve_
    bh.MLPRegressor(**SMALL).fit(source).predict(source)


# --- memory ---------------------------------------------------------------------------------------------------------

CHILD = """
import resource, sys
import betahat as bh
path, early = sys.argv[1], sys.argv[2] == "True"
bh.MLPClassifier((8,), max_iter=1, random_state=0).fit([[0.0], [1.0]] * 10, [0, 1] * 10)
bh.data.query("SELECT i AS x, 1.0 AS y FROM range(10) AS t(i)", target="y")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = bh.data.query(path, target="y", labels=True, memory_limit="150MB", block_rows=4096)
model = bh.MLPClassifier(
    (8,), max_iter=2, random_state=0, shuffle_buffer=10_000, early_stopping=early, batch_size=500
).fit(source)
model.score(source)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, source.n_rows)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resource counts kilobytes on Linux")
@pytest.mark.parametrize("early", [False, True])
def test_memory_does_not_grow_with_the_rows(early: bool, tmp_path: Path) -> None:
    """1,200,000 rows of 40 columns are 384 MB; the buffer holds 3 MB of them, and DuckDB may take 150 MB."""
    import duckdb

    columns = ", ".join(f"((hash(i * 100 + {j}) % 1000) / 7)::DOUBLE AS x{j}" for j in range(40))
    path = tmp_path / "rows.parquet"
    duckdb.sql(
        f"COPY (SELECT {columns}, (hash(i) % 3)::INTEGER AS y FROM range(1_200_000) AS t(i)) TO '{path}' "
        "(ROW_GROUP_SIZE 20_480)"
    )
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(early)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    grown, rows = map(int, done.stdout.split())
    assert rows == 1_200_000
    assert grown < 200, f"{grown} MB"


# --- a folder of checkpoints has one training -----------------------------------------------------------------------

HOLDER = """
import sys
import numpy as np
import betahat as bh
X = np.random.default_rng(0).normal(size=(200, 2))
bh.MLPRegressor(
    max_iter=10**6, n_iter_no_change=np.inf, random_state=0, checkpoint=sys.argv[1], checkpoint_every=10**6,
    callbacks=lambda epoch: print(epoch.number, flush=True) if epoch.number == 1 else None,
).fit(X, X[:, 0])
"""


def test_a_second_training_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    how: dict[str, Any] = {"max_iter": 3, "random_state": 0, "checkpoint": tmp_path}
    told: list[str] = []

    def second(epoch: Any) -> None:
        with pytest.raises(StorageError, match="is being written to by another training") as refused:
            bh.MLPRegressor(**how).fit(A, Y[:, 0])
        told.append(str(refused.value))

    bh.MLPRegressor(callbacks=second, **how).fit(A, Y[:, 0])
    assert len(told) == 3
    assert str(tmp_path) in told[0]
    with pytest.raises(ValueError, match="max_iter"):
        bh.MLPRegressor(**how | {"max_iter": 1}).fit(A, Y[:, 0])
    bh.MLPRegressor(**how).fit(A, Y[:, 0])  # a fit that failed has let go of it


def test_a_process_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    model = bh.MLPRegressor(max_iter=2, checkpoint=tmp_path, random_state=0)
    with pytest.raises(StorageError, match="by another training, in this process or another"):
        model.fit(A, Y[:, 0])
    process.kill()
    process.communicate()
    model.fit(A, Y[:, 0])
    assert model.n_iter_ == 2


def test_pandas_tables_are_not_sources() -> None:
    with pytest.raises(ValueError, match="target y is None"):
        bh.MLPRegressor(**SMALL).fit(pd.DataFrame(A))
