"""The epochs of a run as an axis of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clfkit.classifier import Classifier
from clfkit.history import EpochRecord
from clfkit.plots import NothingToDraw

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def epochs_of(classifier: Classifier) -> Sequence[EpochRecord]:
    """The records of all finished epochs, at least one. Raises NothingToDraw."""
    if not classifier.records:
        raise NothingToDraw("no epoch is finished yet, so the history is empty")
    return classifier.records


def mark_epochs(axes: Axes, epochs: int) -> None:
    """Name the horizontal axis, with whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if epochs == 1:
        axes.set_xlim(0.5, 1.5)
    axes.grid(True)


def spans_decades(values: Sequence[float], ratio: float) -> bool:
    """Whether values are all above zero and so far apart that a logarithmic axis shows them better."""
    return bool(values) and min(values) > 0 and max(values) > ratio * min(values)
