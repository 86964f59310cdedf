"""What was found of image files, as an index keeps it."""

from __future__ import annotations

from typing import NamedTuple

from clfkit.data.index import Arrays, flat, names_in
from clfkit.data.labelling import Coded, PartCodes
from clfkit.data.names import Names


class Found(NamedTuple):
    """Image files relative to the root, their classes and, where parts are given, their parts.

    unread: pictures beside them in formats that are not read.
    """

    names: Names
    classes: Coded
    parts: PartCodes | None
    unread: Names

    @classmethod
    def of(cls, arrays: Arrays) -> Found:
        classes = Coded(arrays["codes"], names_in(arrays, "classes").tolist())
        return cls(names_in(arrays, "names"), classes, arrays.get("parts"), names_in(arrays, "unread"))

    def arrays(self) -> Arrays:
        """What `of` takes."""
        classes = {"codes": self.classes.codes, **flat("classes", Names.of(self.classes.names))}
        parts = {} if self.parts is None else {"parts": self.parts}
        return {**flat("names", self.names), **classes, **parts, **flat("unread", self.unread)}
