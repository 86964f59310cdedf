"""A checkpoint survives the disk, and every damage to it is noticed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from clfkit import storage
from clfkit.checkpoint import (
    ARRAY_FILES,
    Checkpoint,
    find_checkpoint,
    read_checkpoint,
    read_provenance,
    write_checkpoint,
)
from clfkit.errors import CheckpointError, RunError
from clfkit.history import TrainState
from clfkit.run import RunDirectory

DTYPES = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")


@pytest.fixture
def checkpoint(finished_run: RunDirectory) -> Checkpoint:
    """A real one, with every part."""
    return dataclasses.replace(
        finished_run.checkpoint("last"),
        progress={"loss": np.arange(3.0), "count": np.arange(3)},
        best=finished_run.checkpoint("best").model,
        state=TrainState(epoch=1, step=8, position=3, best_epoch=1, best_value=0.1 + 0.2, seconds=0.5),
    )


def assert_equal(one: Checkpoint, other: Checkpoint) -> None:
    for field in dataclasses.fields(Checkpoint):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name not in ARRAY_FILES:
            assert mine == theirs, field.name
            continue
        assert mine.keys() == theirs.keys()
        for name, array in mine.items():
            assert (array.dtype, array.shape, array.tobytes()) == (
                theirs[name].dtype, theirs[name].shape, theirs[name].tobytes(),
            )  # fmt: skip


def test_round_trip(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a" / "last", checkpoint)
    assert_equal(read_checkpoint(tmp_path / "a" / "last"), checkpoint)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["last"]


def test_parts_that_are_empty_are_absent(checkpoint: Checkpoint, tmp_path: Path) -> None:
    bare = dataclasses.replace(checkpoint, optimizer={}, progress={}, best={}, records=(), state=TrainState())
    write_checkpoint(tmp_path / "last", checkpoint)
    write_checkpoint(tmp_path / "last", bare)
    names = {path.name for path in (tmp_path / "last").iterdir()}
    assert names == {"checkpoint.json", "history.jsonl", "model.safetensors", "manifest.json"}
    assert_equal(read_checkpoint(tmp_path / "last"), bare)


arrays = st.dictionaries(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8).filter(
        lambda name: name != "__metadata__"
    ),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=4,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=arrays, optimizer=arrays)
def test_arrays_of_every_kind_come_back_bit_for_bit(checkpoint: Checkpoint, model: Any, optimizer: Any) -> None:
    given_ = dataclasses.replace(checkpoint, model=model, optimizer=optimizer)
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder) / "c", given_)
        assert_equal(read_checkpoint(Path(folder) / "c"), given_)


def test_views_are_stored_in_their_own_order(checkpoint: Checkpoint, tmp_path: Path) -> None:
    base = np.arange(12.0).reshape(3, 4)
    views = {"transposed": base.T, "strided": base[::2, ::-1], "fortran": np.asfortranarray(base)}
    write_checkpoint(tmp_path / "c", dataclasses.replace(checkpoint, model=views))
    for name, array in read_checkpoint(tmp_path / "c").model.items():
        np.testing.assert_array_equal(array, views[name])


# Damage


@pytest.fixture
def folder(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A checkpoint on the disk."""
    write_checkpoint(tmp_path / "c", checkpoint)
    return tmp_path / "c"


FILES = (
    "checkpoint.json",
    "history.jsonl",
    "model.safetensors",
    "optimizer.safetensors",
    "progress.safetensors",
    "best.safetensors",
)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_flipped_bit_is_noticed(folder: Path, name: str, where: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[where if where == -1 else int(where * len(content))] ^= 1  # type: ignore[index]
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is damaged|is missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 10, -1])
def test_truncated_file_is_noticed(folder: Path, name: str, length: int) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:length])
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"not a complete checkpoint, {name} is missing"):
        read_checkpoint(folder)


def test_file_of_another_checkpoint_is_noticed(folder: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = dataclasses.replace(checkpoint, model={name: array + 1 for name, array in checkpoint.model.items()})
    write_checkpoint(tmp_path / "other", other)
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        read_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "7", '{"checkpoint.json": 1}', "\xff"])
def test_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", ".."])
def test_manifest_cannot_reach_outside(folder: Path, name: str) -> None:
    sums = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**sums, name: "0"}))
    with pytest.raises(CheckpointError, match=r"outside the checkpoint|cannot be read"):
        read_checkpoint(folder)


def forge(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its sum in the manifest: not damage, but somebody's work."""
    (folder / name).write_bytes(content)
    sums = json.loads((folder / "manifest.json").read_text())
    sums[name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(sums))


HEADS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another format": (lambda head: {**head, "format": 2}, r"format 2; this clfkit reads format 1"),
    "no format": (lambda head: {"a": 1}, "not a checkpoint of clfkit"),
    "list": (lambda head: [head], "not a checkpoint of clfkit"),
    "text": (lambda head: "hello", "not a checkpoint of clfkit"),
    "null": (lambda head: None, "not a checkpoint of clfkit"),
    "state": (lambda head: {**head, "state": {"epoch": -3}}, "not a checkpoint of clfkit"),
    "spec": (lambda head: {**head, "spec": {**head["spec"], "more": 1}}, "not a checkpoint of clfkit"),
    "counts": (lambda head: {**head, "class_counts": 5}, "not a checkpoint of clfkit"),
    "endless counts": (lambda head: {**head, "class_counts": [math.inf]}, "not a checkpoint of clfkit"),
    "a large temperature": (lambda head: {**head, "temperature": 10**400}, "not a checkpoint of clfkit"),
    "config": (lambda head: {**head, "config": {"name": "x"}}, r"data.*missing|data"),
    "config list": (lambda head: {**head, "config": [1, 2]}, "not a checkpoint of clfkit"),
    "unknown model": (lambda head: {**head, "config": {**head["config"], "model": "os.system"}}, "unknown model"),
    "future option": (lambda head: {**head, "config": {**head["config"], "flux": 1}}, "flux"),
}


@pytest.mark.parametrize(("change", "reason"), HEADS.values(), ids=HEADS)
def test_foreign_json_is_refused_with_a_reason(folder: Path, change: Callable[[Any], Any], reason: str) -> None:
    head = json.loads((folder / "checkpoint.json").read_text())
    forge(folder, "checkpoint.json", json.dumps(change(head)).encode())
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("checkpoint.json", b"\xff\xfe"),
        ("checkpoint.json", b"[" * 100_000),
        ("history.jsonl", b"\xff"),
        ("history.jsonl", b'{"epoch": 1}\n'),
        ("model.safetensors", b"hello"),
        ("model.safetensors", b""),
        ("optimizer.safetensors", b"\xff" * 100),
    ],
)
def test_foreign_content_with_right_sums_is_refused(folder: Path, name: str, content: bytes) -> None:
    forge(folder, name, content)
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)


def test_provenance_is_read_without_the_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "last", checkpoint)
    (tmp_path / "last/model.safetensors").unlink()
    assert read_provenance(tmp_path / "last") == (checkpoint.fingerprint, 140)
    for content in ("", "[]", '{"fingerprint": "x"}'):
        (tmp_path / "last/checkpoint.json").write_text(content)
        with pytest.raises(CheckpointError, match=r"checkpoint\.json cannot be read"):
            read_provenance(tmp_path / "last")


def test_absent_checkpoint(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "none") is None
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        read_checkpoint(tmp_path / "none")


# Another process writes


def replaced_while(patch: pytest.MonkeyPatch, name: str, times: int, replace: Callable[[], None]) -> None:
    """Let another process act just before the file `name` is read, so many times."""
    original, left = Path.read_bytes, [times]

    def read_bytes(path: Path) -> bytes:
        if path.name == name and left[0]:
            left[0] -= 1
            replace()
        return original(path)

    patch.setattr(Path, "read_bytes", read_bytes)


@pytest.mark.parametrize("name", ["checkpoint.json", "model.safetensors", "optimizer.safetensors"])
def test_reader_sees_the_new_one_when_it_is_swapped_meanwhile(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "last"
    write_checkpoint(folder, with_step(checkpoint, 1))
    moved = dataclasses.replace(
        with_step(checkpoint, 2),
        model={key: array + 1 for key, array in checkpoint.model.items()},
        optimizer={key: array + 1 for key, array in checkpoint.optimizer.items()},
    )
    replaced_while(monkeypatch, name, 1, lambda: write_checkpoint(folder, moved))
    assert_equal(read_checkpoint(folder), moved)


def test_reader_follows_a_checkpoint_that_was_found_under_its_new_name(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "last", checkpoint)
    assert_equal(read_checkpoint(tmp_path / "last.new"), checkpoint)
    assert_equal(read_checkpoint(tmp_path / "last.old"), checkpoint)


def test_damage_is_not_taken_for_a_swap(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "last", checkpoint)
    write_checkpoint(tmp_path / "last.old", checkpoint)
    (tmp_path / "last" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        read_checkpoint(tmp_path / "last")


# Crashes while writing


class Killed(BaseException):
    """The process ends here."""


def interruptible(patch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException], after: bool) -> list[str]:
    """Let the `at`-th call that changes the disk fail, before or after it took effect. Returns the calls made."""
    calls: list[str] = []

    def wrap(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            fails = len(calls) == at
            if fails and not after:
                raise error()
            result = original(*arguments, **options)
            if fails:
                raise error()
            return result

        patch.setattr(owner, name, call)

    for owner, name in ((Path, "rename"), (Path, "mkdir"), (os, "fsync"), (shutil, "rmtree")):
        wrap(owner, name)
    return calls


def with_step(checkpoint: Checkpoint, step: int) -> Checkpoint:
    return dataclasses.replace(checkpoint, state=checkpoint.state.model_copy(update={"step": step}))


def found_step(folder: Path) -> int:
    path = find_checkpoint(folder)
    assert path is not None
    return read_checkpoint(path).state.step


def crash_at(folder: Path, checkpoint: Checkpoint, at: int, error: Callable[[], BaseException], after: bool) -> bool:
    """Write a checkpoint that crashes at a call. False when there are not so many calls."""
    with pytest.MonkeyPatch.context() as patch:
        calls = interruptible(patch, at, error, after)
        try:
            write_checkpoint(folder, checkpoint)
        except (Killed, RunError):
            return True
    return len(calls) >= at


@pytest.mark.parametrize(
    ("error", "after"),
    [(Killed, False), (Killed, True), (lambda: OSError(28, "No space left on device"), False)],
    ids=["killed before", "killed after", "disk full"],
)
def test_some_checkpoint_is_found_after_every_crash(
    checkpoint: Checkpoint, tmp_path: Path, error: Callable[[], BaseException], after: bool
) -> None:
    at, found = 0, []
    while True:
        at += 1
        folder = tmp_path / str(at) / "last"
        write_checkpoint(folder, with_step(checkpoint, 1))
        if not crash_at(folder, with_step(checkpoint, 2), at, error, after):
            break
        found.append(found_step(folder))
        write_checkpoint(folder, with_step(checkpoint, 3))
        assert found_step(folder) == 3
        assert [path.name for path in folder.parent.iterdir()] == ["last"]
    assert set(found) == {1, 2}
    assert found == sorted(found), "once the new one is in place it stays"


def test_two_crashes_in_a_row_lose_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The first between or after the two renames, the second anywhere."""
    with pytest.MonkeyPatch.context() as patch:
        calls = interruptible(patch, 0, Killed, after=False)
        write_checkpoint(tmp_path / "last", checkpoint)
        write_checkpoint(tmp_path / "last", checkpoint)
    renames = [at for at, name in enumerate(calls, 1) if name == "rename"]
    first_write = renames[0] + 2  # fsync of the parent and rmtree of the old one follow
    for first in (at - first_write for at in renames[1:]):
        at, crashed = 0, True
        while crashed:
            at += 1
            folder = tmp_path / f"{first}-{at}" / "last"
            write_checkpoint(folder, with_step(checkpoint, 1))
            assert crash_at(folder, with_step(checkpoint, 2), first, Killed, after=True)
            before = found_step(folder)
            crashed = crash_at(folder, with_step(checkpoint, 3), at, Killed, after=False)
            assert found_step(folder) >= before


def test_first_checkpoint_of_all_survives_two_crashes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Killed just before the first `last` took its name, then again in the middle of the second."""
    folder = tmp_path / "last"
    write_checkpoint(tmp_path / "last.new", with_step(checkpoint, 1))
    for at in range(1, 12, 2):
        assert crash_at(folder, with_step(checkpoint, 2), at, Killed, after=False)
        assert found_step(folder) in (1, 2)


def test_full_disk_is_an_expected_error(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot make .*: File exists"):
        write_checkpoint(tmp_path / "file" / "last", checkpoint)
    assert storage.without_nan(float("nan")) is None
