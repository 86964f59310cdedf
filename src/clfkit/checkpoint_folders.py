"""The checkpoints of a run beside each other: those that training can go on from, and the models of single epochs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from clfkit.checkpoint import MANIFEST, Checkpoint, beside, find_checkpoint, finish, write_checkpoint
from clfkit.storage import changing, made, removed

SNAPSHOT = re.compile(r"epoch-(\d+)")


@dataclass(frozen=True)
class SnapshotFolder:
    """The models of single epochs of one run, each a checkpoint of its own without what only resuming needs."""

    path: Path

    def write(self, epoch: int, checkpoint: Checkpoint) -> None:
        """Write epoch-<number>, replacing one of the same epoch. Raises RunError."""
        made(self.path.parent)
        write_checkpoint(self.path / f"epoch-{epoch:04}", checkpoint)

    def by_epoch(self) -> dict[int, Path]:
        """Every complete one by its epoch, oldest first."""
        numbers = sorted({int(found[1]) for path in self.path.glob("epoch-*") if (found := SNAPSHOT.match(path.name))})
        places = ((number, find_checkpoint(self.path / f"epoch-{number:04}")) for number in numbers)
        return {number: place for number, place in places if place is not None}

    def discard(self, path: Path) -> None:
        """Remove one, the manifest first: what a crash leaves of it is no checkpoint. Raises RunError."""
        with changing(path, "remove"):
            (path / MANIFEST).unlink()
            removed(path)

    def discard_after(self, epoch: int) -> None:
        """Remove those of later epochs. Raises RunError."""
        for number, path in self.by_epoch().items():
            if number > epoch:
                self.discard(path)


@dataclass(frozen=True)
class Generations:
    """`last` and `previous`: the newest checkpoint of a run that training can go on from, and the one before it."""

    path: Path

    def write(self, checkpoint: Checkpoint) -> None:
        """Write `last`; what it was is `previous` now. Raises RunError."""
        write_checkpoint(self.path / "last", checkpoint, self.path / "previous")

    def places(self) -> list[Path]:
        """Where a checkpoint may be, the newest first: also those that a writer was swapping when it was killed."""
        last = self.path / "last"
        others = [place for place in (*beside(last), self.path / "previous") if (place / MANIFEST).is_file()]
        return [last, *others] if last.exists() else others

    def go_back_to(self, place: Path) -> None:
        """Make one of `places` the last one; what was is set aside as `last.damaged`. What writers left goes.

        Raises RunError.
        """
        last = self.path / "last"
        with changing(last, "go back from"):
            if place != last:
                if last.exists():
                    last.rename(removed(last.with_name("last.damaged")))
                place.rename(last)
            finish(last, self.path / "previous")
            for path in (*self.path.rglob("*.new"), *self.path.rglob("*.old")):  # of best, initial and snapshots
                finish(path.with_suffix(""), None)
            for path in self.path.glob("snapshots/epoch-*"):
                if not (path / MANIFEST).is_file():  # a kill came while it was removed
                    removed(path)
