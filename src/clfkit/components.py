"""The registries of clfkit: one for each kind of component, with the options that its members share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from clfkit.options import Fraction, Needs, Options, one_of
from clfkit.registry import Registry

Share = Annotated[Fraction | NonNegativeInt, one_of("a fraction from 0 to below 1, or a whole number of samples")]


class SplitOptions(Options):
    """How samples are divided into train, valid and test."""

    valid: Share = Field(
        0.1, description="share (or number) of the samples kept for choosing: early stopping, best epoch"
    )
    test: Share | None = Field(
        None,
        description="share (or number) kept for the final score; by default 0.2, or the dataset's own test split",
    )
    stratify: bool = Field(True, description="keep the proportions of the classes in every part")


class DataOptions(Options):
    """Options of every dataset."""

    split: SplitOptions = Field(SplitOptions(), description="shares of train, valid and test")
    seed: NonNegativeInt | None = Field(
        None, description="seed of the samples and of the split; by default the experiment's own"
    )
    normalize: bool = Field(
        True, description="subtract the mean and divide by the standard deviation, both of the train split"
    )


class OptimizerOptions(Options):
    """Options of every optimizer."""

    weight_decay: NonNegativeFloat = Field(0.0, description="pull of the weights towards zero")
    l1: NonNegativeFloat = Field(0.0, description="L1 penalty: l1 times the sign of each weight joins its gradient")
    decoupled: Annotated[bool, Needs("weight_decay", lambda group: group.weight_decay)] = Field(
        False, description="decay the weights directly (as AdamW does) instead of adding to the gradient (L2)"
    )
    decay_all: Annotated[bool, Needs("weight_decay or l1", lambda group: group.weight_decay or group.l1)] = Field(
        False, description="decay biases and normalisation parameters too"
    )


class ScheduleOptions(Options):
    """Options of every learning-rate schedule."""

    warmup: NonNegativeFloat = Field(0.0, description="epochs over which the rate rises linearly from near zero")


ClassWeights = Annotated[
    Literal["balanced", "effective_number"] | dict[str, PositiveFloat] | None,
    one_of("'balanced', 'effective_number' or {class: weight above 0}"),
]


EFFECTIVE_NUMBER = Needs("class_weights: effective_number", lambda group: group.class_weights == "effective_number")


class LossOptions(Options):
    """Options of every loss."""

    label_smoothing: Fraction = Field(0.0, description="share of every target that is spread evenly over all classes")
    class_weights: ClassWeights = Field(
        None,
        description="`balanced`, `effective_number`, or {class name: weight}; classes that are not named weigh 1",
    )
    beta: Annotated[float, Field(gt=0.0, lt=1.0), EFFECTIVE_NUMBER] = Field(
        0.999, description="for `effective_number`: near 0 all classes weigh the same, near 1 they do as in `balanced`"
    )
    logit_adjustment: NonNegativeFloat = Field(
        0.0, description="τ: the loss sees the logits plus τ log of the class frequencies; 1 aims at balanced accuracy"
    )


class NoOptions(Options):
    """Shared by components that have nothing in common but their kind."""


datasets: Registry[DataOptions] = Registry("dataset", "clfkit.data.sources", DataOptions)
backbones: Registry[NoOptions] = Registry("backbone", "clfkit.models.backbones", NoOptions)
models: Registry[NoOptions] = Registry(
    "model", "clfkit.models", NoOptions, elsewhere=(backbones, "model: {{name: custom_head, backbone: {}}}")
)
engines: Registry[NoOptions] = Registry("engine", "clfkit.engines", NoOptions, default="auto")
losses: Registry[LossOptions] = Registry("loss", "clfkit.losses", LossOptions, default="cross_entropy")
optimizers: Registry[OptimizerOptions] = Registry(
    "optimizer", "clfkit.optimizers", OptimizerOptions, default="adam", required=("lr",)
)
schedules: Registry[ScheduleOptions] = Registry("schedule", "clfkit.schedules", ScheduleOptions, default="constant")
augmentations: Registry[NoOptions] = Registry("augmentation", "clfkit.augmentations", NoOptions)
mixings: Registry[NoOptions] = Registry("mixing", "clfkit.mixings", NoOptions)
metrics: Registry[NoOptions] = Registry("metric", "clfkit.metrics", NoOptions)
baselines: Registry[NoOptions] = Registry("baseline", "clfkit.baselines", NoOptions)
plots: Registry[NoOptions] = Registry("plot", "clfkit.plots", NoOptions)
comparisons: Registry[NoOptions] = Registry("comparison", "clfkit.plots.comparisons", NoOptions)
previews: Registry[NoOptions] = Registry("preview", "clfkit.plots.previews", NoOptions)
trackers: Registry[NoOptions] = Registry("tracker", "clfkit.trackers", NoOptions)

ALL: Mapping[str, Registry[Any]] = {
    "datasets": datasets,
    "models": models,
    "backbones": backbones,
    "engines": engines,
    "losses": losses,
    "optimizers": optimizers,
    "schedules": schedules,
    "augmentations": augmentations,
    "mixings": mixings,
    "metrics": metrics,
    "baselines": baselines,
    "plots": plots,
    "comparisons": comparisons,
    "previews": previews,
    "trackers": trackers,
}
"""Every registry under the plural that `clfkit list` takes."""
