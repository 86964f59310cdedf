"""Test-time augmentation: class probabilities averaged over a sample as it is and augmented views of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.components import NoOptions, augmentations
from clfkit.data.bundle import DataSpec, FloatArray, IndexArray, Inputs
from clfkit.engines.base import Engine
from clfkit.errors import UsageError
from clfkit.registry import Component


class Views:
    """Looks at every sample `count` times: first as it is, then in count - 1 augmented views.

    How view v of a sample differs is a function of (seed, v, position of the sample) alone, so that the same samples
    in the same order give the same probabilities again. A batch is augmented at once, as in training.
    Raises UsageError without augmentations.
    """

    def __init__(self, count: int, augment: Sequence[Component[NoOptions]], spec: DataSpec, seed: int) -> None:
        if not augment:
            raise UsageError(
                f"--tta {count}: the run has no augmentations (train.augment) to make views with; choose some, for "
                "example --set 'train.augment=[shift]' (`clfkit list augmentations`)"
            )
        self.count = count
        self._engine = "torch" if all(augmentations.serves(each.name, "torch") for each in augment) else "scratch"
        self._augment = Augmenter(augment, spec, self._engine)
        self._seed = seed

    def predict(self, engine: Engine, inputs: Inputs) -> FloatArray:
        """Mean class probabilities (N, K) over the views of raw inputs (N, …)."""
        total = engine.predict(inputs).astype(np.float64)
        for view in range(1, self.count):
            total += engine.predict(_View(inputs, self, rng.key(self._seed, "view", view)))
        mean: FloatArray = (total / self.count).astype(np.float32)
        return mean

    def augmented(self, samples: npt.NDArray[Any], key: int, indices: IndexArray) -> npt.NDArray[Any]:
        """Raw samples, those at the positions `indices`, as the view of that key shows them."""
        if self._engine != "torch":
            changed: npt.NDArray[Any] = self._augment(samples, key, indices)
            return changed
        from torch import from_numpy

        seen: npt.NDArray[Any] = self._augment(from_numpy(np.ascontiguousarray(samples)), key, indices).numpy()
        return seen


@dataclass(frozen=True)
class _View:
    """Inputs that are augmented when they are taken."""

    inputs: Inputs
    views: Views
    key: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return self.inputs.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the samples before they are augmented."""
        return self.inputs.dtype

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, indices: IndexArray) -> npt.NDArray[Any]:
        return self.views.augmented(np.asarray(self.inputs[indices]), self.key, indices)
