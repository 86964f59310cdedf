"""What a classifier says about a split, for the figures that show it."""

from __future__ import annotations

import math

import numpy as np

from clfkit.classifier import Classifier
from clfkit.data.bundle import IndexArray, Part, Split
from clfkit.metrics import Predictions
from clfkit.plots import NothingToDraw

PROBABILITIES_AT_ONCE = 40_000_000


def drawable_split(classifier: Classifier, part: Part) -> Split:
    """The split of that name. Raises NothingToDraw when it is empty."""
    split: Split = getattr(classifier.bundle, part)
    if not len(split):
        raise NothingToDraw(f"the {part} split is empty")
    return split


def predictions_on(classifier: Classifier, split: Split, indices: IndexArray | None = None) -> Predictions:
    """Predictions on a split, or on some of its samples. Their loss is not computed."""
    inputs = split.inputs if indices is None else split.inputs[indices]
    labels = split.labels if indices is None else split.labels[indices]
    return Predictions(labels, classifier.engine.predict(inputs), classifier.spec.classes, math.nan)


def predicted_on(classifier: Classifier, split: Split) -> IndexArray:
    """(N,) the most probable class of each sample; only so many probabilities are held at once."""
    size = max(256, PROBABILITIES_AT_ONCE // len(classifier.classes))
    pieces = (np.arange(start, min(start + size, len(split))) for start in range(0, len(split), size))
    return np.concatenate([predictions_on(classifier, split, piece).predicted for piece in pieces])
