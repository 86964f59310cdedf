"""From a dataset's name and options to a DataBundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.components import DataOptions, datasets
from clfkit.data.bundle import (
    DataBundle,
    Dataset,
    DataSpec,
    IndexArray,
    Inputs,
    Marked,
    Split,
)  # fmt: skip
from clfkit.data.splitting import split_indices
from clfkit.data.table import encode, fit_columns
from clfkit.errors import DataError
from clfkit.registry import Component

STATISTICS_SAMPLES = 10_000  # pixels of so many training images settle mean and deviation to four digits
STATISTICS_PIXELS = 50_000_000  # of large images fewer are enough


def load_bundle(data: Component[DataOptions], seed: int) -> DataBundle:
    """Read or generate the samples, divide them, and measure the train split.

    Everything that is fitted to data (medians, categories, mean, deviation) sees the train split only.
    Raises DataError when files are missing, unreadable or do not make a classification problem.
    """
    dataset: Dataset = datasets.build(data, seed)
    _check(dataset)
    parts = split_indices(dataset.labels, data.options.split, dataset.given, rng.generator(seed, "split"))
    inputs, columns = dataset.inputs, dataset.columns
    shape, names = dataset.inputs.shape[1:], dataset.feature_names
    if columns:
        raw = np.asarray(inputs)
        columns = fit_columns(columns, raw[parts["train"]])
        inputs, names = encode(raw, dataset.columns, columns)
        shape = inputs.shape[1:]
    ids = np.arange(len(dataset.labels)) if dataset.ids is None else dataset.ids
    splits = {part: Split(_take(inputs, at), dataset.labels[at], ids[at]) for part, at in parts.items()}
    mean, std = _statistics(splits["train"].inputs, dataset.kind == "image", data.options.normalize)
    spec = DataSpec(
        inputs=dataset.kind, shape=shape, classes=dataset.classes, feature_names=names, mean=mean, std=std,
        columns=columns, label_column=dataset.label_column, image=dataset.image,
    )  # fmt: skip
    return DataBundle(spec, splits["train"], splits["valid"], splits["test"])


@dataclass(frozen=True)
class Selection:
    """Some samples of inputs that do not lie in memory."""

    inputs: Inputs
    indices: IndexArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return (len(self.indices), *self.inputs.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the samples."""
        return self.inputs.dtype

    @property
    def marks(self) -> IndexArray:
        """Those of the chosen samples; zeros when the inputs have none."""
        return self.inputs.marks[self.indices] if isinstance(self.inputs, Marked) else np.zeros_like(self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, indices: IndexArray) -> npt.NDArray[np.generic]:
        return self.inputs[self.indices[indices]]


def _take(inputs: Inputs, indices: IndexArray) -> Inputs:
    return inputs[indices] if isinstance(inputs, np.ndarray) else Selection(inputs, indices)


def _check(dataset: Dataset) -> None:
    if len(dataset.classes) < 2:
        raise DataError(f"only one class ({dataset.classes.names}); there is nothing to tell apart")
    if isinstance(dataset.inputs, np.ndarray) and dataset.inputs.dtype.kind == "f" and not dataset.columns:
        bad = ~np.isfinite(dataset.inputs.reshape(len(dataset.inputs), -1)).all(axis=1)
        if bad.any():
            raise DataError(f"sample {int(np.flatnonzero(bad)[0])} has a value that is not a finite number")


def _statistics(inputs: Inputs, image: bool, wanted: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per feature or channel; constant features get deviation 1."""
    if not wanted:
        return (0.0,) * inputs.shape[1], (1.0,) * inputs.shape[1]
    if image:
        levels = _levels(inputs)
        shares = levels / levels.sum(axis=1, keepdims=True)
        grey = np.arange(256.0)
        mean = shares @ grey
        std = np.sqrt(np.maximum(shares @ grey**2 - mean**2, 0.0))
    else:
        values = inputs[np.arange(len(inputs))]
        mean, std = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    std = np.where(std < 1e-8, 1.0, std)
    return tuple(mean.tolist()), tuple(std.tolist())


def _levels(images: Inputs) -> IndexArray:
    """How often each of the 256 levels occurs, shape (channels, 256), in evenly spaced images."""
    count, channels, height, width = images.shape
    wanted = min(count, STATISTICS_SAMPLES, max(STATISTICS_PIXELS // (height * width), 500))
    chosen = np.linspace(0, count - 1, wanted).astype(np.int64)
    levels = np.zeros((channels, 256), np.int64)
    for start in range(0, wanted, 100):  # a few at a time: large images may not all fit into memory
        values = images[chosen[start : start + 100]]
        for channel in range(channels):
            levels[channel] += np.bincount(values[:, channel].ravel(), minlength=256)
    return levels
