"""The epochs of a run as an axis of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from clfkit.axes import Values, groups
from clfkit.classifier import Classifier
from clfkit.history import EpochRecord
from clfkit.plots import NothingToDraw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scale = Literal["linear", "log"]

DRAWN_POINTS = 2000  # longer curves are smoothed …
SMOOTHED_POINTS = 500  # … to at most so many means, about one for each dot across a panel


def epochs_of(classifier: Classifier) -> Sequence[EpochRecord]:
    """The records of all finished epochs, at least one. Raises NothingToDraw."""
    if not classifier.records:
        raise NothingToDraw("no epoch is finished yet, so the history is empty")
    return classifier.records


def known_values(records: Sequence[EpochRecord], metric: str) -> tuple[Values, Values]:
    """Epochs and values of a metric, where it is known."""
    known = [(record.epoch, value) for record in records if (value := record.value(metric)) is not None]
    epochs, values = np.array(known, np.float64).reshape(-1, 2).T
    return epochs, values


def neighbours(count: int, scale: Scale = "linear") -> npt.NDArray[np.int64]:
    """Where each group of neighbouring epochs begins that one point of a curve stands for.

    As many groups as epochs up to 2,000; of more at most 500, equally wide on the axis they are drawn on.
    """
    if count <= DRAWN_POINTS:
        return np.arange(count)
    if scale == "linear":
        return groups(count, SMOOTHED_POINTS)
    edges = np.geomspace(1, count + 1, SMOOTHED_POINTS, endpoint=False)
    return np.unique(edges.astype(np.int64)) - 1


def draw_curve(
    axes: Axes, epochs: Values, values: Values, starts: npt.NDArray[np.int64], *, colour: str, line: str, name: str
) -> None:
    """A line through the mean of each group of neighbours, in a band from their lowest to their highest value.

    starts: as `neighbours` gives them, for this curve or for a longer one that it is drawn beside.
    """
    starts = starts[starts < len(values)]
    counts = np.diff([*starts, len(values)])
    if (counts > 1).any():
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        epochs, values = (np.add.reduceat(each, starts) / counts for each in (epochs, values))
        axes.fill_between(epochs, low, high, color=colour, alpha=0.35, linewidth=0)
    marker = "o" if len(values) <= 30 else ""
    axes.plot(epochs, values, linestyle=line, color=colour, marker=marker, markersize=3.5, linewidth=1.3, label=name)


def mark_epochs(axes: Axes, epochs: int, smoothed: int = 1, scale: Scale = "linear") -> None:
    """Name the horizontal axis, with whole numbers only. smoothed: epochs in the largest group of neighbours."""
    from matplotlib.ticker import MaxNLocator

    of = f"{smoothed}" if scale == "linear" else f"up to {smoothed}"
    axes.set_xlabel(f"epoch\n(line: mean of {of} epochs, band: lowest to highest)" if smoothed > 1 else "epoch")
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    if epochs == 1:
        axes.set_xlim(0.5, 1.5)
    if scale == "log":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(True)


def spans_decades(values: Sequence[float], ratio: float) -> bool:
    """Whether values are all above zero and so far apart that a logarithmic axis shows them better."""
    return bool(values) and min(values) > 0 and max(values) > ratio * min(values)
