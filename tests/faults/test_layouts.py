"""Odd layouts of folders and lists: the classes and samples that a user means, or one clear line."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from clfkit.components import datasets
from clfkit.data.bundle import PARTS, DataBundle
from clfkit.data.loading import load_bundle
from clfkit.errors import ClassMismatch, DataError
from clfkit.reporting import heard_by
from notes import Notes

pytestmark = pytest.mark.fault("E2")

Pictures = Sequence[str]


def _picture() -> bytes:
    Image.new("L", (4, 4), 99).save(file := io.BytesIO(), "PNG")
    return file.getvalue()


PICTURE = _picture()


def lay(root: Path, *files: str) -> None:
    """Images where a name ends in .png; folders where it ends in a slash; else text."""
    for name in files:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(PICTURE if name.endswith(".png") else b"no image")


def images(folder: str, count: int = 4) -> list[str]:
    return [f"{folder}/{number}.png" for number in range(count)]


def load(root: Path, **options: object) -> tuple[DataBundle, list[str]]:
    """What an experiment on this folder sees, and the notes that it says."""
    data = {"name": "image_folder", "root": str(root), "size": 4, "channels": 1, "split": {"valid": 0.2}, **options}
    with heard_by(notes := Notes()):
        bundle = load_bundle(datasets.parse(data), seed=0)
    return bundle, [said for said in notes.said if said.startswith("note:")]


def counts(bundle: DataBundle, part: str | None = None) -> dict[str, int]:
    """Samples of each class, in the order of the classes; of all parts by default."""
    names = bundle.spec.classes.names
    found: Counter[str] = Counter()
    for each in [part] if part else PARTS:
        found.update(names[label] for label in getattr(bundle, each).labels)
    return {name: found[name] for name in names}


@dataclass(frozen=True)
class Layout:
    """Files, the classes and samples that they mean, and the notes (patterns) that they deserve."""

    files: Pictures
    classes: Mapping[str, int]
    notes: Sequence[str] = ()
    options: Mapping[str, object] = field(default_factory=dict)


TWO = [*images("cat"), *images("dog")]
LAYOUTS = {
    "hidden-folders": Layout([*TWO, *images(".git"), *images("cat/.thumbnails"), "cat/.x.png"], {"cat": 4, "dog": 4}),
    "ipynb-checkpoints": Layout(
        [*TWO, *images(".ipynb_checkpoints"), *images("dog/.ipynb_checkpoints")], {"cat": 4, "dog": 4}
    ),
    "macos": Layout(
        [*TWO, ".DS_Store", "cat/.DS_Store", "cat/._0.png", *images("__MACOSX/cat")], {"cat": 4, "dog": 4}
    ),
    "windows": Layout(
        [*TWO, "cat/Thumbs.db", "dog/desktop.ini", *images("$RECYCLE.BIN"), *images("System Volume Information")],
        {"cat": 4, "dog": 4},
    ),
    "thumbnails-of-a-nas": Layout([*TWO, *images("cat/@eaDir/0.png"), *images("@eaDir/cat")], {"cat": 4, "dog": 4}),
    "a-disk-of-its-own": Layout([*TWO, "lost+found/"], {"cat": 4, "dog": 4}),
    "an-empty-class": Layout([*TWO, "eel/"], {"cat": 4, "dog": 4}, ["no images in 'eel', which is no class then"]),
    "a-class-of-other-files": Layout(
        [*TWO, "eel/1.heic", "fox/1.webp.txt"], {"cat": 4, "dog": 4},
        ["not read are left out \\(1 .heic\\)", "no images in 'eel', 'fox', which are no class"]
    ),
    "a-class-of-one-image": Layout([*TWO, "eel/1.png"], {"cat": 4, "dog": 4, "eel": 1}),
    "numbers": Layout(
        [*images("10", 3), *images("2", 4), *images("100", 5)], {"2": 4, "10": 3, "100": 5}
    ),
    "numbers-with-zeros": Layout([*images("010"), *images("9"), *images("01")], {"01": 4, "9": 4, "010": 4}),
    "case-twins": Layout(
        [*images("Cat"), *images("cat", 3), *images("dog")], {"Cat": 4, "cat": 3, "dog": 4},
        ["'Cat' and 'cat' are different classes, though"],
    ),
    "twins-in-spaces": Layout(
        [*images("hot dog"), *images("hot  dog ", 3)], {"hot  dog ": 3, "hot dog": 4}, ["'hot  dog ' and 'hot dog' are"]
    ),
    "twins-in-accents": Layout(
        [*images("caf\u00e9"), *images("cafe\u0301", 3)], {"cafe\u0301": 3, "caf\u00e9": 4}, ["are different classes"]
    ),
    "letters-in-both-cases": Layout([*images("A"), *images("a")], {"A": 4, "a": 4}),
    "nested-folders": Layout(
        [*images("cat"), *images("cat/2024/may", 2), *images("dog/tent/x/y/z")], {"cat": 6, "dog": 4}
    ),
    "images-beside-the-classes": Layout([*TWO, "poster.png", "labels.csv"], {"cat": 4, "dog": 4}),
    "classes-one-floor-down": Layout(
        [*images("pets/cat"), *images("wild/fox")], {"pets": 4, "wild": 4}, ["hold only folders"]
    ),
    "1600-classes": Layout(
        [f"{number}/{image}.png" for number in range(1600) for image in range(2)], {str(n): 2 for n in range(1600)},
        options={"split": {"valid": 0.1, "test": 0.1}},
    ),
}  # fmt: skip


LARGE = ("1600-classes",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.matrix if name in LARGE else ()) for name in LAYOUTS]
)
def test_a_folder_means_these_classes(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    lay(tmp_path, *layout.files)
    bundle, notes = load(tmp_path, **layout.options)
    found = counts(bundle)
    assert found == layout.classes
    assert list(found) == list(layout.classes), "in this order"
    assert len(notes) == len(layout.notes), notes
    for note, pattern in zip(notes, layout.notes, strict=True):
        assert re.search(pattern, note), note
    assert min(counts(bundle, "train").values()) > 0, "every class has train samples"


def test_a_label_means_its_folder_by_name_whatever_the_order(tmp_path: Path) -> None:
    lay(tmp_path, *images("train/10"), *images("train/2"), *images("train/100"), *images("test/10", 2))
    bundle, _ = load(tmp_path)
    assert bundle.spec.classes.names == ("2", "10", "100")
    for part in PARTS:
        split = getattr(bundle, part)
        assert [bundle.spec.classes.names[label] for label in split.labels] == [
            str(sample).split("/")[1] for sample in split.ids
        ]
    assert counts(bundle, "test") == {"2": 0, "10": 2, "100": 0}


def test_valid_and_test_may_lack_classes(tmp_path: Path) -> None:
    lay(tmp_path, *(image for name in "abc" for image in images(f"train/{name}")))
    lay(tmp_path, *images("val/b", 2), *images("test/c", 3), "test/a/")
    bundle, notes = load(tmp_path)
    assert counts(bundle, "train") == {"a": 4, "b": 4, "c": 4}
    assert counts(bundle, "valid") == {"a": 0, "b": 2, "c": 0}
    assert counts(bundle, "test") == {"a": 0, "b": 0, "c": 3}
    assert notes == []


REFUSED = {
    "one-class": ([*images("cat")], DataError, r"only one class \('cat'\)"),
    "one-class-with-images": ([*images("cat"), "dog/"], DataError, r"only one class \('cat'\)"),
    "one-class-in-train": ([*images("train/cat"), *images("test/cat")], DataError, r"only one class \('cat'\)"),
    "extra-classes-in-test": (
        [*images("train/a"), *images("train/b"), *images("test/a"), *images("test/z")], ClassMismatch,
        "the train part does not have: test has 'z'$",
    ),
    "another-case-in-test": (
        [*images("train/Cat"), *images("train/Dog"), *images("test/cat")], ClassMismatch,
        "test has 'cat' \\(train has 'Cat'\\)",
    ),
    "an-empty-train-folder-of-a-class": (
        [*images("train/a"), *images("train/b"), "train/c/", *images("test/c")], ClassMismatch, "test has 'c'",
    ),
    "no-classes": (["1.png", "2.png"], DataError, "has no class folders"),
    "no-images": (["cat/1.txt", "dog/"], DataError, "no images in its 2 class folders"),
    "an-empty-valid-part": (
        [*images("train/a"), *images("train/b"), "valid/"], DataError, "valid has no class folders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    files, error, pattern = REFUSED[name]
    lay(tmp_path, *files)
    with pytest.raises(error, match=pattern) as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)


def test_one_class_is_refused_before_its_images_are_decoded(tmp_path: Path) -> None:
    lay(tmp_path, "cat/1.png")
    (tmp_path / "cat/1.png").write_bytes(b"")
    with pytest.raises(DataError, match="only one class"):
        load(tmp_path)


CELLS = {
    "relative": "cat/0.png",
    "with-a-dot": "./cat/0.png",
    "with-two-slashes": "cat//0.png",
    "absolute": "{root}/cat/0.png",
}


def list_of(root: Path, cell: str) -> None:
    lay(root, *TWO)
    rows = [f"{name},{name[:3]}" for name in TWO if name != "cat/0.png"]
    (root / "list.csv").write_text("\n".join(["path,label", f"{cell},cat", *rows]) + "\n")


@pytest.mark.parametrize("name", CELLS)
def test_a_list_takes_relative_and_absolute_paths(name: str, tmp_path: Path) -> None:
    list_of(tmp_path, CELLS[name].format(root=tmp_path))
    bundle, notes = load(tmp_path, csv="list.csv")
    assert counts(bundle) == {"cat": 4, "dog": 4}
    assert "cat/0.png" in [str(sample) for part in PARTS for sample in getattr(bundle, part).ids]
    assert notes == []


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("cat/9.png", r"list\.csv:2: there is no file .*/cat/9\.png$"),
        ("{root}/cat/9.png", r"list\.csv:2: there is no file .*/cat/9\.png$"),
        ("cat\\0.png", r"list\.csv:2: there is no file .*; write the path with /"),
        ("{root}/../elsewhere/0.png", r"list\.csv:2: .* does not lie below"),
        ("/elsewhere/0.png", r"list\.csv:2: .* does not lie below"),
        ("cat", r"list\.csv:2: there is no file .*/cat$"),
        ("dog/0.png", r"list\.csv:6: .*dog/0\.png stands on line 2 already"),
        ("", r"list\.csv:2: the path column 'path' is empty"),
    ],
)
def test_a_list_is_refused_by_file_and_line(cell: str, message: str, tmp_path: Path) -> None:
    list_of(tmp_path, cell.format(root=tmp_path))
    with pytest.raises(DataError, match=message):
        load(tmp_path, csv="list.csv")


def test_a_list_has_twins_too(tmp_path: Path) -> None:
    lay(tmp_path, *TWO)
    rows = [f"{name},{'Cat' if name == 'cat/1.png' else name[:3]}" for name in TWO]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    bundle, notes = load(tmp_path, csv="list.csv")
    assert counts(bundle) == {"Cat": 1, "cat": 3, "dog": 4}
    assert len(notes) == 1 and "'Cat' and 'cat'" in notes[0]
