"""The loss of every optimizer step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.plots import NothingToDraw
from clfkit.plots.style import COLOURS, label, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN_POINTS = 20_000
SMOOTHED_SHARE = 20  # the moving average goes over one twentieth of all steps …
LONGEST_WINDOW = 1000  # … and never over more steps than this

Losses = npt.NDArray[np.float64]


@plots.register("steps")
def steps(classifier: Classifier) -> Figure:
    """Loss of every optimizer step, raw and as a moving average, on a logarithmic axis.

    A loss of exactly 0 has no place on that axis and leaves a gap in the raw line. Of more than 20,000 steps
    the lowest and the highest loss of each group of neighbours is drawn.

    Raises NothingToDraw when the run is not known or has done no step.
    """
    from matplotlib.figure import Figure

    if classifier.run is None:
        raise NothingToDraw("the losses of single steps are kept with a run, and this checkpoint stands alone")
    losses = classifier.run.step_losses().astype(np.float64)
    if not len(losses):
        raise NothingToDraw("no loss of any step is stored yet")
    window = int(np.clip(len(losses) // SMOOTHED_SHARE, 1, LONGEST_WINDOW))
    figure = Figure(figsize=(8, 4.2))
    axes = figure.subplots()
    marker = "o" if len(losses) <= 30 else ""
    if window > 1:
        raw = "each step" if len(losses) <= DRAWN_POINTS else "each step (lowest and highest of neighbours)"
        axes.plot(*_envelope(losses), color=COLOURS[0], alpha=0.45, linewidth=0.8, label=raw, rasterized=True)
        at, means = _moving_average(losses, window)
        axes.plot(at, means, color="black", linewidth=1.4, label=f"mean of {window} steps")
    else:
        axes.plot(np.arange(1, len(losses) + 1), losses, marker=marker, markersize=3.5, label="each step")
    if (losses > 0).any():
        axes.set_yscale("log", nonpositive="mask")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss")
    axes.grid(True)
    axes.legend()
    axes.set_title(f"Loss of every step of {label(classifier.config.name, 40)}")
    return figure


def _moving_average(losses: Losses, window: int) -> tuple[Losses, Losses]:
    """Means of `window` neighbours, at the step in their middle; thinned for drawing."""
    sums = np.cumsum(np.concatenate([[0.0], losses]))
    means = (sums[window:] - sums[:-window]) / window
    chosen = thinned(len(means), DRAWN_POINTS // 2)
    return chosen + np.float64((window + 1) / 2), means[chosen]


def _envelope(losses: Losses) -> tuple[Losses, Losses]:
    """Steps (from 1) and losses; of many only minimum and maximum of each group of neighbours."""
    at = np.arange(1, len(losses) + 1, dtype=np.float64)
    if len(losses) <= DRAWN_POINTS:
        return at, losses
    starts = np.linspace(0, len(losses), DRAWN_POINTS // 2, endpoint=False).astype(np.int64)
    low, high = np.minimum.reduceat(losses, starts), np.maximum.reduceat(losses, starts)
    return np.repeat(at[starts], 2), np.column_stack([low, high]).ravel()
