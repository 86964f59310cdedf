"""Perceptual hashes, and pairs of them that differ in few bits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clfkit.checking.near import DISTANCE, alike, close_pairs, hashes_of
from clfkit.checking.pictures import thumbnail


def every_pair(hashes: list[int]) -> set[tuple[int, int]]:
    """The same by comparing all with all."""
    return {(a, b) for b in range(len(hashes)) for a in range(b) if (hashes[a] ^ hashes[b]).bit_count() <= DISTANCE}


@pytest.mark.parametrize("seed", range(20))
def test_no_close_pair_is_missed(seed: int) -> None:
    draw = np.random.default_rng(seed)
    hashes = draw.integers(0, 2**64, 5, np.uint64).tolist()
    for _ in range(12):
        bits = draw.integers(0, 64, draw.integers(0, 6)).tolist()  # some of them twice
        hashes.append(hashes[draw.integers(5)] ^ sum({1 << bit for bit in bits}))
    pairs, complete = close_pairs(np.array(hashes, np.uint64))
    assert complete
    assert list(map(tuple, pairs.tolist())) == sorted(every_pair(hashes))


def test_a_crowd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfkit.checking.near.CROWD", 3)
    pairs, complete = close_pairs(np.zeros(6, np.uint64))
    assert not complete
    assert len(pairs) == 5 + 4 + 3


def scene(seed: int, side: int = 160) -> Image.Image:
    """A picture of soft blobs, unlike any other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def thumb(picture: Image.Image) -> np.ndarray:
    return thumbnail(np.moveaxis(np.asarray(picture.convert("RGB")), 2, 0))


def compressed(picture: Image.Image) -> Image.Image:
    picture.save(file := io.BytesIO(), "JPEG", quality=40)
    return Image.open(io.BytesIO(file.getvalue()))


CHANGES = {
    "compressed": compressed,
    "smaller": lambda picture: picture.resize((64, 64)),
    "darker": lambda picture: picture.point(lambda level: int(level * 0.8)),
    "grey": lambda picture: picture.convert("L"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_picture_is_like_itself_and_no_other(name: str) -> None:
    pictures = [scene(seed) for seed in range(20)]
    thumbs = np.stack([thumb(each) for each in [*pictures, CHANGES[name](pictures[7])]])
    found = alike(thumbs)
    assert found.rows.tolist() == [[7, 20]]
    assert found.complete


def test_pictures_that_show_nothing_are_like_none() -> None:
    thumbs = np.stack([thumb(Image.new("RGB", (40, 40), (level, level, level))) for level in (0, 0, 200, 255)])
    assert len(alike(thumbs).rows) == 0
    assert len(alike(np.zeros((0, 16, 18), np.uint8)).rows) == 0


def test_equal_hashes_of_unlike_pictures_are_no_pair() -> None:
    left, right = np.zeros((2, 16, 18), np.uint8)
    left[:, 9:] = 20
    right[:1, 9:] = 255
    right[1:, 9:] = 3
    assert hashes_of(np.stack((left, right)))[0] == hashes_of(np.stack((left, right)))[1]
    assert len(alike(np.stack((left, right))).rows) == 0
