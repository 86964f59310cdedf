"""Small problems for the NumPy engine: setups of points and of images, engines, and a plain torch loop beside them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from plain_torch import Array, network_of, state_of
from torch import nn

from clfkit.components import engines, losses, models, optimizers
from clfkit.data.bundle import ClassMap, DataSpec, IndexArray, Split
from clfkit.engines.base import Engine, EngineSetup
from clfkit.engines.scratch.engine import ScratchEngine
from clfkit.models.plan import Plan
from clfkit.registry import Component

SAMPLES = 40
PARSERS: dict[str, Callable[[Any], Any]] = {
    "model": models.parse,
    "loss": losses.parse,
    "optimizer": optimizers.parse,
}


def make_setup(*shape: int, classes: int = 3, samples: int = SAMPLES, **changes: Any) -> EngineSetup:
    """Points (features,), by default four, or images (channels, height, width), in float64.

    `model`, `loss` and `optimizer` may be given as in YAML.
    """
    shape = shape or (4,)
    rng = np.random.default_rng(3)
    image = len(shape) == 3
    inputs = rng.integers(0, 256, (samples, *shape)).astype(np.uint8) if image else rng.normal(size=(samples, *shape))
    spec = DataSpec(
        inputs="image" if image else "vector", shape=shape, classes=ClassMap(names=tuple("abcdef"[:classes])),
        mean=tuple(rng.uniform(100, 150, shape[0]) if image else rng.normal(size=shape[0])),
        std=tuple(rng.uniform(50, 80, shape[0]) if image else rng.uniform(1, 2, shape[0])),
    )  # fmt: skip
    train = Split(inputs, rng.integers(0, classes, samples), np.arange(samples))
    setup = EngineSetup(
        spec=spec, model=models.parse({"name": "mlp", "hidden": (6,), "activation": "tanh"}),
        loss=losses.parse("cross_entropy"), optimizer=optimizers.parse("sgd"), train=train,
        class_counts=train.counts(classes), seed=11, batch_size=16, device="cpu", threads=1, precision="fp64",
    )  # fmt: skip
    parsed = {name: PARSERS.get(name, lambda value: value)(value) for name, value in changes.items()}
    return dataclasses.replace(setup, **parsed)


def engine_of(setup: EngineSetup, name: str = "scratch") -> Engine:
    engine: Engine = engines.build(Component(name, engines.entry(name).options()), setup)
    return engine


def scratch_of(setup: EngineSetup) -> ScratchEngine:
    engine = engine_of(setup)
    assert isinstance(engine, ScratchEngine)
    return engine


def train_of(setup: EngineSetup) -> Split:
    assert setup.train is not None
    return setup.train


def standardised(setup: EngineSetup) -> Array:
    """The train samples (N, …) as the network gets them."""
    shape = (1, -1) + (1,) * (len(setup.spec.shape) - 1)
    mean, std = np.array(setup.spec.mean).reshape(shape), np.array(setup.spec.std).reshape(shape)
    standard: Array = (np.asarray(train_of(setup).inputs, np.float64) - mean) / std
    return standard


def batch_of(setup: EngineSetup, step: int) -> IndexArray:
    """Shuffled epochs; the last batch of each is smaller where the size does not divide the samples."""
    samples = len(train_of(setup))
    per_epoch = -(-samples // setup.batch_size)
    order = np.random.default_rng(step // per_epoch).permutation(samples)
    start = step % per_epoch * setup.batch_size
    return order[start : start + setup.batch_size]


def rate_of(step: int) -> float:
    """Warm-up over ten steps, then a cosine: another rate in every step."""
    return 0.02 * min(1.0, (step + 1) / 10) * (1 + math.cos(step / 20))


def network_beside(setup: EngineSetup, engine: Engine, outputs: int) -> nn.Sequential:
    """The same network in plain torch, with the weights that the engine has now."""
    design: Plan = models.build(setup.model, setup.spec, outputs)
    return network_of(design, engine.model_state())


@dataclass
class Trained:
    """What a loop gave: the loss of every step and the state at the end."""

    losses: list[float]
    state: dict[str, Array]


Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def plain_loop(
    setup: EngineSetup, network: nn.Sequential, make: Callable[[Any], torch.optim.Optimizer], criterion: Criterion,
    steps: int = 50,
) -> Trained:  # fmt: skip
    """Training in plain torch: the penalties of setup.optimizer written out, the rest as torch has it."""
    options = setup.optimizer.options
    inputs, labels = torch.tensor(standardised(setup)), torch.tensor(train_of(setup).labels)
    kernels = [p for p in network.parameters() if p.ndim > 1]
    pulled = list(network.parameters()) if options.decay_all else kernels
    coupled = 0.0 if options.decoupled else options.weight_decay
    free = [p for p in network.parameters() if not any(p is other for other in pulled)]
    groups = [{"params": pulled, "weight_decay": coupled}, {"params": free, "weight_decay": 0.0}]
    optimizer = make([group for group in groups if group["params"]])
    means = []
    for step in range(steps):
        at = batch_of(setup, step)
        optimizer.zero_grad()
        loss = criterion(network(inputs[at]), labels[at])
        loss.backward()  # type: ignore[no-untyped-call]
        means.append(loss.item())
        if setup.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), setup.clip_norm)
        with torch.no_grad():
            for parameter in pulled:
                if options.l1 and parameter.grad is not None:
                    parameter.grad += options.l1 * parameter.sign()
                if options.decoupled:
                    parameter.mul_(1 - rate_of(step) * options.weight_decay)
        for group in optimizer.param_groups:
            group["lr"] = rate_of(step)
        optimizer.step()
    return Trained(means, state_of(network))


def engine_loop(setup: EngineSetup, engine: Engine, steps: int = 50) -> Trained:
    """The same on an engine."""
    means = []
    for step in range(steps):
        result = engine.train_step(batch_of(setup, step), rate_of(step), step)
        means.append(float(engine.read([result]).mean_loss))
    return Trained(means, engine.model_state())
