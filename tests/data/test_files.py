"""New samples for a trained model, from image files, CSV and .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, DataSpec, ImageFormat
from clfkit.data.files import NOT_READ, read_labelled, read_samples, read_sound
from clfkit.data.loading import load_bundle
from clfkit.errors import ClassMismatch, DataError
from clfkit.reporting import heard_by
from notes import Notes

ANIMALS = ClassMap(names=("cat", "dog", "eel"))
GREY = DataSpec(inputs="image", shape=(1, 4, 6), classes=ANIMALS, mean=(0.0,), std=(1.0,))
POINTS = DataSpec(
    inputs="vector", shape=(2,), classes=ANIMALS, feature_names=("x", "y"), mean=(0.0, 0.0), std=(1.0, 1.0)
)
NAMELESS = POINTS.model_copy(update={"feature_names": ()})


def paint(file: Path, level: int = 0, size: tuple[int, int] = (6, 4)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(file)
    return file


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


@pytest.fixture
def table_spec(tmp_path: Path) -> DataSpec:
    rows = "".join(f"{n},{'rgb'[n % 3]},{'cat' if n % 2 else 'dog'}\n" for n in range(30))
    file = write(tmp_path / "train.csv", "n,colour,kind\n" + rows)
    return load_bundle(datasets.parse({"name": "table", "root": str(file), "label": "kind"}), seed=0).spec


def test_image_files_and_folders(tmp_path: Path) -> None:
    single = paint(tmp_path / "single.png", 10, (60, 40))
    for number in range(2):
        paint(tmp_path / "many" / "deep" / f"{number}.png", number)
    inputs, ids = read_samples([single, tmp_path / "many"], GREY)
    assert inputs.shape == (3, 1, 4, 6)
    assert np.asarray(inputs)[:, 0, 0, 0].tolist() == [10, 0, 1]
    assert ids.tolist() == [str(single), *(f"{tmp_path}/many/deep/{n}.png" for n in range(2))]


def test_images_take_the_format_of_the_training_images(tmp_path: Path) -> None:
    picture = Image.new("L", (12, 4), 0)
    picture.paste(255, (4, 0, 8, 4))
    picture.save(tmp_path / "a.png")
    square = GREY.model_copy(update={"shape": (1, 4, 4)})
    cropped = square.model_copy(update={"image": ImageFormat(height=4, width=4, channels=1, resize="crop")})
    assert np.asarray(read_samples([tmp_path / "a.png"], cropped)[0]).min() == 255
    assert np.asarray(read_samples([tmp_path / "a.png"], square)[0]).min() == 0


def test_image_arrays(tmp_path: Path) -> None:
    images = np.arange(48, dtype=np.int64).reshape(2, 4, 6)
    np.savez(tmp_path / "a.npz", images)  # a single array, under NumPy's own name
    inputs, ids = read_samples([tmp_path / "a.npz"], GREY)
    assert inputs.dtype == np.uint8
    assert np.array_equal(np.asarray(inputs)[:, 0], images)
    assert ids.tolist() == ["0", "1"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 6, 4), np.uint8), r"must have the shape \(N, 1, 4, 6\), not \(2, 6, 4\)"),
        (np.zeros((0, 4, 6), np.uint8), "is empty"),
        (np.full((2, 4, 6), 0.5), "whole numbers from 0 to 255"),
        (np.full((2, 4, 6), 256), "whole numbers from 0 to 255"),
        (np.full((2, 4, 6), -1), "whole numbers from 0 to 255"),
        (np.full((2, 4, 6), np.nan), "sample 0 has a value"),
    ],
)
def test_unfit_image_arrays(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(DataError, match=message):
        read_samples([tmp_path / "a.npz"], GREY)


def test_points_are_matched_by_name(tmp_path: Path) -> None:
    inputs, ids = read_samples([write(tmp_path / "a.csv", "y,note,x\n2,hello,1\n4,you,3\n")], POINTS)
    assert np.asarray(inputs).tolist() == [[1, 2], [3, 4]]
    assert inputs.dtype == np.float64
    assert ids.tolist() == ["0", "1"]


def test_several_files_keep_their_ids_apart(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.csv", "x;y\n1;2\n") for name in "ab"]
    inputs, ids = read_samples(files, POINTS)
    assert len(inputs) == 2
    assert ids.tolist() == [f"{tmp_path}/a.csv:0", f"{tmp_path}/b.csv:0"]


def test_a_table_takes_what_the_train_rows_taught(tmp_path: Path, table_spec: DataSpec) -> None:
    file = write(tmp_path / "new.csv", "colour,n\nviolet,\ng,7\n")
    inputs, _ = read_samples([file], table_spec)
    assert table_spec.feature_names == ("n", "colour=b", "colour=g", "colour=r")
    assert np.asarray(inputs).tolist() == [[table_spec.columns[0].median, 0, 0, 0], [7, 0, 1, 0]]


def test_gaps_in_arrays_are_filled_where_all_columns_are_numeric(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", x=np.arange(40.0).reshape(20, 2), y=np.arange(20) % 2)
    spec = load_bundle(datasets.parse({"name": "table", "root": str(tmp_path / "train.npz")}), seed=0).spec
    np.savez(tmp_path / "new.npz", x=np.array([[np.nan, 1.0]]))
    assert np.asarray(read_samples([tmp_path / "new.npz"], spec)[0]).tolist() == [[spec.columns[0].median, 1.0]]


@pytest.mark.parametrize(
    ("spec", "name", "content", "message"),
    [
        (POINTS, "a.csv", "x\n1\n", "missing columns: 'y'; there are 'x'"),
        (POINTS, "a.csv", "x,y\n1,\n", r"a\.csv:2: no value in column 'y'"),
        (POINTS, "a.csv", "x,y\n1,two\n", r"a\.csv:2: 'two' in column 'y' is not a number"),
        (NAMELESS, "a.csv", "x,y\n1,2\n", r"no names .* give an \.npz file"),
        (POINTS, "a.png", "", r"takes rows of features: give \.csv or \.npz"),
        (GREY, "a.csv", "x,y\n1,2\n", "takes images"),
        (GREY, "a.png", "", r"a\.png: an empty file"),
        (GREY, "a.jfif", "", r"a\.jfif: an empty file"),
    ],
)
def test_unfit_files(spec: DataSpec, name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_samples([write(tmp_path / name, content)], spec)


def test_missing_and_mixed_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png: no such file"):
        read_samples([tmp_path / "nowhere.png"], GREY)
    with pytest.raises(DataError, match="no files"):
        read_samples([], GREY)
    with pytest.raises(DataError, match="no images in this folder"):
        read_samples([tmp_path], GREY)
    with pytest.raises(DataError, match="takes rows of features"):
        read_samples([tmp_path], POINTS)
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 4, 6), np.uint8))
    with pytest.raises(DataError, match="not both"):
        read_samples([tmp_path / "a.npz", paint(tmp_path / "a.png")], GREY)


def test_pictures_that_are_not_read_are_told(tmp_path: Path) -> None:
    paint(tmp_path / "cat" / "a.png")
    photo = write(tmp_path / "cat" / "b.HEIC", "\0\0\0\x18ftypheic")
    left_out = "pictures in formats that are not read are left out (1 .heic); convert them to JPEG or PNG"
    with heard_by(notes := Notes()):
        read_samples([tmp_path], GREY)
        read_labelled(tmp_path, GREY)
    assert notes.said == [f"note: {left_out}"] * 2
    preview = paint(tmp_path / "preview.tif", 7).rename(tmp_path / "c.dng")  # as raw files hold one
    inputs, ids, bad = read_sound([photo, tmp_path / "cat" / "a.png", preview], GREY)
    assert len(inputs) == 1
    assert len(ids) == 3
    assert {row: found.reason for row, found in bad.items()} == dict.fromkeys((0, 2), NOT_READ)
    assert list(read_sound([photo], GREY)[2]) == [0]
    (tmp_path / "cat" / "a.png").unlink()
    with pytest.raises(DataError, match=r"no images in this folder; .* \(1 \.heic\)"):
        read_samples([tmp_path / "cat"], GREY)
    with pytest.raises(DataError, match=r"no class folders with images; .* \(1 \.heic\)"):
        read_labelled(tmp_path, GREY)


def test_labelled_class_folders(tmp_path: Path) -> None:
    paint(tmp_path / "eel" / "1.png", 9)
    paint(tmp_path / "cat" / "1.png", 3)
    split = read_labelled(tmp_path, GREY)
    assert split.ids.tolist() == ["cat/1.png", "eel/1.png"]
    assert split.labels.tolist() == [0, 2]
    assert np.asarray(split.inputs)[:, 0, 0, 0].tolist() == [3, 9]


def test_labelled_csv(tmp_path: Path, table_spec: DataSpec) -> None:
    split = read_labelled(write(tmp_path / "a.csv", "kind,x,n,colour\ndog,0,1,r\ncat,0,2,g\n"), table_spec)
    assert split.labels.tolist() == [1, 0]
    assert np.asarray(split.inputs).tolist() == [[1, 0, 0, 1], [2, 0, 1, 0]]
    assert split.ids.tolist() == ["0", "1"]
    points = read_labelled(write(tmp_path / "b.csv", "label,x,y\neel,0,1\n"), POINTS)
    assert points.labels.tolist() == [2]


def test_labelled_arrays_are_matched_by_name(tmp_path: Path) -> None:
    digits = POINTS.model_copy(update={"classes": ClassMap(names=("3", "1", "2"))})
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.array([1, 3, 1]))
    assert read_labelled(tmp_path / "a.npz", digits).labels.tolist() == [1, 0, 1]


def test_unknown_classes_are_refused(tmp_path: Path) -> None:
    paint(tmp_path / "fox" / "1.png")
    with pytest.raises(ClassMismatch, match="extra: 'fox'"):
        read_labelled(tmp_path, GREY)
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 2)), y=np.array([0]))
    with pytest.raises(ClassMismatch, match="extra: '0'"):
        read_labelled(tmp_path / "a.npz", POINTS)


def test_unlabelled_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders with images; if it is one itself, give the folder above it"):
        read_labelled(tmp_path, GREY)
    with pytest.raises(DataError, match=r"give a \.csv or \.npz file, not a folder"):
        read_labelled(tmp_path, POINTS)
    with pytest.raises(DataError, match="give a folder of class folders"):
        read_labelled(write(tmp_path / "a.csv", "x,y,label\n1,2,cat\n"), GREY)
    with pytest.raises(DataError, match="no label column"):
        read_labelled(tmp_path / "a.csv", POINTS.model_copy(update={"label_column": "kind"}))
    with pytest.raises(DataError, match="no such file"):
        read_labelled(tmp_path / "none.csv", POINTS)
