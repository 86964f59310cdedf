"""What a dataset is once it is read: splits, their specification and the classes they share."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from clfkit.data.names import NO_NAMES, Names
from clfkit.errors import ClassMismatch, DataError, ImageFault
from clfkit.registry import InputKind

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")

IDS_AT_ONCE = 100_000
"""Sample ids that are text at the same time, so that a fingerprint of millions takes no memory to speak of."""
ROWS_AT_ONCE = 10_000
"""Samples that are taken out of an array at the same time, to be told by their digest."""

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]
PixelArray = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.generic] | Names
Decoder = Literal["pillow", "simplejpeg", "torchvision"]
"""Who decodes JPEG files; all other files are Pillow's."""


class Inputs(Protocol):
    """Samples that may or may not lie in memory. A NumPy array of shape (N, …) is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …): the number of samples, then the shape of one."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64 for features, uint8 for pixels."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: IndexArray) -> npt.NDArray[np.generic]:
        """The samples at `indices`, as one array."""


@runtime_checkable
class Marked(Protocol):
    """Inputs outside memory that can tell cheaply whether they have changed."""

    @property
    def marks(self) -> IndexArray:
        """Whole numbers (N, …) for the samples, such as the size of each one's file and its time of change."""


class Density(Protocol):
    """What a synthetic source draws the samples of each class from, in the units of its inputs.

    It is asked only when the best possible accuracy is wanted (see `clfkit.data.limits`).
    """

    def log_density(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """log p(x | class), the natural one, at points (N, …), shape (N, K); -inf where a class never is."""

    def draw(self, labels: IndexArray, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """A fresh sample of each of these classes (N,), shape (N, …)."""


class _Stored(BaseModel):
    """Base of what is written into checkpoints as JSON; strict, so that a hostile file is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassMap(_Stored):
    """Class names ↔ indices. Wherever data and model meet, classes are matched by these names."""

    names: tuple[str, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise ValueError(f"class names given twice: {', '.join(twice)}")
        return self

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Class name → index."""
        return {name: position for position, name in enumerate(self.names)}

    @cached_property
    def labels(self) -> npt.NDArray[np.generic]:
        """The classes as the data names them: integers where all names are whole numbers, else strings."""
        if all(name.isdecimal() and str(int(name)) == name for name in self.names):
            return np.array([int(name) for name in self.names])
        return np.array(self.names)

    def translation(self, other: ClassMap, whose: str, *, subset: bool = False) -> IndexArray:
        """For each class of `other` its index here, matched by name.

        subset: allow `other` to lack classes (it may hold a few samples only), never to have more.
        Raises ClassMismatch listing missing and extra classes; `whose` says whose classes `other` are.
        """
        extra = [name for name in other.names if name not in self.index]
        missing = [name for name in self.names if name not in other.index]
        if extra or (missing and not subset):
            parts = [f"{what}: {listed(names)}" for what, names in (("missing", missing), ("extra", extra)) if names]
            said = "; ".join(reversed(parts) if subset else parts)  # what is wrong comes first
            raise ClassMismatch(f"the classes of {whose} are not those the model was trained on; {said}")
        return np.array([self.index[name] for name in other.names], dtype=np.int64)


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Names in quotes, cut to the first `limit` with a count of the rest; control characters are escaped."""
    every = list(names)
    text = ", ".join(repr(name) for name in every[:limit])
    return text + (f" and {len(every) - limit} more" if len(every) > limit else "")


class Column(_Stored):
    """One column of a table and how it becomes features; `median` and `categories` come from the train split."""

    name: str
    kind: Literal["numeric", "categorical"]
    median: float = 0.0
    categories: tuple[str, ...] = ()


class ImageFormat(_Stored):
    """How an image file becomes the array that a model sees."""

    height: int
    width: int
    channels: Literal[1, 3]
    resize: Literal["stretch", "crop"] = "crop"
    decoder: Decoder = "pillow"


class DataSpec(_Stored):
    """What a model must know about its inputs; stored in every checkpoint.

    `shape` is that of one sample: (features,) or (channels, height, width). `mean` and `std` are those of the
    train split, per feature or per channel, in the units of the inputs (pixels: 0 to 255).
    """

    inputs: InputKind
    shape: tuple[int, ...]
    classes: ClassMap
    feature_names: tuple[str, ...] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    columns: tuple[Column, ...] = ()
    label_column: str | None = None
    image: ImageFormat | None = None

    @property
    def features(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Split:
    """One part of the data: inputs (N, …), labels (N,) as class indices, and ids that stay the same forever.

    density: what the samples were drawn from, class by class as the labels are, where that is known.
    files: the same samples as their files hold them, where they lie in files of their own.
    raw: `digest_of` what the inputs were made from, where they are not the source's own.
    """

    inputs: Inputs
    labels: IndexArray
    ids: Ids
    density: Density | None = None
    files: Marked | None = None
    raw: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def content(self) -> dict[str, str]:
        """What tells the samples' content, whatever was fitted to others: SHA-256 of `values`, `files`, or both.

        Two splits with the same ids hold the same samples if one of these is the same. Values are pixels as they were
        decoded; files, by sizes and times of change, stay the same where images of another size are made of them.
        """
        found = {}
        if self.raw or isinstance(self.inputs, np.ndarray):
            found["values"] = self.raw or digest_of(self.inputs, np.arange(len(self)))
        if self.files is not None:
            found["files"] = hashlib.sha256(self.files.marks.tobytes()).hexdigest()
        return found

    def counts(self, classes: int) -> IndexArray:
        """Samples of each class, shape (classes,)."""
        return np.bincount(self.labels, minlength=classes).astype(np.int64)


def _lines(ids: Ids) -> bytes:
    """Ids, one a line."""
    return ids.lines() if isinstance(ids, Names) else "\n".join(map(str, ids.tolist())).encode()


def digest_of(inputs: Inputs, rows: IndexArray, about: str = "") -> str:
    """SHA-256 over these rows of the inputs, their form, and what else they are about."""
    digest = hashlib.sha256(f"{about}\0{inputs.dtype}\0{inputs.shape[1:]}".encode())
    for start in range(0, len(rows), ROWS_AT_ONCE):
        digest.update(np.ascontiguousarray(inputs[rows[start : start + ROWS_AT_ONCE]]).data)
    return digest.hexdigest()


class BadSample(NamedTuple):
    """A sample that was left out, since its image cannot be decoded. part: the one that was given, if any was."""

    id: str
    class_name: str
    part: Part | None
    fault: ImageFault
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """The samples that a source left out. content: the bytes of one's file, where copies are wanted."""

    samples: tuple[BadSample, ...] = ()
    content: Callable[[int], bytes] | None = None


@dataclass(frozen=True)
class Dataset:
    """What a source returns: all samples, not yet divided.

    given: index arrays of the parts that the dataset itself defines ("test", perhaps "valid" and "train").
    columns: set for a table, whose inputs are still raw (see `clfkit.data.table`).
    density: what the samples were drawn from, where that is known.
    files: the files that the inputs were read from, one for each sample, where there are such.
    left_out: samples that are not among these. unread: pictures beside the files, in formats that are not read.
    """

    inputs: Inputs
    labels: IndexArray
    classes: ClassMap
    kind: InputKind
    feature_names: tuple[str, ...] = ()
    ids: Ids | None = None
    given: Mapping[Part, IndexArray] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    label_column: str | None = None
    image: ImageFormat | None = None
    density: Density | None = None
    files: Marked | None = None
    left_out: LeftOut = LeftOut()
    unread: Names = NO_NAMES


@dataclass(frozen=True)
class DataBundle:
    """The three splits and their specification. `fingerprint` changes when any sample or the split does."""

    spec: DataSpec
    train: Split
    valid: Split
    test: Split
    left_out: LeftOut = LeftOut()

    def part(self, name: Part) -> Split:
        """The split of that name. Raises DataError when it is empty."""
        split: Split = getattr(self, name)
        if not len(split):
            raise DataError(f"the {name} split is empty; data.split.{name} sets its share")
        return split

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over classes, ids, labels and inputs (for files: names, sizes and times of change) of all splits."""
        digest = hashlib.sha256("\0".join(self.spec.classes.names).encode())
        for name in PARTS:
            split: Split = getattr(self, name)
            digest.update(f"\0{name}\0{split.inputs.shape}".encode())
            for start in range(0, len(split), IDS_AT_ONCE):
                digest.update(b"\n" * (start > 0) + _lines(split.ids[start : start + IDS_AT_ONCE]))
            digest.update(split.labels.tobytes())
            if isinstance(split.inputs, np.ndarray):
                digest.update(np.ascontiguousarray(split.inputs).data)
            elif isinstance(split.inputs, Marked):
                digest.update(split.inputs.marks.tobytes())
        return digest.hexdigest()
