"""Probabilities that mean what they say: one temperature, fitted on samples that were not trained on."""

from __future__ import annotations

import math

import numpy as np

from clfkit import rng
from clfkit.data.bundle import FloatArray, IndexArray

COLDEST, HOTTEST = 0.05, 20.0
MOST_NUMBERS = 5_000_000  # probabilities that are looked at, of samples that are drawn: more settle no further digit
AT_ONCE = 5_000_000  # probabilities whose logits are in memory
DEVIATION = 0.5  # of log T; chosen among 0.5, 1 and several kinds of a mistake more, on nine small runs
STEPS, PRECISION = 50, 1e-6
SMALLEST = float(np.finfo(np.float32).tiny)


def fit_temperature(probabilities: FloatArray, labels: IndexArray) -> float:
    """The temperature T, 0.05 to 20, with which softmax(log p / T) has the least log loss, 1 being likely.

    probabilities: (N, K) of a softmax, so that log p are the logits but for a constant. labels: (N,). Above 1 the model
    was too sure of itself. No prediction changes, only how sure it is. Guo et al., "On calibration of modern neural
    networks", 2017.

    log T is taken to be normal around 0 with a deviation of 1/2, before any sample is seen: a model that makes no
    mistake on few samples would otherwise be infinitely sure, and wrong about the next ones. A hundred samples with
    mistakes among them outweigh it.
    """
    count = min(len(labels), max(1, MOST_NUMBERS // probabilities.shape[1]))
    chosen = np.sort(rng.generator(0, "temperature").permutation(len(labels))[:count])
    logits = _logits(probabilities[chosen])
    own = np.take_along_axis(logits, labels[chosen, None], axis=1)[:, 0]
    inverse = 1.0
    for _ in range(STEPS):  # Newton's method, nearly: the loss is convex in 1 / T, as is what is taken for its prior
        shares = softmax(logits * inverse)
        mean = (shares * logits).sum(axis=1)
        unlikely = 1 / (count * DEVIATION**2 * inverse)  # its slope is that times log(1 / T)
        slope = float((mean - own).mean()) + unlikely * math.log(inverse)
        curvature = float(((shares * logits**2).sum(axis=1) - mean**2).mean()) + unlikely / inverse
        wanted = inverse - slope / max(curvature, SMALLEST)
        before, inverse = inverse, min(max(wanted, inverse / 2, 1 / HOTTEST), 2 * inverse, 1 / COLDEST)
        if abs(inverse - before) < PRECISION * before:
            break
    return round(1 / inverse, 4)


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """softmax(log p / T) of probabilities (N, K): flatter for T above 1, steeper below."""
    found = np.empty(probabilities.shape, np.float32)
    rows = max(1, AT_ONCE // probabilities.shape[1])
    for start in range(0, len(found), rows):
        found[start : start + rows] = softmax(_logits(probabilities[start : start + rows]) / temperature)
    return found


def softmax(logits: FloatArray) -> FloatArray:
    """Class probabilities (N, K) of logits (N, K), in their type."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return found


def _logits(probabilities: FloatArray) -> FloatArray:
    found: FloatArray = np.log(np.maximum(probabilities, SMALLEST).astype(np.float64))
    return found
