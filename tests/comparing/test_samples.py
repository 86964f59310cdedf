"""Runs are tested against each other on the same samples only, whatever else of their data differs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clfkit.comparing.comparison import Comparison, compare
from clfkit.comparing.runs import find_runs
from clfkit.run import RunDirectory

QUICK = {
    "engine": "scratch", "model": {"name": "logistic"}, "train.epochs": 1, "baselines": (), "report": False, "seed": 1,
}  # fmt: skip


def compared(*runs: RunDirectory) -> Comparison:
    return compare(find_runs([str(run.path) for run in runs], Path()).runs, "test")


def trained(laboratory: Any, data: dict[str, Any], run_id: str, **changes: Any) -> RunDirectory:
    changed = {key.replace("__", "."): value for key, value in changes.items()}
    run: RunDirectory = laboratory.run(laboratory.config("blobs", {**QUICK, "data": data, **changed}), None, run_id)
    return run


def without_content(run: RunDirectory) -> None:
    """As an evaluation was before digests were kept."""
    evaluation = run.evaluation("test")
    assert evaluation is not None
    del evaluation["content"]
    run.save_evaluation("test", evaluation)


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Any]:
    """Images with a given test part: for each class ten to train and six to test."""
    random = np.random.default_rng(0)
    for part, count in (("train", 10), ("test", 6)):
        for shade, name in ((60, "dark"), (180, "light")):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(shade - 50, shade + 50, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return {"name": "image_folder", "root": str(tmp_path / "images"), "size": 6, "cache": "off"}


def test_images_that_were_replaced_are_not_those_of_before(laboratory: Any, images: dict[str, Any]) -> None:
    before = trained(laboratory, images, "before")
    for file in Path(images["root"]).glob("test/*/*.png"):
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    after = trained(laboratory, images, "after", data__split={"valid": 0.2})
    comparison = compared(before, after)
    assert comparison.verdicts == ()
    assert comparison.untested[0].endswith("their test samples have the same ids and labels, but other content")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"data__split": {"valid": 0.3}},
        {"data__size": 5},
        {"data__channels": 1, "data__memory": 1},
        {"data__normalize": False},
    ],
    ids=["seed", "split", "size", "grey", "normalize"],
)
def test_what_leaves_given_test_images_as_they_are(laboratory: Any, images: dict[str, Any], changes: Any) -> None:
    comparison = compared(trained(laboratory, images, "a"), trained(laboratory, images, "b", **changes))
    assert (comparison.untested, len(comparison.verdicts)) == ([], 1)


def test_copied_images_are_the_same_by_their_pixels(laboratory: Any, images: dict[str, Any], tmp_path: Path) -> None:
    first = trained(laboratory, images, "a")
    copied = shutil.copytree(images["root"], tmp_path / "copied", copy_function=shutil.copy)  # with new times
    second = trained(laboratory, {**images, "root": str(copied)}, "b")
    assert compared(first, second).untested == []


def test_two_seeds_on_a_table_with_gaps_and_its_own_test_rows(laboratory: Any, tmp_path: Path) -> None:
    """Gaps are filled with medians of the train split, which the seed draws; the rows are the same all the same."""
    random = np.random.default_rng(1)
    rows = [
        f"{'' if at % 3 == 0 else f'{random.normal(at % 2):.3f}'},{'ab'[at % 2]},{'test' if at < 20 else 'train'}"
        for at in range(80)
    ]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["x,y,part", *rows]) + "\n")
    data = {"name": "table", "root": str(file), "label": "y", "split_column": "part"}
    first, second = (trained(laboratory, data, f"seed{seed}", seed=seed) for seed in (1, 2))
    assert compared(first, second).untested == []
    file.write_text(file.read_text().replace(rows[1], f"9.5,{rows[1].partition(',')[2]}"))
    changed = trained(laboratory, data, "changed")
    assert "their test samples have the same ids and labels, but other content" in compared(first, changed).untested[0]


def test_evaluation_without_digests_is_tested_where_all_data_are_the_same(
    laboratory: Any, images: dict[str, Any]
) -> None:
    one, two, other = (
        trained(laboratory, images, "one"),
        trained(laboratory, images, "two", train__optimizer__lr=0.01),
        trained(laboratory, images, "other", data__split={"valid": 0.3}),
    )
    without_content(one)
    assert compared(one, two).untested == []
    assert "the evaluation of one does not tell what its test samples hold" in compared(one, other).untested[0]


def test_runs_that_tell_nothing_of_their_samples_are_not_tested(laboratory: Any, images: dict[str, Any]) -> None:
    runs = [trained(laboratory, images, name, seed=seed) for name, seed in (("one", 1), ("two", 2))]
    for run in runs:
        run.save_evaluation("test", {**(run.evaluation("test") or {}), "content": {}})
    assert compared(*runs).untested[0].endswith("and nothing tells whether they hold the same")
