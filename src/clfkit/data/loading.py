"""From a dataset's name and options to a DataBundle."""

from __future__ import annotations

from collections.abc import Mapping
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
    Density,
    IndexArray,
    Inputs,
    Marked,
    Part,
    Split,
    digest_of,
    listed,
)
from clfkit.data.labelling import must_differ
from clfkit.data.matching import match_dataset
from clfkit.data.roots import expanded
from clfkit.data.splitting import split_indices
from clfkit.data.statistics import check_range, measure
from clfkit.data.table import encode, fit_columns
from clfkit.errors import ClassMismatch, DataError
from clfkit.registry import Component


def load_bundle(data: Component[DataOptions], seed: int, fitted: DataSpec | None = None) -> DataBundle:
    """Read or generate the samples, divide them, and measure the train split.

    Everything that is fitted to data (medians, categories, mean, deviation) sees the train split only.
    fitted: the spec of a trained model. Then nothing is fitted: columns and features are found by name and become
    what that model takes. The bundle's spec is that of the model, with the classes of these data.
    Raises DataError when files are missing, unreadable, do not make a classification problem or do not fit the
    model.
    """
    dataset = _read(data, seed)
    parts = split_indices(dataset.labels, data.options.split, dataset.given, rng.generator(seed, "split"))
    if fitted is None:
        _refuse_unlearned(dataset, parts)
        inputs, spec = _fit(dataset, parts["train"], data.options.normalize)
    else:
        inputs, spec = match_dataset(dataset, fitted), fitted.model_copy(update={"classes": dataset.classes})
    ids = np.arange(len(dataset.labels)) if dataset.ids is None else dataset.ids
    density = _density(dataset, spec)
    splits = {
        part: Split(
            _take(inputs, at), dataset.labels[at], ids[at], density,
            None if dataset.files is None else _Chosen(dataset.files, at), _raw(dataset, at),
        )
        for part, at in parts.items()
    }  # fmt: skip
    return DataBundle(spec, splits["train"], splits["valid"], splits["test"], dataset.left_out)


def _refuse_unlearned(dataset: Dataset, parts: Mapping[Part, IndexArray]) -> None:
    """Raises ClassMismatch where another part has samples of a class that the train part has none of."""
    there = {part: np.bincount(dataset.labels[at], minlength=len(dataset.classes)) > 0 for part, at in parts.items()}
    for part, borne in there.items():
        names = [dataset.classes.names[at] for at in np.flatnonzero(borne & ~there["train"])]
        if names:
            raise ClassMismatch(
                f"data: the {part} part has classes that the train part does not have: {listed(names)}; "
                "leave them out, or divide the samples otherwise (data.split)"
            )


def read_undecoded(data: Component[DataOptions], seed: int) -> Dataset:
    """All samples, images in files left there as they are, those included that cannot be decoded.

    Raises DataError as `load_bundle` does for the rest.
    """
    wanted = {"memory": 0, "on_bad_sample": "skip"}
    options = data.options
    known = {name: value for name, value in wanted.items() if name in type(options).model_fields}
    return _read(Component(data.name, options.model_copy(update=known)), seed)


def _read(data: Component[DataOptions], seed: int) -> Dataset:
    dataset: Dataset = datasets.build(_at_home(data), seed)
    _check(dataset)
    return dataset


def _raw(dataset: Dataset, rows: IndexArray) -> str:
    """A digest of a table's rows before the gaps are filled as the train split says; of other data none is needed."""
    if not dataset.columns:
        return ""
    return digest_of(dataset.inputs, rows, "\n".join(column.model_dump_json() for column in dataset.columns))


def _density(dataset: Dataset, spec: DataSpec) -> Density | None:
    """What the source drew from, if the model's features are the source's own, in their order."""
    own = not dataset.columns and dataset.feature_names == spec.feature_names
    return dataset.density if own else None


def _at_home(data: Component[DataOptions]) -> Component[DataOptions]:
    """The dataset with the user's home folder in its root, if it has one; the config keeps what was typed."""
    root = getattr(data.options, "root", None)
    if not isinstance(root, str):
        return data
    return Component(data.name, data.options.model_copy(update={"root": expanded(root)}))


def _fit(dataset: Dataset, train: IndexArray, normalize: bool) -> tuple[Inputs, DataSpec]:
    """The inputs as a model takes them, and their specification, fitted to the samples at `train`."""
    inputs, columns, names = dataset.inputs, dataset.columns, dataset.feature_names
    if columns:
        raw = np.asarray(inputs, np.float64)
        columns = fit_columns(columns, raw[train])
        inputs, names = encode(raw, dataset.columns, columns)
    count = inputs.shape[1]
    mean, std = measure(_take(inputs, train), names) if normalize else ((0.0,) * count, (1.0,) * count)
    if dataset.kind == "vector" and isinstance(inputs, np.ndarray):
        check_range(inputs, mean, std, names, lambda row: f"sample {row}")
    spec = DataSpec(
        inputs=dataset.kind, shape=inputs.shape[1:], classes=dataset.classes, feature_names=names, mean=mean, std=std,
        columns=columns, label_column=dataset.label_column, image=dataset.image,
    )  # fmt: skip
    return inputs, spec


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


@dataclass(frozen=True)
class _Chosen:
    """Some of all files."""

    files: Marked
    indices: IndexArray

    @property
    def marks(self) -> IndexArray:
        """See Marked."""
        return self.files.marks[self.indices]


def _take(inputs: Inputs, indices: IndexArray) -> Inputs:
    return inputs[indices] if isinstance(inputs, np.ndarray) else Selection(inputs, indices)


def _check(dataset: Dataset) -> None:
    """Raises DataError for samples and labels that are not what a source must return."""
    inputs, labels = dataset.inputs, dataset.labels
    must_differ(dataset.classes)
    form = f"{inputs.dtype} {inputs.shape}"
    if dataset.kind == "image" and (inputs.dtype != np.uint8 or len(inputs.shape) != 4):
        raise DataError(f"a source of images must return uint8 pixels (N, channels, height, width), not {form}")
    if dataset.kind == "vector" and (inputs.dtype.kind != "f" or len(inputs.shape) != 2):
        raise DataError(f"a source of vectors must return float numbers (N, features), not {form}")
    if dataset.columns and inputs.shape[1] != len(dataset.columns):
        raise DataError(f"a source of a table must describe its {inputs.shape[1]} columns, not {len(dataset.columns)}")
    if labels.dtype.kind not in "iu" or labels.shape != (len(inputs),):
        raise DataError(
            f"a source must return one whole number as label for each of {len(inputs)} samples, "
            f"not {labels.dtype} {labels.shape}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(dataset.classes):
        raise DataError(f"a source must return labels from 0 to {len(dataset.classes) - 1}, one for each class")
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind == "f":
        bad = np.isinf(inputs) if dataset.columns else ~np.isfinite(inputs)  # NaN is a gap in a table
        if bad.any():
            raise DataError(f"sample {int(np.nonzero(bad)[0][0])} has a value that is not a finite number")
