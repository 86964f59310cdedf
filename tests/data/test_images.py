"""Many image files at once, and what tells two states of a file apart."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.data.bundle import ImageFormat
from clfkit.data.images import ImageFiles, decode_all
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
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        files(tmp_path, "gone.png").marks  # noqa: B018
