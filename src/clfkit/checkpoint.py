"""A checkpoint: a folder of safetensors and JSON with a manifest of SHA-256 sums, swapped in as a whole.

checkpoint.json        format, versions, config, spec, fingerprint of the data, train state
history.jsonl          one record for each finished epoch
model.safetensors      weights and buffers
optimizer.safetensors  what the optimizer keeps (absent in a `best` checkpoint)
progress.safetensors   step results of an epoch that is not finished (absent at its end)
manifest.json          SHA-256 of every other file
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from clfkit import __version__
from clfkit.config import ExperimentConfig, config_from_plain
from clfkit.data.bundle import DataSpec
from clfkit.engines.base import Arrays
from clfkit.errors import CheckpointError, ConfigError, RunError
from clfkit.history import EpochRecord, TrainState, as_lines, read_records
from clfkit.storage import changing, flush_folder, without_nan, write_through

FORMAT = 1
MANIFEST = "manifest.json"
SWAPS = 3
"""How often a checkpoint may be replaced while it is read before the reader gives up."""
SNAPSHOT = re.compile(r"epoch-(\d+)")
ARRAY_FILES = ("model", "optimizer", "progress")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that evaluating needs, and with `optimizer` and `progress` all that resuming needs.

    class_counts: samples of each class in the train split, from which class weights follow.
    temperature: of the probabilities, fitted on the valid split of a finished run, see `clfkit.calibration`.
    """

    config: ExperimentConfig
    spec: DataSpec
    class_counts: tuple[int, ...]
    fingerprint: str
    state: TrainState
    records: tuple[EpochRecord, ...]
    model: Arrays
    optimizer: Arrays = field(default_factory=dict)
    progress: Arrays = field(default_factory=dict)
    temperature: float | None = None


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write to `folder`, replacing what is there. At any moment one complete checkpoint can be found.

    The new one is written beside the old under `.new`, the old moves to `.old`, the new takes its place.
    Raises RunError when the disk does not take it; the previous checkpoint then still stands.
    """
    new, old = _beside(folder)
    try:
        standing = find_checkpoint(folder)
        if standing not in (None, folder):  # a crash between the two renames: finish what it began
            standing.rename(folder)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        sums = {}
        for name, content in _files(checkpoint):
            write_through(new / name, content)
            sums[name] = hashlib.sha256(content).hexdigest()
        write_through(new / MANIFEST, json.dumps(sums, indent=2).encode())
        flush_folder(new)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        new.rename(folder)
        flush_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunError(f"cannot write checkpoint {folder}: {error.strerror or error}") from error


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint, also while another process replaces it. Raises CheckpointError saying what is
    wrong with it."""
    contents = _settled(folder)
    try:
        head = json.loads(contents["checkpoint.json"])
        if head["format"] != FORMAT:
            raise CheckpointError(f"{folder}: checkpoint format {head['format']}; this clfkit reads format {FORMAT}")
        return Checkpoint(
            config=config_from_plain(head["config"], f"{folder}/checkpoint.json"),
            spec=DataSpec.model_validate(head["spec"]),
            class_counts=tuple(map(int, head["class_counts"])),
            fingerprint=str(head["fingerprint"]),
            state=TrainState.model_validate(head["state"]),
            records=read_records(contents["history.jsonl"].decode().splitlines()),
            temperature=None if head.get("temperature") is None else float(head["temperature"]),
            **{name: _arrays(folder, name, contents) for name in ARRAY_FILES},
        )
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{folder}: not a checkpoint of clfkit: {_first_line(error)}") from None
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def read_provenance(folder: Path) -> tuple[str, int]:
    """What data a checkpoint's model was trained on: their fingerprint, and the number of train samples.

    The weights are not read, and no sum is checked. Raises CheckpointError.
    """
    try:
        head = json.loads((folder / "checkpoint.json").read_bytes())
        return str(head["fingerprint"]), sum(map(int, head["class_counts"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{folder}: checkpoint.json cannot be read: {_first_line(error)}") from None


def find_checkpoint(folder: Path) -> Path | None:
    """The folder, or what a crash between two renames left of it; None when there is nothing."""
    for candidate in (folder, *_beside(folder.resolve()), folder):  # again: a swap may have ended meanwhile
        if (candidate / MANIFEST).is_file():
            return candidate
    return None


@dataclass(frozen=True)
class SnapshotFolder:
    """The models of single epochs of one run, each a checkpoint of its own without what only resuming needs."""

    path: Path

    def write(self, epoch: int, checkpoint: Checkpoint) -> None:
        """Write epoch-<number>, replacing one of the same epoch. Raises RunError."""
        write_checkpoint(self.path / f"epoch-{epoch:04}", checkpoint)

    def by_epoch(self) -> dict[int, Path]:
        """Every complete one by its epoch, oldest first."""
        numbers = sorted({int(found[1]) for path in self.path.glob("epoch-*") if (found := SNAPSHOT.match(path.name))})
        places = ((number, find_checkpoint(self.path / f"epoch-{number:04}")) for number in numbers)
        return {number: place for number, place in places if place is not None}

    def discard(self, path: Path) -> None:
        """Remove one, the manifest first: what a crash leaves of it is no checkpoint. Raises RunError."""
        with changing(path, "remove"):
            (path / MANIFEST).unlink()
            shutil.rmtree(path)

    def discard_after(self, epoch: int) -> None:
        """Remove those of later epochs. Raises RunError."""
        for number, path in self.by_epoch().items():
            if number > epoch:
                self.discard(path)


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")


def _files(checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    from safetensors.numpy import save

    head = {
        "format": FORMAT,
        "clfkit": __version__,
        "fingerprint": checkpoint.fingerprint,
        "state": checkpoint.state.model_dump(),
        "config": checkpoint.config.plain(),
        "spec": checkpoint.spec.model_dump(),
        "class_counts": checkpoint.class_counts,
        "temperature": checkpoint.temperature,
    }
    yield "checkpoint.json", json.dumps(without_nan(head), ensure_ascii=False, allow_nan=False).encode()
    yield "history.jsonl", as_lines(checkpoint.records)
    for name in ARRAY_FILES:
        arrays: Arrays = getattr(checkpoint, name)
        if arrays or name == "model":
            # safetensors writes the bytes as they lie in memory, which a transposed view has in another order.
            yield f"{name}.safetensors", save({key: np.asarray(array, order="C") for key, array in arrays.items()})


def _settled(folder: Path) -> Mapping[str, bytes]:
    """The verified content of a checkpoint, looked for again where another process swapped it during the reading."""
    for _ in range(SWAPS):
        before = _manifest(folder)
        try:
            return _verified(folder)
        except CheckpointError:
            if before is not None and _manifest(folder) == before:
                raise
            bare = folder.name.removesuffix(".new").removesuffix(".old")
            folder = find_checkpoint(folder.with_name(bare)) or folder
    return _verified(folder)


def _manifest(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None


def _verified(folder: Path) -> Mapping[str, bytes]:
    """The content of every file in the manifest, each checked against its sum."""
    try:
        sums: Any = json.loads((folder / MANIFEST).read_bytes())
        if not isinstance(sums, dict) or not {"checkpoint.json", "history.jsonl", "model.safetensors"} <= set(sums):
            raise CheckpointError(f"{folder}: {MANIFEST} is damaged")
        contents = {}
        for name, expected in sums.items():
            if Path(name).name != name:
                raise CheckpointError(f"{folder}: {MANIFEST} names a file outside the checkpoint")
            contents[name] = (folder / name).read_bytes()
            if hashlib.sha256(contents[name]).hexdigest() != expected:
                raise CheckpointError(f"{folder}: {name} is damaged (its SHA-256 is not the manifest's)")
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: not a complete checkpoint, {Path(error.filename).name} is missing") from None
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise CheckpointError(f"{folder}: {MANIFEST} is damaged") from None
    return contents


def _arrays(folder: Path, name: str, contents: Mapping[str, bytes]) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = f"{name}.safetensors"
    try:
        return load(contents[file]) if file in contents else {}
    except SafetensorError as error:
        raise CheckpointError(f"{folder}: {file} is damaged: {error}") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
