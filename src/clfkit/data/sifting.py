"""Which images of a set cannot be decoded, found before samples are divided and remembered for the next start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray, Inputs
from clfkit.data.decoding import shape_of
from clfkit.data.images import Images, fits
from clfkit.data.index import IndexFile, Watched, flat, names_in
from clfkit.data.names import Names
from clfkit.data.pixel_files import RowIds, places, row_ids
from clfkit.data.threads import threads
from clfkit.errors import BadImage, ImageFault
from clfkit.reporting import work

FAULTS: tuple[ImageFault, ...] = get_args(ImageFault)
ROWS_AT_ONCE = 20_000  # that are decoded before what was found is written, and lost by a kill at most
PASSING = ("missing", "no regular file", "not permitted")  # what may be gone though the file is the same: asked anew


def fault_counts(faults: Iterable[ImageFault]) -> str:
    """How many there are of each kind, the most frequent first: `3 damaged, 1 empty`."""
    return ", ".join(f"{count:,} {fault}" for fault, count in Counter(faults).most_common())


def bad_rows(images: Images, kept: IndexFile | None = None) -> dict[int, BadImage]:
    """The images that cannot be decoded, by their rows in order. Every one is decoded once, in its full extent.

    kept: where that is remembered of each file, until its size, times, path, format or decoder are others.
    Raises DataError for a disk that cannot be read, which says nothing of images.
    """
    found = dict(images.lost())
    rows = np.array([row for row in range(len(images)) if row not in found], np.int64)
    there = images.take(rows) if found else images
    ids = row_ids(there)
    known = _Verdicts.read(kept).of(ids)
    unknown = np.flatnonzero(known.codes < 0)
    with threads() as pool, work("checking images", len(unknown)) as progress:
        for start in range(0, len(unknown), ROWS_AT_ONCE):
            some = unknown[start : start + ROWS_AT_ONCE]
            for row, bad in zip(some.tolist(), pool.map(lambda row: _fault_of(there, row), some), strict=True):
                known.put(row, bad)
                progress.advance()
            known.write(kept)
    for row in np.flatnonzero(known.codes > 0).tolist():
        fault = FAULTS[known.codes[row] - 1]
        found[int(rows[row])] = BadImage(there.path(row), fault, known.reasons[row])
    return dict(sorted(found.items()))


def decode_sound(images: Images, megabytes: int) -> tuple[Inputs, dict[int, BadImage]]:
    """The images that can be decoded, in their order, and what is wrong with the others, by their rows.

    Up to `megabytes` they are decoded once, into one array; beyond, once more whenever they are asked for.
    """
    if not fits(len(images), images.format, megabytes):
        bad = bad_rows(images)
        return images.take(_others(len(images), bad)), bad
    pixels = np.empty((len(images), *shape_of(images.format)), np.uint8)

    def place(row: int) -> BadImage | None:
        try:
            pixels[row] = images.decode(row)
        except BadImage as bad:
            return bad
        return None

    with threads() as pool, work("decoding images", len(images)) as progress:
        bad = {}
        for row, found in enumerate(pool.map(place, range(len(images)))):
            progress.advance()
            if found is not None:
                bad[row] = found
    return pixels[_others(len(images), bad)] if bad else pixels, bad


def _others(count: int, rows: Iterable[int]) -> IndexArray:
    """All positions below `count` but these."""
    return np.delete(np.arange(count), list(rows))


def _fault_of(images: Images, row: int) -> BadImage | None:
    try:
        images.decode(row)
    except BadImage as bad:
        return bad
    return None


@dataclass
class _Verdicts:
    """What is known of images with these ids. codes (N,): -1 unknown, 0 sound, else a fault's place in FAULTS, from 1.

    reasons: of those with a fault, by their positions.
    """

    ids: RowIds
    codes: npt.NDArray[np.int8]
    reasons: dict[int, str]

    @classmethod
    def read(cls, kept: IndexFile | None) -> _Verdicts:
        arrays = kept.read() if kept else None
        if arrays is None:
            return cls(np.empty((0, 2), np.uint64), np.empty(0, np.int8), {})
        reasons = names_in(arrays, "reasons")
        return cls(
            arrays["ids"], arrays["codes"], dict(zip(np.flatnonzero(arrays["codes"]).tolist(), reasons, strict=True))
        )

    def of(self, ids: RowIds) -> _Verdicts:
        """What is known of other images."""
        codes = np.full(len(ids), -1, np.int8)
        at = places(ids, self.ids)
        codes[at >= 0] = self.codes[at[at >= 0]]
        reasons = {row: self.reasons[int(at[row])] for row in np.flatnonzero(codes > 0).tolist()}
        return _Verdicts(ids, codes, reasons)

    def put(self, row: int, bad: BadImage | None) -> None:
        """Note what was found of one."""
        self.codes[row] = 0 if bad is None else FAULTS.index(bad.fault) + 1
        if bad is not None:
            self.reasons[row] = bad.reason

    def write(self, kept: IndexFile | None) -> None:
        """Keep what is known and will hold as long as the files stay as they are."""
        if kept is None:
            return
        passing = [FAULTS.index(fault) + 1 for fault in PASSING]
        lasting = np.flatnonzero((self.codes >= 0) & ~np.isin(self.codes, passing))
        codes = self.codes[lasting]
        reasons = Names.of(self.reasons[row] for row in lasting[codes > 0].tolist())
        kept.write({"ids": self.ids[lasting], "codes": codes, **flat("reasons", reasons)}, Watched(kept.root))
