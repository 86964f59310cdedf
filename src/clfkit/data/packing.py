"""From labelled image files to tar shards in the layout of webdataset."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clfkit import rng
from clfkit.data.bundle import PARTS, IndexArray
from clfkit.data.images import MEGABYTE
from clfkit.data.labelling import LabelledFiles
from clfkit.data.names import Names
from clfkit.data.opening import read_file
from clfkit.data.scanning import is_image
from clfkit.errors import DataError
from clfkit.reporting import Work, say, work
from clfkit.storage import changing, flush_folder, write_json


def pack_files(found: LabelledFiles, root: Path, target: Path, megabytes: int, seed: int) -> list[str]:
    """Write the files, as they are, and their labels into shards in the folder `target`; the names of the shards.

    A sample's key is its path relative to `root` with `%` as `%25` and `.` as `%2E`; its label is an index of
    `classes.json`. Each given part gets shards of its own, of up to `megabytes` (a larger file has one to itself), in
    an order that depends on `seed` alone, as all bytes do. The folder is there in full or not at all.
    Raises DataError for a file that cannot be read or is not named as an image, RunError for a target that cannot be
    written.
    """
    for name in found.names:
        if not is_image(name):
            raise DataError(
                f"{root / name}: its name does not end as that of an image, so that no reader of shards knows it"
            )
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    names = []
    with changing(target), work("packing images", len(found.names)) as progress:
        target.parent.mkdir(parents=True, exist_ok=True)
        _tell_leftovers(target)
        temporary.mkdir()
        try:
            for name, chosen in _plan(found, root, megabytes * MEGABYTE, seed):
                _write_shard(temporary / name, found, root, chosen, progress)
                names.append(name)
            write_json(temporary / "classes.json", list(found.classes.names))
            flush_folder(temporary)
            temporary.rename(target)
            flush_folder(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return names


def _tell_leftovers(target: Path) -> None:
    """Name what a killed process could not remove. Another one, of another machine perhaps, may be at work on it."""
    for entry in sorted(target.parent.iterdir()):
        if re.fullmatch(rf"\.{re.escape(target.name)}\.\d+\.tmp", entry.name):
            say(f"note: {entry} is left of a packing that did not end; remove it, unless one is still at work")


def _plan(found: LabelledFiles, root: Path, limit: int, seed: int) -> Iterator[tuple[str, IndexArray]]:
    """The name of each shard, and which files go into it."""
    parts = [(part, found.given[part]) for part in PARTS if part in found.given]
    for number, (name, indices) in enumerate(parts or [("images", np.arange(len(found.names)))]):
        order = rng.generator(seed, "pack", number).permutation(indices)
        for shard, chosen in enumerate(_cut(order, root, found.names, limit)):
            yield f"{name}-{shard:06}.tar", chosen


def _cut(order: IndexArray, root: Path, names: Names, limit: int) -> Iterator[IndexArray]:
    """The files one after the other, cut where a tar would pass `limit` bytes."""
    start, used = 0, 2 * tarfile.BLOCKSIZE  # the zeros at the end
    for position, index in enumerate(map(int, order)):
        try:
            size = (root / names[index]).stat().st_size
        except OSError as error:
            raise DataError(f"{root / names[index]}: {error.strerror}") from None
        size = 3 * tarfile.BLOCKSIZE + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE  # two headers and the label
        if position > start and used + size > limit:
            yield order[start:position]
            start, used = position, 2 * tarfile.BLOCKSIZE
        used += size
    if start < len(order):
        yield order[start:]


def _key(name: str) -> str:
    return name.replace("%", "%25").replace(".", "%2E")


def _write_shard(path: Path, found: LabelledFiles, root: Path, chosen: IndexArray, progress: Work) -> None:
    """One tar, flushed to the disk; every time is 0 and every owner nobody, so that equal samples give equal bytes."""
    with path.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for index in map(int, chosen):
                source = root / found.names[index]
                content = read_file(source)
                for suffix, held in ((source.suffix.lower(), content), (".cls", b"%d" % found.labels[index])):
                    member = tarfile.TarInfo(_key(found.names[index]) + suffix)
                    member.size = len(held)
                    tar.addfile(member, io.BytesIO(held))
                progress.advance()
        file.flush()
        os.fsync(file.fileno())
