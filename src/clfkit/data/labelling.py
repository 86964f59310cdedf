"""From class names and part names, one for each sample, to labels, a class map and the given parts."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import PARTS, ClassMap, IndexArray, Part, listed
from clfkit.data.names import NO_NAMES, Names
from clfkit.errors import ClassMismatch, DataError
from clfkit.reporting import say

PART_NAMES: Mapping[str, Part] = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test",
}  # fmt: skip
"""What people call the parts."""


PartCodes = npt.NDArray[np.int8]


class LabelledFiles(NamedTuple):
    """Names of N samples, the class map, labels (N,) and index arrays of the given parts, if any are given.

    Names of files are paths relative to their folder. unread: pictures beside them in formats that are not read.
    """

    names: Names
    classes: ClassMap
    labels: IndexArray
    given: Mapping[Part, IndexArray]
    unread: Names = NO_NAMES

    def take(self, rows: IndexArray) -> LabelledFiles:
        """Those at these rows, of the same classes."""
        places = np.full(len(self.names), -1, np.int64)
        places[rows] = np.arange(len(rows))
        given = {part: places[at][places[at] >= 0] for part, at in self.given.items()}
        return LabelledFiles(self.names[rows], self.classes, self.labels[rows], given, self.unread)

    def parts(self) -> list[Part | None]:
        """The given part of each sample."""
        found: list[Part | None] = [None] * len(self.names)
        for part, rows in self.given.items():
            for row in rows.tolist():
                found[row] = part
        return found


def part_named(name: str, where: str) -> Part:
    """The part that `name` means. Raises DataError, which begins with `where`."""
    if name.lower() not in PART_NAMES:
        raise DataError(f"{where}: the part must be train, valid or test, not {name!r}")
    return PART_NAMES[name.lower()]


class Coded(NamedTuple):
    """Names of N samples: `names[codes[i]]` is that of sample i. No name stands twice."""

    codes: npt.NDArray[np.integer[Any]]
    names: Sequence[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> Coded:
        """A name for each sample."""
        known: dict[str, int] = {}
        codes = np.array([known.setdefault(name, len(known)) for name in names], np.int32)
        return cls(codes, tuple(known))


def part_codes(parts: Iterable[Part]) -> PartCodes:
    """The positions in `PARTS` of each sample's part."""
    return np.array([PARTS.index(part) for part in parts], np.int8)


def label_samples(
    coded: Coded, parts: PartCodes | None, whose: str
) -> tuple[ClassMap, IndexArray, dict[Part, IndexArray]]:
    """The class map, the labels (N,) and the index arrays of the given parts.

    parts: the position in `PARTS` of each sample's part. The classes are those of the train part (of all samples
    without parts), in order: see `ordered`. Names that are hardly meant to differ are noted. Other parts may lack
    classes. Raises ClassMismatch when they have more, DataError when there is no train part.
    """
    codes, names = coded
    classes = ClassMap(names=ordered(_borne(codes if parts is None else codes[parts == PARTS.index("train")], names)))
    _tell_twins(classes.names, whose)
    if parts is None:
        return classes, matched(coded, classes), {}
    if not len(classes):
        raise DataError(f"{whose}: there are parts, but no sample in the train part")
    given = {part: np.flatnonzero(parts == code) for code, part in enumerate(PARTS) if (parts == code).any()}
    unknown = {part: _borne(codes[at], names) - set(classes.names) for part, at in given.items()}
    if any(unknown.values()):
        extra = "; ".join(_stray(part, found, classes) for part, found in unknown.items() if found)
        raise ClassMismatch(f"{whose}: classes that the train part does not have: {extra}")
    return classes, matched(coded, classes), given


def matched(coded: Coded, classes: ClassMap) -> IndexArray:
    """The labels (N,) of samples whose classes are all in the map."""
    indices = np.array([classes.index.get(name, -1) for name in coded.names], np.int64)
    labels: IndexArray = indices[coded.codes]
    return labels


def ordered(names: set[str]) -> tuple[str, ...]:
    """Class names in order: by value when all are whole numbers, else by code point, capitals first."""
    if all(name.isdecimal() and name.isascii() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def must_differ(classes: ClassMap) -> None:
    """Raises DataError where there are fewer than two classes."""
    if len(classes) < 2:
        raise DataError(f"only one class ({listed(classes.names)}); there is nothing to tell apart")


def _stray(part: Part, found: set[str], classes: ClassMap) -> str:
    """Which classes a part has and train has not, and how train calls the one that was probably meant."""
    near = [name for group in _twins([*found, *classes.names]) for name in group if name in classes.index]
    meant = f" (train has {listed(near)})" if near else ""
    return f"{part} has {listed(ordered(found))}{meant}"


def _tell_twins(names: Iterable[str], whose: str) -> None:
    """Note classes whose names people take for the same."""
    if found := _twins(names):
        which = " and ".join(map(repr, found[0])) + (f" (and {len(found) - 1:,} more such)" if len(found) > 1 else "")
        say(
            f"note: {whose}: {which} are different classes, though their names differ in nothing but capitals, spaces "
            "or how accents are encoded"
        )


def _twins(names: Iterable[str]) -> list[list[str]]:
    """Names that differ in capitals, spaces or the encoding of accents alone; single letters (`A`, `a`) may."""
    groups = defaultdict(list)
    for name in names:
        if len(name) > 1:
            groups[" ".join(unicodedata.normalize("NFC", name).casefold().split())].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _borne(codes: npt.NDArray[np.integer[Any]], names: Sequence[str]) -> set[str]:
    """The names that these samples bear."""
    return {names[code] for code in np.flatnonzero(np.bincount(codes)).tolist()}
