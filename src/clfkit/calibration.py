"""Probabilities that mean what they say: one temperature, fitted on samples that were not trained on."""

from __future__ import annotations

import numpy as np

from clfkit.data.bundle import FloatArray, IndexArray

COLDEST, HOTTEST = 0.05, 20.0
MOST_NUMBERS = 20_000_000  # probabilities that are looked at: more would settle no further digit
STEPS, PRECISION = 50, 1e-6
SMALLEST = float(np.finfo(np.float32).tiny)


def fit_temperature(probabilities: FloatArray, labels: IndexArray) -> float:
    """The temperature T, 0.05 to 20, with which softmax(log p / T) has the least log loss.

    probabilities: (N, K) of a softmax, so that log p are the logits but for a constant. labels: (N,). Above 1 the model
    was too sure of itself. No prediction changes, only how sure it is. Guo et al., "On calibration of modern neural
    networks", 2017. Where the most probable class is always right, one is as good as a colder one.
    """
    rows = np.linspace(0, len(labels) - 1, min(len(labels), max(1, MOST_NUMBERS // probabilities.shape[1])))
    chosen = rows.astype(np.int64)
    logits = _logits(probabilities[chosen])
    own = np.take_along_axis(logits, labels[chosen, None], axis=1)[:, 0]
    inverse = 1.0
    for _ in range(STEPS):  # Newton's method: the loss is convex in 1 / T
        shares = softmax(logits * inverse)
        mean = (shares * logits).sum(axis=1)
        slope = float((mean - own).mean())
        curvature = float(((shares * logits**2).sum(axis=1) - mean**2).mean())
        wanted = inverse - slope / max(curvature, SMALLEST)
        before, inverse = inverse, min(max(wanted, inverse / 2, 1 / HOTTEST), 2 * inverse, 1 / COLDEST)
        if abs(inverse - before) < PRECISION * before:
            break
    return round(1 / inverse, 4)


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """softmax(log p / T) of probabilities (N, K): flatter for T above 1, steeper below."""
    found: FloatArray = softmax(_logits(probabilities) / temperature).astype(np.float32)
    return found


def softmax(logits: FloatArray) -> FloatArray:
    """Class probabilities (N, K) of logits (N, K), in their type."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return found


def _logits(probabilities: FloatArray) -> FloatArray:
    found: FloatArray = np.log(np.maximum(probabilities, SMALLEST).astype(np.float64))
    return found
