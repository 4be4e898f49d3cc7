"""Which places meet through which taps: every pair once, and none that is not there."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.engines.cpu.meeting import (
    Meeting,
    Surroundings,
    backwards,
    by_places,
    by_taps,
    cost,
    forwards,
    surrounded,
)
from betahat.layers.windows import Windows

BOTH = list(product((False, True), repeat=2))


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    axes = []
    for _ in range(2):
        size, window, stride, dilation = (draw(st.integers(1, most)) for most in (7, 4, 3, 3))
        reach = (window - 1) * dilation + 1
        before, after = (draw(st.integers(0, 4)) for _ in range(2))
        axes.append((size, window, stride, dilation, before, max(after, reach - size - before)))
    return Windows(*zip(*axes, strict=True))


def forward(x: np.ndarray, w: np.ndarray, over: Windows) -> np.ndarray:
    """f written out."""
    f = np.zeros(over.output)
    for i, j in np.ndindex(*over.output):
        for k, m in np.ndindex(*over.window):
            at = [
                n * s + t * d - b
                for n, s, t, d, b in zip((i, j), over.stride, (k, m), over.dilation, over.before, strict=True)
            ]
            if all(0 <= a < size for a, size in zip(at, over.sizes, strict=True)):
                f[i, j] += x[tuple(at)] * w[k, m]
    return f


def numbers(over: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole ones, so that sums are exact."""
    rng = np.random.default_rng(0)
    x, w, u = (rng.integers(-9, 10, shape).astype(float) for shape in (over.sizes, over.window, over.output))
    return x, w, u


def within(array: np.ndarray, way: Surroundings) -> np.ndarray:
    return np.pad(array, list(zip(way.low, way.high, strict=True)))


def read(part: tuple[Meeting, Meeting], array: np.ndarray) -> np.ndarray:
    """What each place meets through each tap, (places, places, taps, taps); an IndexError, or a wrong sum, where there
    is nothing."""
    lines, columns = (axis.begins[:, None] + axis.steps for axis in part)
    assert min(lines.min(initial=0), columns.min(initial=0)) >= 0
    return array[lines[:, None, :, None], columns[None, :, None, :]]


@settings(deadline=None)
@given(windows(), st.sampled_from(BOTH))
def test_places_by_their_taps_make_the_forward_pass(over: Windows, framed: tuple[bool, bool]) -> None:
    x, w, _ = numbers(over)
    way = Surroundings([[axis] for axis in forwards(over)], framed)
    f, times = np.zeros(over.output), np.zeros(over.output)
    for pair in way.pairs:
        for part in by_places(pair):
            where, taps = np.ix_(*(a.places for a in part)), np.ix_(*(a.taps for a in part))
            f[where] += np.einsum("ijkm,km->ij", read(part, within(x, way)), w[taps])
            times[where] += 1
    assert (times == 1).all()
    np.testing.assert_array_equal(f, forward(x, w, over))


@settings(deadline=None)
@given(windows(), st.sampled_from(BOTH))
def test_taps_by_their_places_make_the_slope_of_filters(over: Windows, framed: tuple[bool, bool]) -> None:
    x, w, u = numbers(over)
    way = Surroundings([[axis] for axis in forwards(over)], framed)
    dw, times = np.zeros(over.window), np.zeros(over.window)
    for pair in way.pairs:
        for part in by_taps(pair):
            where, taps = np.ix_(*(a.places for a in part)), np.ix_(*(a.taps for a in part))
            dw[taps] += np.einsum("ijkm,ij->km", read(part, within(x, way)), u[where])
            times[taps] += 1
    assert (times == 1).all()
    each = [np.sum(u * forward(x, np.eye(w.size)[k].reshape(w.shape), over)) for k in range(w.size)]
    np.testing.assert_array_equal(dw.ravel(), each)


@settings(deadline=None)
@given(windows(), st.sampled_from(BOTH))
def test_phases_make_the_slope_of_the_input(over: Windows, framed: tuple[bool, bool]) -> None:
    x, w, u = numbers(over)
    way = Surroundings(backwards(over), framed)
    dx, times = np.zeros(over.sizes), np.zeros(over.sizes)
    for pair in way.pairs:
        for part in by_places(pair):
            where, taps = np.ix_(*(a.places for a in part)), np.ix_(*(a.taps for a in part))
            dx[where] += np.einsum("ijkm,km->ij", read(part, within(u, way)), w[taps])
            times[where] += 1
    assert (times == 1).all()
    each = [np.sum(u * forward(np.eye(x.size)[k].reshape(x.shape), w, over)) for k in range(x.size)]
    np.testing.assert_array_equal(dx.ravel(), each)


@settings(deadline=None)
@given(windows())
def test_without_a_frame_only_products_that_count_are_made(over: Windows) -> None:
    way = Surroundings([[axis] for axis in forwards(over)], (False, False))
    parts = [part for pair in way.pairs for part in by_places(pair)]
    made = sum(np.prod([len(a.places) * len(a.taps) for a in part]) for part in parts)
    assert made == forward(np.ones(over.sizes), np.ones(over.window), over).sum()


@pytest.mark.parametrize("shared", [False, True])
def test_the_cheapest_way_is_taken_but_for_an_image_that_is_shared(shared: bool) -> None:
    over = Windows((4, 4), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    phases = [[axis] for axis in forwards(over)]
    for best in BOTH:
        wanted = Surroundings(phases, best)
        way = surrounded(
            phases, shared, lambda pairs, low=wanted.low: abs(lows(pairs) - np.array(low)).sum(), 0.0
        )
        assert way.framed == ((True, True) if shared else best)


def lows(pairs: list[tuple[Meeting, Meeting]]) -> np.ndarray:
    """How far the first window begins behind where it would without a frame of 1."""
    return np.array([min(pair[axis].begins.min() for pair in pairs) + 1 for axis in range(2)])


def test_a_row_alone_costs_more_than_its_share_of_a_tile() -> None:
    assert cost(1, 4, 100) > cost(600, 4, 100) / 600
    assert cost(0, 4, 100) < cost(1, 4, 101)
