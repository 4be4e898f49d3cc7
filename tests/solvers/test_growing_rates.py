"""Range tests: curves made by hand, whose steepest fall and divergence are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from betahat.report.range_test import RangeTest
from betahat.solvers.growing_rates import Growing, findings, has_risen

SCHEDULE = Growing(1e-6, 10.0, 200)
RATES = np.array([SCHEDULE.at(k) for k in range(200)])


def fall(centre: float, start: float = 3.0, end: float = 0.5, width: float = 0.3) -> np.ndarray:
    """A logistic fall in log η, steepest at `centre`."""
    return end + (start - end) / (1 + np.exp((np.log10(RATES) - math.log10(centre)) / width))


def up_to_the_rise(losses: np.ndarray) -> np.ndarray:
    for k in range(1, len(losses) + 1):
        if has_risen(losses[:k].tolist()):
            return losses[:k]
    return losses


def test_the_rates_are_equal_steps_of_the_logarithm() -> None:
    np.testing.assert_allclose(RATES, np.geomspace(1e-6, 10.0, 200), rtol=1e-12)
    assert RATES[0] == 1e-6
    assert RATES[-1] == 10.0
    assert SCHEDULE.at(500) == 10.0
    wide = Growing(1e-300, 1e300, 601)
    np.testing.assert_allclose([wide.at(k) for k in (1, 300, 599)], [1e-299, 1.0, 1e299], rtol=1e-12)


@pytest.mark.parametrize("centre", [1e-4, 1e-3, 0.02])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.15])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["positive", "negative"])
def test_the_suggestion_is_where_the_fall_is_steepest(centre: float, noise: float, sign: float) -> None:
    losses = fall(centre) + noise * np.random.default_rng(0).normal(size=200) + min(sign, 0) * 10
    found = findings(SCHEDULE, losses)
    assert found.suggestion is not None
    assert abs(math.log10(found.suggestion / centre)) < 0.04 + 1.5 * noise
    assert found.divergence is None
    np.testing.assert_allclose(found.smoothed, fall(centre) + min(sign, 0) * 10, atol=0.06 + 1.2 * noise)


@pytest.mark.parametrize("rise", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_divergence_is_where_a_tenth_of_the_fall_is_lost(rise: float, noise: float) -> None:
    beyond = np.maximum(RATES / rise - 1, 0)  # 0.25, a tenth of the fall, at 1.25 rise
    losses = up_to_the_rise(fall(1e-3) + beyond + noise * np.random.default_rng(1).normal(size=200))
    found = findings(SCHEDULE, losses)
    assert len(losses) < 200
    assert found.divergence == pytest.approx(1.25 * rise, rel=0.2)
    assert found.suggestion == pytest.approx(1e-3, rel=0.5)


@pytest.mark.parametrize("end", [math.nan, math.inf])
def test_a_loss_that_leaves_the_numbers_ends_the_test(end: float) -> None:
    losses = up_to_the_rise(np.where(np.arange(200) < 150, fall(1e-3), end))
    assert len(losses) == 151
    found = findings(SCHEDULE, losses)
    assert found.divergence == RATES[149]
    assert found.suggestion == pytest.approx(1e-3, rel=0.2)
    assert np.isfinite(found.smoothed).all()


@pytest.mark.parametrize(
    "losses",
    [
        np.full(200, 2.0),
        np.zeros(200),
        2.0 + 0.3 * np.random.default_rng(0).normal(size=200),
        np.random.default_rng(0).chisquare(1, size=200),
        np.linspace(1.0, 1.5, 200),
    ],
    ids=["constant", "zero", "noise", "heavy noise", "rising"],
)
def test_without_a_fall_nothing_is_suggested(losses: np.ndarray) -> None:
    assert findings(SCHEDULE, losses).suggestion is None


@pytest.mark.parametrize("losses", [[1.0, 1e60, 1e59, 1e58, 1e57], [1.0, 1e200, math.nan], [math.nan]])
def test_lost_at_once(losses: list[float]) -> None:
    found = findings(SCHEDULE, np.array(losses))
    assert found.suggestion is None
    assert found.divergence == RATES[0]
    assert has_risen(losses)


def test_one_odd_loss_ends_nothing() -> None:
    losses = fall(1e-3)
    losses[120] = 1e6
    assert len(up_to_the_rise(losses)) == 200


def test_a_result_cannot_be_changed_and_reads_well() -> None:
    losses = up_to_the_rise(fall(1e-3) + np.maximum(RATES / 0.3 - 1, 0))
    found = RangeTest(RATES[: len(losses)], losses, *findings(SCHEDULE, losses))
    for array in (found.learning_rate, found.loss, found.smoothed):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    with pytest.raises(AttributeError):
        found.suggestion = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    losses[0] = -1.0
    assert found.loss[0] != -1.0
    lines = str(found).splitlines()
    assert lines[1].split() == ["learning", "rate", "loss", "smoothed"]
    assert [line.split("←")[1].strip() for line in lines if "←" in line] == ["suggestion", "divergence"]
    assert len({len(line.rstrip()) for line in lines if line.startswith("─")}) == 1
    assert f"suggestion {found.suggestion:.3g}, divergence {found.divergence:.3g})" in repr(found)
    nothing = RangeTest(RATES, fall(1.0), fall(1.0), None, None)
    assert "suggestion none, divergence none" in repr(nothing)
    assert "←" not in str(nothing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0, 20), "smallest"),
        ((math.nan, 1.0, 20), "smallest"),
        ((1.0, math.inf, 20), "largest"),
        ((1.0, 0.5, 20), "must be below largest"),
        ((1.0, 2.0, 1), "steps"),
        ((1.0, 2.0, 20.5), "steps"),
    ],
)
def test_refusals(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Growing(*arguments)
