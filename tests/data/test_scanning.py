"""Which files of a folder are images of it, in which order, and which folders were looked at."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfkit.data.scanning import FORMATS, ImageScan, entries, is_folder, is_image, suffixes_of
from clfkit.errors import DataError


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


parts = st.text("aB-.é \U0001f600", min_size=1, max_size=3).filter(lambda part: not part.startswith("."))


@given(stems=st.lists(st.lists(parts, min_size=1, max_size=3).map("/".join), max_size=8))
def test_names_are_sorted_as_paths_of_text(stems: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("scan")
    touch(*(root / f"{stem}.png" for stem in stems))
    scan = ImageScan()
    assert scan.add(root, "x") == len(set(stems))
    assert scan.names().tolist() == sorted(f"x/{stem}.png" for stem in set(stems))


def test_the_page_lists_the_suffixes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    (sentence,) = re.findall(r"Images are the files that end in\s(.*?);", page, re.DOTALL)
    assert set(re.findall(r"`(\.\w+)`", sentence)) == FORMATS.keys()


def test_every_folder_is_told_before_it_is_listed(tmp_path: Path) -> None:
    touch(tmp_path / "b" / "deep" / "1.png", tmp_path / "a" / "2.png", tmp_path / ".hidden" / "3.png")
    told: list[str] = []
    scan = ImageScan(told.append)
    scan.add(tmp_path, ".")
    assert told == [".", "a", "b", "b/deep"]
    assert scan.names().tolist() == ["a/2.png", "b/deep/1.png"]


def test_pictures_that_are_not_read_are_sorted_too(tmp_path: Path) -> None:
    names = ["b/1.heic", "a/q.AVIF", "a/m.svg", "a/deep/x.dng"]
    touch(*(tmp_path / name for name in [*names, "a/1.png", "a/notes.txt", "a/.hidden.heic"]))
    scan = ImageScan()
    assert scan.add(tmp_path, "") == 1
    assert scan.unread().tolist() == sorted(names)
    assert suffixes_of(scan.unread()) == "1 .dng, 1 .svg, 1 .avif, 1 .heic"


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    touch(Path(folder, "1.png"), Path(folder, "2.heic"))
    scan = ImageScan()
    assert scan.add(folder, folder) == 1
    assert [Path(name).name for names in (scan.names(), scan.unread()) for name in names] == ["1.png", "2.heic"]


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    touch(tmp_path / "__MACOSX" / "a.png")
    assert [(entry.name, is_folder(entry)) for entry in entries(tmp_path)] == [("gone.png", False), ("loop", False)]


def test_suffixes() -> None:
    assert is_image("a.b.JPEG")
    assert not is_image("png")
    assert not is_image("a.png.txt")


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: cannot be listed"):
        ImageScan().add(tmp_path / "nowhere", "x")
