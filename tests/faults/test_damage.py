"""Damaged and foreign checkpoints are refused with the reason, and training goes on from the one before."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfkit.checkpoint import read_checkpoint, write_checkpoint
from clfkit.errors import CheckpointError, Interrupted, RunError
from clfkit.experiment import resume_run
from clfkit.run import RunDirectory
from test_resume import StopAt, assert_equal

FILES = ("checkpoint.json", "history.jsonl", "model.safetensors", "optimizer.safetensors")


@pytest.fixture(scope="module")
def runs(laboratories: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDirectory]:
    """One that was stopped at step 12 with a checkpoint of step 10 before, the same to its end, and three others."""
    laboratory = laboratories(tmp_path_factory.mktemp("damage"))
    own = {"engine": "scratch", "train.checkpoint_every": {"steps": 5}, "report": False, "baselines": []}
    changes: dict[str, dict[str, Any]] = {
        "stopped": {},
        "wide": {"model.hidden": [9]},
        "tanh": {"model.activation": "tanh"},
        "classes": {"data.classes": 4},
        "samples": {"data.seed": 8},
    }
    for name, change in changes.items():
        with pytest.raises(Interrupted):
            laboratory.run(laboratory.config("blobs", {**own, **change}), StopAt(12), name)
    laboratory.run(laboratory.config("blobs", own), None, "whole")
    found = {name: RunDirectory(laboratory.out / "tiny" / name) for name in ("whole", *changes)}
    assert [read_checkpoint(place).state.step for place in found["stopped"].resumable()] == [12, 10]
    return found


Damage = Callable[[Path, dict[str, RunDirectory]], None]


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(folder: Path, runs: dict[str, RunDirectory]) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return damage


def forged(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """With a sum that is right: no accident, but a file that something else has written."""

    def damage(folder: Path, runs: dict[str, RunDirectory]) -> None:
        rewritten(name, change)(folder, runs)
        sums = json.loads((folder / "manifest.json").read_bytes())
        sums[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(sums))

    return damage


def missing(name: str) -> Damage:
    return lambda folder, runs: (folder / name).unlink()


def of_another(run: str) -> Damage:
    def damage(folder: Path, runs: dict[str, RunDirectory]) -> None:
        shutil.rmtree(folder)
        shutil.copytree(runs[run].path / "checkpoints/last", folder)

    return damage


def mixed(folder: Path, runs: dict[str, RunDirectory]) -> None:
    shutil.copy(folder.with_name("previous") / "optimizer.safetensors", folder)


def emptied(folder: Path, runs: dict[str, RunDirectory]) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def a_file(folder: Path, runs: dict[str, RunDirectory]) -> None:
    shutil.rmtree(folder)
    folder.touch()


def a_pipe(folder: Path, runs: dict[str, RunDirectory]) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def header_of(length: int) -> Callable[[bytes], bytes]:
    return lambda content: length.to_bytes(8, "little") + content[8:]


def claims(content: bytes) -> bytes:
    """A header that says there are 10^12 numbers."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    return len(header).to_bytes(8, "little") + header + content[-64:]


def older(content: bytes) -> bytes:
    return json.dumps({**json.loads(content), "format": 0}).encode()


def best_of_nowhere(content: bytes) -> bytes:
    head = json.loads(content)
    return json.dumps({**head, "state": {**head["state"], "best_epoch": 99}}).encode()


DAMAGES: dict[str, tuple[Damage, str]] = {
    "bit flipped": (rewritten("model.safetensors", flipped), r"model\.safetensors is damaged"),
    "missing manifest": (missing("manifest.json"), r"not a complete checkpoint, manifest\.json is missing"),
    "mixed": (mixed, r"optimizer\.safetensors is damaged"),
    "older schema": (forged("checkpoint.json", older), r"checkpoint format 0; this clfkit reads format 1"),
    "other architecture": (of_another("wide"), r"its model is .*'hidden': \[9\].*, and that of the run .*\[8\]"),
    "other activation": (of_another("tanh"), r"its model is .*'tanh'.*, and that of the run .*'relu'"),
    "other classes": (of_another("classes"), r"its classes are not those of the data: 4 \(.*\), not 3 \("),
    "other samples": (of_another("samples"), r"the data changed"),
    "huge header": (forged("model.safetensors", header_of(2**40)), r"model\.safetensors is damaged"),
    "empty folder": (emptied, r"not a complete checkpoint, manifest\.json is missing"),
    "a pipe": (a_pipe, r"model\.safetensors cannot be read: not a regular file"),
    "a file": (a_file, r"cannot be read: Not a directory"),
    "huge header, sum": (rewritten("model.safetensors", header_of(2**40)), r"model\.safetensors is damaged"),
    "claims": (forged("optimizer.safetensors", claims), r"optimizer\.safetensors is damaged"),
    "trailing bytes, right sum": (
        forged("model.safetensors", lambda content: content + bytes(16)),
        r"model\.safetensors is damaged",
    ),
    "best epoch": (forged("checkpoint.json", best_of_nowhere), "not a checkpoint of clfkit: its best epoch is 99 of 2"),
    **{f"missing {name}": (missing(name), f"{name} is missing") for name in FILES},
    **{f"empty {name}": (rewritten(name, lambda content: b""), f"{name} is damaged") for name in FILES},
    **{
        f"{kind} {name}": (rewritten(name, change), f"{name} is damaged")
        for name in (*FILES, "manifest.json")
        for kind, change in {
            "half": lambda content: content[: len(content) // 2],
            "last 16 bytes gone": lambda content: content[:-16],
            "trailing bytes": lambda content: content + b"\0" * 16,
        }.items()
    },
}
QUICK = ("bit flipped", "missing manifest", "mixed", "other activation", "other classes", "huge header")


def cases(*quick: str) -> list[Any]:
    return [
        pytest.param(*case, id=name, marks=() if name in quick else pytest.mark.matrix)
        for name, case in DAMAGES.items()
    ]


@pytest.mark.fault("B4")
def test_a_file_larger_than_memory_is_not_read(runs: dict[str, RunDirectory], tmp_path: Path) -> None:
    folder = shutil.copytree(runs["whole"].path / "checkpoints/last", tmp_path / "last")
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(10**13)  # a hole, which takes no room
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read: its 10 TB are more than this"):
        read_checkpoint(folder)


@pytest.mark.fault("B4")
@pytest.mark.parametrize(("damage", "reason"), cases(*QUICK))
def test_resume_falls_back_to_the_previous_one(
    runs: dict[str, RunDirectory], tmp_path: Path, damage: Damage, reason: str
) -> None:
    run = RunDirectory(shutil.copytree(runs["stopped"].path, tmp_path / "run"))
    damage(run.path / "checkpoints/last", runs)
    listener = StopAt(0)
    resume_run(run, listener)
    (refusal,) = (line for line in listener.said if line.startswith("refused: "))
    assert len(refusal.splitlines()) == 1
    assert re.search(reason, refusal), refusal
    assert any(f"resuming {run.path} after step 10" in line for line in listener.said)
    assert (run.path / "checkpoints/last.damaged").exists()
    assert_equal(run, runs["whole"])


@pytest.mark.fault("B4")
@pytest.mark.parametrize(("damage", "reason"), cases("bit flipped"))
def test_run_without_a_good_one_is_left_as_it_is(
    runs: dict[str, RunDirectory], tmp_path: Path, damage: Damage, reason: str
) -> None:
    run = RunDirectory(shutil.copytree(runs["stopped"].path, tmp_path / "run"))
    damage(run.path / "checkpoints/last", runs)
    shutil.rmtree(run.path / "checkpoints/previous")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and ".owner" not in path.name}
    with pytest.raises((CheckpointError, RunError), match=reason) as told:
        resume_run(run, StopAt(0))
    assert len(str(told.value).splitlines()) == 1
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.fault("B4")
def test_every_refusal_has_its_line(runs: dict[str, RunDirectory], tmp_path: Path) -> None:
    run = RunDirectory(shutil.copytree(runs["stopped"].path, tmp_path / "run"))
    (run.path / "checkpoints/last/manifest.json").write_text("{}")
    (run.path / "checkpoints/previous/model.safetensors").unlink()
    with pytest.raises(CheckpointError) as told:
        resume_run(run, StopAt(0))
    first, second = str(told.value).splitlines()
    assert first.endswith("checkpoints/last: manifest.json is damaged")
    assert second.endswith("checkpoints/previous: not a complete checkpoint, model.safetensors is missing")


@pytest.mark.fault("B4")
@pytest.mark.parametrize("damage", [missing("manifest.json"), rewritten("model.safetensors", flipped), emptied, None])
def test_best_is_written_again_when_it_is_damaged(
    runs: dict[str, RunDirectory], tmp_path: Path, damage: Damage | None
) -> None:
    run = RunDirectory(shutil.copytree(runs["stopped"].path, tmp_path / "run"))
    if damage is None:
        shutil.rmtree(run.path / "checkpoints/best")
    else:
        damage(run.path / "checkpoints/best", runs)
    resume_run(run, StopAt(0))
    assert_equal(run, runs["whole"])


@pytest.mark.fault("B4")
def test_best_that_is_ahead_of_the_previous_one_is_not_taken_for_its_best(
    runs: dict[str, RunDirectory], tmp_path: Path
) -> None:
    """`previous` has its own best model, so that even changed options cannot make it end with that of a later epoch."""
    run = RunDirectory(shutil.copytree(runs["stopped"].path, tmp_path / "run"))
    previous = read_checkpoint(run.path / "checkpoints/previous")
    ahead = {name: array + 1 for name, array in previous.model.items()}
    later = previous.state.model_copy(update={"best_epoch": 2})
    records = previous.records
    write_checkpoint(
        run.path / "checkpoints/best",
        dataclasses.replace(previous, model=ahead, optimizer={}, best={}, state=later, records=records),
    )
    behind = dataclasses.replace(previous, state=previous.state.model_copy(update={"best_epoch": 1}))
    own = {name: array + 2 for name, array in previous.model.items()}
    write_checkpoint(run.path / "checkpoints/previous", dataclasses.replace(behind, best=own))
    shutil.rmtree(run.path / "checkpoints/last")
    with pytest.raises(Interrupted):
        resume_run(run, StopAt(11))
    kept = run.checkpoint("best")
    assert kept.state.best_epoch == 1
    assert all(np.array_equal(kept.model[name], own[name]) for name in own)
