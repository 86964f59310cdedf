"""The loss that training minimised, on other samples."""

from __future__ import annotations

from clfkit.components import metrics
from clfkit.metrics import Predictions


@metrics.register("loss", lower_is_better=True)
def loss(predictions: Predictions) -> float:
    """Mean of the experiment's own loss (with its label smoothing and class weights); lower is better."""
    return predictions.loss
