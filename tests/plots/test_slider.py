"""The slider as a page: it needs nothing from outside, names are escaped, and in a browser it does what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from chromium import Chromium
from clfkit.plots.frames import Animation, Frame
from clfkit.plots.slider import page, slider

LEFT, RIGHT = "\ue012", "\ue014"
HOSTILE = "<script>alert(1)</script>\"' onload=x"


def animation(count: int = 3, title: str = "regions") -> Animation:
    pixels = np.zeros((20, 30, 3), np.uint8)
    drawn = (Frame(epoch, f"Epoch {epoch}: {title}", pixels + epoch) for epoch in range(count))
    return Animation(title, title, drawn, count, 0.05)


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_a_picture_for_each_frame_and_the_last_one_is_shown_without_scripts() -> None:
    elements = Elements(page(animation()))
    images = elements.of("img")
    assert [image["alt"] for image in images] == [f"regions. Epoch {e}: regions" for e in range(3)]
    assert ["hidden" in image for image in images] == [True, True, False]
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in images)
    (controls,) = (each for each in elements.of("div") if each["class"] == "frames-controls")
    assert "hidden" in controls
    (bar,) = elements.of("input")
    assert (bar["type"], bar["min"], bar["max"], bar["aria-label"]) == ("range", "0", "2", "Epoch")


def test_nothing_comes_from_outside() -> None:
    text = page(animation())
    assert not re.findall(r"https?:|//[a-z]|@import|url\(", text)
    assert "default-src 'none'" in text


def test_names_are_escaped() -> None:
    text = page(animation(title=HOSTILE))
    assert "<script>alert" not in text
    assert len(Elements(text).of("script")) == 1
    assert Elements(text).of("figure")[0]["aria-label"] == HOSTILE


def state(browser: Chromium, number: int) -> list[str]:
    """Of one slider of a page: its place, its words, what the button says, which picture is seen."""
    return browser.run(
        "const frames = document.querySelectorAll('.frames')[arguments[0]], range = frames.querySelector('input');"
        "return [range.value, range.getAttribute('aria-valuetext'), frames.querySelector('button').textContent,"
        " [...frames.querySelectorAll('img')].map(image => image.offsetHeight > 0 ? 1 : 0).join('')]",
        number,
    )


def test_two_sliders_in_one_page(browser: Chromium, tmp_path: Path) -> None:
    quick, slow = animation(), replace(animation(), seconds=60.0)
    both = page(quick).replace("</main>", f"<div id='second'>{slider(slow)}</div></main>")
    (tmp_path / "page.html").write_text(both, encoding="utf-8")
    browser.open(tmp_path / "page.html")
    for number in (0, 1):
        assert state(browser, number) == ["2", "Epoch 2: regions", "Play", "001"]
    browser.press("#second input", LEFT)
    assert state(browser, 1) == ["1", "Epoch 1: regions", "Play", "010"]
    browser.click("#second button")
    assert state(browser, 1) == ["1", "Epoch 1: regions", "Pause", "010"]
    browser.press("#second input", " ")
    assert state(browser, 1) == ["1", "Epoch 1: regions", "Play", "010"]
    browser.click("#second button")
    browser.press("#second input", RIGHT)  # who moves it has it stop
    assert state(browser, 1) == ["2", "Epoch 2: regions", "Play", "001"]
    browser.click("#second button")
    assert state(browser, 1) == ["0", "Epoch 0: regions", "Pause", "100"]
    assert state(browser, 0) == ["2", "Epoch 2: regions", "Play", "001"]
    browser.press(".frames input", LEFT, LEFT)
    browser.click(".frames button")
    browser.until("return document.querySelector('.frames input').value === '2'")
    browser.until("return document.querySelector('.frames button').textContent === 'Play'")
    assert browser.complaints() == []


@pytest.mark.parametrize(("motion", "milliseconds"), [("no-preference", 50), ("reduce", 1000)])
def test_who_asks_for_little_motion_gets_it_from_the_first_step_on(
    motion: str, milliseconds: int, browser: Chromium, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(page(animation()), encoding="utf-8")
    browser.open(tmp_path / "page.html", motion=motion)
    browser.run("window.waits = []; window.setTimeout = (step, wait) => waits.push(wait)")
    browser.click(".frames button")
    assert browser.run("return waits") == [milliseconds]


def test_no_other_script_is_allowed(browser: Chromium, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(animation()).replace("</main>", "<script>window.evil = 1</script></main>"))
    browser.driver.get((tmp_path / "page.html").as_uri())
    assert browser.run("return window.evil ?? 0") == 0
    (complaint,) = browser.complaints()
    assert "Content Security Policy" in complaint["message"]
