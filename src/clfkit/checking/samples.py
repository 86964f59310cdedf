"""The samples of an experiment as a check sees them: who they are, of which class, in which split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clfkit.checking.findings import Place
from clfkit.data.bundle import PARTS, ClassMap, Ids, IndexArray, Part


@dataclass(frozen=True)
class Samples:
    """N samples. labels, parts (N,): positions in `classes` and in `PARTS`."""

    ids: Ids
    classes: ClassMap
    labels: IndexArray
    parts: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.labels)

    def place(self, row: int) -> Place:
        """One of them."""
        return Place(str(self.ids[row]), self.classes.names[self.labels[row]], PARTS[self.parts[row]])

    def places(self, rows: Iterable[int]) -> tuple[Place, ...]:
        """Some of them."""
        return tuple(self.place(int(row)) for row in rows)

    def counts(self, part: Part) -> IndexArray:
        """Samples of each class in a split (K,)."""
        rows = self.parts == PARTS.index(part)
        return np.bincount(self.labels[rows], minlength=len(self.classes)).astype(np.int64)

    def sizes(self) -> dict[str, int]:
        """Samples in each split."""
        return {part: int((self.parts == code).sum()) for code, part in enumerate(PARTS)}
