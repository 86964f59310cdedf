"""clfkit ensemble: several trained models joined into one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clfkit.cli.arguments import AsJson, OutputRoot, Plugins, Quiet
from clfkit.cli.terminal import columns, complain, percent, say

if TYPE_CHECKING:
    from clfkit.ensembles.joining import Joined, Scores


def ensemble(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN…", help="Runs or checkpoints; of one run, its snapshots.", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of its folder; by default the first run's and `-ensemble` or `-average`."
        ),
    ] = None,
    out: OutputRoot = Path("outputs"),
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name of the run's folder; by default the time.")
    ] = None,
    average: Annotated[
        Literal["probabilities", "weights"],
        typer.Option(
            help="What is averaged; `weights` gives one network, of snapshots or of runs tuned from one start."
        ),
    ] = "probabilities",
    force: Annotated[
        bool, typer.Option("--force", help="Join models of different splits too, without a score.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Join trained models into one, by the mean of their class probabilities, and score it beside them."""
    from clfkit.ensembles.joining import join_probabilities, join_weights
    from clfkit.ensembles.members import find_members

    members = find_members(runs, out)
    if average == "weights":
        joined = join_weights(members, out, name, run_id)
    else:
        joined = join_probabilities(members, out, name, run_id, force=force)
    if joined.left_out:
        complain(f"note: left out, since accuracy on valid falls with their weights: {', '.join(joined.left_out)}")
    if joined.warning is not None:
        complain(f"warning: not scored, since {joined.warning}")
    if as_json:
        from clfkit.storage import without_nan

        result = {"run": str(joined.run.path), "members": joined.members, "metrics": joined.scores}
        typer.echo(json.dumps(without_nan(result)))
    elif not quiet:
        _show(joined)


def _show(joined: Joined) -> None:
    """A row for each member, for their mean and for the whole, then what the whole gains in points."""
    if joined.scores:
        shown = [(part, metric) for part in joined.scores for metric in _metrics(joined)]
        rows = [
            [member, *(percent(scores[part][metric]) for part, metric in shown)]
            for member, scores in joined.members.items()
        ]
        rows.append(["joined", *(percent(joined.scores[part][metric]) for part, metric in shown)])
        every = list(joined.members.values())
        choosing = next(iter(joined.scores))  # valid, where there is one
        best = max(every, key=lambda scores: scores[choosing]["accuracy"])
        for than, members in (("members' mean", every), (f"best member on {choosing}", [best])):
            gains = [_gain(joined, members, part, metric) for part, metric in shown]
            rows.append([f"gain over the {than}", *(f"{100 * gain:+.2f} points" for gain in gains)])
        say(columns(rows, ("", *(f"{part} {metric}" for part, metric in shown))))
        say()
    say(f"run  {joined.run.path}")


def _metrics(joined: Joined) -> list[str]:
    """With at most five classes, top5 is always 1."""
    classes = len(joined.run.checkpoint("best").spec.classes)
    return ["accuracy", "top5"] if classes > 5 else ["accuracy"]


def _gain(joined: Joined, members: Sequence[Scores], part: str, metric: str) -> float:
    return joined.scores[part][metric] - sum(scores[part][metric] for scores in members) / len(members)
