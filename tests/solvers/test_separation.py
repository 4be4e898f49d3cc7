"""Separation: every small table against enumeration, known tables, rows by the hundred thousand, and laws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from separation_oracle import truth

from betahat.data import query
from betahat.data.source import ArraySource
from betahat.solvers.separation import find_separation

LETTERS = tuple("abcdefghij")


def found(X, y, family="binary", intercept=True, classes=2, **options):
    labels = LETTERS[:classes] if family == "multinomial" else None
    source = ArraySource(X if hasattr(X, "dtype") else np.array(X, float), np.asarray(y, float))
    return find_separation(source, family, intercept, class_labels=labels, **options)


# --- all small tables ---------------------------------------------------------------------------------------


def small_table(rng: np.random.Generator, family: str, intercept: bool, columns: str):
    classes = 3 if family == "multinomial" and rng.random() < 0.5 else 2
    n = int(rng.integers(1, 9 if classes == 3 else 13))
    p = int(rng.integers(0 if intercept else 1, 3 if classes == 3 else 4))
    X = rng.integers(0, 2, (n, p)) if rng.random() < 0.4 else rng.integers(-2, 3, (n, p))
    if p and columns == "constant":
        X[:, 0] = rng.integers(0, 3)
    if p > 1 and columns == "collinear":
        X[:, -1] = rng.integers(-1, 3) * X[:, 0] + rng.integers(-1, 2)
    y = rng.integers(0, classes, n).astype(float)
    if family == "counts":
        y = rng.poisson(0.7, n).astype(float)
    elif p and rng.random() < 0.3:
        y = (X[:, 0] + rng.integers(-1, 2, n) * rng.integers(2) > 0).astype(float)
    if family == "proportions":
        y[rng.random(n) < 0.2] = 0.25
    return X, y, classes


@pytest.mark.parametrize("columns", ["any", "constant", "collinear"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("family", ["binary", "proportions", "counts", "multinomial"])
def test_small_tables_against_enumeration(family, intercept, columns):
    rng = np.random.default_rng([len(family), intercept, len(columns)])
    kinds = set()
    for _ in range(150):
        X, y, classes = small_table(rng, family, intercept, columns)
        name = "binary" if family == "proportions" else family
        want, have = truth(X, y, name, classes, intercept), found(X, y, name, intercept, classes)
        case = (X.tolist(), y.tolist(), want, have)
        assert have.certain, case
        assert (have.kind, have.rows) == (want.kind, want.rows), case
        assert np.array_equal(have.infinite, want.infinite), case
        kinds.add(have.kind)
    assert kinds == {"none", "quasi-complete", "complete"}


@pytest.mark.parametrize("y", [range(2**i, 2 ** (i + 1)) for i in range(8)], ids=str)
def test_every_labelling_of_a_table(y):
    X = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 1], [1, 2], [2, 2], [0, 2]])
    for bits in y:
        labels = np.array([bits >> i & 1 for i in range(8)], float)
        want, have = truth(X, labels, "binary", 2, True), found(X, labels)
        assert (have.kind, have.rows) == (want.kind, want.rows)
        assert np.array_equal(have.infinite, want.infinite)


@pytest.mark.parametrize("family", ["binary", "counts", "multinomial"])
def test_direction_and_span_are_what_they_say(family):
    """Along the direction every row gains or stays; the span holds it; rows not separated are 0 on all of the span."""
    rng = np.random.default_rng(3)
    seen = 0
    while seen < 25:
        X, y, classes = small_table(rng, family, True, "any")
        have = found(X, y, family, True, classes)
        if have.kind == "none":
            assert have.direction is None
            assert have.columns == ()
            continue
        seen += 1
        Z = np.column_stack([np.ones(len(X)), X])
        score = Z @ have.direction.T
        if family == "multinomial":
            own = score[np.arange(len(y)), y.astype(int)]
            gain = own[:, None] - score
            strict = (gain > 1e-12).any(1)
            assert gain.min() > -1e-12
            assert np.abs(have.direction.sum(0)).max() < 1e-12
        elif family == "binary":
            gain = np.where(y == 1, score, -score)
            strict = gain > 1e-12
            assert gain.min() > -1e-12
        else:
            strict = -score > 1e-12
            assert (-score).min() > -1e-12
            assert np.abs(score[y > 0]).max(initial=0) < 1e-12
        assert strict.sum() == have.rows
        flat = have.span.reshape(len(have.span), -1)
        assert np.linalg.matrix_rank(np.vstack([flat, have.direction.ravel()])) == np.linalg.matrix_rank(flat)


# --- larger tables with a known answer ----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e8, 1e-8])
@pytest.mark.parametrize("seed", range(4))
def test_planted_directions_in_mixed_columns(seed, scale):
    """Rows that overlap in five columns, and rows that two more columns separate, mixed by whole numbers."""
    rng = np.random.default_rng(seed)
    overlap = rng.integers(-3, 4, (60, 5))
    apart = np.column_stack([rng.integers(-3, 4, (20, 5)), rng.integers(0, 3, (20, 2))])
    X = np.concatenate([np.column_stack([overlap, np.zeros((60, 2), int)])] * 2 + [apart])
    y = np.repeat([0.0, 1.0, 1.0], [60, 60, 20])
    mixed = np.eye(7, dtype=int)
    mixed[5, 1], mixed[6, 2], mixed[0, 3] = rng.integers(
        1, 4, 3
    )  # X mixed⁻¹: columns are combinations of the old ones
    inverse = np.round(np.linalg.inv(mixed)).astype(int)
    have = found((X @ inverse).astype(float) * scale, y)
    span = np.column_stack([np.zeros(2), mixed[:, 5:].T])  # δ' = mixed δ
    assert have.kind == "quasi-complete"
    assert have.certain
    assert have.rows == int((apart[:, 5:] != 0).any(1).sum())
    assert have.columns == tuple(np.flatnonzero((span != 0).any(0)))


def big_table(n=100_000):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20)).astype(np.float32).astype(float)
    X[:, 7] = rng.random(n) < 1e-3
    y = (rng.random(n) < 1 / (1 + np.exp(-0.5 * X[:, 0]))).astype(float)
    y[X[:, 7] == 1] = 1
    return X, y


FORMS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "Fortran order": np.asfortranarray,
    "sparse": sp.csr_array,
    "sparse columns": sp.csc_array,
    "scaled": lambda X: X * 10.0 ** np.linspace(-8, 8, 20),
}


@pytest.mark.parametrize("form", FORMS)
def test_rare_level_among_many_rows(form):
    X, y = big_table()
    have = found(FORMS[form](X), y)
    assert have.certain
    assert (have.kind, have.columns, have.classes) == ("quasi-complete", (8,), (1,))
    assert (have.rows, have.of) == (int(X[:, 7].sum()), len(y))
    if form != "scaled":
        assert have.message == "every row with x8 = 1 has y = 1"
    y[np.flatnonzero(X[:, 7])[5]] = 0
    assert found(FORMS[form](X), y).kind == "none"


def test_rows_of_weight_zero_do_not_count():
    X, y = big_table(20_000)
    one = np.flatnonzero(X[:, 7])[0]
    y[one] = 0
    weight = np.ones(len(y))
    assert find_separation(ArraySource(X, y, weight), "binary", True).kind == "none"
    weight[one] = 0
    have = find_separation(ArraySource(X, y, weight), "binary", True)
    assert (have.columns, have.of) == ((8,), len(y) - 1)


def test_files_are_read_in_blocks(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    X, y = big_table(30_000)
    table = {f"x{j + 1}": X[:, j] for j in range(20)} | {"y": y}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    source = query(str(tmp_path / "rows.parquet"), target="y", block_rows=4000)
    have = find_separation(source, "binary", True)
    assert (have.kind, have.columns, have.of) == ("quasi-complete", (8,), 30_000)
    assert have.message == "every row with x8 = 1 has y = 1"
    assert source.readings <= 6


def test_a_hint_and_a_sample_prove_overlap_without_reading_all():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200_000, 30))
    y = (rng.random(200_000) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    source = ArraySource(X, y)
    have = find_separation(source, "binary", True, hint=np.eye(31)[1])
    assert (have.kind, have.certain, source.readings) == ("none", True, 0)


@pytest.mark.parametrize("hinted", [False, True])
def test_one_row_among_many_decides(hinted):
    """A plane separates 200,000 rows but for one beyond it, which a sample does not show."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200_000, 6))
    b = np.array([0.5, 1.0, -1.0, 0.5, 2.0, 0.25, -0.5])
    eta = b[0] + X @ b[1:]
    y = (eta > 0).astype(float)
    hint = b if hinted else None
    have = found(X, y, hint=hint)
    assert (have.kind, have.rows, have.certain) == ("complete", 200_000, True)
    y[np.argmax(eta)] = 0
    have = found(X, y, hint=hint)
    assert (have.kind, have.certain) == ("none", True)


def test_fixed_effects_of_counts():
    """Groups whose counts are all 0, in sparse columns."""
    rng = np.random.default_rng(4)
    n, groups = 20_000, 40
    g = rng.integers(0, groups, n)
    y = rng.poisson(0.5, n).astype(float)
    y[np.isin(g, [3, 17])] = 0
    dummies = sp.csr_array((np.ones(n), (np.arange(n), g)), shape=(n, groups))
    X = sp.hstack([sp.csr_array(rng.normal(size=(n, 2))), dummies], format="csr")
    have = found(X[:, [0, 1, *range(3, 42)]], y, "counts")
    assert have.columns == (5, 19)
    assert have.message == "every row with x5 = 1 has y = 0; every row with x19 = 1 has y = 0"
    # all dummies beside an intercept: the last is dropped, or the smallest norm shares what is infinite among all
    assert found(X, y, "counts", collinear="drop").columns == (6, 20)
    assert found(X, y, "counts").columns == (0, *range(3, 43))


# --- near the limit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-3, 1e-6, 1e-9, 1e-12, 4.5e-16])
@pytest.mark.parametrize("columns", [1, 4])
def test_a_gap_and_an_overlap_of_any_size(eps, columns):
    rng = np.random.default_rng(5)
    A = rng.normal(size=(3 * columns, columns))
    B = A.copy()
    A[:, 0], B[:, 0] = 3.0, 3.0 + eps
    assert (B[:, 0] > A[:, 0]).all()
    X = np.concatenate([A, B, np.array([[1.0], [2.0], [4.0], [5.0]]) * np.eye(columns)[:1]])
    y = np.repeat([0.0, 1.0, 0.0, 1.0], [len(A), len(A), 2, 2])
    assert (found(X, y).kind, found(X, y).certain) == ("complete", True)
    y[: 2 * len(A)] = 1 - y[: 2 * len(A)]
    assert (found(X, y).kind, found(X, y).certain) == ("none", True)


def test_columns_that_are_combinations_to_rounding_separate_nothing():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(12, 2))
    y = np.array([0.0, 1] * 6)
    assert found(X, y).kind == "none"
    third = 0.1 * X[:, 0] + 0.7 * X[:, 1]
    assert np.abs(np.linalg.lstsq(X, third, rcond=None)[0] - [0.1, 0.7]).max() < 1e-12
    noise = third * (1 + 1e-16 * rng.integers(-1, 2, 12))
    assert found(np.column_stack([X, third, noise]), y).kind == "none"


@pytest.mark.parametrize("factor", [1.0, 0.1, 1e-3, 7.0])
@pytest.mark.parametrize("hint", [None, np.array([-30.0, -145.0, 244.0])], ids=["no hint", "hint"])
def test_decimals_on_a_line_separate_though_their_doubles_do_not(factor, hint):
    """Three of the rows lie on −0.12 − 0.6 a + b = 0 as decimals, and beside it by 1e-17 as doubles."""
    a = [1.3, 1.0, -0.7, -0.2, 1.1, -1.2, 1.1, 1.1]
    b = [0.9, -1.2, -1.1, 0.0, -1.5, -0.6, 0.9, -1.5]
    y = np.array([1.0, 0, 0, 0, 0, 1, 1, 0])
    X = np.array([a, b]).T
    X[:, 0] = [float(f"{v * factor:.4g}") for v in a]
    for matrix in (X, sp.csr_array(X)):
        found = find_separation(ArraySource(matrix, y), "binary", True, ("a", "b"), ("no", "yes"), hint)
        assert (found.kind, found.rows, found.of, found.certain) == ("quasi-complete", 5, 8, True)
        assert found.message == "a, b together separate y = 'yes' from y = 'no' in 5 of 8 rows"
        np.testing.assert_allclose(found.span, [[-1.2, -6.0 / factor, 10.0]], rtol=1e-12)
    for beside, kind in ((-1e-9, "complete"), (1e-9, "none")):  # truly beside it
        X[3, 1] = beside
        assert find_separation(ArraySource(X, y), "binary", True).kind == kind


def test_what_is_too_large_is_not_decided():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(700, 400)), rng.integers(0, 5, 700)
    have = found(X, y, "multinomial", classes=5)
    assert not have.certain
    assert have.kind == "none"
    assert "not decided" in have.message


# --- known tables -------------------------------------------------------------------------------------------

# Heinze & Schemper (2002): histology of 79 cases of endometrial cancer; as given in Agresti (2015)
NEOVASCULATION = "0000000000000000000001111100000000000000000000011110000000000000000000100011010"
HISTOLOGY = "0000000000000000011111111110000000000000000111111111100000000000000001111111111"
PULSATILITY = """
13 16 8 34 20 5 17 10 26 17 8 7 20 10 18 16 18 8 29 12 20 38 22 7 25 15 7 28 11 19 10 10 18 14 21 11
17 25 16 19 15 33 24 48 12 19 2 22 40 5 0 21 15 29 15 12 3 20 23 12 22 42 15 13 14 19 12 13 10 12 49
6 5 17 11 21 5 19 33"""
HEIGHT = """
1.64 2.26 3.14 2.68 1.28 2.31 1.80 1.68 1.56 2.31 2.01 1.89 3.15 1.23 1.27 1.76 2.00 2.64 0.88 1.27
1.37 0.97 1.14 0.88 0.91 0.58 0.97 1.50 1.33 2.37 1.82 3.13 1.31 1.92 1.64 2.01 1.88 1.93 2.11 1.29
1.72 0.75 1.92 1.84 1.11 1.61 1.18 1.44 1.18 0.93 1.17 1.19 1.06 2.02 2.29 2.33 2.90 1.70 1.41 2.25
1.54 1.97 1.75 2.16 2.57 1.37 3.61 2.04 2.17 1.69 0.27 1.84 1.30 0.96 1.01 0.98 0.35 1.02 0.85"""


def endometrial():
    X = np.column_stack(
        [np.array([*NEOVASCULATION], float), *(np.array(t.split(), float) for t in (PULSATILITY, HEIGHT))]
    )
    return X, np.array([*HISTOLOGY], float)


def test_endometrial():
    X, y = endometrial()
    have = found(X, y, names=("NV", "PI", "EH"))
    assert (have.kind, have.columns, have.rows, have.of) == ("quasi-complete", (1,), 13, 79)
    assert have.message == "every row with NV = 1 has y = 1"
    assert have.direction.tolist()[1] > 0
    assert found(X[:, 1:], y).kind == "none"


def test_breast_cancer_is_separated_by_thirty_columns_and_not_by_ten():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    have = found(X, y)
    assert (have.kind, have.rows, have.certain) == ("complete", 569, True)
    score = have.direction[0] + X @ have.direction[1:]
    assert score[y == 1].min() > score[y == 0].max()
    assert found(X[:, :10], y).kind == "none"


def test_iris():
    from sklearn.datasets import load_iris

    data = load_iris()
    names = ("sepal length", "sepal width", "petal length", "petal width")
    have = find_separation(
        ArraySource(data.data, data.target.astype(float)),
        "multinomial",
        True,
        names,
        tuple(data.target_names),
    )
    assert (have.kind, have.rows, have.classes) == ("quasi-complete", 150, (0, 1, 2))
    assert have.message.startswith("every row with petal length < 2 has y = 'setosa'")
    # what tells versicolor from virginica stays finite
    assert np.abs(have.span[:, 1] - have.span[:, 2]).max() < 1e-12
    assert found(data.data, data.target == 1).kind == "none"
    assert found(data.data, data.target == 0).kind == "complete"


# --- words --------------------------------------------------------------------------------------------------

AGE = np.array([[41.0], [48.0], [52.0], [53.0], [60.0], [71.0]])
WORDS = {
    "age > 52.5 has y = 'yes', and every row with age < 52.5 has y = 'no'": (AGE, [0, 0, 0, 1, 1, 1]),
    "age < 52.5 has y = 'yes', and every row with age > 52.5 has y = 'no'": (AGE, [1, 1, 1, 0, 0, 0]),
    "age > 53 has y = 'yes', and every row with age < 53 has y = 'no'": (
        np.append(AGE, [[53.0]], axis=0),
        [0, 0, 0, 1, 1, 1, 0],
    ),
    "every row with age > 50 has y = 'yes'": (np.array([[50.0], [50], [60], [70]]), [0, 1, 1, 1]),
    "every row has y = 'yes'": (AGE, [1] * 6),
    "every row with age = 1 has y = 'yes'": (np.array([[0.0], [0], [1], [1]]), [0, 1, 1, 1]),
    "every row with age = 0 has y = 'no'": (np.array([[0.0], [0], [1], [1]]), [0, 0, 1, 0]),
}


@pytest.mark.parametrize("words", WORDS)
def test_words(words):
    X, y = WORDS[words]
    have = find_separation(ArraySource(X, np.array(y, float)), "binary", True, ("age",), ("no", "yes"))
    assert words in have.message


def test_words_of_several_columns():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(300, 3))
    have = found(X, X[:, 0] + X[:, 2] > 0, names=("a", "b", "c"))
    assert have.message == "a, c together separate y = 1 from y = 0 in all rows"
    assert have.columns == (0, 1, 2, 3)


def test_words_of_classes():
    X = np.array([[0.0], [0], [1], [1], [0], [0]])
    have = found(X, [0, 1, 2, 2, 0, 1], "multinomial", classes=3)
    assert have.message.startswith("every row with x1 = 1 has y = 'c'")
    assert found(X, [0, 1, 1, 1, 0, 1], "multinomial", classes=3).message.startswith("no row has y = 'c'")
    assert found(X, [0, 1, 2, 1, 0, 2], "multinomial", classes=3).message.startswith(
        "no row with x1 = 1 has y = 'a'"
    )


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"family": "gaussian"}, "`family` .='gaussian'. must be"),
        ({"family": "multinomial"}, "`class_labels` must name"),
        ({"family": "binary", "hint": np.ones((3, 3))}, "`hint` of shape"),
    ],
)
def test_refusals(arguments, match):
    source = ArraySource(np.arange(6.0)[:, None], np.array([0.0, 1, 0, 1, 0, 1]))
    with pytest.raises(ValueError, match=match):
        find_separation(source, has_intercept=True, **arguments)


# --- laws ---------------------------------------------------------------------------------------------------

TABLES = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=n, max_size=n),
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
    )
)


@settings(max_examples=60, deadline=None)
@given(
    table=TABLES,
    powers=st.lists(st.integers(-30, 30), min_size=3, max_size=3),
    order=st.permutations(range(3)),
    seed=st.integers(0, 99),
)
def test_scale_order_and_names_of_classes_change_nothing(table, powers, order, seed):
    X, y = np.array(table[0], float), np.array(table[1], float)
    one = found(X, y)
    rows = np.random.default_rng(seed).permutation(len(y))
    flipped = found(X[rows], 1 - y[rows])
    scaled = found(X * 2.0 ** np.array(powers), y)
    permuted = found(X[:, order], y)
    for other in (flipped, scaled, permuted):
        assert (other.kind, other.rows, other.certain) == (one.kind, one.rows, one.certain)
    assert flipped.columns == one.columns
    assert {0 if j == 0 else order[j - 1] + 1 for j in permuted.columns} == set(one.columns)
