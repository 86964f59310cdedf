"""clfkit check-data through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from import_probe import run_probed

CONFIG = """
name: pets
data: {{name: image_folder, root: '{root}', size: 8, channels: 1, split: {{valid: 0.25, test: 0.25}}}}
model: logistic
train: {{epochs: 1, optimizer: {{name: adam, lr: 0.01}}}}
"""
HEAVY = ("torch", "torchvision", "matplotlib", "sklearn", "scipy", "pandas")


def paint(file: Path, seed: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 9), np.uint8)).save(file)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An experiment on eight pictures of each of two classes, no two of which are alike."""
    for seed in range(16):
        paint(tmp_path / "pets" / ("cat", "dog")[seed % 2] / f"{seed}.png", seed)
    (tmp_path / "pets.yaml").write_text(CONFIG.format(root=tmp_path / "pets"))
    return tmp_path / "pets.yaml"


def test_sound_data_end_well_and_without_heavy_libraries(config: Path) -> None:
    done = run_probed(HEAVY, "check-data", config, "--near", cwd=config.parent)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "pets: 16 images of 2 classes"
    assert lines[-2:] == ["no problems, no notes; go on with:", f"  clfkit train {config}"]
    assert done.stderr.splitlines()[-1] == "LOADED []"
    assert not (config.parent / "outputs").exists()


def spoil(config: Path) -> None:
    """A file that is no image, and a copy in the other class."""
    pets = config.parent / "pets"
    (pets / "dog" / "3.png").write_text("no image")
    (pets / "dog" / "copy.png").write_bytes((pets / "cat" / "0.png").read_bytes())


def test_problems_end_with_1_and_with_what_to_do(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(config)
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("check-data", config, "--set", "data.size=9")
    assert done.code == 1
    text = " ".join(done.out.split())
    assert "problem: 1 image that cannot be decoded dog/3.png: not an image in a format that is read" in text
    assert "problem: 2 images with equals of another class: at least 1 label must be wrong" in text
    assert "cat/0.png" in text and "dog/copy.png" in text
    assert "data.on_bad_sample=skip" in text
    assert "once they are mended" in text and f"clfkit train {config} --set data.size=9" in text
    assert max(map(len, done.out.splitlines()[:-1])) <= 80


def test_json_is_one_object(cli, config: Path) -> None:
    spoil(config)
    done = cli("check-data", config, "--json")
    assert (done.code, done.err) == (1, "")
    report = json.loads(done.out)
    assert report["hurts"] is True
    found = {each["kind"]: each for each in report["findings"]}
    (bad,) = found["bad_files"]["examples"]
    assert bad["samples"] == [{"id": "dog/3.png", "class": "dog", "split": None}]
    assert bad["about"].startswith("not an image")
    (torn,) = found["conflicting_labels"]["examples"]
    assert {sample["class"] for sample in torn["samples"]} == {"cat", "dog"}
    assert report["facts"]["modes"] == {"L": 16}


def test_pictures_that_are_not_read_are_found(cli, config: Path) -> None:
    pets = config.parent / "pets"
    (pets / "cat" / "a.heic").touch()
    done = cli("check-data", config)
    text = " ".join(done.out.split())
    assert done.code == 0
    assert "note: 1 picture in formats that are not read (1 .heic) cat/a.heic → convert them to JPEG" in text
    (pets / "eel").mkdir()
    (pets / "eel" / "b.HEIC").touch()
    done = cli("check-data", config, "--json")
    (found,) = (each for each in json.loads(done.out)["findings"] if each["kind"] == "unread")
    assert (done.code, found["hurts"], found["count"]) == (1, True, 2)
    assert found["summary"].endswith("(2 .heic); folders that hold nothing else, and make no class: 'eel'")
    assert found["examples"][1]["samples"] == [{"id": "eel/b.HEIC", "class": "eel", "split": None}]


def test_pictures_of_given_parts_that_are_not_read_are_found(cli, config: Path) -> None:
    pets, parts = config.parent / "pets", config.parent / "parts"
    for part in ("train", "val"):
        shutil.copytree(pets, parts / part)
    (parts / "train" / "eel").mkdir()
    (parts / "train" / "eel" / "x.heic").touch()
    (parts / "val" / "cat" / "y.heic").touch()
    done = cli("check-data", config, "--json", "--set", f"data.root={parts}")
    (found,) = (each for each in json.loads(done.out)["findings"] if each["kind"] == "unread")
    assert (found["hurts"], found["summary"].endswith("make no class: 'eel'")) == (True, True)
    assert [example["samples"][0] for example in found["examples"]] == [
        {"id": "train/eel/x.heic", "class": "eel", "split": "train"},
        {"id": "val/cat/y.heic", "class": "cat", "split": "valid"},
    ]


def test_weights_of_classes_that_are_none_are_found(cli, config: Path) -> None:
    done = cli("check-data", config, "--set", "train.loss={name: cross_entropy, class_weights: {cat: 2, eel: 3}}")
    assert done.code == 1
    assert "problem: train.loss.class_weights: no class 'eel'; the data has 'cat', 'dog'" in done.out
    assert cli("check-data", config, "--set", "train.loss={name: cross_entropy, class_weights: {cat: 2}}").code == 0


def test_names_are_escaped(cli, config: Path) -> None:
    pets = config.parent / "pets"
    (pets / "cat\x1b[2J").mkdir()
    (pets / "cat\x1b[2J" / "a\x1b[31m.png").write_text("no image")
    for seed in range(100, 104):
        paint(pets / "cat\x1b[2J" / f"{seed}.png", seed)
    done = cli("check-data", config)
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "cat\\x1b[2J/a\\x1b[31m.png" in done.out


def test_data_that_make_no_problem_are_told_in_a_line(cli, config: Path) -> None:
    done = cli("check-data", config, "--set", f"data.root={config.parent / 'nowhere'}")
    assert (done.code, done.out) == (1, "")
    assert "nowhere is not a folder" in done.err
    assert done.err.count("\n") == 1


def test_drawn_samples_have_nothing_to_check(cli, blobs: Path) -> None:
    done = cli("check-data", blobs)
    assert done.code == 0
    assert "there are no files to check" in " ".join(done.out.split())
    done = cli("check-data", blobs, "--set", "train.loss={name: cross_entropy, class_weights: {eel: 3}}")
    assert done.code == 1
    assert "no class 'eel'" in done.out
