"""Every figure as a file: PNG and SVG are valid, small and the same every time, whatever classes are called."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_classifiers import certain, invented, records_of
from PIL import Image

import clfkit.plots
from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.errors import ClfkitError
from clfkit.plots import NothingToDraw, draw, draw_all, save, suitable
from clfkit.plots.style import label, percent, thinned

HOSTILE = (
    "$x^2$", r"\$5 _{", "_under", "a\nb\x00\ttab", "<svg>&amp;\"'", "日本語クラス", "x" * 300, "", "مرحبا",
    "%s {0} \ud800", "$\\frac{1}{0}$ $", "\u202eright to left",
)  # fmt: skip


def texts(svg: Path) -> str:
    return " ".join(ElementTree.parse(svg).getroot().itertext())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["blobs", "iris", "digits"])
def test_all_figures_of_a_run(kind: str, request: pytest.FixtureRequest) -> None:
    classifier: Classifier = request.getfixturevalue(kind)
    names = [name for name in suitable(classifier) if name != "recall"]  # which needs many unbalanced classes
    assert ("samples" in names) == (kind == "digits")
    assert ("boundary" in names) == (kind != "digits")
    for name, files in draw_all(classifier, names):
        assert not isinstance(files, NothingToDraw), name
        png, svg = files
        with Image.open(png) as image:
            image.verify()
        assert ElementTree.parse(svg).getroot().tag.endswith("svg")
        assert svg.stat().st_size < 1_000_000


def test_a_plot_with_nothing_to_draw_gives_its_reason(blobs: Classifier) -> None:
    ((name, reason),) = draw_all(blobs, ["samples"])
    assert name == "samples"
    assert isinstance(reason, NothingToDraw)


@pytest.mark.parametrize("kind", ["vector", "image"])
def test_hostile_class_names(kind: str, tmp_path: Path) -> None:
    count = 3 * len(HOSTILE)
    labels = np.arange(count) % len(HOSTILE)
    points = np.stack([labels, np.arange(count)], axis=1).astype(np.float32)
    pixels = (np.zeros((count, 1, 4, 4)) + labels[:, None, None, None]).astype(np.uint8)

    def answer(inputs: np.ndarray) -> np.ndarray:
        first = inputs.reshape(len(inputs), -1)[:, 0].astype(np.int64)
        return certain((first + first % 2) % len(HOSTILE), len(HOSTILE))

    inputs = points if kind == "vector" else pixels
    classifier = invented(inputs, labels, HOSTILE, answer, records=records_of(3))
    for name in suitable(classifier):
        if name in ("steps", "recall"):
            continue
        figure = draw(plots.parse(name), classifier)
        svg = save(figure, tmp_path / f"{name}.svg")
        save(figure, tmp_path / f"{name}.png")
        if name in ("confusion", "boundary"):
            assert "$x^2$" in texts(svg)
            assert "_under" in texts(svg)
            assert r"a\nb\x00\ttab" in texts(svg)


def test_hostile_feature_names(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    classifier = invented(inputs, np.arange(30) % 2, ("a", "b"), lambda x: certain(np.zeros(len(x), int), 2))
    spec = classifier.spec.model_copy(update={"feature_names": ("$a$ $", "b\x00")})
    changed = dataclasses.replace(classifier, checkpoint=dataclasses.replace(classifier.checkpoint, spec=spec))
    vars(changed).update(bundle=classifier.bundle, engine=classifier.engine)
    figure = draw(plots.parse({"name": "boundary", "features": ("b\x00", "$a$ $")}), changed)
    assert r"b\x00" in texts(save(figure, tmp_path / "boundary.svg"))


def test_the_same_figure_is_the_same_file(blobs: Classifier, tmp_path: Path) -> None:
    for suffix in ("png", "svg"):
        first, second = (
            save(draw(plots.parse("curves"), blobs), tmp_path / f"{turn}.{suffix}").read_bytes() for turn in "ab"
        )
        assert first == second


def test_files_that_cannot_be_written(blobs: Classifier, tmp_path: Path) -> None:
    figure = draw(plots.parse("learning_rate"), blobs)
    for path in (tmp_path / "missing" / "a.png", tmp_path / "a.docx"):
        with pytest.raises(ClfkitError, match=re.escape(f"cannot write {path}")):
            save(figure, path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("$1$", r"\$1\$"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("x" * 20 + "y" * 20, "x" * 11 + "…" + "y" * 12),
        ("x" * 24, "x" * 24),
        ("", "(empty)"),
        ("_a", " _a"),
    ],
)
def test_label(text: str, shown: str) -> None:
    assert label(text) == shown


def test_label_never_gets_longer_by_escaping() -> None:
    assert len(label("\x00" * 1000)) == 24


@pytest.mark.parametrize(("share", "text"), [(0.9731, "97.3 %"), (1.0, "100.0 %"), (float("nan"), "–")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("count", "limit"), [(0, 5), (1, 5), (5, 5), (6, 5), (100, 7), (10, 1), (3, 0)])
def test_thinned(count: int, limit: int) -> None:
    indices = thinned(count, limit)
    assert len(np.unique(indices)) == len(indices) == min(count, limit)
    assert ((indices >= 0) & (indices < count)).all()


def test_pyplot_is_never_imported() -> None:
    sources = Path(clfkit.plots.__file__).parent.glob("*.py")
    assert not [path.name for path in sources if "matplotlib.pyplot" in path.read_text(encoding="utf-8")]
