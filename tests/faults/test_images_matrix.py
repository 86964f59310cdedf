"""Bad and odd images: each is seen as a person would see it, or refused by name, with class and reason where it is left
out; never is it trained on as something else."""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images import ODD_IMAGES, SIDE, Refused, place, saved
from PIL import Image

from clfkit.__main__ import main
from clfkit.components import datasets
from clfkit.config import load_config
from clfkit.data.bundle import DataBundle, Decoder, ImageFormat
from clfkit.data.decoding import decode_image
from clfkit.data.loading import load_bundle
from clfkit.data.packing import pack_files
from clfkit.data.sources.image_folder import labelled_files
from clfkit.errors import BadImage, DataError, RunError
from clfkit.experiment import resume_run, run_experiment
from clfkit.progress import Quiet
from clfkit.reporting import heard_by
from clfkit.run import RunDirectory

pytestmark = pytest.mark.fault("E1")

BAD = {what: odd for what, odd in ODD_IMAGES.items() if isinstance(odd.outcome, Refused) and "pillow" in odd.outcome.by}
CLASSES = ("cat", "dog")
SOUND = 20  # images of each class
SKIP: dict[str, Any] = {"on_bad_sample": "skip", "max_bad": 0.9}


def form(decoder: Decoder) -> ImageFormat:
    return ImageFormat(height=SIDE, width=SIDE, channels=3, decoder=decoder)


SEEN_BY = [
    (what, decoder)
    for what, odd in ODD_IMAGES.items()
    for decoder in ("pillow", "simplejpeg")
    if not isinstance(odd.outcome, Refused) or decoder in odd.outcome.by
]


@pytest.mark.parametrize(("what", "decoder"), SEEN_BY)
def test_an_odd_image_is_seen_as_a_person_sees_it_or_refused(what: str, decoder: Decoder, tmp_path: Path) -> None:
    odd = ODD_IMAGES[what]
    path = place(odd, tmp_path)
    if isinstance(odd.outcome, Refused):
        with pytest.raises(BadImage) as refused:
            decode_image(path, form(decoder))
        assert refused.value.path == path
        assert refused.value.fault == odd.outcome.fault
        assert odd.outcome.reason in refused.value.reason
    else:
        seen = decode_image(path, form(decoder)).transpose(1, 2, 0)
        assert np.abs(seen.astype(int) - odd.outcome).max() <= 2


def test_bit_rot_that_pillow_lets_pass_is_an_image_still(tmp_path: Path) -> None:
    """A JPEG file has no checksum: docs/reliability.md says who sees it."""
    assert decode_image(place(ODD_IMAGES["JPEG bit rot"], tmp_path), form("pillow")).shape == (3, SIDE, SIDE)


# What becomes of them in a set


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sound images of two classes, each another."""
    random = np.random.default_rng(1)
    for class_name in CLASSES:
        (tmp_path / "photos" / class_name).mkdir(parents=True)
        for number in range(SOUND):
            pixels = random.integers(0, 256, (4, 4, 3), np.uint8)
            (tmp_path / "photos" / class_name / f"{number:02}.png").write_bytes(saved(Image.fromarray(pixels), "PNG"))
    return tmp_path / "photos"


def add_all_bad(root: Path) -> dict[str, Refused]:
    """Put every bad image into a class; the id of each, and what is wrong with it."""
    expected: dict[str, Refused] = {}
    for number, odd in enumerate(BAD.values()):
        path = place(odd._replace(name=f"bad-{number:02}{Path(odd.name).suffix}"), root / CLASSES[number % 2])
        assert isinstance(odd.outcome, Refused)
        expected[path.relative_to(root).as_posix()] = odd.outcome
    return expected


class Heard(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def load(root: Path, name: str = "image_folder", heard: Heard | None = None, **options: Any) -> DataBundle:
    data = {"name": name, "root": str(root), "size": 8, **options}
    with heard_by(heard or Heard()):
        return load_bundle(datasets.parse(data), seed=0)


def ids(bundle: DataBundle) -> dict[str, list[str]]:
    return {part: list(getattr(bundle, part).ids) for part in ("train", "valid", "test")}


def pixels(bundle: DataBundle) -> np.ndarray:
    return np.concatenate(
        [each.inputs[np.arange(len(each))] for each in (bundle.train, bundle.valid, bundle.test)]
    )  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize("what", BAD)
def test_one_bad_image_stops_by_default_and_is_named(what: str, folder: Path) -> None:
    path = place(BAD[what], folder / "dog")
    with pytest.raises(DataError) as stopped:
        load(folder, cache="off")
    assert str(path) in str(stopped.value)


STORAGE: dict[str, dict[str, Any]] = {
    "resident": {"cache": "off"},
    "cached": {"memory": 1},
    "streamed": {"memory": 1, "cache": "off"},
}


@pytest.mark.matrix
def test_what_is_left_of_a_set_is_the_set_without_bad_images_wherever_it_lies(folder: Path) -> None:
    sound = load(folder, cache="off", size=128)
    expected = add_all_bad(folder)
    for options in STORAGE.values():
        for _ in range(2):  # the second time from what was kept of the first
            found = load(folder, size=128, **SKIP, **options)
            assert {each.id: (each.class_name, each.fault) for each in found.left_out.samples} == {
                name: (name.split("/")[0], refused.fault) for name, refused in expected.items()
            }
            assert all(expected[each.id].reason in each.reason for each in found.left_out.samples)
            assert ids(found) == ids(sound)
            assert found.train.content["files"] == sound.train.content["files"]
            np.testing.assert_array_equal(pixels(found), pixels(sound))


def test_the_fingerprint_is_that_of_the_sound_images(folder: Path) -> None:
    sound = load(folder)
    add_all_bad(folder)
    assert load(folder, **SKIP).fingerprint == sound.fingerprint
    (folder / "cat/00.png").write_bytes(b"hello")
    assert load(folder, **SKIP).fingerprint != sound.fingerprint


def test_it_is_said_once_how_many_are_left_out_and_why(folder: Path) -> None:
    for part in ("train", "test"):
        (folder / part).mkdir()
        for class_name in CLASSES:
            (folder / part / class_name).mkdir()
    for class_name in CLASSES:
        for number, path in enumerate(sorted((folder / class_name).iterdir())):
            path.rename(folder / ("train" if number % 2 else "test") / class_name / path.name)
        (folder / class_name).rmdir()
    (folder / "train/cat/bad.png").write_bytes(b"")
    (folder / "test/cat/bad.png").write_bytes(b"")
    (folder / "test/dog/bad.png").write_bytes(b"hello")
    heard = Heard()
    bundle = load(folder, heard=heard, **SKIP)
    assert heard.lines.count(
        "note: 3 of 43 images cannot be read and are left out: 2 empty, 1 unknown format; "
        "the score on test is of 2 samples fewer"
    ) == 1  # fmt: skip
    assert [each.part for each in bundle.left_out.samples] == ["test", "test", "train"]
    assert len(bundle.test) == SOUND


def test_more_than_the_maximum_stops(folder: Path) -> None:
    for number in range(3):
        (folder / "dog" / f"bad-{number}.png").write_bytes(b"hello")
    for allowed in (0.05, 2):
        with pytest.raises(DataError, match=r"3 of 43 images cannot be read \(3 unknown format\), more than") as few:
            load(folder, on_bad_sample="skip", max_bad=allowed)
        assert str(folder / "dog" / "bad-0.png") in str(few.value)
    assert len(load(folder, on_bad_sample="skip", max_bad=3).left_out.samples) == 3
    assert len(load(folder, on_bad_sample="skip", max_bad=0.07).left_out.samples) == 3


def test_a_class_does_not_vanish(folder: Path) -> None:
    (folder / "emu").mkdir()
    (folder / "emu/bad.png").write_bytes(b"hello")
    with pytest.raises(DataError, match="none of the train images can be read of 'emu'"):
        load(folder, **SKIP)


def test_what_was_found_is_remembered_until_a_file_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_all_bad(folder)
    decoded: list[str] = []
    plain = decode_image

    def counted(path: Path, *rest: Any) -> Any:
        decoded.append(path.name)
        return plain(path, *rest)

    first = load(folder, **SKIP)
    monkeypatch.setattr("clfkit.data.images.decode_image", counted)
    assert load(folder, **SKIP).left_out.samples == first.left_out.samples
    assert decoded == []
    cured, spoiled = folder / "cat/bad-00.png", folder / "cat/00.png"
    cured.write_bytes((folder / "cat/01.png").read_bytes())
    spoiled.write_bytes(b"hello")
    now = {sample.id for sample in load(folder, **SKIP).left_out.samples}
    assert now ^ {sample.id for sample in first.left_out.samples} == {"cat/bad-00.png", "cat/00.png"}
    assert set(decoded) == {"bad-00.png", "00.png"}


def test_files_that_a_table_lists(folder: Path) -> None:
    expected = add_all_bad(folder)
    listed = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*") if path.is_file())
    rows = [*listed, *(set(expected) - set(listed)), "cat/nowhere.png", "elsewhere/nowhere.png"]
    (folder / "all.csv").write_text("path,label\n" + "".join(f"{row},{row.split('/')[0][-3:]}\n" for row in rows))
    (folder / "all.csv").write_text((folder / "all.csv").read_text().replace("nowhere.png,ere", "nowhere.png,dog"))
    with pytest.raises(DataError, match="there is no file"):
        load(folder, csv="all.csv")
    found = load(folder, csv="all.csv", **SKIP)
    assert {each.id for each in found.left_out.samples} == {*expected, "cat/nowhere.png", "elsewhere/nowhere.png"}
    assert sum(map(len, ids(found).values())) == 2 * SOUND
    with pytest.raises(DataError, match="there is no file"):
        load(folder, csv="all.csv")


@pytest.mark.matrix
def test_images_in_shards(folder: Path, tmp_path: Path) -> None:
    add_all_bad(folder)
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards/all.tar", "w") as tar:
        for path in sorted(folder.glob("*/*")):
            if path.is_file() and not path.is_symlink():
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                member.size = len(content := path.read_bytes())
                tar.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match=r"all\.tar/image at byte \d+: "):
        load(tmp_path / "shards", "webdataset", cache="off")
    bad = {
        f"all.tar/{CLASSES[number % 2]}/bad-{number:02}": odd.outcome
        for number, odd in enumerate(BAD.values())
        if isinstance(odd.content, bytes)
    }
    for options in STORAGE.values():
        found = load(tmp_path / "shards", "webdataset", size=128, on_bad_sample="quarantine", max_bad=0.9, **options)
        assert {each.id: each.fault for each in found.left_out.samples} == {
            name: refused.fault for name, refused in bad.items() if isinstance(refused, Refused)
        }
        assert sum(map(len, ids(found).values())) == 2 * SOUND
        assert found.left_out.content is not None
        contents = {each.id: found.left_out.content(at) for at, each in enumerate(found.left_out.samples)}
        empty = [name for name, refused in bad.items() if isinstance(refused, Refused) and refused.fault == "empty"]
        assert [name for name, content in contents.items() if not content] == empty
        np.testing.assert_array_equal(pixels(found), pixels(load(folder, size=128, **SKIP)))


@pytest.mark.parametrize(("number", "skipped"), [(errno.EACCES, True), (errno.EIO, False)])
def test_a_file_that_may_not_be_read_is_left_out_and_a_failing_disk_is_not_taken_for_one(
    number: int, skipped: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the system's answer is given by hand. It is asked anew at the next start."""
    plain, refused = os.open, folder / "dog/03.png"

    def opened(path: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(path) == os.fspath(refused):
            raise OSError(number, os.strerror(number))
        return plain(path, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", opened)
        if not skipped:
            with pytest.raises(DataError, match=rf"{refused}: cannot be read: input/output error"):
                load(folder, **SKIP)
            return
        (sample,) = load(folder, **SKIP).left_out.samples
        assert (sample.id, sample.fault, sample.reason) == ("dog/03.png", "not permitted", "permission denied")
    assert load(folder, **SKIP).left_out.samples == ()


def test_a_name_that_is_not_utf8_is_refused_by_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder / "dog") + b"/caf\xe9.png")).write_bytes(b"")
    with pytest.raises(DataError, match=r"caf\\xe9\.png' is not valid UTF-8; rename the file"):
        load(folder, **SKIP)


def test_packing_does_not_wait_for_a_pipe(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "dog/pipe.png")
    found = labelled_files(str(folder), None, "off")
    with pytest.raises(DataError, match=r"pipe\.png: a named pipe, not a file"):
        pack_files(found, folder, tmp_path / "packed", 1, 0)
    assert not (tmp_path / "packed").exists()


# What a run keeps of them

RUN = """
name: photos
engine: scratch
data: {{name: image_folder, root: {root}, size: 4, on_bad_sample: quarantine, max_bad: 0.9}}
model: {{name: mlp, hidden: [4]}}
train: {{epochs: 2, batch_size: 8, optimizer: {{name: sgd, lr: 0.01}}}}
baselines: []
plots: []
"""


@pytest.fixture
def finished(folder: Path, tmp_path: Path) -> RunDirectory:
    """A run on the sound ones of them."""
    add_all_bad(folder)
    (folder / "cat/new\nline.png").write_bytes(b"hello")
    (tmp_path / "photos.yaml").write_text(RUN.format(root=folder))
    config = load_config(tmp_path / "photos.yaml", {})
    run = RunDirectory.create(tmp_path / "outputs", config, None)
    run_experiment(run, config, Quiet())
    return run


@pytest.mark.matrix
def test_a_run_lists_what_it_left_out_and_keeps_copies(finished: RunDirectory, folder: Path) -> None:
    with (finished.path / "bad_samples.csv").open(newline="") as file:
        rows = {row["sample"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(BAD) + 1
    assert rows["cat/new\nline.png"]["reason"].startswith("not an image in a format")
    for sample, row in rows.items():
        assert row["class"] == sample.split("/")[0]
        there = (folder / sample).is_file()
        assert bool(row["copy"]) == there
        if there:
            assert (finished.path / row["copy"]).read_bytes() == (folder / sample).read_bytes()
    left = f"{len(rows):,} of {len(rows) + 2 * SOUND:,} images cannot be read and are left out"
    assert left in (finished.path / "report.html").read_text()


@pytest.mark.matrix
def test_a_resumed_run_leaves_out_the_same_or_stops(finished: RunDirectory, folder: Path) -> None:
    before = (finished.path / "bad_samples.csv").read_bytes()
    longer = [load_config(finished.path / "config.yaml", {"train.epochs": epochs}) for epochs in (3, 4)]
    resume_run(finished, Quiet(), longer[0])
    assert (finished.path / "bad_samples.csv").read_bytes() == before
    assert len(finished.history()) == 3
    (folder / "cat/00.png").write_bytes(b"hello")
    with pytest.raises(RunError, match="the data changed since"):
        resume_run(finished, Quiet(), longer[1])
    assert (finished.path / "bad_samples.csv").read_bytes() == before  # of what it was trained on


def test_predict_tells_a_bad_image_in_its_row_and_answers_the_others(
    finished: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def predicted(*inputs: Path) -> tuple[int, list[dict[str, str]], str]:
        monkeypatch.setattr(sys, "argv", ["clfkit", "predict", "--checkpoint", str(finished.path), *map(str, inputs)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, list(csv.DictReader(io.StringIO(told.out))), told.err

    sound = sorted(folder.glob("dog/[0-9]*.png"))
    bad = sorted(set(folder.glob("*/*")) - set(folder.glob("*/[0-9]*.png")))
    code, answers, _ = predicted(*sound)
    assert code == 0
    assert list(answers[0]) == ["sample", "predicted", "probability"]
    code, rows, told = predicted(*bad[:9], *sound, *bad[9:])
    assert code == 1
    assert [row["sample"] for row in rows] == [str(path) for path in (*bad[:9], *sound, *bad[9:])]
    assert [row | {"error": ""} for row in answers] == rows[9 : 9 + len(sound)]
    assert all(row["error"] and not row["predicted"] for row in (*rows[:9], *rows[9 + len(sound) :]))
    assert f"{len(bad)} of {len(bad) + len(sound)} images cannot be read" in told
    code, rows, _ = predicted(*bad[:2])
    assert (code, len(rows)) == (1, 2)
