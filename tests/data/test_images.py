"""Many image files at once, and what tells two states of a file apart."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.data.bundle import ImageFormat, PixelArray
from clfkit.data.images import TASK_IMAGES, ImageFiles, decode_all, decode_each, decode_into
from clfkit.data.lockstep import Steps
from clfkit.data.names import Names
from clfkit.errors import DataError

GREY = ImageFormat(height=4, width=4, channels=1)


def files(root: Path, *names: str) -> ImageFiles:
    return ImageFiles(root, Names.of(names), GREY)


def test_many_are_in_order(tmp_path: Path) -> None:
    names = [f"{level}.png" for level in range(0, 200, 10)]
    for level, name in zip(range(0, 200, 10), names, strict=True):
        Image.new("L", (4, 4), level).save(tmp_path / name)
    images = files(tmp_path, *names)
    assert decode_all(images)[:, 0, 0, 0].tolist() == list(range(0, 200, 10))
    assert images[np.array([3, 0, 3])][:, 0, 0, 0].tolist() == [30, 0, 30]
    assert decode_all(files(tmp_path)).shape == (0, 1, 4, 4)


@pytest.mark.parametrize("count", [1, 7, 64, 1001])
def test_threads_decode_every_row_once_and_tell_how_many(count: int) -> None:
    rows = np.random.default_rng(0).permutation(count)
    pixels, asked = np.full((count, 1), 255, np.uint8), []

    def decode(row: int) -> Steps[PixelArray]:
        asked.append(int(row))
        yield
        return np.array([row % 250], np.uint8)

    with ThreadPoolExecutor(2) as pool:
        assert sum(decode_into(pixels, rows, decode, pool)) == count
    assert sorted(asked) == list(range(count))
    assert np.array_equal(pixels[:, 0], np.arange(count) % 250)


def test_the_first_of_the_rows_that_fail_is_named() -> None:
    def decode(row: int) -> Steps[PixelArray]:
        if row in (38, 90):
            raise DataError(f"row {row}")
        yield  # 37 comes one step farther than 38, in the same task
        if row == 37:
            raise DataError("row 37")
        return np.zeros(1, np.uint8)

    with ThreadPoolExecutor(2) as pool, pytest.raises(DataError, match="row 37"):
        list(decode_into(np.empty((100, 1), np.uint8), range(100), decode, pool))


def test_marks_tell_files_of_equal_size_apart_by_their_time_of_change(tmp_path: Path) -> None:
    file = tmp_path / "ü.png"
    Image.new("L", (4, 4), 0).save(file)
    os.utime(file, ns=(1, 1_000))
    before = files(tmp_path, file.name).marks
    assert before.tolist() == [[file.stat().st_size, 1_000]]
    os.utime(file, ns=(1, 2_000))
    assert not np.array_equal(files(tmp_path, file.name).marks, before)
    assert files(tmp_path).marks.shape == (0, 2)


def test_a_missing_file_is_named_when_its_marks_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: no such file"):
        files(tmp_path, "gone.png").marks  # noqa: B018


def test_whoever_stops_waits_for_no_image_that_was_not_begun() -> None:
    begun, go = [], threading.Event()

    def decode(position: int) -> Steps[PixelArray]:
        begun.append(position)
        yield
        if position >= TASK_IMAGES:  # all but the first ones that a thread takes
            go.wait(10)
        return np.zeros((1, 4, 4), np.uint8)

    def stop(count: int) -> None:
        go.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_each(10_000, decode, GREY, stop)
    assert len(begun) < 5_000
