"""Text for people: aligned columns, no control characters, figures in few digits."""

from __future__ import annotations

import math
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clfkit.errors import RunError
from clfkit.wording import cut, printable

THIRDS = ("head_accuracy", "middle_accuracy", "tail_accuracy")


def say(text: str = "") -> None:
    """Print to standard output. Raises RunError where that takes nothing, as when its disk is full."""
    try:
        print(_safe(text), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is tried again at the end
        raise RunError(f"standard output takes nothing more: {error.strerror}") from None


def complain(text: str) -> None:
    """Print to standard error."""
    print(_safe(text), file=sys.stderr, flush=True)


def columns(rows: Iterable[Sequence[object]], header: Sequence[str] = (), longest: int | None = None) -> str:
    """Rows as aligned columns; numbers to the right. longest: characters of a cell before it is cut."""
    body = [[printable(cell(value), None) for value in row] for row in rows]
    if longest is not None:
        body = [[cut(text, longest) for text in row] for row in body]
    table = [list(header), *body] if header else body
    if not table:
        return ""
    numeric = [all(_numeric(row[at]) for row in body) for at in range(len(table[0]))]
    widths = [max(_width(row[at]) for row in table) for at in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            " " * (width - _width(text)) + text if right else text + " " * (width - _width(text))
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def cell(value: object) -> str:
    """A value in few characters; undefined ones as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)


def percent(value: object) -> str:
    """A share as a percentage; a dash when there is none."""
    return f"{value:.2%}" if isinstance(value, float) else "–"


def between(ends: Sequence[float] | None) -> str:
    """An interval in few characters; a dash where there is none."""
    return "–" if ends is None else " to ".join(map(cell, ends))


def calibrated(metrics: Mapping[str, float], calibration: Mapping[str, Any]) -> str:
    """What a temperature makes of the probabilities, in a line; empty for a model without."""
    if "temperature" not in calibration:
        return ""
    after = calibration["metrics"]
    changes = ", ".join(f"{name} {cell(metrics[name])} → {cell(after[name])}" for name in ("ece", "log_loss"))
    helps = after["log_loss"] < metrics["log_loss"]
    advice = "predict --calibrated" if helps else "of no help here"
    return f"at temperature {calibration['temperature']:g}, fitted on valid: {changes}  ({advice})"


def possible(best: Mapping[str, Any] | None) -> str:
    """A line on the best possible accuracy, where it is known: `bayes` of evaluation/<split>.json; else nothing."""
    if not best:
        return ""
    return f"the best possible accuracy on these data is {cell(best['accuracy'])} ({between(best['interval'])})"


def compared(
    model: str,
    metrics: Mapping[str, float],
    baselines: Mapping[str, Mapping[str, float]],
    interval: Sequence[float] | None = None,
) -> str:
    """A table of the model and the baselines, the best first by accuracy; empty without baselines.

    interval: of the model's accuracy. Baselines above it are named below the table.
    """
    if not baselines:
        return ""
    shown = list(next(iter(baselines.values())))
    rows = [(f"{model} (this model)", metrics), *baselines.items()]
    rows.sort(key=lambda row: -row[1]["accuracy"])
    table = columns([(name, *(values.get(metric) for metric in shown)) for name, values in rows], ("", *shown))
    better = [name for name, values in rows if interval and values["accuracy"] > interval[1]]
    if not better:
        return table
    names, verb = " and ".join(better), "is" if len(better) == 1 else "are"
    return f"{table}\n{names} {verb} above the interval of this model's accuracy"


def telling(metrics: Mapping[str, float], classes: int) -> dict[str, float]:
    """The metrics that say something: with at most five classes, top5 is always 1; balanced ones have no tail."""
    silent = {"top5"} if classes <= 5 else set()
    silent |= {name for name in THIRDS if metrics.get(name) is None or math.isnan(metrics[name])}
    return {name: value for name, value in metrics.items() if name not in silent}


def _safe(text: str) -> str:
    """Each line made printable."""
    return "\n".join(printable(line, None) for line in text.split("\n"))


def _numeric(text: str) -> bool:
    return text == "–" or text.replace(",", "").replace("%", "").replace(".", "", 1).lstrip("-").isdigit()


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)
