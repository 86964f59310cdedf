"""What a run keeps of the samples that were left out: a list of them, and copies where they were asked for."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from clfkit.data.bundle import LeftOut
from clfkit.errors import DataError
from clfkit.storage import made, write_atomically

LIST = "bad_samples.csv"
COPIES = "quarantine"


@dataclass(frozen=True)
class LeftOutFiles:
    """bad_samples.csv and quarantine/ below `path`, the run's folder."""

    path: Path

    def write(self, left_out: LeftOut) -> None:
        """Write the list, and each file's copy. Raises RunError when the disk does not take them."""
        if not left_out.samples:
            return
        rows = [["sample", "class", "part", "fault", "reason", "copy"]]
        for at, sample in enumerate(left_out.samples):
            copy = self._copied(left_out, at)
            rows.append([sample.id, sample.class_name, sample.part or "", sample.fault, sample.reason, copy])
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(rows)
        write_atomically(self.path / LIST, table.getvalue().encode("utf-8", "surrogateescape"))

    def _copied(self, left_out: LeftOut, at: int) -> str:
        """The name, below the run, of a copy; empty where none is wanted, and where there is nothing to copy."""
        if left_out.content is None:
            return ""
        try:
            content = left_out.content(at)
        except DataError:  # a file that is missing, may not be read or is no image's size, as its reason says
            return ""
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", left_out.samples[at].id.rpartition("/")[2])[-100:]
        copy = made(self.path / COPIES) / f"{at + 1:04}-{base}"
        write_atomically(copy, content)
        return f"{COPIES}/{copy.name}"
