"""Frames as files: one palette, one size, each frame in its place."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from clfkit.plots.frames import Animation, Frame, indexed


def frames(count: int) -> Iterator[Frame]:
    """Noise of few grey levels with a coloured square that moves."""
    random = np.random.default_rng(0)
    for epoch in range(count):
        pixels = np.repeat(random.integers(250, 256, (40, 60, 1), np.uint8), 3, axis=2)
        pixels[:20, epoch : epoch + 5] = (200, 30, 90)
        yield Frame(epoch, f"epoch {epoch}", pixels)


def animation(count: int, seconds: float = 0.1) -> Animation:
    return Animation("a run", "squares", frames(count), count, seconds)


def test_gif_holds_every_frame_as_it_is_and_plays_for_ever() -> None:
    with Image.open(io.BytesIO(animation(5).gif())) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (5, (60, 40), 0)
        durations = []
        for index, frame in enumerate(frames(5)):
            gif.seek(index)
            durations.append(gif.info["duration"])
            assert np.array_equal(np.asarray(gif.convert("RGB")), frame.pixels)
    assert durations == [100, 100, 100, 100, 2000]


def test_pngs_share_a_palette() -> None:
    palettes = set()
    for (frame, content), original in zip(animation(3).pngs(), frames(3), strict=True):
        with Image.open(io.BytesIO(content)) as png:
            assert frame.epoch == original.epoch
            assert np.array_equal(np.asarray(png.convert("RGB")), original.pixels)
            palettes.add(tuple(png.getpalette() or ()))
    assert len(palettes) == 1


def test_one_frame_is_an_animation() -> None:
    with Image.open(io.BytesIO(animation(1, 3.0).gif())) as gif:
        assert getattr(gif, "n_frames", 1) == 1
    assert len(list(animation(1).pngs())) == 1


def test_frames_are_drawn_once_and_only_when_they_are_asked_for() -> None:
    drawn = []

    def counted() -> Iterator[Frame]:
        for frame in frames(4):
            drawn.append(frame.epoch)
            yield frame

    moving = Animation("", "", counted(), 4, 0.1)
    assert drawn == []
    assert moving.remaining() >= 0
    assert drawn == [0, 1]
    for _ in range(2):
        assert [frame.epoch for frame in moving.frames()] == [0, 1, 2, 3]
    assert moving.remaining() == 0
    assert drawn == [0, 1, 2, 3]


@pytest.mark.parametrize("scale", [1, 16, 256])
def test_many_colours_become_the_nearest_of_256_and_frequent_ones_stay(scale: int) -> None:
    random = np.random.default_rng(1)
    pictures = [(random.integers(0, scale, (64, 64, 3)) * 255 // max(1, scale - 1)).astype(np.uint8) for _ in range(2)]
    for picture in pictures:
        picture[:, :32] = (12, 34, 56)
    images = indexed(pictures)
    palette = np.array(images[0].getpalette()).reshape(-1, 3)
    assert len(np.unique(palette, axis=0)) <= 256
    for picture, image in zip(pictures, images, strict=True):
        shown = np.asarray(image.convert("RGB")).astype(int)
        assert (shown[:, :32] == (12, 34, 56)).all()
        error = np.square(shown - picture).sum(axis=2)
        best = np.square(picture[:, :, None].astype(int) - palette).sum(axis=3).min(axis=2)
        assert np.array_equal(error, best)


def test_a_rare_colour_is_kept_beside_many_greys() -> None:
    grey = np.repeat(np.random.default_rng(2).integers(0, 256, (300, 300, 1), np.uint8), 3, axis=2)
    grey[0, :9] = (255, 0, 0)
    red = np.asarray(indexed([grey])[0].convert("RGB"))[0, :9].astype(int)
    assert (red[:, 0] - red[:, 1:].max(axis=1) > 100).all()
