"""Samples on their way to the network: standardised, with one column for each."""

from __future__ import annotations

import numpy as np

from clfkit.augmentations import Augmenter
from clfkit.data.batches import all_in_order
from clfkit.data.bundle import DataSpec, IndexArray, Inputs, Split
from clfkit.engines.scratch.memory import Array, Memory


class Columns:
    """Raw samples (N, …) as columns (…, N): (x - mean) / std with the statistics of the train split.

    Features are standardised in float64, since float32 cannot tell timestamps apart before their mean is gone.
    """

    def __init__(self, spec: DataSpec, memory: Memory) -> None:
        self.memory = memory
        shape = (-1,) + (1,) * len(spec.shape)
        self.mean, self.std = np.array(spec.mean).reshape(shape), np.array(spec.std).reshape(shape)

    def __call__(self, samples: Array) -> Array:
        last = np.moveaxis(samples, 0, -1)
        if samples.dtype != np.uint8:
            return np.ascontiguousarray((last - self.mean) / self.std, self.memory.dtype)
        columns = self.memory("columns", last.shape)
        np.copyto(columns, last)
        columns -= self.mean.astype(columns.dtype)
        columns *= (1 / self.std).astype(columns.dtype)
        return columns


class Feed:
    """Batches of one split. Features are standardised once, pixels stay bytes until they are needed.

    Samples that are augmented wait with them, since that comes first.
    """

    def __init__(self, split: Split, columns: Columns, augment: Augmenter | None = None) -> None:
        self._augment = augment
        self.labels = np.ascontiguousarray(split.labels, np.int64)
        self._columns = columns
        self._inputs: Inputs = split.inputs
        self._ready: Array | None = None
        if isinstance(split.inputs, np.ndarray) and split.inputs.dtype != np.uint8 and not augment:
            self._ready = columns(split.inputs)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes of the samples that lie in memory."""
        held = self._inputs if self._ready is None else self._ready
        return held.nbytes if isinstance(held, np.ndarray) else 0

    def batch(self, indices: IndexArray, key: int = 0) -> tuple[Array, IndexArray]:
        """Inputs (…, n) and labels (n,) of the samples at `indices`.

        key: that of the epoch, where samples are augmented.
        """
        whole = all_in_order(indices, len(self))
        labels = self.labels if whole else self.labels.take(indices)
        if self._ready is None:
            samples = np.asarray(self._inputs[indices])
            return self._columns(self._augment(samples, key, indices) if self._augment else samples), labels
        if whole:
            return self._ready, labels
        batch = self._columns.memory("batch", (*self._ready.shape[:-1], len(indices)))
        return self._ready.take(indices, axis=-1, out=batch, mode="clip"), labels
