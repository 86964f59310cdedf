"""A checkpoint: a folder of safetensors and JSON with a manifest of SHA-256 sums, swapped in as a whole.

checkpoint.json        format, versions, config, spec, fingerprint of the data, train state
history.jsonl          one record for each finished epoch
model.safetensors      weights and buffers
optimizer.safetensors  what the optimizer keeps (in `last` and `previous`)
progress.safetensors   step results of an epoch that is not finished (absent at its end)
best.safetensors       the model of the best epoch so far (in `last` and `previous`, where it is not `model`)
manifest.json          SHA-256 of every other file
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from clfkit import __version__
from clfkit.config import ExperimentConfig, config_from_plain
from clfkit.data.bundle import DataSpec
from clfkit.engines.base import Arrays
from clfkit.errors import CheckpointError, ConfigError
from clfkit.history import EpochRecord, TrainState, as_lines, read_records
from clfkit.storage import changing, content_of, flush_folder, made, removed, without_nan, write_through
from clfkit.wording import first_line

FORMAT = 1
MANIFEST = "manifest.json"
SWAPS = 3
"""How often a checkpoint may be replaced while it is read before the reader gives up."""
ARRAY_FILES = ("model", "optimizer", "progress", "best")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that evaluating needs, and with `optimizer`, `progress` and `best` all that resuming needs.

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
    best: Arrays = field(default_factory=dict)
    temperature: float | None = None

    @property
    def is_best(self) -> bool:
        """Whether `model` is that of the best epoch so far, as it is when no step was done since."""
        best = self.state.best_epoch
        return best > 0 and self.records[best - 1].step == self.state.step

    @property
    def size(self) -> int:
        """Bytes of its arrays, which is nearly all that it takes on the disk."""
        return sum(array.nbytes for name in ARRAY_FILES for array in getattr(self, name).values())


def write_checkpoint(folder: Path, checkpoint: Checkpoint, previous: Path | None = None) -> None:
    """Write to `folder`, replacing what is there. At any moment one complete checkpoint can be found.

    The new one is written beside the old under `.new`, the old moves to `.old`, the new takes its place.
    previous: where the replaced one is kept; by default it goes.
    Raises RunError when the disk does not take it; the previous checkpoint then still stands.
    """
    new, old = beside(folder)
    made(folder.parent)
    with changing(folder, "write checkpoint", checkpoint.size):
        finish(folder, previous)
        try:
            _fill(new, checkpoint)
        except OSError:
            with suppress(OSError):  # what is incomplete only takes room
                removed(new)
            raise
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        flush_folder(folder.parent)
        finish(folder, previous)


def _fill(folder: Path, checkpoint: Checkpoint) -> None:
    """Make a folder of files and their manifest, and wait until it is on the disk. Raises OSError."""
    folder.mkdir()
    sums = {}
    for name, content in _files(checkpoint):
        write_through(folder / name, content)
        sums[name] = hashlib.sha256(content).hexdigest()
    unnamed = folder / f".{MANIFEST}"  # there under its name, it says that all is complete, itself too
    write_through(unnamed, json.dumps(sums, indent=2).encode())
    unnamed.rename(folder / MANIFEST)
    flush_folder(folder)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint, also while another process replaces it. Raises CheckpointError saying what is
    wrong with it."""
    contents = _settled(folder)
    try:
        head = json.loads(contents["checkpoint.json"])
        if head["format"] != FORMAT:
            raise CheckpointError(f"{folder}: checkpoint format {head['format']}; this clfkit reads format {FORMAT}")
        checkpoint = Checkpoint(
            config=config_from_plain(head["config"], f"{folder}/checkpoint.json"),
            spec=DataSpec.model_validate(head["spec"]),
            class_counts=tuple(map(int, head["class_counts"])),
            fingerprint=str(head["fingerprint"]),
            state=TrainState.model_validate(head["state"]),
            records=read_records(contents["history.jsonl"].decode().splitlines()),
            temperature=None if head.get("temperature") is None else float(head["temperature"]),
            **{name: _arrays(folder, name, contents) for name in ARRAY_FILES},
        )
        if checkpoint.state.best_epoch > len(checkpoint.records):
            raise ValueError(f"its best epoch is {checkpoint.state.best_epoch} of {len(checkpoint.records)}")
        return checkpoint
    except (ValidationError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise CheckpointError(f"{folder}: not a checkpoint of clfkit: {first_line(error)}") from None
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def read_provenance(folder: Path) -> tuple[str, int]:
    """What data a checkpoint's model was trained on: their fingerprint, and the number of train samples.

    The weights are not read, and no sum is checked. Raises CheckpointError.
    """
    try:
        head = json.loads(content_of(folder / "checkpoint.json"))
        return str(head["fingerprint"]), sum(map(int, head["class_counts"]))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise CheckpointError(f"{folder}: checkpoint.json cannot be read: {first_line(error)}") from None


def find_checkpoint(folder: Path) -> Path | None:
    """The folder, or what a crash between two renames left of it; None when there is nothing."""
    for candidate in (folder, *beside(folder.resolve()), folder):  # again: a swap may have ended meanwhile
        if (candidate / MANIFEST).is_file():
            return candidate
    return None


def beside(folder: Path) -> tuple[Path, Path]:
    """Where a checkpoint is written before it gets its name, and where the one that it replaces waits meanwhile."""
    return folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")


def finish(folder: Path, previous: Path | None) -> None:
    """End what a writer began: name the checkpoint, keep the one before it, remove the rest. Raises OSError."""
    new, old = beside(folder)
    standing = find_checkpoint(folder)
    if standing not in (None, folder):  # it ended between the two renames
        standing.rename(removed(folder))
    if previous is not None and (old / MANIFEST).is_file():
        old.rename(removed(previous))
    removed(new)
    removed(old)


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
        return content_of(folder / MANIFEST)
    except OSError:
        return None


def _verified(folder: Path) -> Mapping[str, bytes]:
    """The content of every file in the manifest, each checked against its sum."""
    try:
        sums: Any = json.loads(content_of(folder / MANIFEST))
        if not isinstance(sums, dict) or not {"checkpoint.json", "history.jsonl", "model.safetensors"} <= set(sums):
            raise CheckpointError(f"{folder}: {MANIFEST} is damaged")
        contents = {}
        for name, expected in sums.items():
            if Path(name).name != name:
                raise CheckpointError(f"{folder}: {MANIFEST} names a file outside the checkpoint")
            contents[name] = content_of(folder / name)
            if hashlib.sha256(contents[name]).hexdigest() != expected:
                raise CheckpointError(f"{folder}: {name} is damaged (its SHA-256 is not the manifest's)")
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: not a complete checkpoint, {Path(error.filename).name} is missing") from None
    except OSError as error:
        name = f"{Path(error.filename).name} " if error.filename else ""
        raise CheckpointError(f"{folder}: {name}cannot be read: {error.strerror or error}") from None
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
