"""The page of a comparison: whole, alone, and safe whatever runs are called."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from clfkit.comparing.charts import POINTS, curves
from clfkit.comparing.comparison import Comparison, compare
from clfkit.comparing.page import PALETTE, page
from clfkit.comparing.runs import find_runs
from clfkit.history import EpochRecord
from clfkit.run import RunDirectory

EMPTY = {"meta", "line", "circle", "polyline"}  # elements without content


class Reader(HTMLParser):
    """Elements and texts of a page; fails where elements are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY - {"polyline"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def compared(*sources: object) -> Comparison:
    return compare(find_runs(list(map(str, sources)), Path()).runs, "test")


def copies(rivals: Path, folder: Path, names: list[str]) -> list[RunDirectory]:
    return [RunDirectory(Path(shutil.copytree(rivals / "one", folder / name))) for name in names]


def test_page_shows_verdicts_intervals_options_metrics_and_curves(rivals: Path) -> None:
    comparison = compared(rivals / "one", rivals / "poor")
    reader = Reader(page(comparison))
    assert comparison.verdicts[0].sentence in reader.texts
    assert comparison.verdicts[0].reason in reader.texts
    for text in (
        "2 runs compared",
        "train.optimizer.lr",
        "1e-05",
        "balanced_accuracy",
        "train samples a second",
    ):
        assert text in reader.texts
    low, high = comparison.runs[0].interval("test", "accuracy") or (0, 0)
    assert f"{low:.4f} to {high:.4f}" in reader.texts
    assert len(reader.named("circle")) == 2  # accuracies
    assert len(reader.named("polyline")) == 2 * 4  # losses and accuracies on train and valid
    best = [attributes for attributes in reader.named("td") if attributes.get("class") == "best"]
    assert best and len(best) < len(reader.named("td")) / 2


def test_page_asks_for_nothing_beside_itself(rivals: Path) -> None:
    text = page(compared(rivals))
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert {name for name, _ in Reader(text).elements}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    assert "default-src 'none'" in text
    assert len(text) < 100_000


def test_names_are_escaped_and_cannot_steer(rivals: Path, tmp_path: Path) -> None:
    odd = ["<script>alert(1)<", "a&b\"'c", "{{ 7 * 7 }}", "x\x1b[31my\u202ez", "ü" * 90]
    reader = Reader(page(compared(*(run.path for run in copies(rivals, tmp_path, odd)))))
    assert "script" not in {name for name, _ in reader.elements}
    assert not any(attribute.startswith("on") for _, attributes in reader.elements for attribute in attributes)
    for name in odd[:3]:
        assert name in reader.texts
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", "".join(reader.texts))


def test_more_runs_than_colours_are_told_apart_by_dashes(rivals: Path, tmp_path: Path) -> None:
    runs = copies(rivals, tmp_path, [f"r{number:02}" for number in range(2 * PALETTE + 2)])
    looks = {
        str(attributes["class"]) for attributes in Reader(page(compared(*(run.path for run in runs)))).named("polyline")
    }
    assert len(looks) == len(runs)


def test_runs_without_evaluation_or_history_have_a_page_too(rivals: Path, tmp_path: Path) -> None:
    runs = copies(rivals, tmp_path, ["a", "b"])
    for run in runs:
        run.discard_results()
        run.write_history(())
    comparison = compared(*(run.path for run in runs))
    reader = Reader(page(comparison))
    assert not reader.named("polyline") and not reader.named("circle")
    assert all(line in reader.texts for line in comparison.untested)


def record(epoch: int, loss: float | None) -> EpochRecord:
    return EpochRecord.model_validate(
        {
            "epoch": epoch,
            "step": epoch,
            "lr": 0.1,
            "train.loss": 1.0,
            "train.accuracy": 0.5,
            "valid.loss": loss,
            "seconds": 1,
        }
    )


@pytest.mark.parametrize(
    ("losses", "segments"),
    [
        ([1.0, 2.0, 3.0], [3]),
        ([1.0, None, 3.0, 2.0], [2, 2]),  # a lone value is a line without length, which round ends make a dot
        ([float("nan"), 2.0, 2.0], [2]),
        ([0.001, 1.0], [2]),
        ([None, None], None),
    ],
)
def test_curves_have_gaps_where_values_are_missing(
    rivals: Path, tmp_path: Path, losses: list[float | None], segments: list[int] | None
) -> None:
    (run, other) = copies(rivals, tmp_path, ["a", "b"])
    run.write_history(tuple(record(epoch, loss) for epoch, loss in enumerate(losses, 1)))
    other.write_history(())
    charts = {chart.title.split(" (")[0]: chart for chart in curves(compared(run.path, other.path).runs)}
    if segments is None:
        assert "Valid loss" not in charts
        return
    mine, empty = charts["Valid loss"].lines
    assert [len(points.split()) for points in mine] == segments
    assert empty == ()
    assert (
        "logarithmic" in charts["Valid loss"].title
        if 0.001 in losses
        else "logarithmic" not in charts["Valid loss"].title
    )
    places = [tuple(map(float, point.split(","))) for points in mine for point in points.split()]
    assert all(52 <= x <= 448 and 12 <= y <= 224 for x, y in places)


def test_long_histories_are_drawn_as_means(rivals: Path, tmp_path: Path) -> None:
    runs = copies(rivals, tmp_path, ["a", "b"])
    runs[0].write_history(tuple(record(epoch, 1.0 + epoch % 2) for epoch in range(1, 5001)))
    charts = {chart.title: chart for chart in curves(compared(*(run.path for run in runs)).runs)}
    (points,) = charts["Valid loss"].lines[0]
    heights = {point.split(",")[1] for point in points.split()}
    assert len(points.split()) == POINTS
    assert len(heights) == 1  # each stands for five times 1 and five times 2


def test_a_metric_with_gaps_stays_in_a_long_history(rivals: Path, tmp_path: Path) -> None:
    (run, other) = copies(rivals, tmp_path, ["a", "b"])
    run.write_history(tuple(record(epoch, None if epoch % 3 else 2.0) for epoch in range(1, 2001)))
    other.write_history(())
    charts = {chart.title: chart for chart in curves(compared(run.path, other.path).runs)}
    (points,) = charts["Valid loss"].lines[0]
    assert len(points.split()) == POINTS


def test_curves_are_told_in_words_too(rivals: Path, tmp_path: Path) -> None:
    (run, other) = copies(rivals, tmp_path, ["a", "b"])
    run.write_history((record(1, None), record(2, 0.75), record(3, 0.5)))
    other.write_history((record(1, 0.25),))
    labels = [attributes["aria-label"] for attributes in Reader(page(compared(run.path, other.path))).named("svg")
              if "aria-label" in attributes]  # fmt: skip
    (label,) = [each for each in labels if each and each.startswith("Valid loss")]
    assert "a: 0.75 at epoch 2 to 0.5 at epoch 3. b: 0.25 at epoch 1." in label
