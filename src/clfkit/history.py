"""What training has done so far: one record an epoch, and the position inside the current one."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from clfkit.components import metrics
from clfkit.errors import RunError
from clfkit.storage import append, changing, without_nan, write_atomically
from clfkit.wording import first_line


class EpochRecord(BaseModel):
    """One line of history.jsonl. Losses are means, accuracies shares; valid values are null without a valid split.

    Other metrics that were watched stand beside these, as `valid.macro_f1`; null for what is undefined.
    epoch counts from 1; step is the number of optimizer steps since the start; lr is the last step's learning
    rate; seconds is the time of this epoch alone, validation included.
    """

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    epoch: int
    step: int
    lr: float
    train_loss: float = Field(alias="train.loss")
    train_accuracy: float = Field(alias="train.accuracy")
    valid_loss: float | None = Field(None, alias="valid.loss")
    valid_accuracy: float | None = Field(None, alias="valid.accuracy")
    seconds: float
    __pydantic_extra__: dict[Annotated[str, Field(pattern=r"^valid\.\w")], float | None]

    @property
    def others(self) -> Mapping[str, float | None]:
        """The metrics beyond loss and accuracy, by name: `valid.macro_f1`."""
        return self.__pydantic_extra__

    def value(self, metric: str) -> float | None:
        """The value of `valid.loss`, `train.accuracy`, `valid.macro_f1`, …; None where it was not watched."""
        found: float | None = getattr(self, metric.replace(".", "_"), self.others.get(metric))
        return found

    def cells(self) -> dict[str, float | None]:
        """Everything by its name in history.jsonl; NaN becomes None."""
        cells: dict[str, float | None] = without_nan(self.model_dump(by_alias=True))
        return cells

    def line(self) -> str:
        """As a line of JSON; NaN, which JSON lacks, becomes null."""
        return self.model_dump_json(by_alias=True)


def read_records(lines: Iterable[str]) -> tuple[EpochRecord, ...]:
    """Records from lines of JSON. Raises ValueError for a line that is not one."""
    return tuple(EpochRecord.model_validate_json(line) for line in lines if line.strip())


class TrainState(BaseModel):
    """All that resuming needs beside arrays: where training stands and what it has seen.

    epoch: epochs finished. step: optimizer steps done. position: batches done of the current epoch.
    best_epoch: epoch (from 1) with the best value so far, 0 before there is one.
    seconds: time already spent on the current epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int = Field(0, ge=0)
    step: int = Field(0, ge=0)
    position: int = Field(0, ge=0)
    best_epoch: int = Field(0, ge=0)
    best_value: float | None = None
    seconds: float = 0.0
    stopped_early: bool = False


def oriented(metric: str, value: float | None) -> float:
    """A metric so that larger is better; a value that is missing or NaN is worse than any other."""
    if value is None or math.isnan(value):
        return -math.inf
    return -value if metrics.entry(metric.partition(".")[2]).lower_is_better else value


@dataclass
class Watch:
    """One metric over the epochs: its oriented values, and how long ago it last improved by `min_delta`.

    A function of the records alone: replaying them gives the same watch, which is how a resumed run gets its own.
    """

    metric: str
    min_delta: float = 0.0
    values: list[float] = field(default_factory=list)
    best: float = -math.inf
    since: int = 0

    def see(self, record: EpochRecord) -> bool:
        """Take in the next epoch; True if it improved. The first epoch always does."""
        value = oriented(self.metric, record.value(self.metric))
        improved = not self.values or value > self.best + self.min_delta
        self.values.append(value)
        if improved:
            self.best, self.since = value, 0
        else:
            self.since += 1
        return improved


def as_lines(records: Iterable[EpochRecord]) -> bytes:
    """The content of history.jsonl."""
    return "".join(record.line() + "\n" for record in records).encode()


@dataclass(frozen=True)
class HistoryFiles:
    """The records of a run on the disk: a line of JSON an epoch in `lines`, and the same as a CSV file in `table`.

    The table has a header, and an empty cell for what is undefined. It serves programs that read tables, and is never
    read back. Everything here raises RunError.
    """

    lines: Path
    table: Path

    def replace(self, records: Sequence[EpochRecord]) -> None:
        """Write both files anew, each as a whole."""
        write_atomically(self.lines, as_lines(records))
        self._replace_table(records)

    def append(self, records: Sequence[EpochRecord]) -> None:
        """Add lines and rows."""
        append(self.lines, as_lines(records))
        columns = self._columns()
        if all(columns.keys() >= record.cells().keys() for record in records):
            append(self.table, _csv_lines(_rows(records, list(columns))))
        else:
            self._replace_table(self.read())

    def read(self) -> tuple[EpochRecord, ...]:
        """The records of all finished epochs."""
        try:
            text = self.lines.read_text(encoding="utf-8") if self.lines.is_file() else ""
            return read_records(text.splitlines())
        except (OSError, ValueError) as error:
            raise RunError(f"{self.lines} cannot be read: {first_line(error)}") from None

    def _replace_table(self, records: Sequence[EpochRecord]) -> None:
        columns = list(dict.fromkeys(name for record in records for name in record.cells()))
        write_atomically(self.table, _csv_lines([columns, *_rows(records, columns)]) if records else b"")

    def _columns(self) -> dict[str, None]:
        with changing(self.table, "read"):
            if not self.table.is_file():
                return {}
            with self.table.open(encoding="utf-8", newline="") as file:
                return dict.fromkeys(next(csv.reader(file), []))


def _rows(records: Iterable[EpochRecord], columns: Sequence[str]) -> Iterator[list[float | None]]:
    return ([cells.get(name) for name in columns] for cells in (record.cells() for record in records))


def _csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    csv.writer(text := io.StringIO(), lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
