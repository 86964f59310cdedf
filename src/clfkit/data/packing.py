"""From labelled image files to tar shards in the layout of webdataset."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clfkit import rng
from clfkit.data.bundle import PARTS, IndexArray
from clfkit.data.images import MEGABYTE
from clfkit.data.names import Names
from clfkit.data.scanning import is_image
from clfkit.data.sources.image_folder import LabelledFiles
from clfkit.errors import DataError
from clfkit.reporting import Work, work
from clfkit.storage import changing, flush_folder, write_json


class _Sample(NamedTuple):
    file: Path
    key: str
    label: int


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
        temporary.mkdir()
        try:
            for name, samples in _plan(found, root, megabytes * MEGABYTE, seed):
                _write_shard(temporary / name, samples, progress)
                names.append(name)
            write_json(temporary / "classes.json", list(found.classes.names))
            flush_folder(temporary)
            temporary.rename(target)
            flush_folder(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return names


def _plan(found: LabelledFiles, root: Path, limit: int, seed: int) -> list[tuple[str, list[_Sample]]]:
    """The name and the samples of each shard."""
    parts = [(part, found.given[part]) for part in PARTS if part in found.given]
    planned = []
    for number, (name, indices) in enumerate(parts or [("images", np.arange(len(found.names)))]):
        order = rng.generator(seed, "pack", number).permutation(indices)
        for shard, chosen in enumerate(_cut(order, root, found.names, limit)):
            samples = [_Sample(root / found.names[i], _key(found.names[i]), int(found.labels[i])) for i in chosen]
            planned.append((f"{name}-{shard:06}.tar", samples))
    return planned


def _cut(order: IndexArray, root: Path, names: Names, limit: int) -> list[list[int]]:
    """The samples one after the other, cut where a tar would pass `limit` bytes."""
    shards: list[list[int]] = []
    used = limit
    for index in map(int, order):
        try:
            size = (root / names[index]).stat().st_size
        except OSError as error:
            raise DataError(f"{root / names[index]}: {error.strerror}") from None
        size = 3 * tarfile.BLOCKSIZE + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE  # two headers and the label
        if used + size > limit:
            shards.append([])
            used = 2 * tarfile.BLOCKSIZE  # the zeros at the end
        shards[-1].append(index)
        used += size
    return shards


def _key(name: str) -> str:
    return name.replace("%", "%25").replace(".", "%2E")


def _write_shard(path: Path, samples: list[_Sample], progress: Work) -> None:
    """One tar, flushed to the disk; every time is 0 and every owner nobody, so that equal samples give equal bytes."""
    with path.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for sample in samples:
                try:
                    content = sample.file.read_bytes()
                except OSError as error:
                    raise DataError(f"{sample.file}: {error.strerror}") from None
                for suffix, held in ((sample.file.suffix.lower(), content), (".cls", b"%d" % sample.label)):
                    member = tarfile.TarInfo(sample.key + suffix)
                    member.size = len(held)
                    tar.addfile(member, io.BytesIO(held))
                progress.advance()
        file.flush()
        os.fsync(file.fileno())
