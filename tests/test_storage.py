"""Files are there in full or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clfkit.errors import RunError
from clfkit.storage import without_nan, write_atomically, write_json


def test_content_replaces_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_atomically(file, b"one")
    write_atomically(file, b"two")
    assert file.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_failure_keeps_the_old_content_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    file = tmp_path / "a.txt"
    write_atomically(file, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if broken == "fsync" else Path, broken, fail)
        with pytest.raises(RunError, match=r"cannot write .*a\.txt: the disk is full \(.* are free"):
            write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_missing_folder_is_an_expected_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        write_atomically(tmp_path / "no" / "a.txt", b"x")


def test_json_has_null_for_what_it_cannot_say(tmp_path: Path) -> None:
    value = {"nan": float("nan"), "list": [1.5, float("inf"), (float("-inf"), "ä")], "n": 3, "t": True, "none": None}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"nan": None, "list": [1.5, None, [None, "ä"]], "n": 3, "t": True, "none": None}
    assert "ä" in text
    assert value["n"] == without_nan(value)["n"]


def test_path_below_a_file_is_an_expected_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot write"):
        write_atomically(tmp_path / "file" / "a.txt", b"x")
