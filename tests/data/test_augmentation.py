"""Random changes of images against scipy's interpolation and plain slices; what is drawn, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage, stats

import betahat as bh
from betahat.data import Augmentation
from betahat.data.augmentation import augmentation_of
from betahat.kernels import augment as kernel
from betahat.kernels.random import bits, derive

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(9, 7, 2))
MANY = 4000


def draws(image: np.ndarray = IMAGE, count: int = 20, **asked: Any) -> np.ndarray:
    return Augmentation(**asked).sample(image, count, seed=3)


@pytest.mark.parametrize("asked", [
    {"rotate": 180}, {"scale": 0.9}, {"crop": 0.9},
    {"shift": 3, "rotate": 20, "scale": 0.3, "crop": 0.2, "flip": "both"},
], ids=str)  # fmt: skip
def test_moves_are_scipys(asked: dict[str, Any]) -> None:
    """`affine_transform` with the same map, a channel at a time."""
    augmentation = Augmentation(**asked, fill=1.5)
    found = augmentation.sample(IMAGE, 20, seed=3)
    for drawn, n in zip(found, augmentation.table(3, 0, 20, 20, IMAGE.shape), strict=True):
        matrix, offset = [[n[0], n[1]], [n[3], n[4]]], [n[2], n[5]]
        for channel in range(2):
            expected = ndimage.affine_transform(
                IMAGE[..., channel], matrix, offset, order=1, mode="grid-constant", cval=1.5
            )
            np.testing.assert_allclose(drawn[..., channel], expected, atol=1e-12)


def shifted(image: np.ndarray, down: int, across: int, fill: float) -> np.ndarray:
    h, w = image.shape[:2]
    framed = np.pad(image, ((h, h), (w, w), (0, 0)), constant_values=fill)
    return framed[h - down : 2 * h - down, w - across : 2 * w - across]


def test_shifts_are_windows_of_a_padded_image() -> None:
    """Exactly, each of them as often as the others."""
    wanted = {(a, b): shifted(IMAGE, a, b, 4.0).tobytes() for a in (-1, 0, 1) for b in range(-2, 3)}
    found = [each.tobytes() for each in draws(count=MANY, shift=(1, 2), fill=4.0)]
    counts = [found.count(each) for each in wanted.values()]
    assert sum(counts) == MANY
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize(("flip", "turned"), [
    (True, [np.s_[:, :], np.s_[:, ::-1]]), ("horizontal", [np.s_[:, :], np.s_[:, ::-1]]),
    ("vertical", [np.s_[:, :], np.s_[::-1]]), ("both", [np.s_[:, :], np.s_[:, ::-1], np.s_[::-1], np.s_[::-1, ::-1]]),
], ids=str)  # fmt: skip
def test_flips_are_exact_and_even(flip: Any, turned: list[Any]) -> None:
    found = [each.tobytes() for each in draws(count=MANY, flip=flip)]
    counts = [found.count(IMAGE[part].tobytes()) for part in turned]
    assert sum(counts) == MANY
    assert stats.chisquare(counts).pvalue > 0.001


def test_whole_pixels_are_the_same_to_the_bit_between_others() -> None:
    """A map of whole pixels through the interpolation."""
    table = Augmentation(shift=2, flip="both").table(1, 0, 50, 50, IMAGE.shape)
    images = np.broadcast_to(IMAGE, (50, *IMAGE.shape))
    for image, n in zip(kernel.augmented(images, table, 0.0), table, strict=True):
        mirrored = IMAGE[:: int(n[kernel.Y_DOWN]), :: int(n[kernel.X_ACROSS])]
        down, across = (
            int(-step * start if step > 0 else start - size + 1)
            for step, start, size in (
                (n[kernel.Y_DOWN], n[kernel.Y_START], 9),
                (n[kernel.X_ACROSS], n[kernel.X_START], 7),
            )
        )
        np.testing.assert_array_equal(image, shifted(mirrored, down, across, 0.0))


def test_angles_and_factors_are_uniform() -> None:
    table = Augmentation(rotate=30, scale=0.2, brightness=0.4).table(7, 0, MANY, MANY, (9, 9, 1))
    angle = np.rad2deg(np.arctan2(table[:, kernel.Y_ACROSS], table[:, kernel.Y_DOWN]))
    factor = 1 / np.hypot(table[:, kernel.Y_ACROSS], table[:, kernel.Y_DOWN])
    for values, low, high in ((angle, -30, 30), (factor, 0.8, 1.2), (table[:, kernel.FACTOR], 0.6, 1.4)):
        assert low <= values.min()
        assert values.max() <= high
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.001


def test_windows_lie_within_the_image() -> None:
    """No fill is seen, and the window's sides are a share of the image's."""
    found = draws(np.ones((12, 5)), 500, crop=0.7, fill=-100.0)
    np.testing.assert_allclose(found, 1.0, atol=1e-12)
    ramp = np.repeat(np.arange(12.0)[:, None], 5, axis=1)
    sides = np.ptp(draws(ramp, MANY, crop=0.7)[:, :, 0, 0], axis=1) / 11
    assert stats.kstest(sides, stats.uniform(0.3, 0.7).cdf).pvalue > 0.001


def test_brightness_multiplies_and_nothing_else() -> None:
    found = draws(count=50, brightness=0.5)
    factor = found[:, :1, :1, :1] / IMAGE[0, 0, 0]
    np.testing.assert_allclose(found, factor * IMAGE, rtol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 5])
def test_a_square_is_cut_out(side: int) -> None:
    """About every pixel, as much of it as lies in the image."""
    wanted = []
    for i, j in np.ndindex(9, 7):
        image, top, left = IMAGE.copy(), i - side // 2, j - side // 2
        image[max(top, 0) : top + side, max(left, 0) : left + side] = 9.0
        wanted.append(image.tobytes())
    found = [each.tobytes() for each in draws(count=MANY, cutout=side, fill=9.0)]
    assert set(found) == set(wanted)


def test_shares_of_mixtures_are_of_a_beta_distribution() -> None:
    mixes = Augmentation(mixup=0.3).mixes(1, 0, 6, 6 * MANY)
    assert mixes is not None
    assert stats.kstest(mixes[:, 0], stats.beta(0.3, 0.3).cdf).pvalue > 0.001
    rolls = np.bincount(mixes[:, 1].astype(int), minlength=6)
    assert rolls[0] == 0
    assert stats.chisquare(rolls[1:]).pvalue > 0.001


@pytest.mark.parametrize(("last", "rolls"), [(1, {0}), (2, {1}), (3, {1, 2})])
def test_a_last_batch_finds_partners_among_its_own_rows(last: int, rolls: set[int]) -> None:
    """Of one row, itself."""
    drawn = [Augmentation(mixup=1.0).mixes(seed, 0, 6, 6 + last) for seed in range(30)]
    assert {int(mixes[-1, 1]) for mixes in drawn if mixes is not None} == rolls


def test_draws_depend_on_seed_step_and_row_alone() -> None:
    augmentation = Augmentation(shift=2, rotate=10, cutout=3, mixup=0.5)
    whole = augmentation.table(5, 0, 8, 30, (9, 7, 2)), augmentation.mixes(5, 0, 8, 30)
    later = augmentation.table(5, 2, 8, 14, (9, 7, 2)), augmentation.mixes(5, 2, 8, 14)
    for all_steps, last_steps, first in zip(whole, later, (16, 2), strict=True):
        assert all_steps is not None
        np.testing.assert_array_equal(all_steps[first:], last_steps)
    assert not np.array_equal(whole[0], augmentation.table(6, 0, 8, 30, (9, 7, 2)))
    alone = Augmentation(rotate=10).table(5, 0, 8, 30, (9, 7, 2))
    together = augmentation.table(5, 0, 8, 30, (9, 7, 2))
    np.testing.assert_array_equal(alone[:, 0], together[:, 0])  # another change takes no numbers away


def test_keys_of_streams_are_those_of_one_key_each() -> None:
    keys = np.array([derive(9, k) for k in range(3)], np.uint64)
    counters = np.arange(4, dtype=np.uint64)
    expected = [bits(int(key), counters) for key in keys]
    np.testing.assert_array_equal(bits(keys[:, None], counters), expected)


@pytest.mark.parametrize(("asked", "error", "words"), [
    ({"shift": -1}, ValueError, r"shift \(=-1\)"), ({"shift": 1.5}, TypeError, r"shift \(=1.5\)"),
    ({"shift": (1, 2, 3)}, ValueError, "down, across"), ({"shift": True}, TypeError, "whole number of pixels"),
    ({"flip": "diagonal"}, ValueError, "'diagonal'.*horizontal"), ({"flip": 1}, TypeError, r"flip \(=1\)"),
    ({"rotate": 181}, ValueError, "from 0 to 180"), ({"rotate": "10"}, TypeError, "rotate"),
    ({"scale": 1.0}, ValueError, "to below 1"), ({"crop": -0.1}, ValueError, "crop"),
    ({"brightness": np.nan}, ValueError, "brightness"), ({"cutout": 2.0}, TypeError, "cutout"),
    ({"mixup": -1}, ValueError, "Beta"), ({"mixup": np.inf}, ValueError, "mixup"),
    ({"fill": np.nan}, ValueError, "fill"), ({"fill": None}, ValueError, "fill"),
], ids=str)  # fmt: skip
def test_wrong_numbers_are_refused_by_name(asked: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Augmentation(**asked)
    with pytest.raises(error, match=words):
        augmentation_of(asked)


def test_images_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shift \(=7\).*width \(=7\)"):
        draws(shift=7)
    with pytest.raises(ValueError, match=r"cutout \(=18\).*\(=9\)"):
        draws(cutout=18)
    with pytest.raises(bh.DataError, match=r"image has shape \(3,\)"):
        draws(np.zeros(3))
    with pytest.raises(ValueError, match=r"count \(=0\)"):
        draws(count=0)


def test_what_users_may_ask_for() -> None:
    assert augmentation_of(None) is None
    assert augmentation_of({}) is augmentation_of(Augmentation(fill=3.0)) is None
    assert augmentation_of({"shift": 2, "flip": True}) == Augmentation(shift=2, flip=True)
    assert repr(Augmentation(shift=[1, 2], mixup=0.2)) == "Augmentation(shift=(1, 2), mixup=0.2)"
    with pytest.raises(ValueError, match=r"'move'.*shift, flip"):
        augmentation_of({"move": 2})
    with pytest.raises(TypeError, match=r"augment .*None"):
        augmentation_of("shift")
