"""What a likelihood fit hands over: storage there and back, and refusal of what does not fit together."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from betahat.errors import StorageError
from betahat.inference import LikelihoodStatistics
from betahat.storage.document import join, split


def statistics(t: int = 2, m: int = 3, rank: int = 2) -> LikelihoodStatistics:
    rng = np.random.default_rng(0)
    square = rng.normal(size=(t * m, t * m))
    return LikelihoodStatistics(
        names=("Intercept", *(f"x{j}" for j in range(1, m))),
        target_names=("y",) if t == 1 else tuple("bcdef"[:t]),
        response="y",
        classes=tuple("abcdef"[: t + 1]),
        estimate=rng.normal(size=(t, m)),
        inverse=square @ square.T,
        estimable=rng.random((t, m)) < 0.5,
        infinite=rng.random((t, m)) < 0.5,
        null_space=rng.normal(size=(m, m - rank)),
        rank=rank,
        n_obs=40.0,
        weight=41.5,
        family="multinomial",
        link="logit",
        deviance=10.25,
        null_deviance=20.5,
        pearson=11.0,
        log_likelihood=-5.125,
        null_log_likelihood=float("nan"),
        dispersion=1.0,
        dispersion_known=True,
        has_intercept=True,
        condition_number=12.5,
        certificate_line="Certified.",
        method="Newton",
        penalised=False,
        fingerprint={"n": 40.0, "wy": 17.0},
        centre=np.arange(m - 1.0),
        cov_type="cluster",
        cov_options={"n_groups": (5,)},
        meat=square,
        remarks=("One.", "Two."),
    )


def same(a: LikelihoodStatistics, b: LikelihoodStatistics) -> None:
    for field in fields(LikelihoodStatistics):
        one, other = getattr(a, field.name), getattr(b, field.name)
        assert type(one) is type(other), field.name
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("t", [1, 2])
@pytest.mark.parametrize("rank", [2, 3])
def test_there_and_back(t, rank):
    s = statistics(t, 3, rank)
    same(s, LikelihoodStatistics.from_dict(s.to_dict()))
    encoded, arrays = split(s.to_dict())
    same(s, LikelihoodStatistics.from_dict(join(json.loads(json.dumps(encoded)), arrays)))
    lists = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in s.to_dict().items()}
    same(s, LikelihoodStatistics.from_dict(json.loads(json.dumps(lists))))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"inverse": np.eye(3)}, r"stored inverse has shape \(3, 3\)"),
        ({"observed_inverse": np.eye(5)}, "stored observed_inverse has shape"),
        ({"meat": np.zeros((2, 3, 3))}, "stored meat has shape"),
        ({"estimate": np.zeros(3)}, "stored estimate has shape"),
        ({"infinite": np.zeros((1, 3), bool)}, "stored infinite has shape"),
        ({"centre": np.zeros(3)}, "stored centre has shape"),
        ({"null_space": np.ones((2, 1))}, "stored null_space has shape"),
        ({"rank": 7}, "rank 7"),
        ({"rank": "many"}, "cannot be read"),
        ({"deviance": "low"}, "cannot be read"),
        ({"fingerprint": 3.0}, "cannot be read"),
        ({"information": "guessed"}, "'guessed', not one of expected, observed"),
        ({"extra": 1}, "missing or unknown"),
    ],
)
def test_damage_is_refused(change, match):
    with pytest.raises(StorageError, match=match):
        LikelihoodStatistics.from_dict({**statistics().to_dict(), **change})


def test_missing_field_is_named():
    values = statistics().to_dict()
    del values["pearson"]
    with pytest.raises(StorageError, match="pearson"):
        LikelihoodStatistics.from_dict(values)


def test_counts_and_names():
    s = statistics(2, 3, 3)
    assert (s.df_model, s.df_resid) == (4, 34)
    assert s.parameter_names == ("b:Intercept", "b:x1", "b:x2", "c:Intercept", "c:x1", "c:x2")
    assert statistics(1).parameter_names == ("Intercept", "x1", "x2")
    assert replace(s, has_intercept=False).df_model == 6


@pytest.mark.parametrize("t", [1, 2])
def test_uncentred_is_the_covariance_of_the_raw_design(t):
    """(Xᵀ W X)⁻¹ of the raw design from that of the centred one, block-wise weights and all."""
    rng = np.random.default_rng(1)
    centre = np.array([2.0, -3.0])
    X = rng.normal(size=(30, 2)) + centre
    roots = rng.normal(size=(30, t, t)) + 2 * np.eye(t)
    weights = np.einsum("nij,nkj->nik", roots, roots)

    def inverse(Z):
        return np.linalg.inv(np.einsum("nij,np,nq->ipjq", weights, Z, Z).reshape(3 * t, 3 * t))

    one = np.ones(30)
    s = replace(statistics(t), centre=centre)
    centred = inverse(np.column_stack([one, X - centre]))
    np.testing.assert_allclose(s.uncentred(centred), inverse(np.column_stack([one, X])), rtol=1e-10)
    assert replace(s, centre=None).uncentred(centred) is centred
