"""The errors that clfkit raises on purpose.

    ClfkitError                  anything expected to go wrong; one clear line, no traceback   exit 1
    ├── UsageError               what was typed cannot be done                                exit 2
    │   ├── UnknownName          no component, file or option of that name
    │   └── ConfigError          a configuration with faults, all of them, one line each
    ├── DataError                samples are missing, unreadable or do not fit
    │   ├── ClassMismatch        the classes of the data are not those of the model
    │   └── BadImage             one image file that cannot be decoded, and what is wrong with it
    ├── ModelError               the network cannot be built for this data
    ├── CheckpointError          a checkpoint is damaged, foreign or absent
    ├── RunError                 a run directory exists, is locked or cannot be written
    ├── TrainingError            loss or gradient left the finite numbers, or memory ran out
    ├── WorkerLost               another process that trains the same model has ended
    └── Interrupted              a signal stopped the run; its checkpoint is kept             exit 130, 138, 143

Everything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ImageFault = Literal[
    "missing", "no regular file", "not permitted", "empty", "unknown format", "too large", "damaged", "unsupported"
]
"""What is wrong with an image file, in a word; reports count them."""


class ClfkitError(Exception):
    """Base of every expected failure; `str(error)` is what the user reads."""

    exit_code = 1


class UsageError(ClfkitError):
    """What was asked for cannot be done as it was typed."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing answers to; the message lists what exists."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a configuration: where it stands and what would be right."""

    where: str  # "configs/mnist.yaml:14" or "--set train.epochs=0"
    key: str  # "train.optimizer.lr"; empty when the document as a whole is at fault
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(UsageError):
    """A configuration that cannot be run. `faults` holds every fault that was found."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class DataError(ClfkitError):
    """Samples are missing, unreadable, or do not fit what the model expects."""


class ClassMismatch(DataError):
    """The classes of some data are not the classes that the model was trained on."""


class BadImage(DataError):
    """One image file that cannot be decoded. fault: what kind of fault; reason: what is wrong in full."""

    def __init__(self, path: Path, fault: ImageFault, reason: str) -> None:
        self.path, self.fault, self.reason = path, fault, reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[type[BadImage], tuple[Path, ImageFault, str]]:
        return BadImage, (self.path, self.fault, self.reason)  # whole when it comes from another process


class ModelError(ClfkitError):
    """A network cannot be built for the data at hand."""


class CheckpointError(ClfkitError):
    """A checkpoint is absent, damaged, or made by something else."""


class RunError(ClfkitError):
    """A run directory exists already, is in use, or cannot be written."""


class TrainingError(ClfkitError):
    """Training cannot go on: loss or gradient are not finite any more, or memory has run out.

    samples: ids of the batch that it happened with, where it was one.
    """

    def __init__(self, message: str, samples: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.samples = tuple(samples)


class WorkerLost(ClfkitError):
    """Training cannot go on: another of its processes has ended. The last checkpoint is complete."""


class Interrupted(ClfkitError):
    """A signal ended the run; the last checkpoint is complete. `exit_code` is 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
