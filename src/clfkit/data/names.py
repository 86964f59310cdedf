"""Names of many samples or files as one run of bytes, so that a million of them take their text and 16 bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

NAMES_AT_ONCE = 10_000
"""That are objects at the same time where all are gone through, so that they take no memory to speak of."""

ODD = "surrogateescape"
"""How bytes that are not UTF-8 stand in a str, and come back from it."""


@dataclass(frozen=True, eq=False)
class Names:
    """Name i is what stands in `text`, in UTF-8, from `begins[i]` to before `ends[i]`.

    Bytes of a file's name that are not UTF-8 are kept, as Python keeps them in its own names of files.

    A list of a million str objects takes a hundred megabytes, and processes that are forked come to hold a copy each,
    since Python counts references inside of its objects.
    """

    text: bytes
    begins: Positions
    ends: Positions

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """The names in their order. Raises UnicodeEncodeError for one that is not valid UTF-8."""
        collector = NameCollector()
        collector.extend(name.encode() for name in names)
        return collector.names()

    @classmethod
    def joined(cls, text: bytes, ends: Positions) -> Names:
        """Names that follow each other without a gap and end at `ends`."""
        return cls(text, np.concatenate(([0], ends))[: len(ends)], ends)

    def __len__(self) -> int:
        return len(self.begins)

    def __iter__(self) -> Iterator[str]:
        return (name.decode(errors=ODD) for name in self.encoded())

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> str: ...

    @overload
    def __getitem__(self, index: slice | npt.NDArray[Any]) -> Names: ...

    def __getitem__(self, index: int | np.integer[Any] | slice | npt.NDArray[Any]) -> str | Names:
        """One name, or those at a slice or array of positions, which share the text."""
        if isinstance(index, (int, np.integer)):
            return self.text[self.begins[index] : self.ends[index]].decode(errors=ODD)
        return Names(self.text, self.begins[index], self.ends[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.tolist(), dtype=np.str_ if dtype is None else dtype)

    def encoded(self) -> Iterator[bytes]:
        """The names in UTF-8."""
        text = self.text
        return (text[begin:end] for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True))

    def lines(self, end: bytes = b"\n") -> bytes:
        """The names in UTF-8 in one piece, each with `end` behind it but the last."""
        starts = range(0, len(self), NAMES_AT_ONCE)
        return end.join(end.join(self[start : start + NAMES_AT_ONCE].encoded()) for start in starts)

    def tolist(self) -> list[str]:
        """The names as a list."""
        return list(self)


class NameCollector:
    """Takes names one after the other."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("q")

    def extend(self, names: Iterable[bytes]) -> None:
        """Take names in UTF-8."""
        for name in names:
            self._text += name
            self._ends.append(len(self._text))

    def names(self) -> Names:
        """All that were taken."""
        return Names.joined(bytes(self._text), np.array(self._ends, np.int64))


NO_NAMES = Names.of(())
