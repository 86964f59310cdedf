"""Turning, cropping and resizing against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.Image import Resampling

from clfkit.data.bundle import PixelArray
from clfkit.data.resizing import fitted, swaps_sides, turned


def noise(height: int, width: int, channels: int = 3) -> PixelArray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, channels), np.uint8)


def as_image(pixels: PixelArray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


@pytest.mark.parametrize("orientation", range(10))
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    pixels = noise(5, 7)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    seen = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(np.moveaxis(turned(np.moveaxis(pixels, 2, 0), orientation), 0, 2), seen)
    assert swaps_sides(orientation) == (seen.shape != pixels.shape)


def differences(ours: PixelArray, theirs: Image.Image) -> PixelArray:
    return np.abs(ours.astype(int) - np.moveaxis(np.asarray(theirs).reshape(*ours.shape[1:], -1), 2, 0))


def assert_close(ours: PixelArray, theirs: Image.Image) -> None:
    """To within a level; both round twice, and so a pixel of a hundred thousand may be two away."""
    found = differences(ours, theirs)
    assert found.max() <= 2
    assert np.count_nonzero(found > 1) <= 1 + found.size // 100_000


@pytest.mark.parametrize("channels", [1, 3])
@settings(deadline=None)  # the first resizing imports torch
@given(sides=st.tuples(*[st.integers(1, 90)] * 4))
def test_a_stretched_image_is_pillows_to_within_a_level(channels: int, sides: tuple[int, ...]) -> None:
    height, width, *source = sides
    pixels = noise(source[0], source[1], channels)
    ours = fitted(pixels, pixels.shape[:2], (height, width), crop=False)
    assert_close(ours, as_image(pixels).resize((width, height), Resampling.BILINEAR))


@settings(deadline=None)  # the first resizing imports torch
@given(missing=st.tuples(*[st.integers(0, 7)] * 2), size=st.tuples(*[st.integers(1, 49)] * 2))
def test_a_picture_may_end_within_the_last_pixels(missing: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = noise(60, 50)
    tall, wide = 60 - missing[0] / 8, 50 - missing[1] / 8
    ours = fitted(pixels, (tall, wide), size, crop=False)
    theirs = Image.fromarray(pixels).resize(size[::-1], Resampling.BILINEAR, box=(0, 0, wide, tall))
    assert_close(ours, theirs)


def test_a_very_large_image_is_pillows_too() -> None:
    pixels = noise(3000, 2000)
    ours = fitted(pixels, (3000, 2000), (9, 6), crop=True)
    assert_close(ours, Image.fromarray(pixels).resize((6, 9), Resampling.BILINEAR))


@settings(deadline=None)  # the first resizing imports torch
@given(
    source=st.tuples(*[st.integers(1, 60)] * 2),
    missing=st.tuples(*[st.sampled_from([0, 0.125, 0.5, 0.875])] * 2),
    size=st.tuples(*[st.integers(1, 30)] * 2),
)
def test_a_crop_is_the_middle(source: tuple[int, int], missing: tuple[float, float], size: tuple[int, int]) -> None:
    """A ramp from edge to edge comes out centred, as steep as it must be, whatever is cut off."""
    tall, wide = source[0] - missing[0], source[1] - missing[1]
    row, column = np.indices(source) + 0.5
    ramps = np.stack((row * (250 / source[0]), column * (250 / source[1])), 2).astype(np.uint8)
    part = fitted(ramps, (tall, wide), size, crop=True)
    assert part.shape == (2, *size)
    for axis, extent in enumerate((tall, wide)):
        middle = part[axis].mean() / 250 * source[axis]
        assert middle == pytest.approx(extent / 2, abs=0.75 + source[axis] / 250)


@pytest.mark.parametrize(("columns", "left", "right"), [(100, 20, 80), (99, 20, 79), (61, 0, 61)])
def test_a_crop_keeps_whole_pixels(columns: int, left: int, right: int) -> None:
    pixels = noise(60, columns)
    ours = fitted(pixels, (60, columns), (20, 20), crop=True)
    assert_close(ours, Image.fromarray(pixels[:, left:right]).resize((20, 20), Resampling.BILINEAR))


@pytest.mark.parametrize(("columns", "left"), [(4, 0), (8, 2), (10, 3)])
def test_pixels_of_the_right_size_are_kept(columns: int, left: int) -> None:
    pixels = noise(4, columns)
    ours = fitted(pixels, (4, columns), (4, 4), crop=True)
    assert np.array_equal(ours, np.moveaxis(pixels[:, left : left + 4], 2, 0))
