"""Whether a model is right as often as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clfkit.calibration import tempered
from clfkit.classifier import Classifier
from clfkit.components import plots
from clfkit.metrics import Predictions, score
from clfkit.metrics.probabilities import CONFIDENCE_BINS
from clfkit.metrics.probabilities import reliability as bins_of
from clfkit.plots._predictions import drawable_split, predictions_on
from clfkit.plots.style import COLOURS, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@plots.register("reliability")
def reliability(classifier: Classifier) -> Figure:
    """Accuracy against confidence on test, in bins of confidence, before and after the temperature.

    Below: the share of the samples in each bin. On the diagonal a model is right as often as it says; under it, it is
    too sure of itself. Raises NothingToDraw without test samples.
    """
    from matplotlib.figure import Figure

    split = drawable_split(classifier, "test")
    found = predictions_on(classifier, split)
    figure = Figure(figsize=(5.6, 5.6))
    upper, lower = figure.subplots(2, sharex=True, gridspec_kw={"height_ratios": (3, 1)})
    upper.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--")
    _draw(upper, lower, found, 0, "as it is")
    if (temperature := classifier.checkpoint.temperature) is not None:
        warm = Predictions(found.labels, tempered(found.probabilities, temperature), found.classes, found.loss)
        _draw(upper, lower, warm, 1, f"at temperature {temperature:.2f}")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    upper.legend(loc="upper left")
    upper.set_title(f"Reliability of {label(classifier.config.name, 40)} on {len(split):,} test samples")
    lower.set(xlabel="confidence: probability of the predicted class", ylabel="share of\nsamples")
    return figure


def _draw(upper: Axes, lower: Axes, predictions: Predictions, number: int, name: str) -> None:
    bins = bins_of(predictions.confidence, predictions.right)
    colour = COLOURS[number]
    at, accuracy = [each.confidence for each in bins], [each.accuracy for each in bins]
    error = score(predictions, ["ece"])["ece"]
    upper.plot(at, accuracy, color=colour, marker="os"[number], markersize=5, label=f"{name}, error {error:.1%}")
    shares = np.array([each.samples for each in bins]) / len(predictions.labels)
    low, half = np.array([each.low for each in bins]), 0.5 / CONFIDENCE_BINS
    lower.bar(low + number * half, shares, half, align="edge", color=colour)
