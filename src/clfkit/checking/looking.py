"""Every picture of a data set looked at once, and remembered as long as its file stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clfkit.checking.pictures import PICTURE, Pictures, noted
from clfkit.data.bundle import IndexArray, Inputs
from clfkit.data.images import Images
from clfkit.data.index import IndexFile, Watched
from clfkit.data.jpeg_decoders import versions
from clfkit.data.pixel_files import RowIds, ids_of, places
from clfkit.data.threads import threads
from clfkit.errors import BadImage
from clfkit.reporting import work

VERSION = 1  # of what is noted; with another one every picture is looked at anew
LEAST_KEPT = 5_000  # pictures that are looked at before what was found is kept
ROWS_AT_ONCE = 1_000
TASK_FILES = 8  # that a thread looks at before it asks for more


@dataclass(frozen=True)
class Looked:
    """rows (M,): samples that can be decoded; pictures (M,): what is noted of them; bad: the other samples."""

    rows: IndexArray
    pictures: Pictures
    bad: dict[int, BadImage]


def look_at_files(images: Images, root: Path, cache: str) -> Looked:
    """Decode every image that is not known, in full. cache: see `cache_path`.

    Raises DataError for a disk that cannot be read, which says nothing of images.
    """
    bad = dict(images.lost())
    rows = np.delete(np.arange(len(images)), list(bad))
    there = images.take(rows) if bad else images
    about = f"{VERSION}\0{there.format.channels}\0{versions(there.format.decoder)}"
    ids = ids_of(there, about)
    memory = _Memory.of(IndexFile.of(cache, root, "pictures", about))
    pictures, known = memory.recall(ids)
    kept = count = int(known.sum())
    with _looking(there, np.flatnonzero(~known)) as found:
        for row, picture in found:
            if isinstance(picture, BadImage):
                bad[int(rows[row])] = picture
                continue
            pictures[row], known[row] = picture[0], True
            count += 1
            if count - kept >= max(LEAST_KEPT, kept // 4):  # all are written anew, so ever more of them at once
                memory.keep(ids[known], pictures[known])
                kept = count
    if count > kept:
        memory.keep(ids[known], pictures[known])
    return Looked(rows[known], pictures[known], dict(sorted(bad.items())))


def look_at_arrays(inputs: Inputs) -> Looked:
    """Images (N, channels, height, width) that lie in memory; none of them is bad."""
    count, mode = len(inputs), "L" if inputs.shape[1] == 1 else "RGB"
    pictures = np.zeros(count, PICTURE)
    with work("looking at images", count) as progress:
        for start in range(0, count, ROWS_AT_ONCE):
            rows = np.arange(start, min(start + ROWS_AT_ONCE, count))
            for row, pixels in zip(rows.tolist(), inputs[rows], strict=True):
                pictures[row] = noted(pixels, mode)[0]
            progress.advance(len(rows))
    return Looked(np.arange(count), pictures, {})


@contextmanager
def _looking(images: Images, rows: IndexArray) -> Iterator[Iterator[tuple[int, Pictures | BadImage]]]:
    """These rows, and what is found of each, by several threads."""

    def look(start: int) -> list[tuple[int, Pictures | BadImage]]:
        return [(row, _note_of(images, row)) for row in rows[start : start + TASK_FILES].tolist()]

    def found() -> Iterator[tuple[int, Pictures | BadImage]]:
        for some in pool.map(look, range(0, len(rows), TASK_FILES)):
            yield from some
            progress.advance(len(some))

    with threads() as pool, work("looking at images", len(rows)) as progress:
        yield found()


def _note_of(images: Images, row: int) -> Pictures | BadImage:
    try:
        return noted(*images.whole(row))
    except BadImage as bad:
        return bad


@dataclass
class _Memory:
    """What is known of pictures with these ids, and the file that keeps it."""

    file: IndexFile | None
    ids: RowIds
    pictures: Pictures

    @classmethod
    def of(cls, file: IndexFile | None) -> _Memory:
        arrays = file.read() if file else None
        if arrays is None:
            return cls(file, np.empty((0, 2), np.uint64), np.empty(0, PICTURE))
        return cls(file, arrays["ids"], arrays["pictures"].view(PICTURE).ravel())

    def recall(self, ids: RowIds) -> tuple[Pictures, npt.NDArray[np.bool_]]:
        """What is known of pictures with these ids (N,), and of which anything is."""
        at = places(ids, self.ids)
        pictures = np.zeros(len(ids), PICTURE)
        pictures[at >= 0] = self.pictures[at[at >= 0]]
        return pictures, at >= 0

    def keep(self, ids: RowIds, pictures: Pictures) -> None:
        """Know these from now on, and no others."""
        if self.file is not None:
            plain = np.ascontiguousarray(pictures).view(np.uint8).reshape(len(pictures), PICTURE.itemsize)
            self.file.write({"ids": ids, "pictures": plain}, Watched(self.file.root))
