"""The plane in which samples of two or more features are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.classifier import Classifier
from clfkit.errors import UnknownName, UsageError
from clfkit.plots import NothingToDraw
from clfkit.plots.style import label, percent, thinned
from clfkit.wording import meant, shown

TRAIN_SAMPLES = 10_000  # rows that settle medians, means and deviations,
PCA_SAMPLES = 1000  # and two principal directions, well enough for a picture

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """A plane through feature space: z = (x - origin) @ down, and back x = origin + z @ up.

    origin: (F,). down: (F, 2). up: (2, F). axes: what its two axes are called. note: how it was chosen,
    empty when the samples have just two features.
    """

    origin: Points
    down: Points
    up: Points
    axes: tuple[str, str]
    note: str = ""

    def project(self, inputs: npt.NDArray[Any]) -> Points:
        """Samples (N, F) → points (N, 2)."""
        points: Points = (inputs - self.origin) @ self.down
        return points

    def lift(self, points: Points) -> Points:
        """Points (N, 2) → samples (N, F) that lie in the plane; float64, as standardising them needs it."""
        samples: Points = self.origin + points @ self.up
        return samples


def choose_plane(classifier: Classifier, features: tuple[str, ...]) -> Plane:
    """The plane of two named features, of the only two there are, or of the first two principal components.

    Raises NothingToDraw for a single feature, UsageError when `features` are not two of the data's.
    """
    count = classifier.spec.features
    names = classifier.spec.feature_names or tuple(f"feature {index + 1}" for index in range(count))
    if count < 2:
        raise NothingToDraw("the samples have one feature, and a plane needs two")
    inputs = classifier.bundle.part("train").inputs
    train = np.asarray(inputs[thinned(len(inputs), TRAIN_SAMPLES)], np.float64)
    if features:
        return _feature_plane(train, names, features)
    return _feature_plane(train, names, names[:2]) if count == 2 else _principal_plane(train)


def _feature_plane(train: Points, names: tuple[str, ...], chosen: tuple[str, ...]) -> Plane:
    """The plane of two features, the others at their median over the train split."""
    for name in chosen:
        if name not in names:
            raise UnknownName(f"features: no feature is called {shown(name)}; {meant(name, names)}")
    if len(chosen) != 2 or chosen[0] == chosen[1]:
        raise UsageError(f"features: give two different names, not {shown(chosen)}")
    pair = [names.index(name) for name in chosen]
    origin = np.median(train, axis=0)
    origin[pair] = 0.0
    up = np.zeros((2, len(names)))
    up[[0, 1], pair] = 1.0
    x, y = map(label, chosen)
    others = len(names) - 2
    note = f"{x} and {y}, the other {others} feature{'s' * (others > 1)} at the train median" if others else ""
    return Plane(origin, up.T, up, (x, y), note)


def _principal_plane(train: Points) -> Plane:
    """The plane of the first two principal components of the standardised train inputs."""
    mean, std = train.mean(axis=0), train.std(axis=0)
    std[train.max(axis=0) == train.min(axis=0)] = 1.0
    standard = ((train - mean) / std)[thinned(len(train), PCA_SAMPLES)]
    _, values, directions = np.linalg.svd(standard, full_matrices=False)
    if len(directions) < 2:
        raise NothingToDraw("the train split has one sample, and a plane needs two")
    directions = directions[:2]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = directions * np.sign(largest)  # singular vectors come with either sign
    shares = values[:2] ** 2 / max(float((values**2).sum()), 1e-12)
    first, second = (f"principal component {i + 1} ({percent(share, 0)} of variance)" for i, share in enumerate(shares))
    note = f"plane of the first two principal components of {len(mean)} standardised features"
    return Plane(mean, (directions / std).T, directions * std, (first, second), note)
