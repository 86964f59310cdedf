"""Loss and accuracy over the epochs, on the train and the valid split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.history import EpochRecord, Watch
from clfkit.plots._epochs import draw_curve, epochs_of, known_values, mark_epochs, neighbours, spans_decades
from clfkit.plots.style import COLOURS, label, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {"train": "solid", "valid": "dashed"}


@plots.register("curves")
def curves(classifier: Classifier) -> Figure:
    """Loss and accuracy of every epoch: train split solid, valid split dashed, best epoch marked.

    Train values are means over the epoch while weights were changing, valid values are those at its end. The
    loss axis is logarithmic when the loss falls by more than a factor of 20. With more than 2,000 epochs lines are
    means of neighbouring epochs, and bands reach from the lowest to the highest of them.

    Raises NothingToDraw when no epoch is finished.
    """
    from matplotlib.figure import Figure

    records = epochs_of(classifier)
    metric = classifier.config.train.best_metric
    best = _best(records, metric)
    figure = Figure(figsize=(10, 4.2))
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for axes, name in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
        _draw(axes, records, name)
        if best is not None:
            _mark(axes, best, name)
        axes.set_title(name.capitalize())
    losses = [value for split in LINES for r in records if (value := r.value(f"{split}.loss")) is not None]
    if spans_decades(losses, 20):
        loss_axes.set_yscale("log")
        loss_axes.set_title("Loss (logarithmic)")
    loss_axes.legend()
    accuracy_axes.legend(loc="lower right")
    chosen = "" if best is None else f"; epoch {best.epoch} is the best by {metric}"
    figure.suptitle(f"Learning curves of {label(classifier.config.name, 40)}{chosen}")
    return figure


def _best(records: Sequence[EpochRecord], metric: str) -> EpochRecord | None:
    """The epoch with the best value, the first among equals; None without valid values."""
    watch = Watch(metric)
    improved = [record for record in records if watch.see(record)]
    return improved[-1] if any(record.value(metric) is not None for record in records) else None


def _draw(axes: Axes, records: Sequence[EpochRecord], name: str) -> None:
    starts = neighbours(len(records))
    for colour, (split, line) in zip(COLOURS, LINES.items(), strict=False):
        epochs, values = known_values(records, f"{split}.{name}")
        if len(values):
            draw_curve(axes, epochs, values, starts, colour=colour, line=line, name=split)
    mark_epochs(axes, len(records), int(np.diff([*starts, len(records)]).max()))


def _mark(axes: Axes, best: EpochRecord, name: str) -> None:
    """A dotted line at the best epoch, and a star on its valid value."""
    value = best.value(f"valid.{name}")
    assert value is not None
    written = f"{value:.4g}" if name == "loss" else percent(value)
    axes.axvline(best.epoch, color="black", linestyle="dotted", linewidth=1, zorder=0)
    text = f"best epoch: valid {written}"
    axes.plot(best.epoch, value, "*", color="black", markersize=11, label=text)
