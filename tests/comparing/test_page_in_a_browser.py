"""The page of a comparison in a real browser: on screens and on paper."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chromium import Chromium
from clfkit.comparing.comparison import compare
from clfkit.comparing.page import page
from clfkit.comparing.runs import find_runs

PAPER = 700  # pixels across a sheet, about


@pytest.fixture
def written(rivals: Path, tmp_path: Path) -> Path:
    """The page of nine runs with long names."""
    runs = [shutil.copytree(rivals / "one", tmp_path / f"{number}_{'long' * 20}") for number in range(9)]
    path = tmp_path / "page.html"
    path.write_text(page(compare(find_runs([str(run) for run in runs], tmp_path).runs, "test")), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_printed_in_dark_letters_on_white_within_the_sheet(scheme: str, browser: Chromium, written: Path) -> None:
    browser.open(written, scheme=scheme, width=PAPER)
    assert browser.run("return document.querySelector('table').offsetWidth") > PAPER
    browser.as_seen(scheme=scheme, width=PAPER, media="print")
    for place, colour in (("body", "rgb(255, 255, 255)"), (".card", "rgb(255, 255, 255)")):
        style = f"return getComputedStyle(document.querySelector('{place}')).backgroundColor"
        assert browser.run(style) == colour
    assert browser.run("return getComputedStyle(document.body).color") == "rgb(29, 33, 38)"
    wide = "return Math.max(...[...document.querySelectorAll('table, svg')].map(each => each.offsetWidth || 0))"
    assert browser.run(wide) <= PAPER
    assert browser.run("return document.documentElement.scrollWidth") <= PAPER
