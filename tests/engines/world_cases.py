"""Small trainings for test_world.py, which runs this file in two processes and in itself."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from clfkit.components import augmentations, engines, losses, mixings, models, optimizers
from clfkit.data.bundle import ClassMap, DataSpec, Split
from clfkit.engines.base import Engine, EngineSetup
from clfkit.registry import Component
from clfkit.world import World

SAMPLES = 37
BATCHES = [np.arange(start, min(start + 9, SAMPLES)) for start in range(0, SAMPLES, 9)]  # the last: one sample
CNN = {"name": "cnn", "channels": (3, 4), "dense": (5,), "batch_norm": True, "dropout": 0.0}
LATE = {
    "name": "custom_head", "backbone": {"name": "resnet_small", "channels": (2, 3), "blocks": 1}, "freeze": True,
    "unfreeze_at": 2, "pooling": "gem", "head": "cosine", "dropout": 0.0,
}  # fmt: skip
DEEP = {"name": "resnet_small", "channels": (2, 3), "blocks": 2, "drop_path": 0.5}
CASES: dict[str, dict[str, Any]] = {
    "mlp": {},
    "cnn": {"model": CNN},
    "weighted": {"loss": {"name": "cross_entropy", "class_weights": {"a": 5.0}}, "accumulate": 2},
    "momentum_and_average": {"optimizer": {"name": "sgd", "momentum": 0.9}, "ema": 0.9, "clip_norm": 0.1},
    "adam_and_pieces": {"optimizer": "adam", "accumulate": 4},
    "cnn_in_pieces": {"model": CNN, "accumulate": 2},
    "mixed": {"mix": {"name": "mixup", "alpha": 1.0}, "loss": {"name": "focal", "class_weights": {"a": 5.0}}},
    "cnn_mixed_in_pieces": {"model": CNN, "mix": "cutmix", "augment": ("shift",), "accumulate": 2},
    "cnn_with_an_empty_share": {"model": {**CNN, "batch_norm": False}},
    "adjusted_in_pieces": {"loss": {"name": "cross_entropy", "logit_adjustment": 1.0}, "accumulate": 3},
    "layer_norm": {
        "model": {"name": "mlp", "hidden": (6,), "norm": "layer"},
        "optimizer": {"name": "sgd", "l1": 0.01},
        "clip_norm": 0.1,
    },
    "dropout": {"model": {"name": "mlp", "hidden": (6, 5), "dropout": 0.4}},
    "dropout_in_pieces": {"model": {**CNN, "dropout": 0.3}, "accumulate": 2},
    "dropout_with_an_empty_share": {"model": {**CNN, "batch_norm": False, "dropout": 0.3}},
    "stochastic_depth": {"model": {"name": "custom_head", "backbone": DEEP, "dropout": 0.2}},
    "backbone_that_learns_later": {"model": LATE, "optimizer": "adamw", "ema": 0.9},
}


def make_engine(case: str, world: World) -> Engine:
    """The engine of a case, on images of random numbers."""
    rng = np.random.default_rng(3)
    vector = not {"channels", "backbone"} & {*CASES[case].get("model", ())}
    shape = (4,) if vector else (1, 8, 8)
    spec = DataSpec(
        inputs="vector" if vector else "image", shape=shape, classes=ClassMap(names=("a", "b", "c")),
        mean=(0.0,) * shape[0], std=(1.0,) * shape[0],
    )  # fmt: skip
    train = Split(
        rng.normal(size=(SAMPLES, *shape)).astype(np.float32), rng.integers(0, 3, SAMPLES), np.arange(SAMPLES)
    )
    if not vector:
        train = dataclasses.replace(train, inputs=rng.integers(0, 256, (SAMPLES, *shape)).astype(np.uint8))
        spec = spec.model_copy(update={"mean": (128.0,), "std": (64.0,)})
    options = {"model": {"name": "mlp", "hidden": (6,)}, "loss": "cross_entropy", "optimizer": "sgd", **CASES[case]}
    options["augment"] = tuple(map(augmentations.parse, options.get("augment", ())))
    parsers = {"model": models, "loss": losses, "optimizer": optimizers, "mix": mixings}
    parsed = {name: parsers[name].parse(value) if name in parsers else value for name, value in options.items()}
    setup = EngineSetup(
        spec=spec, train=train, class_counts=train.counts(3), seed=11, batch_size=9, device="cpu", threads=1,
        precision="fp64", world=world, **parsed,
    )  # fmt: skip
    engine: Engine = engines.build(Component("torch", engines.entry("torch").options()), setup)
    return engine


def results(case: str, world: World) -> dict[str, np.ndarray[Any, Any]]:
    """Everything that a training of two epochs gives: weights, totals, scores, probabilities."""
    engine = make_engine(case, world)
    train = engine._setup.train  # type: ignore[attr-defined]
    normed = CASES[case].get("model", {}).get("batch_norm")
    batches = BATCHES[:4] if normed else BATCHES  # after its dense layer a sample by itself has no variance
    steps = []
    with engine.at_work():
        for epoch in range(2):
            engine.start_epoch(epoch + 1)
            steps += [engine.train_step(each, 0.05, 5 * epoch + at, epoch) for at, each in enumerate(batches)]
        totals = engine.read(steps)
        probabilities, scores = engine.evaluate(train)
        found = {**engine.model_state(), **engine.optimizer_state(), "probabilities": probabilities}
        found |= {f"train/{name}": array for name, array in totals.arrays().items()}
        found |= {f"evaluated/{name}": array for name, array in scores.arrays().items()}
        found |= {f"scored/{name}": array for name, array in engine.score(train).arrays().items()}
    return found


if __name__ == "__main__":
    from clfkit.engines.pytorch.world import TorchWorld

    several = TorchWorld()
    for each in CASES:
        np.savez(Path(sys.argv[1]) / f"{each}-{several.rank}.npz", **results(each, several))  # type: ignore[arg-type]
    several.leave()
    os._exit(0)  # as the command does, see clfkit.__main__
