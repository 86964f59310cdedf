"""From class names and part names, one for each sample, to labels, a class map and the given parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clfkit.data.bundle import ClassMap, IndexArray, Part, listed
from clfkit.errors import ClassMismatch, DataError

PART_NAMES: Mapping[str, Part] = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test",
}  # fmt: skip
"""What people call the parts."""


def part_named(name: str, where: str) -> Part:
    """The part that `name` means. Raises DataError, which begins with `where`."""
    if name.lower() not in PART_NAMES:
        raise DataError(f"{where}: the part must be train, valid or test, not {name!r}")
    return PART_NAMES[name.lower()]


def label_samples(
    names: Sequence[str], parts: Sequence[Part] | None, whose: str
) -> tuple[ClassMap, IndexArray, dict[Part, IndexArray]]:
    """The class map, the labels (N,) and the index arrays of the given parts.

    The classes are those of the train part (of all samples without parts), in order: see `ordered`. Other parts
    may lack classes. Raises ClassMismatch when they have more, DataError when there is no train part.
    """
    if parts is None:
        classes = ClassMap(names=ordered(set(names)))
        return classes, _labels(names, classes), {}
    classes = ClassMap(names=ordered({name for name, part in zip(names, parts, strict=True) if part == "train"}))
    if not len(classes):
        raise DataError(f"{whose}: there are parts, but no sample in the train part")
    unknown: dict[str, set[str]] = {}
    for name, part in zip(names, parts, strict=True):
        if name not in classes.index:
            unknown.setdefault(part, set()).add(name)
    if unknown:
        extra = "; ".join(f"{part} has {listed(ordered(found))}" for part, found in unknown.items())
        raise ClassMismatch(f"{whose}: classes that the train part does not have: {extra}")
    of_part = np.array(parts)
    given = {part: np.flatnonzero(of_part == part).astype(np.int64) for part in dict.fromkeys(parts)}
    return classes, _labels(names, classes), given


def ordered(names: set[str]) -> tuple[str, ...]:
    """Class names in order: by value when all are whole numbers, else by code point, capitals first."""
    if all(name.isdecimal() and name.isascii() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _labels(names: Sequence[str], classes: ClassMap) -> IndexArray:
    return np.array([classes.index[name] for name in names], dtype=np.int64)
