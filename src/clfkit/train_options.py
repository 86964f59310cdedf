"""The options under `train`: how a model is trained, watched and kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from clfkit import components
from clfkit.components import LossOptions, NoOptions, OptimizerOptions, ScheduleOptions
from clfkit.listing import OneOrMore
from clfkit.options import Note, Options, fault, one_of
from clfkit.registry import Component
from clfkit.wording import meant, shown

EVERY_EPOCH = ("valid.loss", "valid.accuracy")
"""Metrics that every epoch gives, watched or not."""


def _watched(metric: str) -> str:
    if metric in EVERY_EPOCH:  # without looking for others: NumPy would be imported
        return metric
    part, _, name = metric.partition(".")
    if part == "test":
        raise fault(f"nothing is chosen by the test split; watch 'valid.{name or 'accuracy'}'")
    if part != "valid" or name not in components.metrics.names():
        known = [f"valid.{each}" for each in components.metrics.names()]
        raise fault(f"unknown metric {shown(metric)}; {meant(metric, known)}")
    return metric


MonitoredMetric = Annotated[str, AfterValidator(_watched), Field(json_schema_extra={"pattern": r"^valid\."})]
"""`valid.` and the name of a registered metric."""


class EarlyStopping(Options):
    """When to give up: no better value of `metric` for `patience` epochs."""

    metric: MonitoredMetric = Field("valid.loss", description="what is watched: `valid.` and the name of any metric")
    patience: PositiveInt = Field(10, description="epochs without improvement before training stops")
    min_delta: NonNegativeFloat = Field(0.0, description="smallest change that counts as an improvement")


class CheckpointEvery(Options):
    """How often the state of training is written to disk: one of epochs, steps or minutes."""

    epochs: PositiveInt | None = Field(None, description="write after every so many epochs")
    steps: PositiveInt | None = Field(None, description="write after every so many optimizer steps")
    minutes: PositiveFloat | None = Field(None, description="write when so many minutes have passed")

    @model_validator(mode="after")
    def _just_one(self) -> CheckpointEvery:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise fault(f"give one of epochs, steps or minutes, not {' and '.join(given) or 'none'}")
        return self

    def due(self, step: int, epoch: int | None, seconds: float) -> bool:
        """Whether to write after this step. epoch: the one that ends with it, if any. seconds: since the last time."""
        if self.minutes is not None:
            return seconds >= 60 * self.minutes
        if self.steps is not None:
            return step % self.steps == 0
        return epoch is not None and self.epochs is not None and epoch % self.epochs == 0


class Snapshots(Options):
    """Which epochs' models are kept beside the best one: the newest `last` of every `every` epochs."""

    every: PositiveInt = Field(1, description="keep the model after every so many epochs")
    last: Annotated[PositiveInt, Field(le=1000)] = Field(
        20, description="models that are kept at the same time; older ones give way"
    )


def _balanced_twice(train: TrainOptions, epochs: int) -> str | None:
    loss = train.loss.options
    means = {
        "train.sampling": train.sampling != "natural",
        "class_weights": isinstance(loss.class_weights, str),  # what is named may favour any class
        "logit_adjustment": loss.logit_adjustment > 0,
    }
    chosen = [name for name, there in means.items() if there]
    if len(chosen) < 2:
        return None
    return f"rare classes are favoured more than once, by {' and '.join(chosen)}; one of them is usually enough"


class TrainOptions(Options):
    """How the model is trained."""

    epochs: PositiveInt = Field(10, description="passes over the train split")
    max_steps: PositiveInt | None = Field(
        None, description="optimizer steps after which training ends at the latest, inside an epoch if need be"
    )
    batch_size: Annotated[PositiveInt | Literal["full", "auto"], one_of("a whole number above 0, 'full' or 'auto'")] = (
        Field(
            128,
            description="samples in one optimizer step, `full` for the whole train split, or `auto` for the smallest "
            "that this machine trains about as fast with as with any",
        )
    )
    sampling: Literal["natural", "balanced", "square_root"] = Field(
        "natural",
        description="how often the samples of an epoch come: each once, every class as often, or each class in "
        "proportion to the square root of its size",
    )
    loss: Annotated[Component[LossOptions], components.losses, Note(_balanced_twice)] = Field(
        "cross_entropy", validate_default=True, description="what training minimises"
    )
    optimizer: Annotated[Component[OptimizerOptions], components.optimizers] = Field(
        "adam", validate_default=True, description="how weights follow the gradient"
    )
    schedule: Annotated[Component[ScheduleOptions], components.schedules] = Field(
        "constant", validate_default=True, description="how the learning rate changes over time"
    )
    augment: Annotated[tuple[Annotated[Component[NoOptions], components.augmentations], ...], OneOrMore()] = Field(
        (), description="random changes of train samples, one after the other; other splits stay as they are"
    )
    mix: Annotated[Component[NoOptions], components.mixings] | None = Field(
        None, description="how every train sample is mixed with another, inputs and labels; by default not at all"
    )
    early_stopping: EarlyStopping | None = Field(None, description="stop when the valid split stops improving")
    best: MonitoredMetric | None = Field(
        None, description="metric that makes an epoch the best one; by default early_stopping.metric, or valid.loss"
    )
    checkpoint_every: CheckpointEvery = Field(
        CheckpointEvery(epochs=1), description="how often the state of training is written"
    )
    snapshots: Snapshots | None = Field(
        None, description="models of single epochs to keep, for ensembles, averaged weights and comparisons"
    )
    log_every: PositiveInt = Field(
        1,
        description="epochs from one line on the screen to the next (beside a bar, at 1, one in half a second at most)",
    )
    ema: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None,
        description="decay of a running average of the weights, which is then what is scored and kept as the model",
    )
    clip_norm: PositiveFloat | None = Field(None, description="largest allowed norm of the whole gradient")
    accumulate: PositiveInt = Field(
        1, description="pieces that one batch is worked through in: the same step with less memory"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where the model is trained")
    precision: Literal["fp32", "bf16", "fp64", "auto"] = Field(
        "fp32",
        description="arithmetic: fp32, bf16 in the forward pass, fp64 to compare results digit by digit; `auto` takes "
        "bf16 for images on processors and GPUs made for it",
    )
    channels_last: Annotated[bool | Literal["auto"], one_of("true, false or 'auto'")] = Field(
        "auto", description="lay images out as (N, H, W, C) for convolutions; `auto` does on a CPU or NVIDIA GPU"
    )
    resident: Annotated[bool | Literal["auto"], one_of("true, false or 'auto'")] = Field(
        "auto",
        description="keep the samples on the device; `auto` does where they take half of its free memory at most",
    )
    threads: Annotated[PositiveInt | Literal["auto"], one_of("a whole number above 0, or 'auto'")] = Field(
        "auto", description="processor threads; `auto` takes one for tiny networks and all for others"
    )
    workers: Annotated[NonNegativeInt | Literal["auto"], one_of("a whole number from 0 on, or 'auto'")] = Field(
        "auto",
        description="batches that threads read while the model computes, where samples do not lie in memory; 0 reads "
        "each when its turn comes",
    )
    deterministic: bool = Field(
        False,
        description="only operations with reproducible results, slower on a GPU (a CPU always has them)",
    )

    @property
    def best_metric(self) -> str:
        """The metric that makes an epoch the best one so far."""
        return self.best or (self.early_stopping.metric if self.early_stopping else "valid.loss")

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the metrics that are watched beside those that every epoch gives."""
        watched = {self.best_metric, *((self.early_stopping.metric,) if self.early_stopping else ())}
        return tuple(sorted(metric.partition(".")[2] for metric in watched - set(EVERY_EPOCH)))
