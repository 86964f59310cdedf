"""Baselines: what simple ways reach on the same samples, for a model to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.components import baselines
from clfkit.data.bundle import DataBundle, FloatArray, IndexArray, Inputs, Split
from clfkit.metrics import Predictions, score
from clfkit.registry import Component
from clfkit.reporting import work

MOST_SAMPLES = 10_000  # of train, and of the split that is scored: more would take longer than it tells
SIDE = 16  # pixels, to which images are averaged
AT_ONCE = 100  # images, of which the full size is in memory
METRICS = ("accuracy", "balanced_accuracy", "macro_f1")


class TooLarge(Exception):
    """A baseline would take too long on these samples; the message says why."""


@dataclass(frozen=True)
class Learnable:
    """What a baseline learns from: features (N, D), standardised, float32; labels (N,); the number of classes K."""

    features: FloatArray
    labels: IndexArray
    classes: int


def compare(bundle: DataBundle, split: Split, names: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """{baseline: {metric: value}} on a split, of these names or of all; those that would take too long are left out.

    Each learns from the train split and sees features, or channels of images averaged to at most 16 × 16 pixels. They
    are standardised with the mean and deviation of what it learns from, whatever the model is given. Of more than
    10,000 samples as many are drawn.
    """
    chosen = baselines.names() if names is None else list(names)
    if not chosen or not len(bundle.train):
        return {}
    classes = bundle.spec.classes
    train, scored = _some(len(bundle.train)), _some(len(split))
    images = bundle.spec.inputs == "image"
    with work("baselines", len(chosen)) as progress:
        values, others = (_values(part.inputs, rows, images) for part, rows in ((bundle.train, train), (split, scored)))
        axes = tuple(range(values.ndim - 1))
        mean, deviation = values.mean(axis=axes), values.std(axis=axes)
        deviation[deviation == 0] = 1
        learnt, features = (
            ((each - mean) / deviation).reshape(len(each), -1).astype(np.float32) for each in (values, others)
        )
        known = Learnable(learnt, bundle.train.labels[train], len(classes))
        found = {}
        for name in chosen:
            component = Component(name, baselines.entry(name).options())
            try:
                probabilities = baselines.build(component, known, features)
            except TooLarge:
                continue
            finally:
                progress.advance()
            predictions = Predictions(split.labels[scored], probabilities, classes, float("nan"))
            found[name] = score(predictions, METRICS)
    return found


def _some(count: int) -> IndexArray:
    """Places of the samples that are taken, in order. Evenly spaced ones could all be of one class."""
    found: IndexArray = np.sort(rng.generator(0, "baseline samples").permutation(count)[:MOST_SAMPLES])
    return found


def _values(inputs: Inputs, rows: IndexArray, images: bool) -> npt.NDArray[np.float64]:
    """Features (n, D) of the samples at `rows`, of images (n, height, width, channels)."""
    if not images:
        return np.asarray(inputs[rows], np.float64)
    parts = [pooled(np.asarray(inputs[rows[at : at + AT_ONCE]])) for at in range(0, len(rows), AT_ONCE)]
    return np.moveaxis(np.concatenate(parts), 1, 3)


def pooled(images: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Images (n, channels, height, width) averaged over blocks to at most 16 × 16; the last blocks may be smaller."""
    found = images.astype(np.float64)
    for axis in (2, 3):
        length = images.shape[axis]
        starts = np.arange(0, length, -(-length // SIDE))
        sizes = np.diff(np.append(starts, length)).reshape((-1, 1) if axis == 2 else (1, -1))
        found = np.add.reduceat(found, starts, axis=axis) / sizes
    return found
