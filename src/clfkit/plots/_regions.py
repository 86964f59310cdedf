"""Decision regions in a plane and the samples that lie in it, as parts of a figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.classifier import Classifier
from clfkit.data.bundle import DataBundle, FloatArray, IndexArray, Split
from clfkit.data.limits import class_shares, posterior
from clfkit.plots._planes import Plane, Points
from clfkit.plots.style import COLOURS, LEGEND_CLASSES, MARKERS, label, light, thinned

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Window = tuple[float, float, float, float]
"""Left, right, bottom and top of the part of a plane that is drawn."""

DRAWN_POINTS = 1500  # more would hide the regions
CHUNK_NUMBERS = 4_000_000  # probabilities held at once
REGION_NUMBERS = 200_000_000  # probabilities of one picture: some seconds
LINED_CLASSES = 50  # more classes than that in one picture have their borders marked by cells, not by a line each
OPTIMAL: dict[str, Any] = {"colors": "black", "linewidths": 1.0, "linestyles": "dashed"}
RINGED_WIDELY = 150  # more points than that are ringed closely, or nothing else would be seen


class DrawnPart(NamedTuple):
    """A split, the indices of those of its samples that are drawn, and the points (N, 2) where."""

    split: Split
    indices: IndexArray
    points: Points

    @property
    def size(self) -> float:
        """Area of a marker, in square points."""
        return 18 if len(self.indices) <= 500 else 12


def drawn_part(split: Split, plane: Plane) -> DrawnPart:
    """A split as it is drawn: of more than 1,500 samples so many, evenly spread."""
    indices = thinned(len(split), DRAWN_POINTS)
    return DrawnPart(split, indices, plane.project(split.inputs[indices]))


class Regions(NamedTuple):
    """On a grid (y, x): the predicted class, and by how much its probability exceeds the next one's."""

    classes: IndexArray
    margin: FloatArray


def window_around(points: Points) -> Window:
    """A frame around all points (N, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = high - low
    margin = np.where(extent > 0, 0.06 * extent, 1.0)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def predict_regions(model: Classifier, plane: Plane, window: Window, resolution: int) -> Regions:
    """What a model says in the middle of each of resolution × resolution cells; fewer with more than 5,000 classes."""
    return _regions(model.engine.predict, len(model.classes), plane, window, resolution)


def optimal_regions(bundle: DataBundle, plane: Plane, window: Window, resolution: int) -> Regions | None:
    """Those of the classifier that knows the density and the shares of the classes on train; None where none is known.

    The margin is NaN where no class ever is.
    """
    density, count = bundle.train.density, len(bundle.spec.classes)
    if density is None or bundle.spec.features != 2 or count > LINED_CLASSES:
        return None
    shares = class_shares(bundle.train, count)
    return _regions(lambda samples: posterior(density, samples, shares), count, plane, window, resolution)


def _regions(
    predict: Callable[[Points], npt.NDArray[np.floating]], count: int, plane: Plane, window: Window, resolution: int
) -> Regions:
    """predict: samples (N, F) → probabilities (N, count), which are overwritten."""
    left, right, bottom, top = window
    resolution = min(resolution, max(50, math.isqrt(REGION_NUMBERS // count)))
    middles = (np.arange(resolution) + 0.5) / resolution
    x, y = np.meshgrid(left + (right - left) * middles, bottom + (top - bottom) * middles)
    points = np.column_stack([x.ravel(), y.ravel()])
    classes, margin = np.empty(len(points), np.int64), np.empty(len(points), np.float32)
    size = max(256, CHUNK_NUMBERS // count)
    for start in range(0, len(points), size):
        piece = slice(start, start + size)
        probabilities = predict(plane.lift(points[piece]))
        classes[piece] = probabilities.argmax(axis=1)
        first = probabilities.max(axis=1)
        probabilities[np.arange(len(first)), classes[piece]] = -1  # twice the maximum is faster than sorting
        margin[piece] = first - probabilities.max(axis=1)
    return Regions(classes.reshape(x.shape), margin.reshape(x.shape))


def draw_regions(axes: Axes, regions: Regions, window: Window, *, classes: int | None = None) -> list[Artist]:
    """Light areas, and a line where two of them meet: where the margin of a class changes its sign.

    classes: how many there may be, by which borders are lines or cells; by default those in the picture.
    """
    areas = axes.imshow(light(regions.classes), extent=window, origin="lower", aspect="auto", interpolation="nearest")
    if (classes or len(np.unique(regions.classes))) > LINED_CLASSES:
        return [areas, _draw_edges(axes, regions.classes, window)]
    return [areas, *_draw_lines(axes, regions, window, colors="#333333", linewidths=0.8, linestyles="solid")]


def draw_optimal(axes: Axes, regions: Regions, window: Window) -> list[Artist]:
    """The borders alone, dashed."""
    return [*_draw_lines(axes, regions, window, **OPTIMAL)]


def _draw_lines(axes: Axes, regions: Regions, window: Window, **style: Any) -> Iterator[Artist]:
    """A line wherever two regions meet, drawn once or dashes would fill each other's gaps; none beside NaN margins."""
    left, right, bottom, top = window
    height, width = regions.classes.shape
    x = left + (right - left) * (np.arange(width) + 0.5) / width
    y = bottom + (top - bottom) * (np.arange(height) + 0.5) / height
    margin = np.maximum(regions.margin, 1e-6)
    for index in np.unique(regions.classes[~np.isnan(margin)])[:-1]:
        field = np.where(regions.classes == index, margin, -margin)
        field[regions.classes < index] = np.nan  # their lines are there already
        lines = axes.contour(x, y, np.ma.masked_invalid(field), levels=[0.0], **style)
        lines.set_rasterized(True)
        yield lines


def _draw_edges(axes: Axes, classes: IndexArray, window: Window) -> Artist:
    """Cells darkened that differ from the next one: the borders of any number of classes in one picture."""
    edges = np.zeros((*classes.shape, 4))
    edges[:-1, :, 3] = classes[:-1] != classes[1:]
    edges[:, :-1, 3] += classes[:, :-1] != classes[:, 1:]
    edges[..., 3] = 0.5 * (edges[..., 3] > 0)
    return axes.imshow(edges, extent=window, origin="lower", aspect="auto", interpolation="nearest")


def ring(axes: Axes, points: Points, size: float) -> Artist:
    """A ring around each of the points (N, 2), whose markers have that area."""
    few = len(points) <= RINGED_WIDELY
    return axes.scatter(
        points[:, 0], points[:, 1], s=(2.6 if few else 1.2) * size, facecolors="none", edgecolors="black",
        linewidths=0.8 if few else 0.5, rasterized=True,
    )  # fmt: skip


def legend_of(figure: Figure, classes: tuple[str, ...], *, optimal: bool = False) -> None:
    """Name the looks of up to twelve classes, the ring, and perhaps the optimal border, beside the axes."""
    from matplotlib.lines import Line2D

    shown = classes if len(classes) <= LEGEND_CLASSES else ()
    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)])
        for i in range(len(shown))
    ]
    around = Line2D([], [], linestyle="", marker="o", markersize=8, markerfacecolor="none", markeredgecolor="black")
    names = [label(name) for name in shown]
    title = "classes" if shown else f"{len(classes):,} classes,\nlooks repeat"
    handles, names = [*handles, around], [*names, "misclassified"]
    if optimal:
        handles.append(Line2D([], [], color=OPTIMAL["colors"], linewidth=OPTIMAL["linewidths"], linestyle="dashed"))
        names.append("best possible")
    figure.legend(handles, names, loc="outside right upper", title=title, alignment="left")
