"""The confusion matrix: which class is taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.data.bundle import IndexArray
from clfkit.metrics import Predictions
from clfkit.plots._predictions import drawable_split, predictions_on
from clfkit.plots.style import COLOURS, label, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENT_CLASSES = 12  # up to so many classes a cell holds count and percentage,
COUNT_CLASSES = 20  # up to so many the count,
NAMED_CLASSES = 60  # up to so many a row has its class's name; beyond, rows are merged
MERGED_ROWS = 200
PAIRS = 15


@plots.register("confusion")
def confusion(classifier: Classifier, *, split: Literal["train", "valid", "test"] = "test") -> Figure:
    """Confusion matrix: rows are true classes, columns predicted ones, colours the share of the true class.

    Up to 12 classes the cells hold counts and percentages of their row, up to 20 counts. With more, the most
    frequent confusions are listed beside the matrix, and the recall of all classes is drawn in order; with
    more than 60 the matrix is drawn by class index, in counts on a logarithmic scale, neighbours merged.

    Raises NothingToDraw when the split is empty.

    Options:
        split: the split that is predicted.
    """
    from matplotlib.figure import Figure

    predictions = predictions_on(classifier, drawable_split(classifier, split))
    names = classifier.classes
    if len(names) <= COUNT_CLASSES:
        side = 3.2 + 0.62 * len(names) if len(names) <= PERCENT_CLASSES else 3.5 + 0.36 * len(names)
        figure = Figure(figsize=(side + 1.2, side))
        axes = figure.subplots()
        _draw_named(figure, axes, predictions)
        _write_counts(axes, predictions.confusion)
    else:
        side = 4.5 + 0.12 * len(names) if len(names) <= NAMED_CLASSES else 8.0
        figure = Figure(figsize=(side + 5.4, side))
        grid = figure.add_gridspec(2, 2, width_ratios=(side, 4.2), height_ratios=(3.6, side - 3.6))
        axes = figure.add_subplot(grid[:, 0])
        draw = _draw_named if len(names) <= NAMED_CLASSES else _draw_merged
        draw(figure, axes, predictions)
        _list_pairs(figure.add_subplot(grid[0, 1]), predictions)
        _draw_recall(figure.add_subplot(grid[1, 1]), predictions)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    right, total = int(np.count_nonzero(predictions.predicted == predictions.labels)), len(predictions.labels)
    name = label(classifier.config.name, 40)
    figure.suptitle(f"{name} on the {split} split: {right:,} of {total:,} right ({percent(right / total)})")
    engine = figure.get_layout_engine()
    if engine is not None and COUNT_CLASSES < len(names) <= NAMED_CLASSES:
        engine.execute(figure)  # the first of two: what long names take is known once the cells are square
    return figure


def _shares(counts: IndexArray) -> npt.NDArray[np.float64]:
    """Counts as shares of their row; NaN in the row of a class without samples."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares


def _draw_named(figure: Figure, axes: Axes, predictions: Predictions) -> None:
    """The matrix with the class's name at every row and column; rows without samples are grey."""
    import matplotlib

    counts, names = predictions.confusion, predictions.classes.names
    colours = matplotlib.colormaps["Blues"].with_extremes(bad="#dddddd")
    image = axes.imshow(_shares(counts), cmap=colours, vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.6, pad=0.02)
    ticks = np.arange(len(names))
    small = 10 if len(names) <= COUNT_CLASSES else 7
    written = [label(name) for name in names]
    flat = max(map(len, written)) * len(names) <= 40
    axes.set_xticks(ticks, written, fontsize=small, rotation=0 if flat else 90)
    axes.set_yticks(ticks, written, fontsize=small)
    axes.tick_params(length=0)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.5, alpha=1)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)


def _draw_merged(figure: Figure, axes: Axes, predictions: Predictions) -> None:
    """The matrix by class index, with so many rows merged that a cell stays visible.

    The samples are counted by merged row and column, since the whole matrix of many classes does not fit anywhere.
    """
    import matplotlib
    from matplotlib.colors import ListedColormap, LogNorm

    names = predictions.classes.names
    rows = min(len(names), MERGED_ROWS)
    starts = np.arange(rows) * len(names) // rows
    true, said = (np.searchsorted(starts, at, side="right") - 1 for at in (predictions.labels, predictions.predicted))
    merged = np.bincount(true * rows + said, minlength=rows * rows).reshape(rows, rows)
    colours = ListedColormap(matplotlib.colormaps["Blues"](np.linspace(0.35, 1, 256)))  # all darker than white
    norm = LogNorm(1, max(2, int(merged.max())))
    extent = (-0.5, len(names) - 0.5, len(names) - 0.5, -0.5)
    image = axes.imshow(np.ma.masked_equal(merged, 0), cmap=colours, norm=norm, extent=extent, interpolation="nearest")
    side = f"{len(names) / rows:.0f}"
    what = f"samples in a cell of about {side}×{side} classes" if rows < len(names) else "samples"
    figure.colorbar(image, ax=axes, label=f"{what} (logarithmic)", shrink=0.6, pad=0.02)
    axes.set_title(f"{len(names):,} classes by index; white: no sample")


def _write_counts(axes: Axes, counts: IndexArray) -> None:
    """The count in every cell, with its percentage of the row when there is room."""
    shares = _shares(counts)
    roomy = len(counts) <= PERCENT_CLASSES
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        text = (f"{count:,}" + f"\n{_rounded(share)}" * roomy) if count else "·"
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9 if roomy else 8)


def _list_pairs(axes: Axes, predictions: Predictions) -> None:
    """The most frequent confusions in words."""
    names = predictions.classes.names
    wrong = predictions.predicted != predictions.labels
    codes = predictions.labels[wrong] * len(names) + predictions.predicted[wrong]
    pairs, times = np.unique(codes, return_counts=True)
    order = np.argsort(-times, kind="stable")[:PAIRS]
    most = [(*divmod(int(pairs[at]), len(names)), int(times[at])) for at in order]
    lines = [f"{label(names[true], 18)} → {label(names[said], 18)}: {count:,}" for true, said, count in most]
    axes.set_axis_off()
    axes.set_title("Most frequent confusions (true → predicted)")
    text = "\n".join(lines) or "none: every sample is right"
    axes.text(0, 1, text, transform=axes.transAxes, va="top", fontsize=9, linespacing=1.45)


def _draw_recall(axes: Axes, predictions: Predictions) -> None:
    """Recall of all classes in descending order; classes without samples are left out."""
    recall = predictions.per_class.recall
    defined = -np.sort(-recall[~np.isnan(recall)])
    positions = np.arange(1, len(defined) + 1)
    axes.fill_between(positions, defined, step="mid", color=COLOURS[0], alpha=0.25, linewidth=0)
    axes.step(positions, defined, where="mid", color=COLOURS[0])
    axes.set_xlim(1, max(2, len(defined)))
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("classes, from best to worst")
    axes.set_ylabel("recall")
    axes.grid(True)
    never = int((defined == 0).sum())
    axes.set_title(f"Recall: mean {percent(float(defined.mean()))}" + f"; {never:,} at 0" * (never > 0))


def _rounded(share: float) -> str:
    """A percentage without decimals, which is 0 or 100 only where it is exactly that."""
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else percent(share, 0)
