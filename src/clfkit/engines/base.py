"""The contract between the trainer and whatever computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from clfkit.components import LossOptions, NoOptions, OptimizerOptions
from clfkit.data.bundle import DataSpec, FloatArray, IndexArray, Inputs, Split
from clfkit.registry import Component
from clfkit.train_options import TrainOptions
from clfkit.world import World

if TYPE_CHECKING:
    from clfkit.engines.pieces import Pieces

Arrays = dict[str, npt.NDArray[Any]]
"""Named arrays, as a checkpoint stores them."""


PHASES = {"feed": "_batch", "forward": "_forward", "backward": "_backward", "optimizer": "_update"}
"""The parts of a training step that a profile tells apart, and what every engine calls the method that does each."""


class StepResult(NamedTuple):
    """What one batch gave, as 0-d values that may still lie on a device; `Engine.read` fetches many at once.

    loss: weighted sum over the samples. weight: sum of the weights (the count, unless classes are weighted).
    correct: samples predicted right, mixed ones as the label that they have more of. samples: how many there were.
    skipped: whether loss or gradient were not finite, so that no step was taken. It is a bool where the engine knows it
    at once; on a device that is not waited for it is not 0 from the first such step on, and no later one is taken.
    """

    loss: Any
    weight: Any
    correct: Any
    samples: int
    skipped: Any = False


@dataclass(frozen=True)
class Totals:
    """Step results on the host: arrays with one value a step."""

    loss: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    correct: IndexArray
    count: IndexArray
    skipped: IndexArray  # 0 where a step was taken

    @property
    def mean_loss(self) -> float:
        """Weighted mean loss over all samples; NaN without samples."""
        weight = float(self.weight.sum())
        return float(self.loss.sum()) / weight if weight else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of samples predicted right; NaN without samples."""
        count = int(self.count.sum())
        return int(self.correct.sum()) / count if count else float("nan")

    @property
    def step_losses(self) -> npt.NDArray[np.float64]:
        """Mean loss of every step."""
        return self.loss / self.weight

    @property
    def untaken(self) -> tuple[int, str] | None:
        """The first step that was not taken, counted from 0, and what was not finite there; None if all were."""
        bad = np.flatnonzero(~np.isfinite(self.loss) | (self.skipped != 0))
        if not len(bad):
            return None
        first = int(bad[0])
        if np.isfinite(self.loss[first]):
            return first, f"the gradient became infinite or not a number (loss {self.step_losses[first]:.3g})"
        return first, f"the loss became {self.loss[first]}"

    def arrays(self) -> Arrays:
        """For a checkpoint in the middle of an epoch."""
        return {
            "loss": self.loss, "weight": self.weight, "correct": self.correct, "count": self.count,
            "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def of(cls, arrays: Arrays) -> Totals:
        """Back from `arrays()`; no arrays give no steps, and steps that do not say so were taken."""
        loss = np.asarray(arrays.get("loss", ()), np.float64)
        return cls(
            loss, np.asarray(arrays.get("weight", ()), np.float64),
            np.asarray(arrays.get("correct", ()), np.int64), np.asarray(arrays.get("count", ()), np.int64),
            np.asarray(arrays.get("skipped", np.zeros(len(loss))), np.int64),
        )  # fmt: skip

    def summed(self, world: World) -> Totals:
        """Together: what all processes had of the same steps, added up in the order of ranks."""
        return Totals.of({name: np.asarray(sum(world.gather(array))) for name, array in self.arrays().items()})

    def joined(self, world: World) -> Totals:
        """Together: the steps of all processes one after the other, in the order of ranks."""
        return Totals.of({name: np.concatenate(world.gather(array)) for name, array in self.arrays().items()})

    def __add__(self, other: Totals) -> Totals:
        if not len(self.loss):
            return other
        mine, theirs = self.arrays(), other.arrays()
        return Totals.of({name: np.concatenate([mine[name], theirs[name]]) for name in mine})


@dataclass(frozen=True)
class EngineSetup:
    """All that an engine is built from. Without train samples it can only predict.

    fresh: whether training starts from nothing. Where a checkpoint's weights are loaded next (to predict, to resume),
    the model is built without reading or downloading the files that it would start from.
    deterministic: see `clfkit.engines.pytorch.device.make_deterministic`; it holds for the whole process.
    world: the processes that train the model together, each on its share of every batch.
    """

    spec: DataSpec
    model: Component[NoOptions]
    loss: Component[LossOptions]
    optimizer: Component[OptimizerOptions]
    train: Split | None
    class_counts: IndexArray
    seed: int
    batch_size: int
    accumulate: int = 1
    clip_norm: float | None = None
    ema: float | None = None
    augment: tuple[Component[NoOptions], ...] = ()
    mix: Component[NoOptions] | None = None
    device: str = "auto"
    precision: str = "fp32"
    channels_last: bool | str = "auto"
    resident: bool | str = "auto"
    threads: int | str = "auto"
    workers: int | str = "auto"
    deterministic: bool = False
    fresh: bool = True
    world: World = field(default_factory=World)

    @classmethod
    def of(cls, options: TrainOptions, *, batch_size: int, **rest: Any) -> Self:
        """What the options under `train` ask of an engine, each under its own name, and the rest."""
        names = {field.name for field in fields(cls)} & set(TrainOptions.model_fields)
        asked = {name: getattr(options, name) for name in names}
        return cls(**{**asked, "batch_size": batch_size, **rest})


class Footprint(NamedTuple):
    """Bytes that training takes where it computes; `numbers` are those of the model, whether they learn or not.

    weights: parameters and buffers. gradients: of what learns. optimizer: its moments, and the average with `ema`.
    activations: what a step keeps of its batch for the backward pass. samples: the train split, where it is resident.
    peak: the most that was in use during a step, None where nobody counts. available: all that this process may have.
    """

    numbers: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    samples: int
    peak: int | None = None
    available: int | None = None

    @property
    def total(self) -> int:
        """All that is counted here."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.samples


def lone_sample(setup: EngineSetup, samples: int) -> str | None:
    """The beginning of a complaint if a train sample comes by itself: at the end of an epoch, or of the pieces."""
    for batch in (min(setup.batch_size, samples), samples % setup.batch_size or setup.batch_size):
        piece = -(-batch // setup.accumulate)
        if piece == 1 or batch % piece == 1:
            return (
                f"train.batch_size: {samples} train samples in batches of {setup.batch_size} (accumulate "
                f"{setup.accumulate}) leave one sample by itself, which"
            )
    return None


def evaluation_batches(samples: int, features: int, numbers: int) -> Iterator[IndexArray]:
    """Indices of all samples in order, in batches of about `numbers` input numbers, 16 to 8,192 samples each."""
    size = min(8192, max(16, numbers // features))
    for start in range(0, samples, size):
        yield np.arange(start, min(start + size, samples))


class Engine(Protocol):
    """A model with its loss, optimizer and train samples, on some device."""

    decisions: dict[str, Any]
    """What was chosen automatically (device, threads, …), for environment.json and the start of a run."""

    parameters: int
    """Number of learnable numbers."""

    pieces: Pieces
    """Into how many pieces each batch is cut, of an engine that trains."""

    def at_work(self) -> AbstractContextManager[object]:
        """While it lasts the process computes with the threads that were chosen; afterwards with those of before."""

    def start_epoch(self, epoch: int) -> None:
        """Before the first step of an epoch, counted from 1, and where one is resumed: parts may learn from now on."""

    def ahead(self, batches: Iterator[IndexArray]) -> Iterator[IndexArray]:
        """The batches of train samples as they are; samples outside memory are read before their turn comes."""

    def train_step(self, indices: IndexArray, lr: float, key: int, epoch_key: int = 0) -> StepResult:
        """One optimizer step on the train samples at `indices`, of which each process of a world takes its share.

        Random draws are decided by `key`, and those that augment a sample by `epoch_key` and its index alone.
        Where loss or gradient are not finite the step is not taken: weights and moments stay as they were. Raises
        PieceTooLarge when there is not enough memory for a piece of the batch; then nothing has changed.
        """

    def footprint(self, indices: IndexArray) -> Footprint:
        """The memory of a step on the train samples at `indices`, which is taken: for an engine that is given up next.

        Raises MemoryError, within `at_work`, when there is not enough.
        """

    def read(self, results: Sequence[StepResult]) -> Totals:
        """Step results as arrays on the host: the one place where a device is waited for.

        With several processes the results of a step are added up, in the order of ranks.
        """

    def score(self, split: Split) -> Totals:
        """Loss and accuracy on a split, in evaluation mode."""

    def evaluate(self, split: Split) -> tuple[FloatArray, Totals]:
        """Class probabilities (N, K) of a split with its loss and accuracy, in one pass."""

    def predict(self, inputs: Inputs) -> FloatArray:
        """Class probabilities (N, K) in evaluation mode; inputs are raw, as in a Split."""

    def wait(self) -> None:
        """Until the device has done all that was asked of it; a clock would else see the asking only."""

    def roof(self) -> float:
        """Train samples a second if all products of a step went at the speed of large matrices, measured now.

        Infinity for a model without products that are counted.
        """

    def model_state(self) -> Arrays:
        """Copies of the weights and buffers that are scored: with `ema` their averages."""

    def optimizer_state(self) -> Arrays:
        """Copies of what the optimizer keeps, and with `ema` of the weights that training goes on with."""

    def load_state(self, model: Arrays, optimizer: Arrays | None = None) -> None:
        """Put back what `model_state` and `optimizer_state` returned. Raises CheckpointError if it does not fit."""
