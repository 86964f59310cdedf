"""What the samples look like, and how many there are of each class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.data.bundle import PARTS, DataBundle, IndexArray, Part
from clfkit.plots._pictures import show_picture
from clfkit.plots._planes import choose_plane
from clfkit.plots._predictions import drawable_split
from clfkit.plots.style import COLOURS, LEGEND_CLASSES, MARKERS, label, scatter, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

DRAWN_POINTS = 5000
PICTURES = 40
GREYS = {"train": "#555555", "valid": "#999999", "test": "#d0d0d0"}
NAMED_BARS = 40  # with more classes the counts are a curve, not bars with names


@plots.register("data")
def data(classifier: Classifier, *, features: tuple[str, ...] = ()) -> Figure:
    """The train samples (and for points the test samples, hollow), and the number of samples of each class.

    Points of more than two features are projected on the plane of the first two principal components of the
    standardised train inputs; a single feature is shown as one histogram for each class. Of images one or two
    from each of up to 40 classes are shown.

    Options:
        features: names of two features to draw instead of a projection.
    """
    from matplotlib.figure import Figure

    drawable_split(classifier, "train")
    images = classifier.spec.inputs == "image"
    points = not images and classifier.spec.features > 1
    figure = Figure(figsize=(11.5, 6))
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.2, 1)).flat
    if images:
        _draw_pictures(left, classifier)
    elif points:
        _draw_points(left.subplots(), classifier, features)
    else:
        _draw_histograms(left.subplots(), classifier)
    _draw_counts(right.subplots(), classifier.bundle, classifier.classes, looks=points)
    figure.suptitle(f"Data of {label(classifier.config.name, 40)}: {classifier.config.data.name}")
    return figure


def _draw_points(axes: Axes, classifier: Classifier, features: tuple[str, ...]) -> None:
    plane = choose_plane(classifier, features)
    shown, everything = 0, 0
    splits = {"train": classifier.bundle.train, "test": classifier.bundle.test}
    for part, split in sorted(splits.items(), key=lambda item: -len(item[1])):  # the smaller one on top, to be seen
        drawn = thinned(len(split), DRAWN_POINTS)
        points = plane.project(split.inputs[drawn])
        size = 20 if len(drawn) <= 1000 else 10
        scatter(axes, points, split.labels[drawn], hollow=part == "test", size=size)
        shown, everything = shown + len(drawn), everything + len(split)
    axes.set_xlabel(plane.axes[0])
    axes.set_ylabel(plane.axes[1])
    kinds = "filled: train, hollow: test" if len(classifier.bundle.test) else "train split"
    notes = [plane.note, kinds, f"{shown:,} of {everything:,} points drawn" if shown < everything else ""]
    axes.set_title("\n".join(filter(None, notes)), fontsize=10)


def _draw_histograms(axes: Axes, classifier: Classifier) -> None:
    """One outline for each class; the classes of more than a legend's worth together."""
    train = classifier.bundle.train
    values = train.inputs[np.arange(len(train))][:, 0]
    edges = np.histogram_bin_edges(values, 40)
    names = classifier.classes if len(classifier.classes) <= LEGEND_CLASSES else ()
    for index, name in enumerate(names):
        line = ("solid", "dashed", "dashdot", "dotted")[index % 4]
        counts, _ = np.histogram(values[train.labels == index], edges)
        axes.stairs(
            counts,
            edges,
            color=COLOURS[index % len(COLOURS)],
            linestyle=line,
            linewidth=1.6,
            label=label(name),
        )
    if names:
        axes.legend(loc="upper right")
    else:
        axes.hist(values, edges.tolist())
    axes.set_xlabel(label((classifier.spec.feature_names or ("the only feature",))[0]))
    axes.set_ylabel("train samples")


def _draw_pictures(figure: SubFigure, classifier: Classifier) -> None:
    train, names = classifier.bundle.train, classifier.classes
    chosen = _picture_choice(train.labels)
    columns = math.ceil(math.sqrt(1.25 * len(chosen)))
    grid = figure.subplots(-(-len(chosen) // columns), columns, squeeze=False).ravel()
    for axes, image, index in zip(grid, train.inputs[chosen], chosen, strict=False):
        show_picture(axes, image)
        axes.set_title(label(names[train.labels[index]], 12), fontsize=8, loc="center", pad=3)
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()


def _picture_choice(labels: IndexArray) -> IndexArray:
    """Positions of up to two samples from each of up to 40 classes, at most 40 in all, in order of class."""
    present = np.unique(labels)
    present = present[thinned(len(present), PICTURES)]
    each = 2 if 2 * len(present) <= PICTURES else 1
    found = [np.flatnonzero(labels == index)[:each] for index in present]
    return np.concatenate(found)


def _draw_counts(axes: Axes, bundle: DataBundle, names: tuple[str, ...], *, looks: bool) -> None:
    """Samples of each class: stacked bars with names, or for many classes a curve in descending order.

    looks: put each class's colour and marker at its bar, which makes the bars the legend of the points.
    """
    counts = {part: getattr(bundle, part).counts(len(names)) for part in PARTS if len(getattr(bundle, part))}
    if len(names) > NAMED_BARS:
        _draw_count_curves(axes, counts)
    else:
        _draw_count_bars(axes, counts, names, looks=looks)
    axes.set_title(f"{len(names):,} classes")
    axes.figure.legend(loc="outside lower center", alignment="left")


def _draw_count_bars(axes: Axes, counts: dict[Part, IndexArray], names: tuple[str, ...], *, looks: bool) -> None:
    from matplotlib.transforms import ScaledTranslation

    rows = np.arange(len(names))
    left = np.zeros(len(names), np.int64)
    for part, values in counts.items():
        axes.barh(rows, values, left=left, color=GREYS[part], label=f"{part} ({values.sum():,})")
        left = left + values
    axes.set_yticks(rows, [label(name, 18) for name in names], fontsize=10 if len(names) <= 20 else 7.5)
    axes.tick_params(axis="y", length=0, pad=18 if looks else 3)
    room = max(0, 5 - len(names)) / 2  # above and below, so that few bars do not grow into blocks
    axes.set_ylim(len(names) - 0.4 + room, -0.6 - room)
    axes.set_xlabel("samples")
    shift = ScaledTranslation(-9 / 72, 0, axes.figure.dpi_scale_trans)  # 9 points to the left of the axis
    for index in rows if looks else ():
        marker, colour = MARKERS[index % len(MARKERS)], COLOURS[index % len(COLOURS)]
        beside = axes.get_yaxis_transform() + shift
        axes.plot(0, index, marker, color=colour, markersize=8, clip_on=False, transform=beside)


def _draw_count_curves(axes: Axes, counts: dict[Part, IndexArray]) -> None:
    for (part, values), line in zip(counts.items(), ("solid", "dashed", "dotted"), strict=False):
        ordered = -np.sort(-values)
        axes.step(
            np.arange(1, len(values) + 1),
            ordered,
            where="mid",
            linestyle=line,
            label=f"{part} ({values.sum():,})",
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("classes, from most to fewest samples")
    axes.set_ylabel("samples")
    axes.grid(True)
