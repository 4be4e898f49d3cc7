"""What `score` answers: scikit-learn's measures, whichever way they are computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, r2_score

from betahat.estimators.scores import accuracy, r_squared

LABELS = {
    "integers": lambda codes: codes,
    "unsigned": lambda codes: codes.astype(np.uint8),
    "text": lambda codes: np.array(["ant", "bee", "cow"])[codes],
    "objects": lambda codes: np.array(["ant", "bee", "cow"], dtype=object)[codes],
    "booleans": lambda codes: codes > 0,
    "whole floats": lambda codes: codes.astype(float),
    "list": lambda codes: codes.tolist(),
    "indicators": lambda codes: np.eye(3, dtype=int)[codes],
}


def weights(kind: str, n: int) -> np.ndarray | None:
    return None if kind == "none" else np.random.default_rng(5).uniform(0.5, 2.0, n)


@pytest.mark.parametrize("weighted", ["none", "weights"])
@pytest.mark.parametrize("kind", LABELS)
def test_accuracy_is_scikit_learns(kind: str, weighted: str):
    rng = np.random.default_rng(0)
    y, answers = LABELS[kind](rng.integers(0, 3, 41)), np.asarray(LABELS[kind](rng.integers(0, 3, 41)))
    w = weights(weighted, 41)
    found = accuracy(y, answers, w)
    assert type(found) is float
    assert found == accuracy_score(y, answers, sample_weight=w)


@pytest.mark.parametrize(
    ("y", "answers"),
    [
        (np.array([0, 1, 1]), np.array([0, 1])),  # unlike numbers of rows
        (np.array([0.5, 1.2, 1.0]), np.array([0, 1, 1])),  # no labels
        (np.array(["0", "1", "1"]), np.array([0, 1, 1])),  # of another kind
    ],
)
def test_what_scikit_learn_refuses_is_refused(y: np.ndarray, answers: np.ndarray):
    with pytest.raises((ValueError, TypeError)) as theirs:
        accuracy_score(y, answers)
    with pytest.raises(theirs.type) as ours:
        accuracy(y, answers)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("weighted", ["none", "weights"])
@pytest.mark.parametrize("columns", [0, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_r_squared_is_scikit_learns(dtype: type, columns: int, weighted: str):
    rng = np.random.default_rng(1)
    shape = (37, columns) if columns else (37,)
    y = rng.integers(0, 9, shape).astype(dtype)
    answers = y + rng.standard_normal(shape)
    w = weights(weighted, 37)
    found = r_squared(y, answers, w)
    assert type(found) is float
    assert found == pytest.approx(r2_score(y, answers, sample_weight=w), rel=1e-12)


@pytest.mark.parametrize("y", [np.full(5, 2.0), np.full(5, 0.1)])
@pytest.mark.parametrize("right", [True, False])
def test_r_squared_of_a_constant(y: np.ndarray, right: bool):
    answers = y.copy() if right else y + np.arange(5)
    assert r_squared(y, answers) == r2_score(y, answers)


@pytest.mark.parametrize(
    ("y", "answers"),
    [
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])),
        (np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 3.0])),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, np.inf, 3.0])),
    ],
)
def test_numbers_that_scikit_learn_refuses(y: np.ndarray, answers: np.ndarray):
    with pytest.raises(ValueError, match=r".") as theirs:
        r2_score(y, answers)
    with pytest.raises(ValueError, match=r".") as ours:
        r_squared(y, answers)
    assert str(ours.value) == str(theirs.value)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 30), st.floats(1e-3, 1e3), st.integers(0, 10**6))
def test_r_squared_has_no_unit(n: int, unit: float, seed: int):
    rng = np.random.default_rng(seed)
    y, answers = rng.standard_normal(n), rng.standard_normal(n)
    assert r_squared(unit * y, unit * answers) == pytest.approx(r_squared(y, answers), rel=1e-9, abs=1e-9)
