"""The files of a run that trackers take and keep."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from clfkit.storage import made, write_json

RESULTS = ("config.yaml", "metrics.csv", "evaluation/*.json", "plots/*.png", "report.html")


@dataclass(frozen=True)
class TrackerFiles:
    """The part of a run's folder that concerns trackers."""

    path: Path

    def results(self) -> list[Path]:
        """What tells how a run went, as far as it is there."""
        return [path for name in RESULTS for path in sorted(self.path.glob(name))]

    def event_files(self) -> list[Path]:
        """What TensorBoard reads: one file, and in a resumed run an empty one before it."""
        return sorted(self.path.glob("events.out.tfevents.*"))

    def new_event_file(self) -> Path:
        """A name for the next such file. TensorBoard reads them in the order of their names."""
        return self.path / f"events.out.tfevents.{time.time_ns()}"

    def remember(self, tracker: str, **where: str) -> None:
        """Write tracking/<tracker>.json, which says where the tracker keeps this run. Raises RunError."""
        write_json(made(self.path / "tracking") / f"{tracker}.json", where)

    def remembered(self, tracker: str) -> dict[str, str]:
        """What `remember` wrote; empty without."""
        try:
            value = json.loads((self.path / "tracking" / f"{tracker}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
