"""Frames over the epochs of real runs: which there are, what they say, and that only what changes moves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clfkit import load, train
from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import NothingToDraw, TakesLong, draw, draw_all, save, suitable
from clfkit.plots.frames import Animation, Frame

MOONS = """\
name: moving
seed: 3
data: {name: moons, samples: 200, noise: 0.2}
model: {name: mlp, hidden: [16]}
train: {epochs: 6, batch_size: 32, optimizer: {name: adam, lr: 0.05}, snapshots: {every: 2}, device: cpu, threads: 1}
plots: []
"""


def trained(folder: Path, changes: Mapping[str, Any]) -> Path:
    (folder / "moving.yaml").write_text(MOONS)
    return train(folder / "moving.yaml", dict(changes), out=folder / "outputs", run_id="one").path


@pytest.fixture(scope="session")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six epochs with the snapshots of three, to be read only."""
    return trained(tmp_path_factory.mktemp("moving"), {})


@pytest.fixture
def copied(moving: Path, tmp_path: Path) -> Path:
    """The same to be changed."""
    return Path(shutil.copytree(moving, tmp_path / "outputs/moving/one"))


def animation(run: Path | Classifier, **options: Any) -> Animation:
    drawing = draw(plots.parse({"name": "animation", **options}), load(run) if isinstance(run, Path) else run)
    assert isinstance(drawing, Animation)
    return drawing


def frames(run: Path | Classifier, **options: Any) -> list[Frame]:
    return list(animation(run, **options).frames())


def test_each_frame_names_its_epoch_and_the_accuracy_that_the_history_has(moving: Path) -> None:
    history = load(moving).records
    first, *others = frames(moving)
    assert re.fullmatch(r"Before training: [\d.]+ % right on valid", first.caption)
    assert [frame.epoch for frame in others] == [2, 4, 6]
    for frame in others:
        accuracy = history[frame.epoch - 1].valid_accuracy
        assert frame.caption == f"Epoch {frame.epoch} of 6: {100 * accuracy:.1f} % right on valid"


def test_axes_stay_and_regions_change(moving: Path) -> None:
    pictures = [frame.pixels for frame in frames(moving)]
    assert len({picture.shape for picture in pictures}) == 1
    changed = np.any([picture != pictures[0] for picture in pictures[1:]], axis=(0, 3))
    height, width = changed.shape
    assert changed[height // 4 : height * 3 // 4, width // 4 : width // 2].any()
    assert not changed[-45:].any()  # ticks and the label below,
    assert not changed[:, :40].any()  # beside,
    assert not changed[:, -150:].any()  # and the legend


def test_regions_are_those_of_the_model_of_the_epoch(moving: Path) -> None:
    """The last frame is the boundary of the last epoch: it does not matter what is drawn before it."""
    last = frames(moving)[-1].pixels
    assert np.array_equal(frames(moving, frames=1)[0].pixels, frames(moving)[0].pixels)
    assert np.array_equal(frames(moving, frames=2)[-1].pixels, last)
    assert not np.array_equal(frames(moving)[0].pixels, last)


def test_fewer_frames_are_spread_from_first_to_last(moving: Path) -> None:
    assert [frame.epoch for frame in frames(moving, frames=2)] == [0, 6]
    assert [frame.epoch for frame in frames(moving, frames=3)] == [0, 4, 6]


def test_confusion_matrix_of_points_and_on_train(moving: Path) -> None:
    shown = animation(moving, show="confusion", split="train")
    assert shown.title == "Confusion matrix of moving"
    captions = [frame.caption for frame in shown.frames()]
    assert len(captions) == 4 and all(caption.endswith("% right on train") for caption in captions)


def test_images_have_their_confusion_matrix_drawn(tmp_path: Path) -> None:
    changes = {"data": "digits", "train.epochs": 2, "train.snapshots": {"every": 1}}
    run = load(trained(tmp_path, changes))
    assert [frame.epoch for frame in frames(run)] == [1, 2]  # a run keeps no initial model of images
    with pytest.raises(NothingToDraw, match="decision regions need samples of two or more features; show=confusion"):
        animation(run, show="boundary")


def test_many_classes_are_merged_on_one_scale(tmp_path: Path) -> None:
    data = {"name": "blobs", "samples": 400, "classes": 40, "split": {"valid": 0, "test": 0.2}}
    run = trained(tmp_path, {"data": data, "train.epochs": 2, "train.snapshots": {"every": 2}})
    first, last = frames(run, show="confusion")
    assert last.caption.endswith("on train")  # without a valid split
    assert np.array_equal(first.pixels[:, -60:], last.pixels[:, -60:])  # the colour bar


def test_hostile_class_names(tmp_path: Path) -> None:
    names = ("日本語", "<b>&amp;", "$x^2$")
    rows = [f'{i % 3 + i / 100},{i % 7},"{names[i % 3]}"' for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,label", *rows]), encoding="utf-8")
    run = trained(tmp_path, {"data": {"name": "table", "root": str(tmp_path / "t.csv")}, "train.epochs": 2})
    for show in ("boundary", "confusion"):
        assert len(frames(run, show=show)) == 2


def test_what_is_left_of_the_snapshots_is_shown(copied: Path) -> None:
    shutil.rmtree(copied / "checkpoints/snapshots/epoch-0004")
    assert [frame.epoch for frame in frames(copied)] == [0, 2, 6]
    shutil.rmtree(copied / "checkpoints/initial")
    shutil.rmtree(copied / "checkpoints/snapshots/epoch-0002")
    (single,) = frames(copied)
    assert single.caption.startswith("Epoch 6 of 6: ")
    assert save(animation(copied), copied / "one.gif").stat().st_size > 1000


def test_a_snapshot_that_gives_way_meanwhile_is_passed_over(copied: Path) -> None:
    shown = animation(copied).frames()
    assert next(shown).epoch == 0
    shutil.rmtree(copied / "checkpoints/snapshots/epoch-0002")
    assert [frame.epoch for frame in shown] == [4, 6]


def test_without_snapshots_it_says_how_to_get_them(copied: Path) -> None:
    shutil.rmtree(copied / "checkpoints/snapshots")
    assert "animation" not in suitable(load(copied))
    with pytest.raises(NothingToDraw) as caught:
        animation(copied)
    wanted = "{every: 1, last: 50}"
    assert str(caught.value) == (
        f"{copied} has no snapshots; with train.snapshots: {wanted} training keeps them: "
        f"clfkit train {copied}/config.yaml --set 'train.snapshots={wanted}'"
    )
    with pytest.raises(NothingToDraw, match="a checkpoint alone has no snapshots"):
        lone = load(shutil.copytree(copied / "checkpoints/best", copied.parent.parent / "alone"))
        animation(lone)


def test_a_long_run_is_told_to_keep_every_so_many_epochs(tmp_path: Path) -> None:
    run = trained(tmp_path, {"train.epochs": 101, "train.max_steps": 3, "train.snapshots": None})
    with pytest.raises(NothingToDraw, match=re.escape("train.snapshots: {every: 3, last: 50}")):
        animation(run)


def test_it_is_kept_with_the_run_as_gif_and_page(copied: Path) -> None:
    assert "animation" in suitable(load(copied))
    ((name, files),) = draw_all(load(copied), ["animation"])
    assert (name, files) == ("animation", [copied / "plots/animation.gif", copied / "plots/animation.html"])
    with Image.open(files[0]) as gif:
        assert gif.n_frames == 4
    assert files[1].read_text(encoding="utf-8").count("<img ") == 4


def test_where_it_would_take_long_it_is_left_out(copied: Path) -> None:
    ((_, reason),) = draw_all(load(copied), ["animation"], patience=0.0)
    assert isinstance(reason, TakesLong)
    assert str(reason).endswith(f"seconds: clfkit plot animation {copied}")
    assert not (copied / "plots").exists()


def test_frames_share_the_engine_but_not_the_classifiers(moving: Path) -> None:
    """The model that is drawn stays the best one, for the figures that follow."""
    classifier = load(moving)
    before = classifier.predict_proba(np.ones((3, 2)))
    assert len(frames(classifier)) == 4
    assert np.array_equal(classifier.predict_proba(np.ones((3, 2))), before)
