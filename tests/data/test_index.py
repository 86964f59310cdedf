"""A second start finds what the first one found, and whatever changed in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.index import IndexFile, Watched, flat, names_in
from clfkit.data.names import Names
from clfkit.errors import DataError
from clfkit.progress import Quiet
from clfkit.reporting import heard_by


class Scans(Quiet):
    """Collects which work was done."""

    def __init__(self) -> None:
        self.work: set[str] = set()

    def on_work(self, what: str, done: int, total: int) -> None:
        self.work.add(what)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders made just now count as old."""
    monkeypatch.setattr("clfkit.data.index.SETTLED_NS", -(10**10))


def paint(file: Path, level: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), level).save(file)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes in train and test, some images deeper."""
    root = tmp_path / "photos"
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(4):
                paint(root / part / name / f"{number}.png", 10 * number)
            paint(root / part / name / "deep" / "er" / "9.png", 90)
    lines = ["path,label,split", *(f"{part}/{name}/{n}.png,{name},{part}" for part in ("train", "test")
             for name in ("cat", "dog") for n in range(3))]  # fmt: skip
    (root / "list.csv").write_text("\n".join(lines))
    return root


def read(root: Path, **options: object) -> tuple[Dataset, bool]:
    """The dataset, and whether the folder was scanned for it."""
    scans = Scans()
    data = {"name": "image_folder", "root": str(root), "size": 4, "channels": 1, **options}
    with heard_by(scans):
        dataset = datasets.build(datasets.parse(data), 0)
    return dataset, bool(scans.work & {"scanning class folders", "checking listed files"})


def content(dataset: Dataset) -> object:
    pixels = np.asarray(dataset.inputs[np.arange(len(dataset.labels))])[:, 0, 0, 0]
    given = {part: indices.tolist() for part, indices in dataset.given.items()}
    return list(dataset.ids), dataset.labels.tolist(), dataset.classes.names, given, pixels.tolist()  # type: ignore[arg-type]


def indices() -> list[Path]:
    return list((Path(os.environ["XDG_CACHE_HOME"]) / "clfkit").glob("*.index"))


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("csv", [None, "list.csv"])
def test_a_second_start_finds_the_same_without_a_scan(csv: str | None, photos: Path) -> None:
    first, scanned = read(photos, csv=csv)
    assert scanned
    again, scanned = read(photos, csv=csv)
    assert not scanned
    assert content(again) == content(first) == content(read(photos, csv=csv, cache="off")[0])


@pytest.mark.usefixtures("settled")
def test_the_index_of_a_folder_that_is_gone_goes_too(photos: Path) -> None:
    read(photos)
    (gone,) = indices()
    foreign = gone.with_name("foreign-0123456789ab.index")
    foreign.write_text("not ours")
    moved = photos.rename(photos.with_name("moved"))
    read(moved)
    assert not gone.exists()
    assert len(indices()) == 2
    assert foreign.exists()
    assert not read(moved)[1]


def add_a_file(root: Path) -> None:
    paint(root / "train" / "cat" / "deep" / "er" / "10.png")


def remove_a_file(root: Path) -> None:
    (root / "test" / "dog" / "0.png").unlink()


def rename_a_file(root: Path) -> None:
    (root / "train" / "dog" / "0.png").rename(root / "train" / "dog" / "00.png")


def add_a_class(root: Path) -> None:
    paint(root / "train" / "eel" / "0.png")


def add_a_part(root: Path) -> None:
    paint(root / "val" / "cat" / "0.png")


def exchange_a_folder(root: Path) -> None:
    new = root.parent / "new"
    shutil.copytree(root / "train" / "cat", new)
    (new / "0.png").unlink()
    shutil.rmtree(root / "train" / "cat")
    new.rename(root / "train" / "cat")


def put_back_the_time(root: Path) -> None:
    folder = root / "train" / "cat"
    before = folder.stat()
    (folder / "1.png").unlink()
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = (
    add_a_file, remove_a_file, rename_a_file, add_a_class, add_a_part, exchange_a_folder, put_back_the_time,
)  # fmt: skip


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_in_a_folder_is_seen(change: Callable[[Path], None], photos: Path) -> None:
    before, _ = read(photos)
    change(photos)
    after, scanned = read(photos)
    assert scanned
    assert content(after) == content(read(photos, cache="off")[0])
    assert list(after.ids) != list(before.ids)  # type: ignore[arg-type]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("link", ["val", "train/eel", "train/cat/more", "train/cat/deep/more.png"])
def test_a_link_whose_target_appears_is_seen(link: str, photos: Path) -> None:
    """A folder on a disk that was not mounted: no folder changes when it is."""
    disk = photos.parent / "disk"
    paint(photos.parent / "other" / "cat" / "7.png")
    (photos / link).symlink_to(disk)
    if link.endswith(".png"):
        with pytest.raises(DataError, match=r"more\.png: a link to nothing"):
            read(photos)
    else:
        assert not any(str(name).startswith(link) for name in read(photos)[0].ids)
        assert not read(photos)[1]
    (photos.parent / "other").rename(disk)
    after, scanned = read(photos)
    assert scanned
    assert any(str(name).startswith(f"{link}/") for name in after.ids)


@pytest.mark.usefixtures("settled")
def test_an_image_that_is_written_to_is_decoded_again_without_a_scan(photos: Path) -> None:
    read(photos)
    Image.new("L", (4, 4), 200).save(photos / "train" / "cat" / "0.png")
    after, scanned = read(photos)
    assert not scanned
    assert content(after) == content(read(photos, cache="off")[0])
    assert after.inputs[np.array([list(after.ids).index("train/cat/0.png")])].max() == 200  # type: ignore[arg-type]


@pytest.mark.usefixtures("settled")
def test_changes_of_a_list_and_of_its_files_are_seen(photos: Path) -> None:
    read(photos, csv="list.csv")
    text = (photos / "list.csv").read_text()
    (photos / "list.csv").write_text("\n".join(text.splitlines()[:-1]))
    after, scanned = read(photos, csv="list.csv")
    assert scanned
    assert len(after.labels) == 11
    (photos / "train" / "cat" / "1.png").unlink()
    with pytest.raises(DataError, match=r"list\.csv:3: there is no file .*1\.png"):
        read(photos, csv="list.csv")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-40] ^= 4
    file.write_bytes(content)


def replace(file: Path) -> None:
    file.write_bytes(b"no index")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", [cut, flip, replace])
def test_a_damaged_index_is_made_anew(damage: Callable[[Path], None], photos: Path) -> None:
    expected, _ = read(photos)
    (file,) = indices()
    damage(file)
    again, scanned = read(photos)
    assert scanned
    assert content(again) == content(expected)
    assert not read(photos)[1]


def test_what_changed_a_moment_ago_is_not_trusted(photos: Path) -> None:
    read(photos)
    assert indices() == []


@pytest.mark.usefixtures("settled")
def test_without_a_cache_no_index_is_kept(photos: Path) -> None:
    read(photos, cache="off")
    assert indices() == []


@pytest.mark.usefixtures("settled")
def test_arrays_come_back_as_they_were_while_what_is_watched_stays(tmp_path: Path) -> None:
    (tmp_path / "some.tar").write_bytes(b"1")
    watched = Watched(tmp_path)
    watched.add("some.tar")
    file = IndexFile.of(str(tmp_path / "kept"), tmp_path, "x")
    assert file is not None
    assert file.read() is None
    arrays = {**flat("names", Names.of(["a", "", "ü"])), "empty": np.empty((0, 2), np.int8)}
    file.write(arrays, watched)
    found = file.read()
    assert found is not None
    assert names_in(found, "names").tolist() == ["a", "", "ü"]
    assert (found["empty"].dtype, found["empty"].shape) == (np.int8, (0, 2))
    other = IndexFile.of(str(tmp_path / "kept"), tmp_path, "y")
    assert other is not None and other.read() is None
    (tmp_path / "some.tar").write_bytes(b"22")
    assert file.read() is None
