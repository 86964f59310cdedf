"""Each system call of a save fails once: it is told, a good checkpoint is found, and the next start clears up."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfkit.checkpoint import read_checkpoint
from clfkit.engines.base import Totals
from clfkit.errors import RunError
from clfkit.memory import RunMemory
from clfkit.preparation import read_data
from clfkit.remembering import Snapshot
from clfkit.run import RunDirectory

CALLS = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "truncate")


class Calls:
    """Counts the system calls that change the disk, and lets one of them fail. A write that fails has half worked."""

    def __init__(self, patch: pytest.MonkeyPatch, fails: int, number: int) -> None:
        self.made: list[str] = []
        self._fails, self._number = fails, number
        for name in CALLS:
            patch.setattr(os, name, self._counted(name, getattr(os, name)))
        patch.setattr(io, "open", self._opened(io.open))

    def count(self, name: str, half: Callable[[], object] = lambda: None) -> None:
        self.made.append(name)
        if len(self.made) == self._fails:
            half()
            raise OSError(self._number, os.strerror(self._number))

    def _counted(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.count(name)
            return original(*arguments, **options)

        return call

    def _opened(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if mode in ("r", "rb"):
                return original(file, mode, *arguments, **options)
            self.count("open")
            return _File(original(file, mode, *arguments, **options), self)

        return call


class _File:
    def __init__(self, file: Any, calls: Calls) -> None:
        self._file, self._calls = file, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: Any) -> int:
        """Counted."""
        self._calls.count("write", lambda: self._file.write(bytes(content)[: len(content) // 2]))
        written: int = self._file.write(content)
        return written


@dataclasses.dataclass(frozen=True)
class Saving:
    """A run that has saved step 10 and is about to save step 15, with another best epoch."""

    run: RunDirectory
    memory: RunMemory
    snapshot: Snapshot
    losses: Totals

    def save(self) -> None:
        """History, steps, last, results that go, best."""
        self.memory._pending = [(self.snapshot.records[-1], self.losses)]
        self.memory._unsaved = self.snapshot
        self.memory.flush()


@pytest.fixture
def stand(laboratory: Any, tmp_path: Path) -> Callable[[int], Saving]:
    """Makes such a run anew."""
    config = laboratory.config("blobs", {"engine": "scratch", "report": False, "baselines": []})
    finished = laboratory.run(config)
    bundle, last, best = read_data(config), finished.checkpoint("last"), finished.checkpoint("best")
    counts = last.class_counts

    def snapshot(epoch: int) -> Snapshot:
        records = last.records[:epoch]
        state = last.state.model_copy(update={"epoch": epoch, "step": records[-1].step, "best_epoch": epoch - 1})
        model = {name: array + epoch for name, array in last.model.items()}
        return Snapshot(state, records, model, last.optimizer, {}, best.model)

    first = tmp_path / "first"
    shutil.copytree(finished.path, first, ignore=shutil.ignore_patterns("checkpoints", "history.jsonl", "*.csv"))
    memory = RunMemory(RunDirectory(first), config, bundle, counts)
    memory.run.write_history(last.records[:2])
    memory.save(snapshot(2))
    memory.flush()

    def make(number: int) -> Saving:
        run = RunDirectory(shutil.copytree(first, tmp_path / str(number)))
        again = RunMemory(run, config, bundle, counts, saved_best=1)
        return Saving(
            run, again, snapshot(3), Totals.of(dict.fromkeys(("loss", "weight", "correct", "count"), np.ones(5)))
        )

    return make


def left_over(run: RunDirectory) -> list[Path]:
    return [path for path in run.path.rglob("*") if path.suffix in (".tmp", ".new", ".old")]


def modes(run: RunDirectory) -> set[tuple[bool, int]]:
    """Of folders, which is True, and of files."""
    return {(path.is_dir(), path.stat().st_mode & 0o777) for path in (run.path, *run.path.rglob("*"))}


def fails_well(case: Saving, at: int, number: int) -> bool:
    """Let the call number `at` fail. False when there are not so many."""
    run, step = case.run, case.snapshot.state.step
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch, at, number)
        try:
            case.save()
        except RunError as error:
            told = str(error)
        else:
            assert len(calls.made) < at, f"nobody was told that {calls.made[at - 1]} failed ({calls.made[:at]})"
            return False
    assert told.startswith("cannot ") and str(run.path) in told, told
    assert ("the disk is full" if number == errno.ENOSPC else os.strerror(number)) in told
    found = read_checkpoint(run.resumable()[0]).state.step
    assert found in (10, step)
    assert len(run.history()) in (2, 3), "no line is torn"
    run.go_back_to(run.resumable()[0])
    assert left_over(run) == []
    case.save()
    assert run.checkpoint("last").state.step == step
    assert run.checkpoint("best").state.best_epoch == 2
    assert read_checkpoint(run.path / "checkpoints/previous").state.step in (10, step)
    assert left_over(run) == []
    assert modes(run) == {(True, 0o755), (False, 0o644)}
    shutil.rmtree(run.path)
    return True


@pytest.mark.fault("B1")
@pytest.mark.parametrize(
    ("number", "each"),
    [
        (errno.EIO, 7),
        pytest.param(errno.EIO, 1, marks=pytest.mark.matrix),
        pytest.param(errno.ENOSPC, 1, marks=pytest.mark.matrix),
    ],
    ids=["some", "input/output error", "disk full"],
)
def test_each_call_fails_once(stand: Callable[[int], Saving], number: int, each: int) -> None:
    before = os.umask(0o022)
    try:
        at = 1
        while fails_well(stand(at), at, number):
            at += each
    finally:
        os.umask(before)
    assert at > 60, "this many calls save a checkpoint"


@pytest.mark.fault("B1")
def test_files_on_their_way_are_removed_when_their_process_is_gone(stand: Callable[[int], Saving]) -> None:
    run = stand(0).run
    names = [".status.json.{}.tmp", "plots/.a.png.{}.tmp", "evaluation/.test.json.{}.tmp"]
    (run.path / "plots").mkdir(exist_ok=True)
    dead, alive = 2**22 + 1, os.getppid()  # process numbers end at 2**22
    for name in names:
        (run.path / name.format(dead)).write_bytes(b"half")
        (run.path / name.format(alive)).write_bytes(b"half")
    (run.path / ".mine.tmp").touch()
    run.go_back_to(run.resumable()[0])
    assert sorted(path.relative_to(run.path).as_posix() for path in left_over(run)) == sorted(
        [".mine.tmp", *(name.format(alive) for name in names)]
    )
