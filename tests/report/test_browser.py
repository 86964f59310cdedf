"""The report in a real browser: nothing fails, nothing leaves the page, and what can be used works."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clfkit.report.page import write_report
from clfkit.run import RunDirectory

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (chromium-driver)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


def opened(browser: Any, run: RunDirectory, scheme: str = "light", width: int = 1200) -> Path:
    path = write_report(run)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("performance")
    browser.get(path.as_uri())
    until = time.monotonic() + 30
    while browser.execute_script("return document.readyState") != "complete" and time.monotonic() < until:
        time.sleep(0.05)
    assert browser.get_log("browser") == []
    return path


def test_it_opens_in_both_schemes_and_asks_for_nothing(browser: Any, trained_on: Callable[..., RunDirectory]) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        path = opened(browser, trained_on("digits"), scheme)
        assert len(browser.get_screenshot_as_png()) > 10_000
        colours.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        sent = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        own = ("data:", "chrome://")  # the browser's first, empty page asks for parts of itself
        assert [url for url in sent if not url.startswith(own)] == [path.as_uri()]
    assert len(colours) == 2


@pytest.mark.parametrize("base", ["blobs", "rare"])
def test_scripts_run_to_their_end_whatever_the_run_has(
    browser: Any, trained_on: Callable[..., RunDirectory], base: str
) -> None:
    opened(browser, trained_on(base))
    painted = "return document.getElementById('matrix').dataset.shown"  # by the last of the scripts
    assert browser.execute_script(painted) == ("3" if base == "blobs" else "12")


def test_classes_are_sorted_and_filtered(browser: Any, many_classes: RunDirectory) -> None:
    opened(browser, many_classes)
    rows = (
        "return [...document.querySelectorAll('#class-table tbody tr:not([hidden])')].map(r => r.cells[%d].textContent)"
    )
    assert len(browser.execute_script(rows % 0)) == 50
    heading = "document.querySelectorAll('#class-table th button')[1].click();"
    for reverse in (False, True):
        values = [float(text.split()[0]) for text in browser.execute_script(heading + rows % 1)]
        assert values == sorted(values, reverse=reverse)
    filtered = (
        "const f = document.getElementById('class-filter'); f.value = '0042'; f.dispatchEvent(new Event('input'));"
    )
    assert [name.strip() for name in browser.execute_script(filtered + rows % 0)] == ["Alphabet_1.character0042"]


def test_the_matrix_is_zoomed_and_ordered(browser: Any, many_classes: RunDirectory) -> None:
    opened(browser, many_classes)
    shown = "return Number(document.getElementById('matrix').dataset.shown)"
    assert browser.execute_script(shown) == 1623
    for _ in range(3):
        browser.execute_script("document.getElementById('matrix-in').click()")
    assert browser.execute_script(shown) == round(1623 / 8)
    order = "const o = document.getElementById('matrix-order'); o.value = '%s'; o.dispatchEvent(new Event('change'));"
    for name in ("recall", "support", "alike", "data"):
        browser.execute_script(order % name)
        assert browser.execute_script(shown) == 1623
    assert browser.get_log("browser") == []


def test_the_slider_goes_through_the_epochs(browser: Any, trained_on: Callable[..., RunDirectory]) -> None:
    opened(browser, trained_on("blobs", train__snapshots__every=1))
    move = (
        "const s = document.getElementById('plane-slider'), c = document.querySelector('[data-place=last]');"
        "const before = c.toDataURL(); s.value = 1; s.dispatchEvent(new Event('input'));"
        "return [c.parentElement.querySelector('figcaption').textContent, c.toDataURL() !== before]"
    )
    assert browser.execute_script(move) == ["Epoch 1", True]
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("base", ["digits", "blobs"])
def test_a_narrow_page_does_not_scroll_sideways(
    base: str, browser: Any, trained_on: Callable[..., RunDirectory]
) -> None:
    opened(browser, trained_on(base), width=400)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
