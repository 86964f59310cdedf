"""What was found of image files, and how an index keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from clfkit.data.index import Arrays, flat, names_in
from clfkit.data.labelling import Coded, PartCodes
from clfkit.data.names import Names


class Found(NamedTuple):
    """Image files relative to the root, their classes and, where parts are given, their parts.

    unread: how many pictures in formats that are not read stand among them, by their suffix.
    """

    names: Names
    classes: Coded
    parts: PartCodes | None
    unread: Mapping[str, int]

    @classmethod
    def of(cls, arrays: Arrays) -> Found:
        classes = Coded(arrays["codes"], names_in(arrays, "classes").tolist())
        unread = dict(zip(names_in(arrays, "unread"), arrays["unread.counts"].tolist(), strict=True))
        return cls(names_in(arrays, "names"), classes, arrays.get("parts"), unread)

    def arrays(self) -> Arrays:
        """What `of` takes."""
        classes = {"codes": self.classes.codes, **flat("classes", Names.of(self.classes.names))}
        parts = {} if self.parts is None else {"parts": self.parts}
        counts = np.array(list(self.unread.values()), np.int64)
        unread = {"unread.counts": counts, **flat("unread", Names.of(self.unread))}
        return {**flat("names", self.names), **classes, **parts, **unread}
