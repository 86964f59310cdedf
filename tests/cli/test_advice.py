"""What is said of images that cannot be decoded, and of options that have no effect on samples given as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CONFIG = """
name: pets
data: {{name: image_folder, root: '{root}', size: 8, channels: 1, cache: 'off', split: {{valid: 0.25, test: 0.25}}}}
model: logistic
train: {{epochs: 1, batch_size: 4, augment: [{{name: flip}}]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An experiment on pictures of two classes, one of which is no image."""
    for number in range(16):
        file = tmp_path / "pets" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (9, 9), np.uint8)).save(file)
    (tmp_path / "pets" / "dog" / "3.png").write_text("no image")
    (tmp_path / "pets.yaml").write_text(CONFIG.format(root=tmp_path / "pets"))
    return tmp_path / "pets.yaml"


@pytest.mark.parametrize(
    ("before", "after"),
    [(("train",), ("--quiet",)), (("train",), ("--find-lr",)), (("plan",), ()), (("plot", "augmentations"), ())],
)
def test_a_bad_image_is_told_with_what_to_do(
    before: tuple[str, ...], after: tuple[str, ...], cli, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    done = cli(*before, config, *after)
    assert done.code == 1
    (line,) = (line for line in done.err.splitlines() if line.startswith("clfkit: "))
    assert "dog/3.png: not an image" in line
    assert line.endswith(
        "`clfkit check-data` lists them all, data.on_bad_sample: skip leaves out as many as data.max_bad allows"
    )
    told = cli(*before, config, *after, "--set", "data.on_bad_sample=skip")
    assert (told.code, "data.max_bad: 1 leaves them out" in told.err) == (1, True)


def test_a_score_is_of_all_samples(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    options = ["data.on_bad_sample=skip", "data.max_bad=1", "plots=[]", "report=false"]
    assert cli("train", config, "--quiet", *(word for text in options for word in ("--set", text))).code == 0
    done = cli("eval", "latest", "--data", "pets")
    assert done.code == 1
    assert "dog/3.png: not an image" in done.err
    assert done.err.endswith("; mend or remove it, since a score is of all samples or of none\n")


@pytest.mark.parametrize("option", ["data.on_bad_sample=skip", " data.size=9", "data={size: 9}"])
@pytest.mark.parametrize("words", [("eval", "{run}", "--data", "x.csv"), ("predict", "x.csv", "--checkpoint", "{run}")])
def test_options_of_data_do_not_pass_without_effect(
    words: tuple[str, ...], option: str, cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("x,y,label\n0,0,1\n")
    done = cli(*(word.format(run=trained) for word in words), "--set", option)
    assert (done.code, done.out) == (2, "")
    assert f"--set {option}: has no effect on samples given as files" in done.err
