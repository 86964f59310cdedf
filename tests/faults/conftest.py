"""The matrix of faults: each test says which row it belongs to, and the rows say what was tried and what held.

`make faults` tries all of it and writes the table into docs/reliability.md; what is marked `matrix` is left to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import nursery
from trials import Trials, draw_photos

from rows import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
TABLE = re.compile(r"(<!-- faults -->\n).*?(<!-- /faults -->)", re.DOTALL)


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Runs of a few experiments, to be ended and resumed; the whole ones among them are shared."""
    path = tmp_path_factory.mktemp("trials")
    draw_photos(path / "photos")
    with nursery(path) as program:
        yield Trials(path, program)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-faults", action="store_true", help="write the table into docs/reliability.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The row of each test travels with its report, so that it is known wherever the test ran."""
    for item in items:
        if mark := item.get_closest_marker("fault"):
            assert mark.args[0] in ROWS, f"{item.nodeid}: no row {mark.args[0]!r} in rows.py"
            item.user_properties.append(("fault", mark.args[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tried, held, skipped = (Counter(_rows(terminalreporter, *kinds)) for kinds in (TRIED, ("passed",), ("skipped",)))
    if not tried:
        return
    lines = ["| | what was tried | cases | held |", "|---|---|---:|---:|"]
    for row, text in ROWS.items():
        if tried[row] or skipped[row]:
            left = f" ({skipped[row]} skipped)" if skipped[row] else ""
            lines.append(f"| {row} | {text} | {tried[row]}{left} | {'all' if held[row] == tried[row] else held[row]} |")
    terminalreporter.section("faults")
    terminalreporter.write_line("\n".join(lines))
    if config.getoption("write_faults", default=False):
        page = PAGE.read_text(encoding="utf-8")
        table = "\n".join(lines) + "\n"
        PAGE.write_text(TABLE.sub(lambda found: found[1] + table + found[2], page), encoding="utf-8")


TRIED = ("passed", "failed", "error")


def _rows(terminalreporter: pytest.TerminalReporter, *kinds: str) -> Iterator[str]:
    for kind in kinds:
        for report in terminalreporter.stats.get(kind, []):
            yield from (value for name, value in getattr(report, "user_properties", ()) if name == "fault")
