"""Newton's method for likelihoods: what a looser tolerance may cost."""

from __future__ import annotations

import numpy as np
import pytest

from betahat import LogisticRegression
from betahat.objective.smooth import EVERYTHING, SmoothObjective
from betahat.objective.softmax import SoftmaxObjective


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-10])
def test_a_tolerance_costs_no_more_readings(
    tol: float, classes: int, alpha: float, monkeypatch: pytest.MonkeyPatch
):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))
    y = np.argmax(X[:, :1] * np.arange(classes) + rng.gumbel(size=(400, classes)), axis=1)
    read: list[int] = []
    for kind in (SmoothObjective, SoftmaxObjective):
        own = kind.sums

        def sums(self: object, theta: np.ndarray, much: int, own: object = own):
            read.append(much)
            return own(self, theta, much)  # pyright: ignore[reportCallIssue]

        monkeypatch.setattr(kind, "sums", sums)
    found = []
    for given in ({}, {"tol": tol}):
        read.clear()
        model = LogisticRegression(alpha=alpha, **given).fit(X, y)
        assert model.stop_reason_ == "converged"
        found.append((len(read), sum(much == EVERYTHING for much in read), model))
    usual, asked = found
    assert asked[0] <= usual[0]
    assert asked[1] <= usual[1]
    np.testing.assert_allclose(asked[2].coef_, usual[2].coef_, atol=10 * tol)
