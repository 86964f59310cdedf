"""Image folders: three layouts, what is passed over, and what is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from clfkit.components import datasets
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import Selection, load_bundle
from clfkit.errors import ClassMismatch, DataError
from clfkit.reporting import heard_by
from notes import Notes

COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}


def paint(file: Path, colour: tuple[int, int, int], size: tuple[int, int] = (6, 4)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


def paint_classes(folder: Path, count: int = 5, names: tuple[str, ...] = tuple(COLOURS)) -> None:
    for name in names:
        for number in range(count):
            paint(folder / name / f"{number}.png", COLOURS[name])


def load(root: Path, **options: object) -> DataBundle:
    data = {"name": "image_folder", "root": str(root), "size": 4, "split": {"valid": 0.2}, **options}
    return load_bundle(datasets.parse(data), seed=0)


def test_class_folders(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    bundle = load(tmp_path)
    assert bundle.spec.classes.names == ("blue", "green", "red")
    assert bundle.spec.shape == (3, 4, 4)
    assert bundle.spec.image is not None
    assert (len(bundle.train), len(bundle.valid), len(bundle.test)) == (9, 3, 3)
    for image, label, sample in zip(
        np.asarray(bundle.train.inputs), bundle.train.labels, bundle.train.ids, strict=True
    ):
        name = bundle.spec.classes.names[label]
        assert image[:, 0, 0].tolist() == list(COLOURS[name])
        assert sample.startswith(f"{name}/")


def test_height_and_width(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    assert load(tmp_path, size=(3, 5), channels=1).spec.shape == (1, 3, 5)
    with pytest.raises(ValidationError, match="a number of pixels, or a pair"):
        load(tmp_path, size=0)


def test_hidden_files_strangers_and_empty_folders_do_not_count(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    paint(tmp_path / ".ipynb_checkpoints" / "0.png", (0, 0, 0))
    paint(tmp_path / "red" / ".hidden.png", (0, 0, 0))
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "amber").mkdir()
    (tmp_path / "red" / "Thumbs.db").write_text("")
    (tmp_path / "notes.txt").write_text("")
    bundle = load(tmp_path)
    assert bundle.spec.classes.names == ("blue", "green", "red")
    assert len(bundle.train) + len(bundle.valid) + len(bundle.test) == 15


def test_deeper_images_and_capital_suffixes_count(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    paint(tmp_path / "red" / "2024" / "may" / "5.PNG", COLOURS["red"])
    ids = np.concatenate([load(tmp_path).part(part).ids for part in ("train", "valid", "test")])
    assert "red/2024/may/5.PNG" in ids


def test_symlink_loops_do_not_multiply_files(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    (tmp_path / "red" / "self").symlink_to(tmp_path / "red")
    (tmp_path / "red" / "all").symlink_to(tmp_path)
    paint(tmp_path.parent / f"{tmp_path.name}_more" / "a.png", COLOURS["red"])
    (tmp_path / "red" / "more").symlink_to(tmp_path.parent / f"{tmp_path.name}_more")
    bundle = load(tmp_path)
    assert len(bundle.train) + len(bundle.valid) + len(bundle.test) == 16


def test_whole_number_classes_are_in_numerical_order(tmp_path: Path) -> None:
    for name in ("10", "9", "2"):
        for number in range(3):
            paint(tmp_path / name / f"{number}.png", (0, 0, 0))
    assert load(tmp_path, split={"valid": 0}).spec.classes.names == ("2", "9", "10")


def test_parts_as_folders_are_matched_by_class_name(tmp_path: Path) -> None:
    paint_classes(tmp_path / "train")
    paint_classes(tmp_path / "val", 1, ("red", "green"))
    paint_classes(tmp_path / "test", 2, ("red",))
    (tmp_path / "annotations").mkdir()
    bundle = load(tmp_path)
    assert bundle.spec.classes.names == ("blue", "green", "red")
    assert bundle.test.labels.tolist() == [2, 2]
    assert bundle.valid.labels.tolist() == [1, 2]
    assert len(bundle.train) == 15


def test_classes_unknown_to_the_train_folder_are_listed(tmp_path: Path) -> None:
    paint_classes(tmp_path / "train", names=("red", "green"))
    paint_classes(tmp_path / "test", names=("blue", "green"))
    with pytest.raises(ClassMismatch, match="train part does not have: test has 'blue'"):
        load(tmp_path)


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        paint_classes(tmp_path / name)
    with pytest.raises(DataError, match="both 'val' and 'valid'"):
        load(tmp_path)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "car"):
        for number in range(4):
            paint(tmp_path / name / f"{number}.png", (0, 0, 0))
    assert load(tmp_path).spec.classes.names == ("car", "train")


def paint_images(folder: Path) -> None:
    for number in range(4):
        paint(folder / f"{number}.png", (0, 0, 0))


def notes_on(root: Path, cache: Path) -> list[str]:
    with heard_by(notes := Notes()):
        load(root, cache=str(cache))
    return [message for message in notes.said if message.startswith("note:")]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("Train/a", "Train/b", "Validation/a"), "'Train', 'Validation' are taken for classes; .* train, valid and"),
        (("Training", "Testing"), "'Testing', 'Training' are taken for classes"),
        (("train/a", "Testing/a"), "'Testing', 'train' are taken for classes"),
        (("letters/a", "letters/b", "digits/1/0"), "hold only folders; .* data.root: .*pictures/digits$"),
        (("train/x/a", "train/y/b"), "hold only folders; .* move them into .*pictures/train$"),
    ],
)
def test_folders_that_hardly_are_classes_are_noted(
    folders: tuple[str, ...], message: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clfkit.data.index.SETTLED_NS", -(10**10))  # an index of folders that were just made
    for folder in folders:
        paint_images(pictures / folder)
    first, warm = (notes_on(pictures, tmp_path / "cache") for _ in range(2))
    (note,) = first
    assert re.search(message, note), note
    assert list((tmp_path / "cache").rglob("*.index")), "the second time it comes from the index"
    assert warm == first


def test_pictures_that_are_not_read_are_counted(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clfkit.data.index.SETTLED_NS", -(10**10))
    paint_classes(pictures)
    for name in ("red/a.HEIC", "red/b.heic", "blue/deep/c.avif", "blue/notes.txt", "green/.d.heic"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).touch()
    first, warm = (notes_on(pictures, tmp_path / "cache") for _ in range(2))
    found = "pictures in formats that are not read are left out (2 .heic, 1 .avif); convert them to JPEG or PNG"
    assert first == warm == [f"note: data.root: {found}"]
    for file in pictures.rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match=re.escape(f"has no images in its 3 class folders; {found}")):
        load(pictures)


def test_a_part_without_images_is_told_of_its_own_pictures_alone(pictures: Path) -> None:
    paint_classes(pictures / "train")
    for name in ("train/red/a.heic", "val/red/b.avif"):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).touch()
    with pytest.raises(DataError, match=r"val has no images in its 1 class folders; .* \(1 \.avif\)"):
        load(pictures)


@pytest.mark.parametrize("folders", [("a", "b/2024"), ("train/a", "train/b", "val/a/2024"), ("train", "car")])
def test_folders_that_may_be_classes_are_not_noted(folders: tuple[str, ...], pictures: Path, tmp_path: Path) -> None:
    for folder in folders:
        paint_images(pictures / folder)
    assert notes_on(pictures, tmp_path / "cache") == []


def test_csv_with_parts(tmp_path: Path) -> None:
    paint_classes(tmp_path / "pictures", 4)
    parts = ["train", "train", "val", "test"]
    lines = [f"pictures/{name}/{n}.png,{name[0]},{parts[n]}" for name in COLOURS for n in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    bundle = load(tmp_path, csv="list.csv")
    assert bundle.spec.classes.names == ("b", "g", "r")
    assert bundle.test.ids.tolist() == ["pictures/blue/3.png", "pictures/green/3.png", "pictures/red/3.png"]
    assert (len(bundle.train), len(bundle.valid)) == (6, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("red/9.png,red,train", r"list\.csv:3: there is no file .*red/9\.png"),
        ("red/0\0.png,red,train", r"list\.csv:3: the path column 'path' holds a NUL, which no text does"),
        ("re\0d/0.png,red,train", r"list\.csv:3: the path column 'path' holds a NUL, which no text does"),
        ("red/0.png,re\0d,train", r"list\.csv:3: the label column 'label' holds a NUL"),
        ("../0.png,red,train", r"list\.csv:3: .*does not lie below"),
        ("/etc/passwd,red,train", r"list\.csv:3: .*does not lie below"),
        ("red/0.png,red,dev", r"list\.csv:3: the part must be train, valid or test, not 'dev'"),
        ("red/0.png,,train", r"list\.csv:3: the label column 'label' is empty"),
        ("red/0.png,red", r"list\.csv:3: 2 cells under 3 columns"),
    ],
)
def test_faults_of_the_csv_name_the_line(line: str, message: str, tmp_path: Path) -> None:
    paint_classes(tmp_path)
    (tmp_path / "list.csv").write_text(f"path,label,split\nblue/0.png,blue,train\n{line}\n")
    with pytest.raises(DataError, match=message):
        load(tmp_path, csv="list.csv")


@pytest.mark.parametrize("name", ["nowhere.csv", "list\0.csv"])
def test_a_list_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    paint_classes(tmp_path)
    with pytest.raises(DataError, match=r"data\.csv: there is no file .*(nowhere|list)"):
        load(tmp_path, csv=name)


def test_above_the_memory_limit_images_are_decoded_on_access(tmp_path: Path) -> None:
    paint_classes(tmp_path, 3)
    kept, streamed = load(tmp_path, size=400), load(tmp_path, size=400, memory=1)
    assert isinstance(streamed.train.inputs, Selection)
    assert streamed.spec == kept.spec
    assert streamed.train.inputs.shape == kept.train.inputs.shape
    some = np.array([2, 0])
    assert np.array_equal(streamed.train.inputs[some], kept.train.inputs[some])
    before = streamed.fingerprint
    paint(tmp_path / str(streamed.train.ids[0]), (1, 2, 3), size=(90, 90))
    assert load(tmp_path, size=400, memory=1).fingerprint != before


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    file = tmp_path / "red" / "3.png"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(DataError, match=r"red/3\.png: damaged image"):
        load(tmp_path)


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    paint_classes(tmp_path)
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "red") + b"/\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"b'\\xff\.png' is not valid UTF-8") as error:
        load(tmp_path)
    str(error.value).encode()


@pytest.mark.parametrize(
    ("folders", "message"), [((), "no class folders"), (("red", "blue"), "no images in its 2 class folders")]
)
def test_folders_without_images_are_refused(folders: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root: .*nowhere is not a folder"):
        load(tmp_path / "nowhere")


def test_the_fingerprint_of_streamed_files_sees_a_change_of_equal_size(tmp_path: Path) -> None:
    paint_classes(tmp_path, 3)
    streamed = load(tmp_path, size=400, memory=1)
    before = streamed.fingerprint
    assert load(tmp_path, size=400, memory=1).fingerprint == before
    os.utime(tmp_path / str(streamed.train.ids[0]), ns=(1, 1))
    assert load(tmp_path, size=400, memory=1).fingerprint != before


@pytest.mark.parametrize("again", ["red/0.png", "red/./0.png", "red/link.png"])
def test_a_file_listed_twice_is_refused_with_both_lines(again: str, tmp_path: Path) -> None:
    paint_classes(tmp_path)
    (tmp_path / "red" / "link.png").symlink_to(tmp_path / "red" / "0.png")
    lines = ["path,label,split", "red/0.png,red,train", "blue/0.png,blue,train", f"{again},red,test"]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"list\.csv:4: .*stands on line 2 already"):
        load(tmp_path, csv="list.csv")


def test_classes_may_be_called_as_gaps_are(tmp_path: Path) -> None:
    paint_classes(tmp_path, 4)
    rows = [f"{name}/{n}.png,{'NA' if name == 'red' else name}" for name in COLOURS for n in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    assert load(tmp_path, csv="list.csv").spec.classes.names == ("NA", "blue", "green")
