"""Pictures that look alike: a perceptual hash of each, and all pairs of hashes that differ in few bits."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.checking.pictures import THUMB
from clfkit.data.bundle import IndexArray, PixelArray

DISTANCE = 3  # bits of 64 that two pictures may differ in
BANDS = (11, 11, 11, 11, 10, 10)  # bits; 3 that differ leave 3 of 6 bands as they are
MARGIN = 1  # levels that make no difference: flat areas have noise
PLAIN = 8  # levels between the darkest and the lightest part of a picture that shows nothing
LIKENESS = 0.99  # correlation of two thumbnails
CROWD = 100  # pictures that share half of their hash, beyond which not all of them are compared
PAIRS_AT_ONCE = 50_000
PARTS_OF_THUMB = THUMB[0] * THUMB[1]

Hashes = npt.NDArray[np.uint64]


class Pairs(NamedTuple):
    """Rows of pictures that look alike (P, 2) and the bits that they differ in (P,). complete: none is missing."""

    rows: IndexArray
    distances: IndexArray
    complete: bool


def hashes_of(thumbs: PixelArray) -> Hashes:
    """64 bits of each thumbnail (N, 16, 18): where it gets lighter from left to right, in 8 rows of 9 (dHash).

    Brightness, contrast, size and compression hardly change it. Source: N. Krawetz, "Kind of Like That", 2013.
    """
    coarse = thumbs.reshape(len(thumbs), 8, 2, 9, 2).sum(axis=(2, 4), dtype=np.int32)
    lighter = coarse[:, :, 1:] > coarse[:, :, :-1] + 4 * MARGIN
    packed = np.packbits(lighter.reshape(len(thumbs), 64), axis=1)
    return np.ascontiguousarray(packed).view(np.uint64).ravel()


def plain(thumbs: PixelArray) -> npt.NDArray[np.bool_]:
    """Which thumbnails show nothing (N,)."""
    flat = thumbs.reshape(len(thumbs), PARTS_OF_THUMB)
    return np.asarray(flat.max(axis=1).astype(np.int32) - flat.min(axis=1) < PLAIN)


def alike(thumbs: PixelArray) -> Pairs:
    """All pairs of thumbnails (N, 16, 18) with hashes of at most `DISTANCE` and much the same content.

    Plain ones are left out. The closest come first.
    """
    rows = np.flatnonzero(~plain(thumbs))
    hashes = hashes_of(thumbs[rows])
    candidates, complete = close_pairs(hashes)
    likeness = _Likeness(thumbs[rows])
    some = np.array_split(candidates, max(1, -(-len(candidates) // PAIRS_AT_ONCE)))
    pairs = np.concatenate([each[likeness.of(each) >= LIKENESS] for each in some])
    distances = _bits(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    order = np.argsort(distances, kind="stable")
    return Pairs(rows[pairs[order]], distances[order], complete)


def close_pairs(hashes: Hashes) -> tuple[IndexArray, bool]:
    """All pairs (P, 2) of hashes that differ in at most `DISTANCE` bits, the smaller position first, in order.

    Where so few bits differ, at least three of six bands are the same. So for each choice of three the hashes are
    sorted by these, and only those that agree in all three are compared. False where a crowd was not compared in full.
    """
    found, complete = [np.empty(0, np.int64)], True
    ends = np.cumsum(BANDS)
    masks = [((1 << width) - 1) << int(end - width) for width, end in zip(BANDS, ends, strict=True)]
    for chosen in combinations(masks, len(BANDS) - DISTANCE):
        keys = hashes & np.uint64(sum(chosen))
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], hashes[order]
        at = np.arange(len(keys))
        for lag in range(1, len(keys)):
            at = at[at + lag < len(keys)]
            at = at[keys[at] == keys[at + lag]]
            if not len(at):
                break
            if lag > CROWD:
                complete = False
                break
            near = at[_bits(ordered[at] ^ ordered[at + lag]) <= DISTANCE]
            first, second = order[near], order[near + lag]
            found.append(np.minimum(first, second) * len(hashes) + np.maximum(first, second))
    codes = np.unique(np.concatenate(found))
    return np.stack((codes // max(1, len(hashes)), codes % max(1, len(hashes))), axis=1), complete


def _bits(values: Hashes) -> IndexArray:
    return np.bitwise_count(values).astype(np.int64)


class _Likeness:
    """The correlation of thumbnails (N, 16, 18), pair by pair."""

    def __init__(self, thumbs: PixelArray) -> None:
        self._flat = thumbs.reshape(len(thumbs), PARTS_OF_THUMB)
        self._mean = self._flat.mean(axis=1, dtype=np.float32)
        self._deviation = np.maximum(self._flat.std(axis=1, dtype=np.float32), 1e-6)

    def of(self, pairs: IndexArray) -> npt.NDArray[np.float32]:
        """Of these pairs (P, 2), shape (P,)."""
        first, second = pairs.T
        products = np.einsum("pi,pi->p", *(self._flat[side].astype(np.float32) for side in (first, second)))
        together = products / PARTS_OF_THUMB - self._mean[first] * self._mean[second]
        return np.asarray(together / (self._deviation[first] * self._deviation[second]))
