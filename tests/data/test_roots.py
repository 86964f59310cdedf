"""What is typed as data.root: the home folder in it, and a root that is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.components import datasets
from clfkit.data.loading import load_bundle
from clfkit.data.roots import expanded
from clfkit.errors import DataError


@pytest.mark.parametrize("root", ["~", "~/letters"])
def test_the_home_folder_may_be_written_as_in_a_shell(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in "ab":
        (Path(expanded(root)) / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / root[2:] / name / f"{number}.png")
    data = datasets.parse({"name": "image_folder", "root": root, "size": 4, "cache": "off"})
    assert load_bundle(data, 0).spec.classes.names == ("a", "b")


@pytest.mark.parametrize("root", ["data", "a/~/b", "~~/x", "/~", "~nobody-is-called-so/x"])
def test_other_roots_stay_as_they_are(root: str) -> None:
    assert expanded(root) == root


@pytest.mark.parametrize("data", [{"name": "image_folder"}, {"name": "webdataset"}, {"name": "table", "label": "y"}])
def test_a_relative_root_that_is_missing_is_told_with_its_whole_path(
    data: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        load_bundle(datasets.parse({**data, "root": "my/data.csv"}), 0)
    assert f"{tmp_path / 'my/data.csv'}; --set data.root=… gives another" in str(error.value)
    with pytest.raises(DataError) as error:
        load_bundle(datasets.parse({**data, "root": str(tmp_path / "data.csv")}), 0)
    assert str(error.value).count(str(tmp_path)) == 1
    assert "--set" not in str(error.value)
