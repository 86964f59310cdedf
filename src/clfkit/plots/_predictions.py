"""What a classifier says about a split, for the figures that show it."""

from __future__ import annotations

import math

from clfkit.classifier import Classifier
from clfkit.data.bundle import IndexArray, Part, Split
from clfkit.metrics import Predictions
from clfkit.plots import NothingToDraw


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
