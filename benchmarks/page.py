"""The table of docs/performance.md, written from the results that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from measuring import ROOT

PAGE = ROOT / "docs/performance.md"
BEGIN = "<!-- speed: written by `make bench` -->"
END = "<!-- end of speed -->"
HEADER = "| row | work | measure | peer | ours | peer's | ratio | reach / stretch | accuracy, ours / peer's |"


def line(claim: Mapping[str, Any]) -> str:
    """A claim in one line of plain text."""
    bounds = f"  ({_bounds(claim)}: {claim['verdict']})" if claim["reach"] is not None else ""
    accuracy = f"  accuracy {_accuracy(claim)}" if _accuracy(claim) else ""
    figures = f"{_figure(claim['ours'], claim['unit'])} / {_figure(claim['theirs'], claim['unit'])}"
    note = f"  {claim['note']}" if claim["note"] else ""
    ratio = f"{_ratio(claim)}{bounds}{accuracy}{note}"
    return f"{claim['work']}, {claim['measure']}, against {claim['peer']}: {figures} = {ratio}"


def write_page(results: Mapping[str, Any]) -> None:
    """Put the table between its markers. Raises ValueError when the page has none."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no line {BEGIN!r} followed by {END!r}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}", encoding="utf-8")


def table(results: Mapping[str, Any]) -> str:
    """All rows that were measured, then where and with what."""
    lines = [HEADER, "|" + "---|" * (HEADER.count("|") - 1)]
    for number, row in results.items():
        lines += [_row(number, claim) for claim in row["claims"]]
    return "\n".join(lines) + "\n\n" + "\n".join(_circumstances(results))


def _row(number: str, claim: Mapping[str, Any]) -> str:
    verdict = claim["verdict"]
    bounds = f"{_bounds(claim)}: **{verdict}**" if verdict else ""
    figures = [_figure(claim[whose], claim["unit"]) for whose in ("ours", "theirs")]
    work = f"{claim['work']} ({claim['note']})" if claim["note"] else claim["work"]
    cells = (number, work, claim["measure"], claim["peer"], *figures, _ratio(claim), bounds, _accuracy(claim))
    return "| " + " | ".join(cells) + " |"


def _circumstances(results: Mapping[str, Any]) -> list[str]:
    """Machine, versions, day and repeats, once for all rows that share them."""
    shared: dict[str, list[str]] = {}
    for number, row in results.items():
        versions = ", ".join(f"{name} {found}" for name, found in row["versions"].items())
        text = f"best of {row['repeats']}, {row['measured']}, {row['machine']}; {versions}"
        shared.setdefault(text, []).append(number)
    return [f"Rows {', '.join(numbers)}: {text}.\n" for text, numbers in shared.items()]


def _figure(value: float, unit: str) -> str:
    if unit == "s" and value < 0.1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.0f} {unit}" if unit == "MB" or value >= 100 else f"{value:.3g} {unit}"


def _ratio(claim: Mapping[str, Any]) -> str:
    return f"{claim['ours'] / claim['theirs']:.3g}" if claim["theirs"] else "–"


def _bounds(claim: Mapping[str, Any]) -> str:
    return f"{claim['reach']:g} / {claim['stretch']:g}"


def _accuracy(claim: Mapping[str, Any]) -> str:
    ours, theirs = claim["our_accuracy"], claim["their_accuracy"]
    return "" if ours is None or theirs is None else f"{ours:.2%} / {theirs:.2%}"
