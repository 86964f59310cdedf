"""clfkit verify: whether a run gives the same again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.arguments import AsJson, Plugins, Quiet, RunsRoot
from clfkit.cli.terminal import say
from clfkit.wording import counted

if TYPE_CHECKING:
    from clfkit.run import RunDirectory
    from clfkit.verifying import Verdict


def verify(
    source: Annotated[str, typer.Argument(metavar="RUN", help="Run directory or id, or `latest`.", show_default=False)],
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps to train; by default as many as the run has.")
    ] = None,
    begin: Annotated[
        str,
        typer.Option(
            "--from", metavar="CHECKPOINT", help="`start`, `previous`, `last`, or an epoch that is kept whole."
        ),
    ] = "start",
    root: RunsRoot = Path("outputs"),
    quiet: Quiet = False,
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Train a run again, into memory alone, and say from which step on it differs.

    Exit code 1 if it does, and if a checkpoint of the run cannot be read.
    """
    from clfkit.progress import listener
    from clfkit.run import RunDirectory, run_called
    from clfkit.verifying import verify as replayed

    run = run_called(source, root) or RunDirectory.open(Path(source))
    verdict = replayed(run, listener(quiet or as_json), begin, steps)
    if as_json:
        typer.echo(json.dumps({"run": str(run.path), "reproducible": verdict.reproducible, **asdict(verdict)}))
    else:
        _show(run, verdict)
    if not verdict.reproducible or verdict.unread:
        raise typer.Exit(1)


def _show(run: RunDirectory, verdict: Verdict) -> None:
    same = ", ".join(f"{name} (step {step:,})" for name, step in verdict.same.items())
    weights = f", and so are the weights of {same}" if same else "; no checkpoint was on the way"
    if verdict.difference is None:
        say(f"{run.path}: reproducible, steps {verdict.start + 1:,} to {verdict.end:,}")
        but = f" but {verdict.lost_steps:,}, of which none was kept," if verdict.lost_steps else ""
        say(f"the loss of every step{but} is the same to the bit{weights}")
    else:
        say(f"{run.path}: not reproducible from step {verdict.difference.step:,} on: {verdict.difference.what}")
        say(f"the losses of earlier steps are the same to the bit{weights}")
        say("\n".join(f"possible cause: {cause}" for cause in verdict.causes or ("none is known",)))
    if verdict.lost_epochs:
        say(f"not compared: the scores of {counted(verdict.lost_epochs, 'epoch')}, which were not kept")
    for reason in verdict.unread:
        say(f"not compared: {reason}")
