"""`check-data` on all kinds of data: what is wrong with them is reported, and nothing is trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clfkit.checking.check import check_data
from clfkit.checking.findings import Finding, Report
from clfkit.config import load_config
from clfkit.data.images import ImageFiles

pytestmark = pytest.mark.fault("E3")

EXPERIMENT = """
name: checked
seed: 1
data: blobs
model: logistic
train: {epochs: 1, optimizer: {name: adam, lr: 0.01}}
"""


def check(data: dict[str, Any], folder: Path, *, near: bool = False) -> Report:
    (folder.parent / "checked.yaml").write_text(EXPERIMENT)
    return check_data(load_config(folder.parent / "checked.yaml", {"data": data}), near=near)


def check_folder(root: Path, *, near: bool = False, **options: Any) -> Report:
    split = {} if (root / "train").exists() else {"split": {"valid": 0.25, "test": 0.25}}
    return check({"name": "image_folder", "root": str(root), "size": 8, **split, **options}, root, near=near)


def finding(report: Report, kind: str) -> Finding:
    (found,) = [each for each in report.findings if each.kind == kind]
    return found


def kinds(report: Report) -> list[str]:
    return [each.kind for each in report.findings]


def groups(found: Finding) -> list[list[str]]:
    return [[place.id for place in example.places] for example in found.examples]


def scene(seed: int) -> Image.Image:
    """A picture of soft blobs, unlike any other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC)


def paint(file: Path, seed: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    scene(seed).save(file)
    return file


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """8 pictures of each of two classes, no two alike."""
    for seed in range(16):
        paint(tmp_path / "pets" / ("cat", "dog")[seed % 2] / f"{seed}.png", seed)
    return tmp_path / "pets"


@pytest.fixture
def divided(tmp_path: Path) -> Path:
    """The same with parts: 5 train, 1 valid and 2 test samples of each class."""
    for seed in range(16):
        part = "train" if seed < 10 else "valid" if seed < 12 else "test"
        paint(tmp_path / "divided" / part / ("cat", "dog")[seed % 2] / f"{seed}.png", seed)
    return tmp_path / "divided"


def test_sound_data_have_nothing_to_mend(pets: Path) -> None:
    report = check_folder(pets, near=True)
    assert kinds(report) == []
    assert not report.hurts
    facts = {fact.name: fact.values for fact in report.facts}
    assert facts["splits"] == {"train": 8, "valid": 4, "test": 4}
    assert facts["classes"]["samples"] == {name: {"train": 4, "valid": 2, "test": 2} for name in ("cat", "dog")}
    assert facts["sizes"]["shorter"] == {"smallest": 30, "median": 30, "largest": 30}
    assert facts["sizes"]["longer"]["largest"] == 40
    assert facts["become"]["reduced"]["median"] == 30 / 8
    assert facts["become"]["cut_off"]["median"] == pytest.approx(0.25)
    assert facts["modes"] == {"RGB": 16}


def empty(file: Path) -> None:
    file.write_bytes(b"")


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def text(file: Path) -> None:
    file.write_text("no image")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_name("gone.png"))


def folder(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


BAD = {
    empty: "empty", half: "damaged image", text: "not an image", pipe: "pipe", link: "link to nothing",
    folder: "symbolic links",
}  # fmt: skip


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_file_is_reported_with_class_and_reason(spoil: Any, pets: Path) -> None:
    spoil(pets / "dog" / "3.png")
    report = check_folder(pets)
    found = finding(report, "bad_files")
    assert (found.hurts, found.count, report.hurts) == (True, 1, True)
    ((reason, ((name, class_name, part),)),) = found.examples
    assert (name, class_name, part) == ("dog/3.png", "dog", None)
    assert BAD[spoil] in reason
    assert {fact.name: fact.values for fact in report.facts}["splits"] == {"train": 7, "valid": 4, "test": 4}


def test_every_bad_file_is_reported(pets: Path) -> None:
    for number, spoil in enumerate((empty, half, text)):
        spoil(pets / "cat" / f"{2 * number}.png")
    assert groups(finding(check_folder(pets), "bad_files")) == [["cat/0.png"], ["cat/2.png"], ["cat/4.png"]]


def test_a_file_that_a_list_names_and_that_is_missing_is_a_bad_file(pets: Path) -> None:
    rows = [f"{name}/{seed}.png,{name},train" for seed in range(16) for name in [("cat", "dog")[seed % 2]]]
    (pets / "list.csv").write_text("\n".join(["path,label,split", *rows, "dog/99.png,dog,test"]) + "\n")
    report = check_folder(pets, csv="list.csv")
    ((_, (place,)),) = finding(report, "bad_files").examples
    assert place == ("dog/99.png", "dog", "test")


def test_copies_in_two_splits_hurt(divided: Path) -> None:
    paint(divided / "test" / "cat" / "again.png", 0)
    report = check_folder(divided)
    assert kinds(report) == ["leakage"]
    found = finding(report, "leakage")
    assert (found.hurts, found.count) == (True, 1)
    assert [place.part for place in found.examples[0].places] == ["test", "train"]
    assert groups(found) == [["test/cat/again.png", "train/cat/0.png"]]


def test_copies_of_two_classes_hurt(divided: Path) -> None:
    for name in ("one", "two"):
        paint(divided / "train" / "dog" / f"{name}.png", 0)
    report = check_folder(divided)
    found = finding(report, "conflicting_labels")
    assert (found.hurts, found.count) == (True, 3)
    assert "at least 1 label must be wrong" in found.summary
    assert [place.class_name for place in found.examples[0].places] == ["cat", "dog", "dog"]


def test_copies_of_one_class_and_split_are_a_note(divided: Path) -> None:
    paint(divided / "train" / "cat" / "again.png", 0)
    report = check_folder(divided)
    assert kinds(report) == ["copies"]
    assert not report.hurts


def turned(file: Path) -> None:
    picture = scene(0).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(file, exif=exif)


@pytest.mark.parametrize(
    "save",
    [
        lambda file: scene(0).save(file.with_suffix(".bmp")),
        lambda file: scene(0).save(file, compress_level=0),
        lambda file: scene(0).convert("RGBA").save(file),
        turned,
    ],
    ids=["another-format", "another-compression", "another-mode", "turned"],
)
def test_equal_pictures_are_copies_whatever_their_files(save: Any, divided: Path) -> None:
    save(divided / "test" / "cat" / "again.png")
    assert finding(check_folder(divided), "leakage").count == 1


def test_pictures_that_look_alike_are_noted_when_asked_for(divided: Path) -> None:
    scene(0).save(divided / "test" / "dog" / "again.jpg", quality=60)
    scene(1).resize((120, 90)).save(divided / "train" / "dog" / "larger.png")
    assert kinds(check_folder(divided)) == []
    report = check_folder(divided, near=True)
    assert kinds(report) == ["near_copies"]
    assert not report.hurts, "nobody can be sure of it"
    found = finding(report, "near_copies")
    assert groups(found) == [["test/dog/again.jpg", "train/cat/0.png"], ["train/dog/1.png", "train/dog/larger.png"]]
    assert "2 pairs" in found.summary and "1 across splits, 1 of two classes" in found.summary


def test_a_class_whose_train_files_are_all_bad_hurts(divided: Path) -> None:
    for file in (divided / "train" / "dog").iterdir():
        empty(file)
    report = check_folder(divided)
    assert kinds(report)[:2] == ["bad_files", "no_train_samples"]
    assert [example.word for example in finding(report, "no_train_samples").examples] == ["dog"]


def test_small_classes_and_missing_ones_are_noted(divided: Path) -> None:
    paint(divided / "train" / "eel" / "0.png", 50)
    report = check_folder(divided)
    assert kinds(report) == ["few_samples", "absent_in_valid", "absent_in_test", "unbalanced"]
    assert not report.hurts
    assert [example.word for example in finding(report, "few_samples").examples] == ["eel: 1"]
    assert [example.word for example in finding(report, "unbalanced").examples] == ["cat: 5", "eel: 1"]


def test_a_split_that_cannot_be_drawn_is_a_problem_among_others(pets: Path) -> None:
    paint(pets / "dog" / "again.png", 1)
    report = check_folder(pets, split={"valid": 8, "test": 8})
    assert kinds(report) == ["split", "copies"]
    assert report.hurts


def test_pictures_of_one_tone_and_of_odd_size_are_noted(pets: Path) -> None:
    Image.new("RGB", (40, 30), (9, 9, 9)).save(pets / "cat" / "black.png")
    report = check_folder(pets, size=64)
    assert kinds(report) == ["plain", "enlarged"]
    assert groups(finding(report, "plain")) == [["cat/black.png"]]
    for file in pets.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    assert "grey" in kinds(check_folder(pets))


def test_a_second_check_looks_at_new_and_changed_files_only(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clfkit.data.index.SETTLED_NS", -(10**10))
    decoded: list[str] = []
    whole = ImageFiles.whole

    def counting(self: ImageFiles, row: int) -> Any:
        decoded.append(self.names[row])
        return whole(self, row)

    monkeypatch.setattr(ImageFiles, "whole", counting)
    options = {"cache": str(tmp_path / "cache")}
    half(pets / "dog" / "3.png")
    first = check_folder(pets, **options).plain()
    assert len(decoded) == 16
    decoded.clear()
    assert check_folder(pets, **options).plain() == first
    assert decoded == ["dog/3.png"], "what could not be read is tried again"
    decoded.clear()
    paint(pets / "cat" / "new.png", 99)
    paint(pets / "dog" / "3.png", 98)
    paint(pets / "cat" / "0.png", 97)
    check_folder(pets, size=16, **options)
    assert sorted(decoded) == ["cat/0.png", "cat/new.png", "dog/3.png"]


def test_shards_are_checked_as_folders_are(divided: Path, tmp_path: Path) -> None:
    from clfkit.data.packing import pack_files
    from clfkit.data.sources.image_folder import labelled_files

    paint(divided / "test" / "cat" / "again.png", 0)
    half(divided / "train" / "dog" / "3.png")
    pack_files(labelled_files(str(divided), None, "off"), divided, tmp_path / "shards", 1, 0)
    report = check({"name": "webdataset", "root": str(tmp_path / "shards"), "size": 8}, divided)
    assert kinds(report) == ["bad_files", "leakage"]
    ((reason, (place,)),) = finding(report, "bad_files").examples
    assert "damaged" in reason
    assert (place.class_name, place.part) == ("dog", "train")


def table(root: Path, rows: Sequence[str]) -> dict[str, Any]:
    root.write_text("\n".join(["a,b,kind,same,label", *rows]) + "\n")
    return {"name": "table", "root": str(root)}


def rows(count: int) -> list[str]:
    return [f"{n},{n * n},{'xyz'[n % 3]},7,{'pq'[n % 2]}" for n in range(count)]


def test_a_slip_in_a_column_of_numbers_is_noted(tmp_path: Path) -> None:
    lines = [f"{row}.5,{'abc'[row % 3]},{'yes' if row % 2 else 'no'}" for row in range(40)]
    (tmp_path / "d.csv").write_text("\n".join(["size,letter,label", *lines, "x1,a,no"]))
    report = check({"name": "table", "root": str(tmp_path / "d.csv")}, tmp_path)
    slip = finding(report, "nearly_numeric")
    assert not slip.hurts and [example.word for example in slip.examples] == ["size, which holds 'x1'"]


@pytest.mark.parametrize(("options", "hurts", "remedy"), [
    ({}, True, "--set data.on_bad_sample=skip --set data.max_bad=1"),
    ({"on_bad_sample": "skip"}, True, "--set data.max_bad=1"),
    ({"on_bad_sample": "skip", "max_bad": 1}, False, "mend the files to train on them"),
    ({"on_bad_sample": "quarantine", "max_bad": 0.2}, False, "mend the files to train on them"),
])  # fmt: skip
def test_bad_files_are_no_problem_where_training_leaves_them_out(
    tmp_path: Path, options: dict[str, Any], hurts: bool, remedy: str
) -> None:
    root = tmp_path / "data"
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng(len(label) + number).integers(0, 256, (9, 9), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    (root / "cat/bad.png").write_bytes(b"hello")
    found = finding(check_folder(root, **options), "bad_files")
    assert (found.hurts, found.remedy.endswith(remedy)) == (hurts, True), found.remedy


def test_tables_tell_constant_columns_and_gaps(tmp_path: Path) -> None:
    data = table(
        tmp_path / "t.csv", [row.replace(f",{'xyz'[n % 3]},", ",,") if n > 5 else row for n, row in enumerate(rows(30))]
    )
    report = check(data, tmp_path / "t.csv")
    assert kinds(report) == ["constant_columns", "missing_values"]
    assert not report.hurts
    assert [example.word for example in finding(report, "constant_columns").examples] == ["same"]
    assert [example.word for example in finding(report, "missing_values").examples] == ["kind: 80%"]
    assert {fact.name: fact.values for fact in report.facts}["missing"] == {"kind": 24}


def test_equal_rows_of_a_table_hurt_where_they_are_many(tmp_path: Path) -> None:
    few = check(table(tmp_path / "t.csv", [*rows(300), "5,25,z,7,p"]), tmp_path / "t.csv")
    assert finding(few, "conflicting_labels").count == 2
    assert not few.hurts
    many = check(table(tmp_path / "t.csv", [*rows(60), *(row[:-1] + "p" for row in rows(30))]), tmp_path / "t.csv")
    assert finding(many, "conflicting_labels").hurts
    assert finding(many, "leakage").hurts
    assert "at least 15 labels must be wrong" in finding(many, "conflicting_labels").summary


def test_arrays_are_checked_as_tables_are(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[:, 1] = 0.0
    x[3, 1] = -0.0
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    report = check({"name": "table", "root": str(tmp_path / "a.npz")}, tmp_path / "a.npz")
    assert [example.word for example in finding(report, "constant_columns").examples] == ["x2"]


def test_drawn_samples_need_no_check(tmp_path: Path) -> None:
    report = check({"name": "blobs", "samples": 90, "classes": 3}, tmp_path / "none")
    assert kinds(report) == []
    facts = {fact.name: fact for fact in report.facts}
    assert "no files to check" in facts["source"].text
    assert facts["classes"].values["count"] == 3


@pytest.mark.matrix
def test_images_in_memory_are_checked(tmp_path: Path) -> None:
    report = check({"name": "digits"}, tmp_path / "none")
    facts = {fact.name: fact.values for fact in report.facts}
    assert facts["sizes"]["shorter"]["largest"] == 8
    assert sum(facts["splits"].values()) == 1797
