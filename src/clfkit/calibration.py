"""Probabilities that mean what they say: one temperature, fitted on samples that were not trained on."""

from __future__ import annotations

import numpy as np

from clfkit.data.bundle import FloatArray, IndexArray

COLDEST, HOTTEST = 0.05, 20.0
MOST_NUMBERS = 20_000_000  # probabilities that are looked at: more would settle no further digit
SMALLEST = float(np.finfo(np.float32).tiny)


def fit_temperature(probabilities: FloatArray, labels: IndexArray) -> float:
    """The temperature T, 0.05 to 20, with which softmax(log p / T) has the least log loss.

    probabilities: (N, K) of a softmax, so that log p are the logits but for a constant. labels: (N,). Above 1 the model
    was too sure of itself. No prediction changes, only how sure it is. Guo et al., "On calibration of modern neural
    networks", 2017. Where the most probable class is always right, one is as good as a colder one.
    """
    from scipy.optimize import minimize_scalar

    rows = np.linspace(0, len(labels) - 1, min(len(labels), max(1, MOST_NUMBERS // probabilities.shape[1])))
    chosen = rows.astype(np.int64)
    logits, own = _logits(probabilities[chosen]), labels[chosen, None]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - np.take_along_axis(scaled, own, axis=1)[:, 0]).mean())

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 4)


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """softmax(log p / T) of probabilities (N, K): flatter for T above 1, steeper below."""
    scaled = _logits(probabilities) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    found: FloatArray = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _logits(probabilities: FloatArray) -> FloatArray:
    found: FloatArray = np.log(np.maximum(probabilities, SMALLEST).astype(np.float64))
    return found
