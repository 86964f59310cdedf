"""Two processes for one run: one wins, the other names it; the lock of a dead one is no lock."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from clfkit import locking
from clfkit.errors import RunError
from clfkit.run import RunDirectory


def race(runs: list[RunDirectory]) -> list[str]:
    """Two processes for each run, all at once. What they told, a line each."""
    (start, go), (done, end), (told, answer) = os.pipe(), os.pipe(), os.pipe()
    children = [_racer(run, start, done, answer, (go, end, told)) for run in (*runs, *runs)]
    for descriptor in (start, done, answer, go):
        os.close(descriptor)
    with os.fdopen(told) as lines:
        found = [lines.readline().strip() for _ in children]
        os.close(end)
    for pid in children:
        os.waitpid(pid, 0)
    return found


def _racer(run: RunDirectory, start: int, done: int, answer: int, others: tuple[int, ...]) -> int:
    """A child process that tries to take a run's lock when `start` is closed, answers, and stays until `done` is."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for descriptor in others:
            os.close(descriptor)
        os.read(start, 1)
        lock = None
        try:
            lock = run.lock()
            told = f"{os.getpid()} has {run.path}"
        except RunError as error:
            told = f"{os.getpid()} refused: {error}"
        os.write(answer, told.encode() + b"\n")
        os.read(done, 1)
        del lock
    finally:
        os._exit(0)


@pytest.mark.fault("B5")
@pytest.mark.parametrize("races", [8, pytest.param(50, marks=pytest.mark.matrix)])
def test_one_wins_every_race_and_the_other_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, races: int
) -> None:
    monkeypatch.setattr(locking, "PATIENCE", 60.0)  # so many processes at once may be slow to write their name
    runs = [RunDirectory(tmp_path / f"run-{number}") for number in range(races)]
    for run in runs:
        run.path.mkdir()
        (run.path / ".owner.json").write_text('{"pid": 4194305, "host": "elsewhere"}')  # of an earlier process
    told = race(runs)
    for run in runs:
        (winner,) = (line for line in told if line.endswith(f"has {run.path}"))
        (loser,) = (line for line in told if f"refused: {run.path} is in use by" in line)
        assert f"in use by process {winner.split()[0]} on {socket.gethostname()};" in loser


@pytest.mark.fault("B5")
def test_no_dead_process_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the one that has the lock has not written its name."""
    monkeypatch.setattr(locking, "PATIENCE", 0.0)
    glance = FileLock(tmp_path / ".lock")
    owner = {"pid": 2**22 + 1, "host": socket.gethostname()}  # process numbers end at 2**22
    (tmp_path / ".owner.json").write_text(json.dumps(owner))
    with glance, pytest.raises(RunError, match="in use by another process;"):
        RunDirectory(tmp_path).lock()


@pytest.mark.fault("B5")
def test_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    ready, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            lock = run.lock()
            os.write(tell, b"locked")
            signal.pause()
            del lock
        finally:
            os._exit(0)
    assert os.read(ready, 6) == b"locked"
    with pytest.raises(RunError, match=f"in use by process {pid} on {re.escape(socket.gethostname())}"):
        run.lock()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with run.lock():
        assert json.loads((run.path / ".owner.json").read_text())["pid"] == os.getpid()
    for descriptor in (ready, tell):
        os.close(descriptor)


@pytest.mark.fault("B5")
@pytest.mark.slow
@pytest.mark.matrix
def test_second_program_for_a_run_names_the_first_and_leaves(laboratory: Any) -> None:
    """The real command, twice."""
    config = laboratory.config("blobs", {"engine": "scratch", "train.epochs": 1})
    run = laboratory.run(config, None, "one")
    more = ("train", laboratory.file(), "--resume", run.path, "--out", laboratory.out, "--quiet")
    options = ("--set", "engine=scratch", "--set", "train.epochs=1000000")
    command = [sys.executable, "-m", "clfkit", *map(str, (*more, *options))]
    first = subprocess.Popen(command, cwd=laboratory.folder, stderr=subprocess.PIPE, text=True)
    try:
        while json.loads((run.path / "status.json").read_text())["status"] != "running":
            assert first.poll() is None, first.stderr and first.stderr.read()
            time.sleep(0.1)
        second = subprocess.run(
            command, cwd=laboratory.folder, capture_output=True, text=True, check=False, timeout=120
        )
        assert second.returncode == 1
        assert f"in use by process {first.pid} on {socket.gethostname()}" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
        first.send_signal(signal.SIGKILL)
    finally:
        first.kill()
        first.communicate()
    assert run.status()["status"] == "crashed"
    with run.lock():
        pass
