"""Recall of every class against its train samples: what rare classes pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.metrics import of_about_one_size, per_class, unbalanced
from clfkit.plots import NothingToDraw
from clfkit.plots._predictions import drawable_split, predicted_on
from clfkit.plots.style import COLOURS, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_CLASSES = 10
"""With fewer a table says it all."""
FAR_APART = 5
"""Ratio of the largest class to the smallest, from which their sizes stand on a logarithmic axis."""


@plots.register("recall")
def recall(classifier: Classifier) -> Figure:
    """Recall on test of each class against its train samples, and the mean of classes with about as many.

    Raises NothingToDraw with fewer than ten classes, where no class has twice the train samples of another, and
    without test samples.
    """
    from matplotlib.figure import Figure

    split, counts = drawable_split(classifier, "test"), np.array(classifier.checkpoint.class_counts)
    k = len(counts)
    if k < FEWEST_CLASSES:
        raise NothingToDraw(f"{k} classes are too few to show how recall depends on their size")
    if not unbalanced(counts):
        raise NothingToDraw(f"all classes have about as many train samples, {counts.min():,} to {counts.max():,}")
    said = predicted_on(classifier, split)
    right = np.bincount(split.labels[said == split.labels], minlength=k)
    found = per_class(right, np.bincount(split.labels, minlength=k), np.bincount(said, minlength=k)).recall
    there = ~np.isnan(found)
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.subplots()
    axes.scatter(counts[there], found[there], s=14, alpha=0.6, color=COLOURS[0], linewidths=0, label="a class")
    for number, group in enumerate(of_about_one_size(counts, there)):
        span = counts[group].min(), counts[group].max()
        mean = found[group].mean()
        axes.plot(
            span, (mean, mean), color=COLOURS[1], linewidth=3, label="" if number else "mean of classes of that size"
        )
    if counts.max() >= FAR_APART * max(1, counts.min()):
        axes.set_xscale("log" if counts.min() else "symlog")
    axes.set(ylim=(-0.03, 1.03), xlabel="train samples of the class", ylabel="recall on test")
    axes.legend(loc="lower right")
    axes.set_title(f"Recall against train samples, {k:,} classes of {label(classifier.config.name, 30)}")
    return figure
