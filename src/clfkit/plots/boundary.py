"""Decision regions in a plane, before and after training, with the train and the test samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.data.bundle import FloatArray, IndexArray, Split
from clfkit.plots._planes import Plane, Points, choose_plane
from clfkit.plots._predictions import predicted_on
from clfkit.plots.style import (
    COLOURS,
    LEGEND_CLASSES,
    MARKERS,
    label,
    light,
    percent,
    scatter,
    thinned,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DRAWN_POINTS = 1500  # more would hide the regions
CHUNK_NUMBERS = 4_000_000  # probabilities held at once
REGION_NUMBERS = 200_000_000  # probabilities of one picture: some seconds
LINED_CLASSES = 50  # more classes than that in one picture have their borders marked by cells, not by a line each


@plots.register("boundary", inputs="vector")
def boundary(
    classifier: Classifier,
    *,
    features: tuple[str, ...] = (),
    resolution: Annotated[int, Field(ge=10, le=2000)] = 200,
) -> Figure:
    """Decision regions before and after training, with train and test samples; misclassified ones are ringed.

    Samples of more than two features are shown in the plane of the first two principal components of the
    standardised train inputs: points are projected onto it, and regions are predictions for the samples that
    lie in it, so that a point may be right in a region of another colour.

    Raises NothingToDraw for data of one feature.

    Options:
        features: names of two features to draw instead, the others being held at their train median.
        resolution: predictions along each side of the picture; fewer with more than 5,000 classes.
    """
    from matplotlib.figure import Figure

    plane = choose_plane(classifier, features)
    initial = classifier.initial()
    stages = ({"Before training": initial} if initial else {}) | {"After training": classifier}
    bundle = classifier.bundle
    parts = {
        name: _part(split, plane) for name, split in (("train", bundle.train), ("test", bundle.test)) if len(split)
    }
    window = _window(np.concatenate([part.points for part in parts.values()]))
    figure = Figure(figsize=(2.2 + 4.2 * len(parts), 0.8 + 3.6 * len(stages)))
    grid = figure.subplots(len(stages), len(parts), squeeze=False, sharex=True, sharey=True)
    for row, (stage, model) in zip(grid, stages.items(), strict=True):
        regions = _regions(model, plane, window, resolution)
        for axes, (name, part) in zip(row, parts.items(), strict=True):
            _draw_regions(axes, regions, window)
            _draw_part(axes, f"{stage}, {name}", model, part)
            axes.set(xlabel=plane.axes[0], ylabel=plane.axes[1])
            axes.label_outer()
    _legend(figure, classifier.classes)
    title = f"Decision regions of {label(classifier.config.name, 40)}"
    figure.suptitle("\n".join(filter(None, (title, plane.note))))
    return figure


class _DrawnPart(NamedTuple):
    """A split, the indices of those of its samples that are drawn, and the points (N, 2) where."""

    split: Split
    indices: IndexArray
    points: Points


def _part(split: Split, plane: Plane) -> _DrawnPart:
    indices = thinned(len(split), DRAWN_POINTS)
    return _DrawnPart(split, indices, plane.project(split.inputs[indices]))


class _Regions(NamedTuple):
    """On a grid (y, x): the predicted class, and by how much its probability exceeds the next one's."""

    classes: IndexArray
    margin: FloatArray


def _window(points: Points) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a frame around all points."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    margin = np.where(extent > 0, 0.06 * extent, 1.0)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def _regions(model: Classifier, plane: Plane, window: tuple[float, float, float, float], resolution: int) -> _Regions:
    left, right, bottom, top = window
    resolution = min(resolution, max(50, math.isqrt(REGION_NUMBERS // len(model.classes))))
    middles = (np.arange(resolution) + 0.5) / resolution
    x, y = np.meshgrid(left + (right - left) * middles, bottom + (top - bottom) * middles)
    points = np.column_stack([x.ravel(), y.ravel()])
    classes, margin = np.empty(len(points), np.int64), np.empty(len(points), np.float32)
    size = max(256, CHUNK_NUMBERS // len(model.classes))
    for start in range(0, len(points), size):
        piece = slice(start, start + size)
        probabilities = model.engine.predict(plane.lift(points[piece]))
        classes[piece] = probabilities.argmax(axis=1)
        first = probabilities.max(axis=1)
        probabilities[np.arange(len(first)), classes[piece]] = -1  # twice the maximum is faster than sorting
        margin[piece] = first - probabilities.max(axis=1)
    return _Regions(classes.reshape(x.shape), margin.reshape(x.shape))


def _draw_regions(axes: Axes, regions: _Regions, window: tuple[float, float, float, float]) -> None:
    """Light areas, and a line where two of them meet: where the margin of a class changes its sign."""
    axes.imshow(light(regions.classes), extent=window, origin="lower", aspect="auto", interpolation="nearest")
    present = np.unique(regions.classes)
    if len(present) < 2:
        return
    left, right, bottom, top = window
    height, width = regions.classes.shape
    x = left + (right - left) * (np.arange(width) + 0.5) / width
    y = bottom + (top - bottom) * (np.arange(height) + 0.5) / height
    if len(present) > LINED_CLASSES:
        _draw_edges(axes, regions.classes, window)
        return
    margin = np.maximum(regions.margin, 1e-6)
    for index in present if len(present) > 2 else present[:1]:
        field = np.where(regions.classes == index, margin, -margin)
        lines = axes.contour(x, y, field, levels=[0.0], colors="#333333", linewidths=0.8, linestyles="solid")
        lines.set_rasterized(True)


def _draw_edges(axes: Axes, classes: IndexArray, window: tuple[float, float, float, float]) -> None:
    """Cells darkened that differ from the next one: the borders of any number of classes in one picture."""
    edges = np.zeros((*classes.shape, 4))
    edges[:-1, :, 3] = classes[:-1] != classes[1:]
    edges[:, :-1, 3] += classes[:, :-1] != classes[:, 1:]
    edges[..., 3] = 0.5 * (edges[..., 3] > 0)
    axes.imshow(edges, extent=window, origin="lower", aspect="auto", interpolation="nearest")


def _draw_part(axes: Axes, title: str, model: Classifier, part: _DrawnPart) -> None:
    """The points; those that the model misclassifies get a ring. The title counts all samples."""
    split, drawn, points = part
    wrong = predicted_on(model, split) != split.labels
    size = 18 if len(drawn) <= 500 else 12
    scatter(axes, points, split.labels[drawn], size=size)
    ringed = points[wrong[drawn]]
    few = len(ringed) <= 150  # more are ringed closely, or nothing else would be seen
    axes.scatter(
        ringed[:, 0], ringed[:, 1], s=(2.6 if few else 1.2) * size, facecolors="none", edgecolors="black",
        linewidths=0.8 if few else 0.5, rasterized=True,
    )  # fmt: skip
    title += f": {percent(1 - float(wrong.mean()))} right"
    if len(drawn) < len(split):
        title += f"\n({len(drawn):,} of {len(split):,} points drawn)"
    axes.set_title(title)


def _legend(figure: Figure, classes: tuple[str, ...]) -> None:
    from matplotlib.lines import Line2D

    shown = classes if len(classes) <= LEGEND_CLASSES else ()
    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)])
        for i in range(len(shown))
    ]
    ring = Line2D([], [], linestyle="", marker="o", markersize=8, markerfacecolor="none", markeredgecolor="black")
    names = [label(name) for name in shown]
    title = "classes" if shown else f"{len(classes):,} classes,\nlooks repeat"
    figure.legend([*handles, ring], [*names, "misclassified"], loc="outside right upper", title=title, alignment="left")
