"""What is said of an experiment before its first step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clfkit.config import ExperimentConfig
from clfkit.data.bundle import PARTS, DataBundle, IndexArray, Split
from clfkit.document import dotted
from clfkit.engines.base import Engine
from clfkit.preparation import about_classes
from clfkit.trainer import Trainer

LOOKED_AT = 200  # train images, for what colour their borders are
FAR = 100  # levels of 256 between two colours that nobody takes for the same


def announcement(
    config: ExperimentConfig, bundle: DataBundle, counts: IndexArray, engine: Engine, trainer: Trainer
) -> Iterator[str]:
    """Samples, classes, network, decisions, and what was asked for and will not happen, a line each.

    counts: (K,) train samples of each class.
    """
    sizes = ", ".join(f"{len(getattr(bundle, part)):,} {part}" for part in PARTS)
    decisions = {"engine": config.engine.name, **engine.decisions}
    yield f"{config.name}: {sizes} samples of {len(bundle.spec.classes):,} classes"
    yield from about_classes(config, bundle, counts)
    yield f"{config.model.name} with {engine.parameters:,} trainable parameters"
    yield ", ".join(f"{key} {value}" for key, value in decisions.items())
    kept = config.train.snapshots
    if kept is not None:
        count = min(kept.last, trainer.epochs // kept.every)
        size = sum(array.nbytes for array in engine.model_state().values())
        yield f"snapshots: up to {count} models of {size / 1e6:.1f} MB, {count * size / 1e6:.1f} MB in all"
    for path, word in config.notes(trainer.epochs):
        yield f"note: {dotted(path)}: {word}"
    yield from _strange_fills(config, bundle.train)
    wanted = config.train.max_steps
    if wanted is not None and wanted > trainer.steps:
        epochs, steps = config.train.epochs, trainer.steps
        yield f"note: train.max_steps {wanted:,} is never reached; {epochs} epochs are {steps:,} steps"


def _strange_fills(config: ExperimentConfig, train: Split) -> Iterator[str]:
    """Augmentations that fill what comes into view with another colour than images have at their borders."""
    chosen = enumerate(config.train.augment)
    fills = {at: fill for at, each in chosen if (fill := getattr(each.options, "fill", None)) is not None}
    if not fills or not isinstance(train.inputs, np.ndarray) or train.inputs.ndim != 4:
        return
    images = train.inputs[np.linspace(0, len(train) - 1, min(len(train), LOOKED_AT)).astype(int)]
    edges = (images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1])
    border = float(np.median(np.concatenate([edge.reshape(len(images), -1) for edge in edges], axis=1)))
    for at, fill in fills.items():
        if abs(border - fill) > FAR:
            yield (
                f"note: train.augment.{at}: fill {fill} is what comes into view, and most train images are near "
                f"{border:.0f} at their borders: fill: {border:.0f} suits them"
            )
