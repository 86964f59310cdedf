"""Whether two runs are the same to the bit."""

from __future__ import annotations

import csv
from typing import Any

from clfkit.run import RunDirectory


def remains(run: RunDirectory) -> dict[str, Any]:
    """All that a run leaves but times: equal for runs that are equal bit for bit."""
    found: dict[str, Any] = {
        "steps": run.step_losses().tobytes(),
        "history": [record.model_copy(update={"seconds": 0.0}) for record in run.history()],
        "table": [
            {**row, "seconds": ""} for row in csv.DictReader((run.path / "metrics.csv").read_text().splitlines())
        ],
        "scores": {part: run.evaluation(part) for part in ("valid", "test")},
        "predictions": {path.name: path.read_bytes() for path in (run.path / "predictions").glob("*.npz")},
    }
    for epoch, folder in run.snapshots.by_epoch().items():
        found[f"snapshot {epoch}"] = (folder / "model.safetensors").read_bytes()
    for kind in ("last", "best"):
        folder = run.path / "checkpoints" / kind
        found |= {f"{kind}/{path.name}": path.read_bytes() for path in folder.glob("*.safetensors")}
        found[f"{kind}/state"] = run.checkpoint(kind).state.model_copy(update={"seconds": 0.0})  # type: ignore[arg-type]
        records = run.checkpoint(kind).records  # type: ignore[arg-type]
        found[f"{kind}/records"] = [record.model_copy(update={"seconds": 0.0}) for record in records]
    return found


def assert_equal(run: RunDirectory, other: RunDirectory) -> None:
    """Fails naming the things in which two runs differ."""
    mine, theirs = remains(run), remains(other)
    different = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
    assert not different, f"{run.path} and {other.path} differ in {different}"
