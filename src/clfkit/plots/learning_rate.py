"""The learning rate over the epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots._epochs import epochs_of, mark_epochs, spans_decades
from clfkit.plots.style import label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@plots.register("learning_rate")
def learning_rate(classifier: Classifier) -> Figure:
    """Learning rate at the end of every epoch; the axis is logarithmic when it spans a factor of 20 or more.

    Raises NothingToDraw when no epoch is finished.
    """
    from matplotlib.figure import Figure

    records = epochs_of(classifier)
    rates = [record.lr for record in records]
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.subplots()
    axes.plot([record.epoch for record in records], rates, marker="o" if len(rates) <= 50 else "", markersize=3.5)
    if spans_decades(rates, 20):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.08 * max(rates) or 1.0)
    mark_epochs(axes, len(records))
    axes.set_ylabel("learning rate of the last step")
    schedule = classifier.config.train.schedule.name
    axes.set_title(f"Learning rate of {label(classifier.config.name, 40)} (schedule: {label(schedule)})")
    return figure
