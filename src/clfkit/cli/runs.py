"""clfkit runs: a table of what was run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clfkit.cli.arguments import OutputRoot
from clfkit.cli.terminal import columns, percent, say
from clfkit.errors import RunError
from clfkit.wording import meant, printable

if TYPE_CHECKING:
    from clfkit.run import RunDirectory


def runs(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only runs of this experiment.", show_default=False)
    ] = None,
    out: OutputRoot = Path("outputs"),
) -> None:
    """List the runs under outputs/, oldest first: status, best epoch, accuracy, when; below, why some failed."""
    from clfkit.resuming import stage
    from clfkit.run import all_runs

    found = all_runs(out, name)
    if not found:
        there = sorted({run.path.parent.name for run in all_runs(out)}) if name else []
        hint = meant(name, there) if name and there else "`clfkit train CONFIG` makes one"
        say(f"no runs under {out / name if name else out}; {hint}")
        return
    rows, reasons = [], []
    for run in found:
        status = run.status()
        if status["status"] == "failed" and status.get("reason"):
            reasons.append(f"{printable(str(run.path), None)} failed: {printable(str(status['reason']), None)}")
        try:
            done: object = len(run.history())
        except RunError:
            done = "?"
        rows.append(
            (
                run.path, stage(run), _epochs(status, done), status.get("best_epoch"),
                _accuracy(run, status, "valid"), _accuracy(run, status, "test"), _when(status),
            )
        )  # fmt: skip
    say(columns(rows, ("run", "status", "epochs", "best", "valid", "test", "started")))
    if reasons:
        say("\n" + "\n".join(reasons))


def _accuracy(run: RunDirectory, status: dict[str, Any], split: str) -> str:
    """Of the run's end, or of a later evaluation of a run that had none."""
    at_end = status.get(f"{split}.accuracy")
    return percent(at_end if at_end is not None else (run.evaluation(split) or {}).get("metrics", {}).get("accuracy"))


def _epochs(status: dict[str, Any], done: object) -> str:
    """Epochs done and wanted; of what was joined from others, how many those are."""
    members = status.get("members")
    return f"{len(members)} joined" if isinstance(members, list) else f"{done}/{status.get('epochs', '?')}"


def _when(status: dict[str, Any]) -> str:
    try:
        return datetime.fromisoformat(status["started"]).astimezone().strftime("%Y-%m-%d %H:%M")
    except (KeyError, TypeError, ValueError):
        return "–"
