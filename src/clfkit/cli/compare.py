"""clfkit compare: several runs side by side, and which of them is better beyond chance."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clfkit.cli.arguments import AsJson, Plugins, RunsRoot, must_be_page
from clfkit.cli.terminal import between, cell, columns, complain, say, telling
from clfkit.errors import UsageError
from clfkit.storage import without_nan, write_atomically

if TYPE_CHECKING:
    from clfkit.comparing.comparison import Comparison, Row
    from clfkit.comparing.runs import ComparedRun
    from clfkit.comparing.verdicts import Verdict
    from clfkit.data.bundle import Part

WIDTH_OF_A_PIPE = 160
INDENT = "  "
NAMED = 4  # options that are named where there is no room for their values
LONGEST = 28  # characters of an option or a machine in the table


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN…",
            help="Run directories, folders of runs, run ids, patterns in quotes ('outputs/blobs/*'), or `latest`.",
            show_default=False,
        ),
    ],
    split: Annotated[str, typer.Option(metavar="PART", help="train, valid or test.")] = "test",
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help="Best first by a metric (test.accuracy), or name, seconds, epochs, parameters."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Run that the others are tested against; by default the most accurate."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.html", callback=must_be_page, help="Write a page, with curves, as well."),
    ] = None,
    root: RunsRoot = Path("outputs"),
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Compare runs: what differs, metrics with intervals, time, and whether one is better beyond chance."""
    from clfkit.comparing.comparison import compare as compared
    from clfkit.comparing.runs import find_runs
    from clfkit.data.labelling import PART_NAMES

    if split not in PART_NAMES:
        raise UsageError(f"--split {split}: must be train, valid or test")
    found = find_runs(runs, root, baseline)
    comparison = compared(found.runs, PART_NAMES[split], found.baseline, sort)
    for note in found.notes:
        complain(f"note: {note}")
    if as_json:
        typer.echo(json.dumps(without_nan(_as_json(comparison))))
    else:
        _show(comparison)
    if out is not None:
        from clfkit.comparing.page import page

        write_atomically(out, page(comparison).encode())
        complain(f"page: {out}") if as_json else say(f"\npage: {out}")


def _show(comparison: Comparison) -> None:
    """One table with a column for each run if the terminal is wide enough, else a row for each; then the verdicts."""
    width = shutil.get_terminal_size((WIDTH_OF_A_PIPE, 0)).columns
    table = columns(_side_by_side(comparison), ("", *(run.name for run in comparison.runs)))
    if _width(table) > width:
        table = _row_by_row(comparison, width)
    say(table)
    say()
    if comparison.without_effect:
        say(_told_apart(comparison) + "\n")
    for line in comparison.findings:
        say(line)


def _side_by_side(comparison: Comparison) -> list[list[object]]:
    """A column for each run: options that differ, metrics with their intervals, time, environment."""
    rows: list[list[object]] = []
    blank = [""] * len(comparison.runs)
    for title, found in (
        ("what differs", comparison.options),
        *((f"{split} metrics", _metrics(comparison, split)) for split in comparison.splits),
        ("time", comparison.costs),
        ("environment", comparison.environments),
    ):
        if found:
            rows += [["", *blank]] * bool(rows)
            rows.append([title, *blank])
            rows += [[INDENT + key, *(_short(value) for value in values)] for key, values in found]
    return rows


def _told_apart(comparison: Comparison) -> str:
    """One line for all options that differ and that no result depends on."""
    return f"without effect on results they differ in {', '.join(key for key, _ in comparison.without_effect)}"


def _metrics(comparison: Comparison, split: Part) -> list[Row]:
    """Those of a split; of others than that of the comparison, the accuracy and what the runs are sorted by."""
    evaluations = [run.evaluations[split] for run in comparison.runs if split in run.evaluations]
    told = {name for each in evaluations for name in telling(each["metrics"], len(each["classes"]))}
    if split != comparison.split:
        told = {name for name in told if name == "accuracy" or (split, name) == comparison.order}
    return [
        (name, tuple(_with_interval(run, split, name) for run in comparison.runs))
        for name, _ in comparison.metrics(split)
        if name in told
    ]


def _with_interval(run: ComparedRun, split: Part, name: str) -> str:
    """`0.9810 (0.9720 to 0.9890)`."""
    ends = run.interval(split, name)
    return cell(run.metric(split, name)) + (f" ({between(ends)})" if ends else "")


def _row_by_row(comparison: Comparison, width: int) -> str:
    """A row for each run: accuracy with its interval, that on other splits, seconds of training, options that fit."""
    shown = dict.fromkeys([*([comparison.order] if comparison.order else []), (comparison.split, "accuracy")])
    others = [(split, "accuracy") for split in comparison.splits if (split, "accuracy") not in shown]
    costs = dict.fromkeys([*([comparison.least] if comparison.least else []), "training, seconds"])
    header = ["", *(f"{split} {name}" for split, name in (*shown, *others)), *(key.split(", ")[-1] for key in costs)]
    rows: list[list[object]] = [
        [
            run.name,
            *(_with_interval(run, *each) for each in shown),
            *(run.metric(*each) for each in others),
            *(_short(run.costs[key]) for key in costs),
        ]
        for run in comparison.runs
    ]
    options = comparison.options
    for number, (key, values) in enumerate(options):
        wider = [[*row, _short(value)] for row, value in zip(rows, values, strict=True)]
        name = key.removeprefix("train.")
        if _width(columns(wider, [*header, name])) > width:
            left = [key for key, _ in options[number:]]
            more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
            told = f"they {'also ' * bool(number)}differ in {', '.join(left[:NAMED])}{more}; --out FILE.html shows all"
            return f"{columns(rows, header)}\n\n{told}"
        rows, header = wider, [*header, name]
    return columns(rows, header)


def _width(table: str) -> int:
    return max(map(len, table.split("\n")))


def _short(value: object) -> str:
    """A value in at most 28 characters; seconds and the like with three digits."""
    text = "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value}"
    if isinstance(value, float):
        text = f"{value:.3g}" if value < 100 else f"{value:,.0f}"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _as_json(comparison: Comparison) -> dict[str, Any]:
    """What `--json` prints."""
    options = [*comparison.options, *comparison.without_effect]
    return {
        "split": comparison.split,
        "runs": [
            {
                "run": str(run.directory.path),
                "name": run.name,
                "differs": {key: values[at] for key, values in options},
                "metrics": {split: each["metrics"] for split, each in run.evaluations.items()},
                "intervals": {split: each.get("intervals", {}) for split, each in run.evaluations.items()},
                "costs": run.costs,
            }
            for at, run in enumerate(comparison.runs)
        ],
        "against": comparison.against and comparison.against.name,
        "tests": [_test(verdict) for verdict in comparison.verdicts],
        "not_tested": comparison.unlike,
    }


def _test(verdict: Verdict) -> dict[str, Any]:
    return {
        "first": verdict.first,
        "second": verdict.second,
        **dataclasses.asdict(verdict.paired),
        "adjusted_p": verdict.adjusted,
        "tests": verdict.tests,
        "differs": verdict.differs,
        "verdict": verdict.sentence,
    }
