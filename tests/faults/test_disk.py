"""Disks that are full, read-only or gone while a run writes; lines that were torn."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfkit import storage
from clfkit.errors import Interrupted, RunError
from clfkit.experiment import resume_run, run_experiment
from clfkit.progress import Quiet
from clfkit.run import RunDirectory
from test_resume import StopAt, assert_equal

EVERY_EPOCH = {"engine": "scratch", "train.checkpoint_every": {"steps": 5}, "report": False, "baselines": []}


@pytest.fixture(scope="module")
def whole(laboratories: Any, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The run to which nothing happens."""
    laboratory = laboratories(tmp_path_factory.mktemp("whole"))
    return laboratory.run(laboratory.config("blobs", EVERY_EPOCH))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def interrupted(laboratories: Any, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """The same, stopped after step 12."""
    laboratory = laboratories(tmp_path_factory.mktemp("interrupted"))
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config("blobs", EVERY_EPOCH), StopAt(12), "one")
    return RunDirectory(laboratory.out / "tiny/one")


class Accident(Quiet):
    """Something happens after a step."""

    def __init__(self, step: int, happen: Callable[[], object]) -> None:
        self.step, self.happen = step, happen
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def on_step(self, step: int) -> None:
        if step == self.step:
            self.happen()


def mounted(folder: Path, *options: str) -> bool:
    return subprocess.run(["mount", *options, str(folder)], check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mounted(disk, "-t", "tmpfs", "-o", "size=400k", "tmpfs"):
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


# B2


@pytest.mark.fault("B2")
def test_disk_that_fills_up_keeps_the_last_checkpoint(laboratory: Any, whole: RunDirectory, small_disk: Path) -> None:
    config = laboratory.config("blobs", EVERY_EPOCH)
    run = RunDirectory.create(small_disk, config, "one")
    with pytest.raises(RunError, match=r"cannot write .*: the disk is full \(.*B are free"):
        run_experiment(run, config, Accident(12, lambda: fill(small_disk)))
    assert run.checkpoint("last").state.step == 10
    (small_disk / "filler").unlink()
    resume_run(run, Quiet())
    assert_equal(run, whole)


@pytest.mark.fault("B2")
@pytest.mark.parametrize("limit", [pytest.param(700, marks=pytest.mark.matrix), 2000])
def test_limit_on_the_size_of_files(laboratory: Any, limit: int) -> None:
    """700 bytes are less than a checkpoint's head takes, 2,000 less than its history of four epochs."""
    config = laboratory.config("blobs", {**EVERY_EPOCH, "train.epochs": 12})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(RunError, match=r"larger than files may be here \(ulimit -f.*, .* needed\)"):
            laboratory.run(
                config, Accident(12, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))), "one"
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run = RunDirectory(laboratory.out / "tiny/one")
    assert run.checkpoint("last").state.step >= 10
    resume_run(run, Quiet())
    assert_equal(run, laboratory.run(config))


@pytest.mark.fault("B2")
@pytest.mark.parametrize("engine", ["scratch", pytest.param("torch", marks=pytest.mark.matrix)])
def test_room_is_looked_for_before_the_first_step(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """The network has 51 numbers, so a checkpoint 204 bytes of weights and with Adam 408 more."""
    config = laboratory.config("blobs", {"engine": engine, "train.epochs": 1})
    usage = shutil.disk_usage(laboratory.folder)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: usage._replace(free=700))
    with pytest.raises(RunError, match=r"not enough room on the disk: checkpoints will take .*, and 700 B are free"):
        laboratory.run(config, None, "one")
    assert not (laboratory.out / "tiny/one").exists()
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: usage._replace(free=2500))
    listener = Accident(0, lambda: None)
    laboratory.run(config, listener, "two")
    expected = "note: checkpoints may take 2.9 kB, and 2.5 kB are free"  # NumPy's Adam counts the steps of four arrays
    assert any(
        line.startswith(expected.replace("2.9", "2.86" if engine == "torch" else "2.9")) for line in listener.said
    )


@pytest.mark.fault("B2")
def test_a_run_that_is_trained_needs_no_room_for_checkpoints(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = laboratory.run(laboratory.config("blobs", {"engine": "scratch"}))
    run.set_status("interrupted")
    usage = shutil.disk_usage(laboratory.folder)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: usage._replace(free=10))
    resume_run(run, Quiet())
    assert run.status()["status"] == "finished"


@pytest.mark.fault("B2")
def test_disk_that_is_too_small_from_the_start(laboratory: Any, small_disk: Path) -> None:
    config = laboratory.config("blobs", {"engine": "scratch", "model.hidden": [200, 200]})
    run = RunDirectory.create(small_disk, config, "one")
    with pytest.raises(RunError, match="not enough room on the disk"):
        run_experiment(run, config, Quiet())
    assert not run.path.exists()


# B3


def gone(run: Path) -> None:
    shutil.rmtree(run)


def a_file(run: Path) -> None:
    shutil.rmtree(run)
    run.touch()


def file_for_checkpoints(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").touch()


@pytest.mark.fault("B3")
@pytest.mark.parametrize("happen", [gone, a_file, file_for_checkpoints])
@pytest.mark.parametrize("steps", [5, pytest.param(3, marks=pytest.mark.matrix)], ids=["epoch", "within an epoch"])
def test_folder_that_vanishes_is_told_and_not_made_again(
    laboratory: Any, happen: Callable[[Path], None], steps: int
) -> None:
    config = laboratory.config("blobs", {**EVERY_EPOCH, "train.checkpoint_every": {"steps": steps}})
    path = laboratory.out / "tiny/one"
    listener = Accident(7, lambda: happen(path))
    seen: list[int] = []
    listener.on_epoch_end = lambda record, best: seen.append(record.step)  # type: ignore[method-assign]
    with pytest.raises(RunError, match=r"cannot (write|make|remove) .*: (No such file|Not a directory|File exists)"):
        laboratory.run(config, listener, "one")
    assert seen in ([5], [5, 10]), "it stops at the next write"
    assert path.is_dir() == (happen is file_for_checkpoints)


@pytest.mark.fault("B3")
@pytest.mark.usefixtures("small_disk")  # where one cannot be mounted, this cannot be either
def test_folder_that_becomes_read_only_is_told(laboratory: Any, whole: RunDirectory) -> None:
    config = laboratory.config("blobs", EVERY_EPOCH)
    run = RunDirectory.create(laboratory.out, config, "one")
    try:
        with pytest.raises(RunError, match=r"cannot (write|make) .*: Read-only file system"):
            run_experiment(run, config, Accident(7, lambda: mounted(run.path, "-t", "tmpfs", "-o", "ro", "tmpfs")))
    finally:
        subprocess.run(["umount", str(run.path)], check=True)
    assert run.checkpoint("last").state.step == 5
    resume_run(run, Quiet())
    assert_equal(run, whole)


# B6


def torn(run: RunDirectory, name: str, add: bytes, cut: int) -> None:
    path = run.path / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut] + add)


@pytest.mark.fault("B6")
@pytest.mark.parametrize(
    ("name", "add", "cut"),
    [
        ("history.jsonl", b'{"epoch": 3, "st', 0),
        ("history.jsonl", b"", 20),
        ("history.jsonl", b"\0" * 100, 0),
        ("history.jsonl", b"", 10_000),
        ("metrics.csv", b"3,1", 0),
        ("steps.f32", b"\0\0", 0),
        ("steps.f32", b"", 7),
    ],
    ids=["torn", "cut", "zeros", "lost", "table", "half a step", "lost steps"],
)
def test_torn_lines_are_repaired_on_resume(
    interrupted: RunDirectory, whole: RunDirectory, tmp_path: Path, name: str, add: bytes, cut: int
) -> None:
    run = RunDirectory(shutil.copytree(interrupted.path, tmp_path / "run"))
    torn(run, name, add, cut)
    resume_run(run, Quiet())
    if name == "steps.f32" and cut:
        assert np.isnan(run.step_losses()[8:10]).all()
        assert run.step_losses()[10:].tobytes() == whole.step_losses()[10:].tobytes()
    else:
        assert_equal(run, whole)


@pytest.mark.fault("B6")
def test_a_line_that_the_disk_took_half_of_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.jsonl"
    storage.append(path, b"one\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, before[1]))
    try:
        with pytest.raises(RunError, match="larger than files may be"):
            storage.append(path, b"two\nthree\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"one\n"
