"""The slider as a page: it needs nothing from outside, names are escaped, and in a browser it does what it says."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from clfkit.plots.frames import Animation, Frame
from clfkit.plots.slider import page, slider

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


DRIVER = """
<script>
  addEventListener("load", async () => {
    const said = [], errors = [];
    const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
    document.addEventListener("securitypolicyviolation", (event) => errors.push(event.blockedURI));
    for (const frames of document.querySelectorAll(".frames")) {
      const range = frames.querySelector("input"), play = frames.querySelector("button");
      const note = (what) => said.push([what, range.value, range.getAttribute("aria-valuetext"), play.textContent,
        [...frames.querySelectorAll("img")].map((image) => image.offsetHeight > 0 ? 1 : 0).join("")].join("|"));
      note("start");
      range.value = 1; range.dispatchEvent(new Event("input")); note("moved");
      play.click(); note("playing");
      await wait(400); note("ended");
      play.click(); note("again");
      play.click(); note("paused");
      range.dispatchEvent(new KeyboardEvent("keydown", { key: " ", cancelable: true })); note("space");
    }
    document.body.innerHTML = `<pre>${said.join("\\n")}\\n${errors.length} errors</pre>`;
  });
</script>
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_in_a_browser(tmp_path: Path) -> None:
    both = page(animation()).replace("</main>", f"{slider(animation())}</main>{DRIVER}")  # two of them in one page
    (tmp_path / "page.html").write_text(both, encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=5000 --enable-logging=stderr"
    command = ["chromium", *flags.split(), f"--user-data-dir={tmp_path}/user", "--dump-dom"]
    done = subprocess.run(
        [*command, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "CONSOLE" not in done.stderr
    said = html.unescape(re.findall(r"<pre>(.*)</pre>", done.stdout, re.DOTALL)[0]).splitlines()
    assert said == [
        "start|2|Epoch 2: regions|Play|001",
        "moved|1|Epoch 1: regions|Play|010",
        "playing|1|Epoch 1: regions|Pause|010",
        "ended|2|Epoch 2: regions|Play|001",
        "again|0|Epoch 0: regions|Pause|100",
        "paused|0|Epoch 0: regions|Play|100",
        "space|0|Epoch 0: regions|Pause|100",
    ] * 2 + ["0 errors"]
