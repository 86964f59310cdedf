"""Recall of classes against their train samples, as a report has it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from report_pages import Page

from clfkit.report.charts import HEIGHT, TOP
from clfkit.report.material import Material
from clfkit.report.page import write_report
from clfkit.report.rarity import recall_by_size
from clfkit.run import RunDirectory

Trained = Callable[..., RunDirectory]


def test_every_class_stands_above_its_train_samples(trained_on: Trained) -> None:
    material = Material.of(trained_on("rare"))
    found = recall_by_size(material)
    assert found is not None
    recalls = [row["recall"] for row in material.evaluation["classes"].values()]
    assert len(found.dots) == len(recalls) == 12
    assert np.array_equal(np.argsort([dot.x for dot in found.dots]), np.argsort(material.train_counts, kind="stable"))
    heights = [dot.y for dot in found.dots]
    assert np.array_equal(
        np.argsort(heights, kind="stable"), np.argsort([-recall for recall in recalls], kind="stable")
    )
    assert min(heights) >= TOP and max(heights) <= HEIGHT
    assert found.dots[0].text.startswith("kind 00: ")
    assert f"{material.train_counts[0]:,} train samples" in found.dots[0].text
    assert sum(group.classes for group in found.groups) == 12
    assert found.groups[-1].sizes.endswith(str(max(material.train_counts)))
    assert found.logarithmic
    assert [tick.at for tick in found.across] == sorted(tick.at for tick in found.across)


def test_it_stands_in_the_page_with_the_means_in_words(trained_on: Trained) -> None:
    run = trained_on("rare")
    page = Page(write_report(run).read_text(encoding="utf-8"))
    [words] = [text for text in page.attributes("svg", "aria-label") if text.startswith("Recall by train samples")]
    found = recall_by_size(Material.of(run))
    assert found is not None
    for group in found.groups:
        assert f"{group.classes} classes of {group.sizes}: {group.recall}" in words


def test_few_or_equal_classes_have_nothing_to_show(trained_on: Trained) -> None:
    assert recall_by_size(Material.of(trained_on("blobs"))) is None  # three classes
    assert recall_by_size(Material.of(trained_on("digits"))) is None  # ten of one size


def test_a_run_without_a_model_has_nothing_to_show(many_classes: RunDirectory) -> None:
    assert recall_by_size(Material.of(many_classes)) is None
