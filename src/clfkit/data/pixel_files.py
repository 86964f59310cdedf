"""Decoded images of one set of files in one file, written so that no kill and no power cut spoils it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray, PixelArray
from clfkit.data.decoding import shape_of
from clfkit.data.images import MEGABYTE, Images, decode_into
from clfkit.data.jpeg_decoders import versions
from clfkit.data.threads import threads
from clfkit.reporting import Work, work
from clfkit.storage import flush_folder, write_through

VERSION = 2  # of the files and of what is done to an image; with another one every image is decoded anew
CHUNK_BYTES = 16 * MEGABYTE  # what is written, flushed and recorded at once, and lost by a kill at most
CHUNK_IMAGES = 1024
KINDS = ("journal", "pixels", "ids")  # of files, in the order in which they are removed

RowIds = npt.NDArray[np.uint64]


def row_ids(images: Images) -> RowIds:
    """128 bits (N, 2) for each image: of its origin, format, and the version that decodes it.

    Raises DataError for a missing file.
    """
    return ids_of(images, _transform(images))


def _transform(images: Images) -> str:
    """What is made of the files, and by what."""
    return f"{VERSION}\0{versions(images.format.decoder)}\0{images.format.model_dump_json()}"


def ids_of(images: Images, about: str) -> RowIds:
    """128 bits (N, 2) for each image: of its origin, and of what is made of it. Raises DataError for a missing file."""
    start = hashlib.blake2b(about.encode(), digest_size=16)
    ids = bytearray()
    for origin in images.origins():
        digest = start.copy()
        digest.update(origin)
        ids += digest.digest()
    return np.frombuffer(bytes(ids), np.uint64).reshape(-1, 2)


def places(ids: RowIds, among: RowIds) -> IndexArray:
    """Where each of the ids (N, 2) stands among others (M, 2); -1 where it does not (N,)."""
    if not len(among):
        return np.full(len(ids), -1, np.int64)
    order = np.argsort(among[:, 0])
    at = order[np.minimum(np.searchsorted(among[order, 0], ids[:, 0]), len(order) - 1)]
    return np.where((among[at] == ids).all(axis=1), at, -1)


@dataclass(frozen=True)
class PixelFile:
    """The decoded images of one set of files: pixels, the id of each row, and a journal of the chunks that are there.

    A chunk is recorded, with its checksum, after its pixels have reached the disk. So whatever kills a process or a
    machine, what the journal says is there, and a record that is cut short counts for nothing.
    """

    folder: Path
    key: str
    count: int
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, folder: Path, images: Images) -> PixelFile:
        """The file in `folder` for these images. Raises DataError for a missing one."""
        digest = hashlib.sha256()
        for part in (_transform(images).encode(), *images.together()):
            digest.update(b"%d\0" % len(part))  # so that no two sets become one text
            digest.update(part)
        return cls(folder, digest.hexdigest()[:32], len(images), shape_of(images.format))

    @cached_property
    def ids(self) -> RowIds:
        """Those of its rows (N, 2), as they were written. Raises OSError."""
        return np.fromfile(self.file("ids"), np.uint64, 2 * self.count).reshape(-1, 2)

    def file(self, kind: str) -> Path:
        """Its file of pixels, ids or journal."""
        return self.folder / f"{self.key}.{kind}"

    @property
    def row_bytes(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.shape))

    @property
    def chunk_rows(self) -> int:
        """Images in every chunk but the last."""
        return max(1, min(CHUNK_IMAGES, CHUNK_BYTES // self.row_bytes))

    @property
    def free(self) -> int:
        """Bytes of the disk that its pixels may take, those that they take already among them."""
        try:
            occupied = getattr(self.file("pixels").stat(), "st_blocks", 0) * 512
        except FileNotFoundError:
            occupied = 0
        return shutil.disk_usage(self.folder).free + occupied

    def rows(self, chunk: int) -> range:
        """The rows of a chunk."""
        return range(chunk * self.chunk_rows, min((chunk + 1) * self.chunk_rows, self.count))

    def journal(self) -> dict[int, int]:
        """Chunk → checksum of its pixels; nothing where the file of pixels is not whole."""
        try:
            if self.file("pixels").stat().st_size != self.count * self.row_bytes:
                return {}
            text = self.file("journal").read_bytes()
        except FileNotFoundError:
            return {}
        records = re.findall(rb"^(\d{1,9}) ([0-9a-f]{8})\n", text, re.MULTILINE)
        return {int(chunk): int(checksum, 16) for chunk, checksum in records}

    def missing(self, *, check: bool) -> list[int]:
        """Chunks that are not there. check: read the others too, and count out those that are not what was written.

        A cache that is not complete was interrupted, and is always checked.
        """
        journal, chunks = self.journal(), range(-(-self.count // self.chunk_rows))
        if not check and all(chunk in journal for chunk in chunks):
            return []
        pixels = self.pixels() if journal else None
        return [
            chunk
            for chunk in chunks
            if pixels is None
            or chunk not in journal
            or zlib.crc32(pixels[_slice(self.rows(chunk))].data) != journal[chunk]
        ]

    def pixels(self) -> PixelArray:
        """All rows (N, channels, height, width), mapped into memory, to be read only. Raises OSError."""
        return np.asarray(np.memmap(self.file("pixels"), np.uint8, "r", shape=(self.count, *self.shape)))

    def fill(self, images: Images, missing: Sequence[int]) -> None:
        """Put the images of these chunks there: those that an older set holds are copied, the others decoded.

        Raises DataError naming a file that cannot be read; what is recorded by then stays. Raises OSError;
        nothing stays, since the disk that refuses is often full, or a quota reached.
        """
        try:
            self._fill(images, missing)
        except OSError:
            self.remove()
            raise

    def _fill(self, images: Images, missing: Sequence[int]) -> None:
        ids = row_ids(images)
        write_through(self.file("ids"), ids.tobytes())
        lost = set(missing)  # their records go first, lest zeros or spoiled pixels be believed after a stop
        good = (_record(*chunk) for chunk in self.journal().items() if chunk[0] not in lost)
        write_through(self.file("journal"), b"".join(good))
        with self.file("pixels").open("ab") as file:
            file.truncate(self.count * self.row_bytes)
        with (
            self.file("pixels").open("r+b") as target,
            self.file("journal").open("ab") as journal,
            work("decoding images", sum(len(self.rows(chunk)) for chunk in missing)) as progress,
            threads() as pool,
        ):
            flush_folder(self.folder)
            for chunk, pixels in self._decoded(images, ids, missing, pool, progress):
                target.seek(self.rows(chunk).start * self.row_bytes)
                _append(target, pixels.data)
                _append(journal, _record(chunk, zlib.crc32(pixels.data)))

    def _decoded(
        self, images: Images, ids: RowIds, missing: Sequence[int], pool: ThreadPoolExecutor, progress: Work
    ) -> Iterator[tuple[int, PixelArray]]:
        """Chunks with their pixels. The threads work at the next one while the last one is written."""
        sets = [_Lookup(other) for other in self.others()]
        written: list[PixelArray] = []  # whose memory is taken again: that of new arrays would be cleared first

        def begin(chunk: int) -> tuple[int, PixelArray, Iterator[int]]:
            rows = _slice(self.rows(chunk))
            memory = written.pop() if written else np.empty((self.chunk_rows, *self.shape), np.uint8)
            pixels = memory[: rows.stop - rows.start]
            new = np.arange(len(pixels))
            for lookup in sets:
                new = lookup.copy_to(pixels, new, ids[rows])
            progress.advance(len(pixels) - len(new))
            return chunk, pixels, decode_into(pixels, new, lambda row: images.decode_in_steps(rows.start + row), pool)

        ahead = begin(missing[0])
        for following in (*missing[1:], None):
            chunk, pixels, decoding = ahead
            if following is not None:
                ahead = begin(following)
            for done in decoding:
                progress.advance(done)
            yield chunk, pixels
            if len(pixels) == self.chunk_rows:
                written.append(pixels)

    def others(self) -> list[PixelFile]:
        """Other sets in the same folder: of the same dataset before files came, went or changed."""
        files = [file for file in self.folder.glob("*.ids") if file.stem != self.key]
        return [PixelFile(self.folder, file.stem, file.stat().st_size // 16, self.shape) for file in files]

    def remove_others(self) -> None:
        """Remove whatever else was kept for this dataset; a process that has it open may go on with it."""
        remove(file for file in kept_files(self.folder) if file.stem != self.key)

    def remove(self) -> None:
        """Remove its own files."""
        remove(map(self.file, KINDS))


def kept_files(folder: Path) -> list[Path]:
    """The files of all sets in a folder."""
    return [file for kind in KINDS for file in folder.glob(f"*.{kind}")]


def remove(files: Iterable[Path]) -> None:
    """Remove what can be removed of some files: Windows keeps what is open."""
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()


class _Lookup:
    """Finds rows of an older set by their ids."""

    def __init__(self, kept: PixelFile) -> None:
        lost = set(kept.missing(check=True))
        there = np.repeat([chunk not in lost for chunk in range(-(-kept.count // kept.chunk_rows))], kept.chunk_rows)
        rows = np.flatnonzero(there[: kept.count])
        self._rows = rows[np.argsort(kept.ids[rows, 0])]
        self._ids = kept.ids[self._rows]
        self._pixels = kept.pixels() if len(rows) else None

    def copy_to(self, pixels: PixelArray, wanted: IndexArray, ids: RowIds) -> IndexArray:
        """Copy what is here of the rows `wanted`, of a chunk with these ids, to `pixels`; returns the rows left."""
        if self._pixels is None or not len(wanted):
            return wanted
        at = np.minimum(np.searchsorted(self._ids[:, 0], ids[wanted, 0]), len(self._ids) - 1)
        same = (self._ids[at] == ids[wanted]).all(axis=1)
        pixels[wanted[same]] = self._pixels[self._rows[at[same]]]
        left: IndexArray = wanted[~same]
        return left


def _slice(rows: range) -> slice:
    return slice(rows.start, rows.stop)


def _record(chunk: int, checksum: int) -> bytes:
    """A line of the journal."""
    return b"%d %08x\n" % (chunk, checksum)


def _append(file: BinaryIO, content: bytes | memoryview) -> None:
    """Write and wait until it is on the disk."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
