"""The report in a real browser: nothing fails, nothing leaves the page, and what can be used works."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chromium import Chromium
from clfkit.report.page import write_report
from clfkit.run import RunDirectory

Trained = Callable[..., RunDirectory]
ARROW_DOWN, ARROW_RIGHT, HOME, END = "\ue015", "\ue014", "\ue011", "\ue010"
SHOWN = "return Number(document.getElementById('matrix').dataset.shown)"
ROWS = "return [...document.querySelectorAll('#class-table tbody tr:not([hidden])')].map(r => r.cells[%d].textContent)"


def test_it_opens_in_both_schemes_and_asks_for_nothing(browser: Chromium, trained_on: Trained) -> None:
    path, pictures = write_report(trained_on("digits")), []
    for scheme in ("light", "dark"):
        browser.open(path, scheme=scheme)
        own = ("data:", "chrome://")  # the browser's first, empty page asks for parts of itself
        assert [url for url in browser.requests() if not url.startswith(own)] == [path.as_uri()]
        pictures.append(browser.picture())
    light, dark = pictures
    assert len(np.unique(light.astype(int) @ [65536, 256, 1])) > 50  # colours: more than an empty page has
    assert np.median(light) > 200 and np.median(dark) < 60


@pytest.mark.parametrize("base", ["blobs", "rare"])
def test_scripts_run_to_their_end_whatever_the_run_has(browser: Chromium, trained_on: Trained, base: str) -> None:
    browser.open(write_report(trained_on(base)))
    assert browser.run(SHOWN) == (3 if base == "blobs" else 12)  # painted by the last of the scripts


def test_classes_are_sorted_and_filtered(browser: Chromium, many_classes: RunDirectory) -> None:
    browser.open(write_report(many_classes))
    assert len(browser.run(ROWS % 0)) == 50
    for reverse in (False, True):
        browser.click("#class-table th:nth-child(2) button")
        values = [float(text.split()[0]) for text in browser.run(ROWS % 1)]
        assert values == sorted(values, reverse=reverse)
    browser.press("#class-filter", "0042")
    assert [name.strip() for name in browser.run(ROWS % 0)] == ["Alphabet_1.character0042"]


def test_the_matrix_is_zoomed_and_ordered(browser: Chromium, many_classes: RunDirectory) -> None:
    browser.open(write_report(many_classes))
    assert browser.run(SHOWN) == 1623
    for _ in range(3):
        browser.click("#matrix-in")
    assert browser.run(SHOWN) == round(1623 / 8)
    order = "const o = document.getElementById('matrix-order'); o.value = '%s'; o.dispatchEvent(new Event('change'));"
    for name in ("recall", "support", "alike", "data"):
        browser.run(order % name)
        browser.frame()
        assert browser.run(SHOWN) == 1623
    assert browser.complaints() == []


def test_a_class_is_found_in_the_matrix(browser: Chromium, many_classes: RunDirectory) -> None:
    browser.open(write_report(many_classes))
    browser.run("document.getElementById('matrix-find').value = 'Alphabet_2.character010'")
    browser.press("#matrix-find", END, "0")
    assert browser.run(SHOWN) == 16
    assert browser.find("#matrix-readout").text.startswith("Alphabet_2.character0100 predicted right: ")


def test_the_slider_goes_through_the_epochs(browser: Chromium, trained_on: Trained) -> None:
    browser.open(write_report(trained_on("blobs", train__snapshots__every=1)))
    pixels = "return document.querySelector('[data-place=last]').toDataURL()"
    caption = "return document.querySelector('[data-place=last]').parentElement.querySelector('figcaption').textContent"
    before = browser.run(pixels)
    browser.press("#plane-slider", HOME, ARROW_RIGHT)
    assert browser.run(caption) == "Epoch 1"
    assert browser.run(pixels) != before
    assert browser.complaints() == []


@pytest.mark.parametrize("base", ["digits", "blobs"])
def test_a_narrow_page_does_not_scroll_sideways(base: str, browser: Chromium, trained_on: Trained) -> None:
    browser.open(write_report(trained_on(base)), width=400)
    assert browser.run("return document.documentElement.scrollWidth") <= 400


SEEN = "return [...document.querySelectorAll(arguments[0])].filter(each => each.checkVisibility()).length"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_printed_on_white_paper_with_all_that_it_says_it_lists(
    scheme: str, browser: Chromium, trained_on: Trained, many_classes: RunDirectory
) -> None:
    browser.open(write_report(many_classes), scheme=scheme)
    printed = "return document.getElementById('class-printed').textContent"
    assert (browser.run(SEEN, "#confusion tbody tr"), browser.run(SEEN, ".printed")) == (10, 0)
    browser.as_seen(scheme=scheme, media="print")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("return getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    assert (browser.run(SEEN, "#confusion tbody tr"), browser.run(SEEN, ".controls, .more")) == (30, 0)
    assert browser.run(SEEN, ".printed") == 1
    assert browser.run(printed) == "The first 50 of 1,623 classes."
    browser.open(write_report(trained_on("digits")), scheme=scheme)
    listed = browser.run("return document.querySelectorAll('#mistakes .gallery li').length")
    assert browser.run(SEEN, "#mistakes .gallery li") == 24 < listed
    browser.as_seen(scheme=scheme, media="print")
    assert browser.run(SEEN, "#mistakes .gallery li") == listed
    assert browser.run(SEEN, ".printed") == 0
    assert browser.pdf().startswith(b"%PDF")


def test_the_printed_line_names_the_filter(browser: Chromium, many_classes: RunDirectory) -> None:
    browser.open(write_report(many_classes))
    browser.press("#class-filter", "004")
    text = browser.run("return document.getElementById('class-printed').textContent")
    assert text == f"The first {len(browser.run(ROWS % 0))} of 1,623 classes of those with “004” in their name."


def test_arrow_keys_read_a_chart(browser: Chromium, trained_on: Trained) -> None:
    run = trained_on("blobs")
    browser.open(write_report(run))
    browser.press("#training .chart svg", HOME, ARROW_RIGHT)
    losses = [run.history()[1].value(f"{part}.loss") for part in ("train", "valid")]
    expected = f"epoch 2: train {losses[0]:.4g}, valid {losses[1]:.4g}"
    assert browser.find("#training .readout").text == expected


def test_the_epochs_are_played_and_named(browser: Chromium, trained_on: Trained) -> None:
    browser.open(write_report(trained_on("blobs", train__snapshots__every=1)))
    labels = "return [...document.querySelectorAll('.plane')].map(plane => plane.getAttribute('aria-label'))"
    first, last = browser.run(labels)
    assert first.startswith("Decision regions, Before training, ")
    assert ", the best, " in last and last.endswith(" of 40 points wrong")
    browser.press("#plane-slider", HOME)
    browser.click("#plane-play")
    browser.until("return document.querySelectorAll('.plane')[1].getAttribute('aria-label').includes('Epoch 4')")
    browser.until("return document.getElementById('plane-play').textContent === 'Play'")
    assert browser.complaints() == []


def test_the_matrix_is_walked_with_keys(browser: Chromium, trained_on: Trained) -> None:
    browser.open(write_report(trained_on("digits")))
    told = "return document.getElementById('matrix-readout').textContent"
    browser.press("#matrix", ARROW_DOWN)
    assert browser.run(told).startswith("0 predicted right: ")  # the first cell, whichever the key
    browser.press("#matrix", ARROW_DOWN)
    assert browser.run(told).startswith("1 taken for 0: ")
    browser.press("#matrix", ARROW_RIGHT)
    assert browser.run(told).startswith("1 predicted right: ")
    browser.press("#matrix", "+")
    assert browser.run(SHOWN) == 5
    browser.press("#matrix", "0")
    assert browser.run(SHOWN) == 10


COUNTED = """
window.calls = {};
for (const name of ["clearRect", "measureText"]) {
  const whole = CanvasRenderingContext2D.prototype[name];
  calls[name] = 0;
  CanvasRenderingContext2D.prototype[name] = function (...values) { calls[name]++; return whole.apply(this, values); };
}
"""


def test_long_names_are_measured_once_and_a_key_paints_once(browser: Chromium, many_classes: RunDirectory) -> None:
    evaluation = many_classes.evaluation("test")
    assert evaluation is not None
    cells = enumerate(evaluation["classes"].values())
    named = {f"{at} {'a name without an end ' * 5}": cell for at, cell in cells}
    many_classes.save_evaluation("test", {**evaluation, "classes": named})
    browser.open(write_report(many_classes))
    browser.run(COUNTED)
    for _ in range(5):
        browser.click("#matrix-in")
    seen = browser.run(SHOWN)
    measured = browser.run("return calls.measureText")
    assert 0 < measured < 30 * seen  # two names a class, each whole and halved until it fits
    browser.press("#matrix", ARROW_DOWN)
    browser.run("calls.clearRect = calls.measureText = 0")
    browser.press("#matrix", ARROW_DOWN)
    assert browser.run("return calls") == {"clearRect": 1, "measureText": 0}
