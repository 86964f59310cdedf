"""Test images with what the model says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.data.bundle import IndexArray
from clfkit.metrics import Predictions
from clfkit.plots._pictures import show_picture
from clfkit.plots._predictions import drawable_split, predictions_on
from clfkit.plots.style import RIGHT, WRONG, label, percent, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES, COLUMNS = 10, 5
LOOKED_AT = 2000  # test images among which the ten are found


@plots.register("samples", inputs="image")
def samples(classifier: Classifier) -> Figure:
    """Ten test images with true class, predicted class and its probability: five right ones, five mistakes.

    Right ones are of different classes where possible. Fewer mistakes leave room for more right ones, and the
    other way round. The choice is the same every time.

    Raises NothingToDraw when the test split is empty.
    """
    from matplotlib.figure import Figure

    split = drawable_split(classifier, "test")
    looked_at = thinned(len(split), LOOKED_AT)
    predictions = predictions_on(classifier, split, looked_at)
    chosen = _choice(predictions)
    images = split.inputs[looked_at[chosen]]
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(10, 0.7 + 2.45 * rows))
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, image, index in zip(grid, images, chosen, strict=False):
        show_picture(axes, image)
        _caption(axes, predictions, int(index))
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    wrong = int((predictions.predicted != predictions.labels).sum())
    figure.suptitle(
        f"Test images of {label(classifier.config.name, 40)}: "
        f"{wrong:,} of {len(looked_at):,} looked at are mistakes ({percent(wrong / len(looked_at))})"
    )
    return figure


def _choice(predictions: Predictions) -> IndexArray:
    """Positions of up to ten samples: right ones first, then mistakes, each evenly spread."""
    wrong = predictions.predicted != predictions.labels
    right, mistakes = np.flatnonzero(~wrong), np.flatnonzero(wrong)
    shown_mistakes = min(len(mistakes), max(IMAGES // 2, IMAGES - len(right)))
    _, firsts = np.unique(predictions.labels[right], return_index=True)
    others = np.setdiff1d(np.arange(len(right)), firsts)
    shown_right = min(len(right), IMAGES - shown_mistakes)
    positions = firsts[thinned(len(firsts), shown_right)]
    positions = np.concatenate([positions, others[thinned(len(others), shown_right - len(positions))]])
    return np.concatenate([right[positions], mistakes[thinned(len(mistakes), shown_mistakes)]]).astype(np.int64)


def _caption(axes: Axes, predictions: Predictions, index: int) -> None:
    names = predictions.classes.names
    true, predicted = int(predictions.labels[index]), int(predictions.predicted[index])
    share = float(predictions.probabilities[index, predicted])
    said = f"{label(names[predicted], 14)} ({percent(share, 0)})"
    right = true == predicted
    text = f"✓ {said}" if right else f"✗ {said}\ntrue: {label(names[true], 18)}"
    colour = RIGHT if right else WRONG
    axes.set_title(text, color=colour, fontsize=9.5, loc="center")
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set(color=colour, linewidth=1.5 if right else 3)
