"""Many image files at once, and what tells two states of a file apart."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.data.bundle import ImageFormat
from clfkit.data.images import ImageFiles, decode_many, find_images
from clfkit.errors import DataError

GREY = ImageFormat(height=4, width=4, channels=1)


def test_many_are_in_order(tmp_path: Path) -> None:
    files = [tmp_path / f"{level}.png" for level in range(0, 200, 10)]
    for level, file in zip(range(0, 200, 10), files, strict=True):
        Image.new("L", (4, 4), level).save(file)
    assert decode_many(files, GREY)[:, 0, 0, 0].tolist() == list(range(0, 200, 10))
    assert decode_many([], GREY).shape == (0, 1, 4, 4)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be listed"):
        find_images(tmp_path / "nowhere")


def test_marks_tell_files_of_equal_size_apart_by_their_time_of_change(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("L", (4, 4), 0).save(file)
    os.utime(file, ns=(1, 1_000))
    before = ImageFiles((file,), GREY).marks
    assert before.tolist() == [[file.stat().st_size, 1_000]]
    os.utime(file, ns=(1, 2_000))
    assert not np.array_equal(ImageFiles((file,), GREY).marks, before)
    assert ImageFiles((), GREY).marks.shape == (0, 2)
