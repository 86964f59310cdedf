"""What is said of an experiment before its first step."""

from __future__ import annotations

from collections.abc import Iterator

from clfkit.config import ExperimentConfig
from clfkit.data.bundle import PARTS, DataBundle, IndexArray
from clfkit.document import dotted
from clfkit.engines.base import Engine
from clfkit.preparation import about_classes
from clfkit.trainer import Trainer


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
    yield f"{config.model.name} with {engine.parameters:,} parameters"
    yield ", ".join(f"{key} {value}" for key, value in decisions.items())
    kept = config.train.snapshots
    if kept is not None:
        count = min(kept.last, trainer.epochs // kept.every)
        size = sum(array.nbytes for array in engine.model_state().values())
        yield f"snapshots: up to {count} models of {size / 1e6:.1f} MB, {count * size / 1e6:.1f} MB in all"
    for path, word in config.notes(trainer.epochs):
        yield f"note: {dotted(path)}: {word}"
    wanted = config.train.max_steps
    if wanted is not None and wanted > trainer.steps:
        epochs, steps = config.train.epochs, trainer.steps
        yield f"note: train.max_steps {wanted:,} is never reached; {epochs} epochs are {steps:,} steps"
