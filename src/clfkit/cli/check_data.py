"""clfkit check-data: what is wrong with samples, before anything is trained on them."""

from __future__ import annotations

import json
import shlex
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clfkit.cli.arguments import AsJson, ConfigFile, Overrides, Plugins
from clfkit.cli.terminal import say
from clfkit.storage import without_nan
from clfkit.wording import cut, printable

if TYPE_CHECKING:
    from clfkit.checking.findings import Example, Finding, Report

WIDTHS = (40, 120)  # columns that text takes at least and at most
SHOWN = 5  # examples of a finding
WORDS_SHOWN = 10  # examples that are a word each
SAMPLES_SHOWN = 4  # of one example
LONGEST_NAME = 160


def check_data(
    config: ConfigFile,
    overrides: Overrides = [],
    near: Annotated[bool, typer.Option("--near", help="Look for images that are alike, too.")] = False,
    as_json: AsJson = False,
    plugin: Plugins = [],
) -> None:
    """Look at every sample without training: bad files, copies, labels, classes, sizes. Exit code 1 for a problem."""
    from clfkit.checking.check import check_data as check
    from clfkit.config import load_config
    from clfkit.progress import listener
    from clfkit.reporting import heard_by

    chosen = load_config(config, overrides)
    with heard_by(listener(as_json)):
        report = check(chosen, near=near)
    if as_json:
        typer.echo(json.dumps(without_nan(report.plain())))
    else:
        _show(report, _training(config, overrides))
    if report.hurts:
        raise typer.Exit(1)


def _training(config: Path, overrides: list[str]) -> str:
    """The command that trains on what was checked."""
    return shlex.join(["clfkit", "train", str(config), *(word for each in overrides for word in ("--set", each))])


def _show(report: Report, training: str) -> None:
    least, most = WIDTHS
    width = min(most, max(least, shutil.get_terminal_size((most, 0)).columns))
    say(_wrapped(f"{report.experiment}: {report.what}", width))
    say()
    indent = max(len(fact.name) for fact in report.facts) + 2
    for fact in report.facts:
        say(_wrapped(fact.text, width, fact.name.ljust(indent), " " * indent))
    for finding in report.findings:
        say()
        for line in _lines(finding, width):
            say(line)
    problems = sum(finding.hurts for finding in report.findings)
    notes = len(report.findings) - problems
    then = "go on with" if not problems else f"once {'it is' if problems == 1 else 'they are'} mended"
    say(f"\n{_number(problems, 'problem')}, {_number(notes, 'note')}; {then}:\n  {training}")


def _lines(finding: Finding, width: int) -> Iterator[str]:
    """A finding, some of its examples, what to do."""
    yield _wrapped(finding.summary, width, "problem: " if finding.hurts else "note: ")
    words = [example.word for example in finding.examples if not example.places]
    if words:
        more = f", and {len(words) - WORDS_SHOWN:,} more" if len(words) > WORDS_SHOWN else ""
        yield _wrapped(", ".join(map(_name, words[:WORDS_SHOWN])) + more, width, "    ", "    ")
    else:
        count = len(finding.examples)
        shown = SHOWN if count > SHOWN + 1 else count  # a line that says there is one more could say which
        for example in finding.examples[:shown]:
            yield from _samples(example, width)
        if count > shown:
            yield f"    … and {count - shown:,} more, which --json lists"
    yield _wrapped(finding.remedy, width, "  → ", "    ")


def _samples(example: Example, width: int) -> Iterator[str]:
    """The samples of an example, a line each: split, id, the class where the id does not tell it, and the word."""
    shown = example.places[:SAMPLES_SHOWN]
    mark = "~" if example.word else "="
    for at, place in enumerate(shown):
        named = "" if place.class_name in place.id.split("/") else f" ({_name(place.class_name)})"
        more = len(example.places) - len(shown) if place is shown[-1] else 0
        word = f": {example.word}" if example.word and place is shown[-1] else ""
        line = f"{_name(place.id)}{named}{word}" + (f" … and {more:,} more" if more else "")
        split = f"{place.part:<5}  " if place.part else ""
        yield _wrapped(line, width, f"  {mark if at else ' '} {split}", "      ")


def _name(text: str) -> str:
    return cut(printable(text, None), LONGEST_NAME)


def _number(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _wrapped(text: str, width: int, first: str = "", later: str = "  ") -> str:
    """Text in lines of `width` columns; a path that is longer is left in one piece, to be copied."""
    return textwrap.fill(
        printable(text, None), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
