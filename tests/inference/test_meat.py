"""Meats as folds: any split of the rows gives the sum that one block gives, and both are the definition's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.errors import InferenceError
from betahat.inference import ClusterMeat, HACMeat, HCMeat, check_maxlags, leverage, meat_for


def by_definition(kind, A, r, w, f, h, groups, maxlags):
    """Loops over rows, pairs and groups, straight from the formulas."""
    u = A * (w * r)[:, None]
    n, m = A.shape
    S = np.zeros((m, m))
    if kind.startswith("HC"):
        power = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}[kind]
        for i in range(n):
            S += f[i] * np.outer(u[i], u[i]) / (1 - h[i]) ** power
    elif kind == "HAC":
        for i in range(n):
            for j in range(n):
                if abs(i - j) <= maxlags:
                    S += (1 - abs(i - j) / (maxlags + 1)) * np.outer(u[i], u[j])
    else:
        labels = [list(groups[:, 0])]
        if groups.shape[1] == 2:
            labels += [list(groups[:, 1]), list(map(tuple, groups))]
        for sign, label in zip((1, 1, -1), labels, strict=False):
            found = set(label)
            for g in found:
                s = sum(f[i] * u[i] for i in range(n) if label[i] == g)
                S += sign * len(found) / (len(found) - 1) * np.outer(s, s)
    return S


@st.composite
def problems(draw):
    n = draw(st.integers(8, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=12)))
    return {
        "A": np.column_stack([np.ones(n), rng.normal(size=(n, draw(st.integers(1, 3))))]),
        "r": rng.normal(size=n),
        "w": rng.uniform(0.1, 2, n),
        "f": rng.integers(1, 4, n).astype(float),
        "groups": np.column_stack([np.arange(n) % 4, rng.permutation(n) % 3])
        + draw(st.integers(0, 2**31 - 10)),
        "cuts": cuts,
        "maxlags": draw(st.integers(0, 12)),
        "n_ways": draw(st.integers(1, 2)),
    }


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "cluster", "HAC"])
@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=25, deadline=None)
@given(d=problems())
def test_any_split_is_the_definition(kind, weighted, d):
    A, r, n = d["A"], d["r"], len(d["r"])
    w = d["w"] if weighted else np.ones(n)
    f = d["f"] if weighted and kind != "HAC" else np.ones(n)
    h = leverage(A, np.linalg.inv(A.T @ (A * (w * f)[:, None])), w)
    groups = d["groups"][:, : d["n_ways"]]
    expected = by_definition(kind, A, r, w, f, h, groups, d["maxlags"])
    meat = meat_for(kind, {"maxlags": d["maxlags"]}, n_ways=d["n_ways"])
    for part in np.split(np.arange(n), d["cuts"]):
        meat.update(
            A[part],
            r[part],
            w[part] if weighted else None,
            f[part] if weighted and kind != "HAC" else None,
            leverage=h[part] if meat.needs_leverage else None,
            groups=groups[part],
        )
    result = meat.result()
    assert result.shape == (1, *expected.shape)
    np.testing.assert_allclose(result[0], expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    if kind == "cluster":
        assert meat.options == {"n_groups": (4, 3)[: d["n_ways"]]}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_hac_carries_scores_across_blocks_smaller_than_its_lags(sample, size):
    d = sample(40, 2)
    whole, parts = HACMeat(7), HACMeat(7)
    whole.update(d["X"], d["y"])
    for i in range(0, 40, size):
        parts.update(d["X"][i : i + size], d["y"][i : i + size])
    np.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-12)
    assert parts.options == {"maxlags": 7}


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_a_row_of_leverage_one_is_refused(kind):
    A = np.column_stack([np.ones(6), [1.0, 0, 0, 0, 0, 0]])
    h = leverage(A, np.linalg.inv(A.T @ A))
    meat = HCMeat(kind)
    meat.update(A, np.arange(6.0), leverage=h)
    with pytest.raises(InferenceError, match=r"1 row\(s\) have leverage 1.*HC1"):
        meat.result()


def test_wrong_inputs_are_named():
    one = np.ones((3, 1)), np.arange(3.0)
    with pytest.raises(InferenceError, match="before any block"):
        HCMeat("HC0").result()
    with pytest.raises(ValueError, match=r"kind \(='HC9'\)"):
        HCMeat("HC9")
    with pytest.raises(ValueError, match="needs the leverages"):
        HCMeat("HC3").update(*one)
    with pytest.raises(ValueError, match="1 or 2 columns"):
        ClusterMeat(3)
    with pytest.raises(ValueError, match=r"groups \(=None\)"):
        ClusterMeat(1).update(*one)
    with pytest.raises(ValueError, match=r"shape \(3, 1\)\) must have shape \(3, 2\)"):
        ClusterMeat(2).update(*one, groups=np.zeros((3, 1), int))
    with pytest.raises(ValueError, match="missing label"):
        ClusterMeat(1).update(*one, groups=np.array([0, -1, 1]))
    with pytest.raises(ValueError, match="whole numbers"):
        ClusterMeat(1).update(*one, groups=np.array([0.0, 1.0, 1.0]))
    with pytest.raises(InferenceError, match="frequency_weight"):
        HACMeat(2).update(*one, None, np.ones(3))
    meat = ClusterMeat(1)
    meat.update(*one, groups=np.zeros(3, int))
    with pytest.raises(InferenceError, match="at least 2 groups, but groups has 1"):
        meat.result()


@pytest.mark.parametrize(("n", "lags"), [(0, 0), (1, 1), (100, 4), (101, 4), (1000, 6), (10**6, 30)])
def test_default_lags(n, lags):
    # 4 (n/100)^(2/9): n = 10⁶ gives 4·10^(8/9) = 30.98
    assert check_maxlags(None, n) == lags


@pytest.mark.parametrize(
    ("maxlags", "error"), [(-1, ValueError), (2.5, TypeError), (True, TypeError), ("3", TypeError)]
)
def test_wrong_lags(maxlags, error):
    with pytest.raises(error, match="maxlags"):
        check_maxlags(maxlags, 100)
