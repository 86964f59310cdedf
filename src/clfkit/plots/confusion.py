"""The confusion matrix: which class is taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.metrics import Predictions
from clfkit.plots._matrix import COUNT_CLASSES, PERCENT_CLASSES, merged_matrix, named_matrix
from clfkit.plots._predictions import drawable_split, predictions_on
from clfkit.plots.style import COLOURS, label, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_CLASSES = 60  # up to so many classes a row has its class's name; beyond, rows are merged
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
        matrix = named_matrix(figure, axes, names)
    else:
        side = 4.5 + 0.12 * len(names) if len(names) <= NAMED_CLASSES else 8.0
        figure = Figure(figsize=(side + 5.4, side))
        grid = figure.add_gridspec(2, 2, width_ratios=(side, 4.2), height_ratios=(3.6, side - 3.6))
        axes = figure.add_subplot(grid[:, 0])
        if len(names) <= NAMED_CLASSES:
            matrix = named_matrix(figure, axes, names)
        else:
            matrix = merged_matrix(figure, axes, len(names), predictions.labels, predictions.predicted)
            axes.set_title(f"{len(names):,} classes by index; white: no sample")
        _list_pairs(figure.add_subplot(grid[0, 1]), predictions)
        _draw_recall(figure.add_subplot(grid[1, 1]), predictions)
    matrix.show(predictions.labels, predictions.predicted)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    right, total = int(np.count_nonzero(predictions.predicted == predictions.labels)), len(predictions.labels)
    name = label(classifier.config.name, 40)
    figure.suptitle(f"{name} on the {split} split: {right:,} of {total:,} right ({percent(right / total)})")
    engine = figure.get_layout_engine()
    if engine is not None and COUNT_CLASSES < len(names) <= NAMED_CLASSES:
        engine.execute(figure)  # the first of two: what long names take is known once the cells are square
    return figure


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
