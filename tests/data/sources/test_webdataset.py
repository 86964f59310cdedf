"""Tar shards as a source: labels, parts, random access, and what is refused."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.components import datasets
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import Selection, load_bundle
from clfkit.data.shard_images import ShardImages
from clfkit.data.tar_files import read_members
from clfkit.errors import ClassMismatch, DataError
from clfkit.progress import Quiet
from clfkit.reporting import heard_by

RNG = np.random.default_rng(0)


def png(pixels: np.ndarray | None = None) -> bytes:
    file = io.BytesIO()
    chosen = RNG.integers(0, 256, (4, 4, 3), dtype=np.uint8) if pixels is None else pixels
    Image.fromarray(chosen).save(file, "png")
    return file.getvalue()


def write_shard(path: Path, files: dict[str, bytes] | list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in dict(files).items() if isinstance(files, dict) else files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def labelled(labels: list[str], start: int = 0) -> dict[str, bytes]:
    """Samples 000, 001, … with the given text as `.cls`."""
    files = {}
    for number, label in enumerate(labels, start):
        files |= {f"{number:03}.png": png(), f"{number:03}.cls": label.encode()}
    return files


def load(root: Path, **options: object) -> DataBundle:
    data = {"name": "webdataset", "root": str(root), "size": 4, "split": {"valid": 0.2}, **options}
    return load_bundle(datasets.parse(data), seed=0)


def every(bundle: DataBundle) -> dict[str, tuple[str, np.ndarray]]:
    """Id → class name and pixels, of all parts."""
    found = {}
    for split in (bundle.train, bundle.valid, bundle.test):
        for position, sample in enumerate(split.ids):
            pixels = np.asarray(split.inputs[np.array([position])])[0]
            found[str(sample)] = bundle.spec.classes.names[split.labels[position]], pixels
    return found


def test_shards_of_the_library_give_back_pixels_and_labels(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    images = RNG.integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    with wds.ShardWriter(str(tmp_path / "set-%03d.tar"), maxcount=7, verbose=0) as writer:
        for number, image in enumerate(images):
            writer.write({"__key__": f"sample{number:03}", "png": Image.fromarray(image), "cls": number % 3})
    for memory in (2048, 1):
        found = every(load(tmp_path, memory=memory))
        assert len(found) == 20
        for number, image in enumerate(images):
            name, pixels = found[f"set-{number // 7:03}.tar/sample{number:03}"]
            assert name == str(number % 3)
            assert np.array_equal(pixels, image.transpose(2, 0, 1))


def test_above_the_memory_limit_images_are_read_at_random(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", labelled(["0", "1"] * 4))
    write_shard(tmp_path / "b.tar", labelled(["0", "1"] * 4))
    kept, streamed = load(tmp_path, size=400), load(tmp_path, size=400, memory=1)
    assert isinstance(streamed.train.inputs, Selection)
    assert streamed.spec == kept.spec
    assert (streamed.train.inputs.shape, streamed.train.inputs.dtype) == (kept.train.inputs.shape, np.uint8)
    some = np.array([9, 0, 4])
    assert np.array_equal(streamed.train.inputs[some], kept.train.inputs[some])
    before = streamed.fingerprint
    assert load(tmp_path, size=400, memory=1).fingerprint == before
    os.utime(tmp_path / "a.tar", ns=(1, 1))
    assert load(tmp_path, size=400, memory=1).fingerprint != before


@pytest.mark.parametrize("file", ["classes.txt", "classes.json"])
def test_numbers_become_the_names_in_the_list_of_classes(file: str, tmp_path: Path) -> None:
    names = ["pear", "apple", "fig"]
    (tmp_path / file).write_text("\n".join(names) + "\n" if file.endswith("txt") else json.dumps(names))
    write_shard(tmp_path / "a.tar", labelled(["0", "1", "2\n"] * 4))
    bundle = load(tmp_path)
    assert bundle.spec.classes.names == ("apple", "fig", "pear")
    assert {sample[-3:]: name for sample, (name, _) in every(bundle).items()}["001"] == "apple"


def test_labels_in_json_may_be_numbers_or_names(tmp_path: Path) -> None:
    labels = ["7", 1, "cat"] * 4
    files = {}
    for number, label in enumerate(labels):
        files |= {f"{number}.json": json.dumps({"label": label}).encode(), f"{number}.png": png()}
    write_shard(tmp_path / "a.tar", files)
    (tmp_path / "classes.txt").write_text("bird\nfish\n")
    assert load(tmp_path).spec.classes.names == ("7", "cat", "fish")


def test_a_number_and_the_name_of_its_digits_are_one_class(tmp_path: Path) -> None:
    files = {}
    for number, label in enumerate([7, "7", 8] * 4):
        files |= {f"{number:02}.json": json.dumps({"label": label}).encode(), f"{number:02}.png": png()}
    write_shard(tmp_path / "a.tar", files)
    assert [name for name, _ in every(load(tmp_path)).values()].count("7") == 8


def test_folders_are_labels_where_nothing_else_is(tmp_path: Path) -> None:
    files = {}
    for number in range(10):
        folder = "deep/red" if number % 2 else "./blue"
        files |= {f"{folder}/{number}.PNG": png(), f"{folder}/{number}.json": b'{"caption": "no label"}'}
    write_shard(tmp_path / "a.tar", files)
    bundle = load(tmp_path)
    assert bundle.spec.classes.names == ("blue", "red")
    assert {"a.tar/blue/0", "a.tar/deep/red/1"} <= set(every(bundle))


def test_what_is_hidden_or_leads_elsewhere_is_passed_over(tmp_path: Path) -> None:
    strange = [
        "../x/1.png",
        "/x/2.png",
        "x/../../3.png",
        "x/.4.png",
        ".x/5.png",
        "./.x/6.png",
        "x/none",
        "x/7.md",
    ]
    files = {name: png() for name in strange} | {f"{'xy'[n % 2]}/a{n}.png": png() for n in range(10)}
    write_shard(tmp_path / "a.tar", files)
    write_shard(tmp_path / ".hidden.tar", {"z/0.png": b""})
    (tmp_path / "readme.md").write_text("")
    assert {sample.split("/", 1)[1] for sample in every(load(tmp_path))} == {f"{'xy'[n % 2]}/a{n}" for n in range(10)}


class Says(Quiet):
    """Collects what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_images_with_dots_in_their_names_are_passed_over_aloud(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clfkit.data.index.SETTLED_NS", -(10**10))
    names = ["x/a.mask.png", "x/a.png", "x/b.txt", *(f"y/a{n}.png" for n in range(9))]
    lost = [f"x/IMG.{year}.JPG" for year in range(1990, 2000)]
    write_shard(tmp_path / "a.tar", {name: png() for name in [*names, *lost]})
    for _ in range(2):  # the second time from the index
        says = Says()
        with heard_by(says):
            assert len(every(load(tmp_path, cache=cache))) == 10
        (note,) = [line for line in says.said if "passed over" in line]
        assert note.startswith(
            "note: 10 images are passed over, such as a.tar/x/IMG.1990.JPG: in shards everything from"
        )
    write_shard(tmp_path / "a.tar", {name: png() for name in lost})
    with pytest.raises(
        DataError, match=r"no images in its only shard; 10 images are passed over, such as a\.tar/x/IMG"
    ):
        load(tmp_path, cache=cache)


def test_parts_come_from_words_in_the_names(tmp_path: Path) -> None:
    write_shard(tmp_path / "set-train-000.tar", labelled(["0", "1", "2"]))
    write_shard(tmp_path / "set-train-001.tar", labelled(["0", "1", "2"]))
    write_shard(tmp_path / "set_Val000.tar", labelled(["2"]))
    write_shard(tmp_path / "test.tar", labelled(["1", "1"]))
    bundle = load(tmp_path)
    assert [len(split) for split in (bundle.train, bundle.valid, bundle.test)] == [6, 1, 2]
    assert bundle.valid.labels.tolist() == [2]
    assert bundle.test.ids.tolist() == ["test.tar/000", "test.tar/001"]


def test_classes_unknown_to_the_train_part_are_listed(tmp_path: Path) -> None:
    write_shard(tmp_path / "train.tar", labelled(["a", "b"]))
    write_shard(tmp_path / "test.tar", labelled(["c"]))
    with pytest.raises(ClassMismatch, match="train part does not have: test has 'c'"):
        load(tmp_path)


def test_a_brace_pattern_chooses_shards_in_its_order(tmp_path: Path) -> None:
    pytest.importorskip("braceexpand")
    for number in range(4):
        write_shard(tmp_path / "below" / f"a{number:03}.tar", labelled(["0", "1"] * 2))
    ids = list(every(load(tmp_path, shards="below/a{002,000}.tar")))
    assert {sample.split("/")[1] for sample in ids} == {"a002.tar", "a000.tar"}
    assert len(every(load(tmp_path, shards="below/a{000..002}.tar"))) == 12
    assert len(every(load(tmp_path, shards="below/a003.tar"))) == 4


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a{000000000..000000003}.tar", r"data\.shards: there is no file .*a000000001\.tar"),
        ("a{000000000..999999999}.tar", r"data\.shards: \{000000000\.\.999999999\} is more than 1,000,000 shards"),
        ("a{0", r"data\.shards: unbalanced braces in 'a\{0'"),
        ("../{a,b}.tar", r"data\.shards: \.\./a\.tar does not lie below"),
        ("/etc/passwd", r"data\.shards: /etc/passwd does not lie below"),
        ("a{000000000,000000000}.tar", r"data\.shards: a000000000\.tar is named twice"),
    ],
)
def test_faults_of_the_pattern(pattern: str, message: str, tmp_path: Path) -> None:
    pytest.importorskip("braceexpand")
    write_shard(tmp_path / "a000000000.tar", labelled(["0", "1"]))
    with pytest.raises(DataError, match=message):
        load(tmp_path, shards=pattern)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({"0.png": b""}, r"a\.tar/0: has no label", id="no label"),
        pytest.param({"x/0.png": b"", "x/1.png": b"", "x/1.cls": b"1"}, r"x/1: .*a \.cls, .* its folder", id="origins"),
        pytest.param({"0.png": b"", "0.jpg": b"", "0.cls": b"1"}, r"0: has more than one image", id="two images"),
        pytest.param({"0.png": b"", "0.cls": b" \n"}, r"0\.cls: must hold the number or the name", id="no text"),
        pytest.param({"0.png": b"", "0.cls": b"\xff"}, r"0\.cls: must hold .*not b'\\xff'", id="bytes"),
        pytest.param({"0.png": b"", "0.cls": b"1" * (2 << 20)}, r"0\.cls: 2,097,152 bytes are too many", id="long"),
        pytest.param({"0.png": b"", "0.json": b"{"}, r"0\.json: not valid JSON", id="json"),
        pytest.param({"0.png": b"", "0.json": b"[" * 100_000}, r"0\.json: not valid JSON", id="deep json"),
        pytest.param({"0.png": b"", "0.json": b'{"label": true}'}, r"0\.json: label must be .*not 'True'", id="true"),
        pytest.param(
            {"0.png": b"", "0.json": b'{"label": "\\ud800"}'}, r"0\.json: label must be", id="half a character"
        ),
        pytest.param([("x/0.png", b""), ("x/1.png", b""), ("x/0.png", b"")], r"x/0: stands twice", id="twice"),
        pytest.param([("x/0.png", b""), ("x/0.png", b"")], r"x/0: has two files \.png", id="two files"),
        pytest.param({"notes.txt": b""}, r"has no images in its only shard", id="no images"),
    ],
)
def test_faults_of_samples_name_shard_and_sample(
    files: dict[str, bytes] | list[tuple[str, bytes]], message: str, tmp_path: Path
) -> None:
    write_shard(tmp_path / "a.tar", files)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        ((), r"holds no \.tar files"),
        (("train.tar", "more.tar"), r"the name of shard more\.tar tells no part, and that of train\.tar does"),
        (("train-val.tar",), r"the name of shard train-val\.tar tells two parts: train and valid"),
        (("test.tar",), "no sample in the train part"),
    ],
)
def test_faults_of_the_names(shards: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for name in shards:
        write_shard(tmp_path / name, labelled(["0", "1"]))
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("classes.txt", "a\n", r"a\.tar/001: class number 1, but classes\.txt lists 1"),
        ("classes.txt", "a\n\nb\n", r"classes\.txt: must be a list of class names"),
        ("classes.txt", "a\na\n", r"classes\.txt: lists the class 'a' twice"),
        ("classes.json", '{"a": 0}', r"classes\.json: must be a list of class names"),
        ("classes.json", "[", r"classes\.json: cannot be read as JSON"),
    ],
)
def test_faults_of_the_list_of_classes(file: str, content: str, message: str, tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", labelled(["0", "1"]))
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.fixture
def shards_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the shards whose headers are read from now on; those written just now count as old."""
    names: list[str] = []

    def read(path: Path) -> object:
        names.append(path.name)
        return read_members(path)

    monkeypatch.setattr("clfkit.data.shards.read_members", read)
    monkeypatch.setattr("clfkit.data.index.SETTLED_NS", -(10**10))
    return names


def test_headers_are_read_once_until_a_shard_changes(tmp_path: Path, shards_read: list[str]) -> None:
    write_shard(tmp_path / "a.tar", labelled(["0", "1"] * 4))
    write_shard(tmp_path / "b.tar", labelled(["x", "1"] * 4))
    first, again = load(tmp_path), load(tmp_path)
    assert shards_read == ["a.tar", "b.tar"]
    assert again.fingerprint == first.fingerprint == load(tmp_path, cache="off").fingerprint
    shards_read.clear()
    (tmp_path / "classes.txt").write_text("zero\none\n")
    assert load(tmp_path).spec.classes.names == ("one", "x", "zero")
    assert shards_read == []
    write_shard(tmp_path / "b.tar", labelled(["y"] * 8))
    assert load(tmp_path).spec.classes.names == ("one", "y", "zero")
    write_shard(tmp_path / "c.tar", labelled(["z"] * 8))
    assert load(tmp_path).spec.classes.names == ("one", "y", "z", "zero")
    assert shards_read == ["a.tar", "b.tar", "a.tar", "b.tar", "c.tar"]


def test_images_of_shards_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "a.tar", labelled(["0", "1"] * 4))
    first, stream = load(tmp_path, size=400, memory=1), load(tmp_path, size=400, memory=1, cache="off")
    monkeypatch.setattr(ShardImages, "decode", None)
    again, kept = load(tmp_path, size=400, memory=1), load(tmp_path, size=400)
    assert first.fingerprint == again.fingerprint == stream.fingerprint
    monkeypatch.undo()
    for part in ("train", "valid", "test"):
        at = np.arange(len(stream.part(part)))
        expected = stream.part(part).inputs[at]
        for other in (first, again, kept):
            assert np.array_equal(other.part(part).inputs[at], expected)


def test_a_shard_written_anew_with_size_and_time_put_back_is_decoded_again(tmp_path: Path) -> None:
    shard = tmp_path / "a.tar"
    for level in (10, 200):
        image = png(np.full((4, 4, 3), level, np.uint8)).ljust(100, b"\0")
        files = labelled(["0", "1"] * 4)
        write_shard(shard, {name: image if name.endswith("png") else content for name, content in files.items()})
        os.utime(shard, (10**9, 10**9))
        assert {pixels.max() for _, pixels in every(load(tmp_path, size=400, memory=1)).values()} == {level}


def test_a_damaged_image_is_named_by_its_shard(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", labelled(["0", "1"] * 3) | {"x.png": png()[:40], "x.cls": b"1"})
    with pytest.raises(DataError, match=r"a\.tar/image at byte \d+: damaged image: its PNG header"):
        load(tmp_path)


def test_a_shard_that_shrinks_while_it_is_used_is_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", labelled(["0", "1"] * 4))
    streamed = load(tmp_path, size=400, memory=1, cache="off")
    os.truncate(tmp_path / "a.tar", 600)
    with pytest.raises(DataError, match=r"a\.tar/image at byte \d+: cut off since its header was read"):
        streamed.train.inputs[np.arange(3)]
    (tmp_path / "a.tar").unlink()
    with pytest.raises(DataError, match=r"a\.tar: No such file"):
        streamed.train.inputs[np.arange(3)]
