"""From a dataset's name and options to a DataBundle."""

from __future__ import annotations

from dataclasses import dataclass

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
    Split,
)  # fmt: skip
from clfkit.data.splitting import split_indices
from clfkit.data.table import encode, fit_columns
from clfkit.errors import DataError
from clfkit.registry import Component

STATISTICS_SAMPLES = 10_000  # pixels of so many training images settle mean and deviation to four digits


def load_bundle(data: Component[DataOptions], seed: int) -> DataBundle:
    """Read or generate the samples, divide them, and measure the train split.

    Everything that is fitted to data (medians, categories, mean, deviation) sees the train split only.
    Raises DataError when files are missing, unreadable or do not make a classification problem.
    """
    dataset: Dataset = datasets.build(data, rng.generator(seed, "samples"))
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
    def dtype(self) -> np.dtype:  # type: ignore[type-arg]
        """That of the samples."""
        return self.inputs.dtype

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
    count = len(inputs)
    chosen = np.linspace(0, count - 1, min(count, STATISTICS_SAMPLES if image else count)).astype(np.int64)
    values = inputs[chosen]
    if image:
        levels = [np.bincount(values[:, c].ravel(), minlength=256) for c in range(values.shape[1])]
        grey = np.arange(256.0)
        mean = np.array([(level @ grey) / level.sum() for level in levels])
        std = np.sqrt([(level @ grey**2) / level.sum() - m**2 for level, m in zip(levels, mean, strict=True)])
    else:
        mean, std = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    std = np.where(std < 1e-8, 1.0, std)
    return tuple(mean.tolist()), tuple(std.tolist())
