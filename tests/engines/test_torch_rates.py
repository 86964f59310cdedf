"""Rates by layer and late learning in the torch engine, against optimizers of torch that are put together by hand."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from clfkit.components import losses, models, optimizers
from clfkit.data.bundle import ClassMap, DataSpec, Split
from clfkit.engines.base import EngineSetup
from clfkit.engines.pytorch.engine import TorchEngine

RATE = 0.05
BATCH = np.arange(12)


def make_engine(optimizer: dict[str, Any], **changes: Any) -> TorchEngine:
    spec = DataSpec(
        inputs="image", shape=(1, 6, 6), classes=ClassMap(names=("a", "b", "c")), mean=(128.0,), std=(64.0,)
    )
    images = np.random.default_rng(0).integers(0, 255, (12, 1, 6, 6), np.uint8)
    train = Split(images, BATCH % 3, BATCH)
    model = {"name": "custom_head", "backbone": {"name": "conv", "channels": (2, 3)}, "dropout": 0.0, **changes}
    setup = EngineSetup(
        spec=spec, model=models.parse(model), loss=losses.parse("cross_entropy"), train=train,
        optimizer=optimizers.parse(optimizer), class_counts=train.counts(3), seed=1, batch_size=12, device="cpu",
        threads=1, precision="fp64", channels_last=False,
    )  # fmt: skip
    return TorchEngine(setup)


def factor_of(name: str) -> float:
    """Of backbone.N: convolutions and their norms are 0, 1 | 3, 4 | 7, 8 | 10, 11; the last has 0.3 · 0.8."""
    if not name.startswith("backbone."):
        return 1.0
    return float(0.3 * 0.8 ** (4 - [0, 1, 3, 4, 7, 8, 10, 11].index(int(name.split(".")[1])) // 2))


def by_hand(engine: TorchEngine, kind: type[torch.optim.Optimizer], decay: float, **options: Any) -> nn.Module:
    """The engine's model after 20 steps of torch's own loop, with one group a parameter."""
    model = copy.deepcopy(engine.model).train()
    groups = [
        {"params": [p], "lr": RATE * factor_of(name), "weight_decay": decay if p.ndim > 1 else 0.0}
        for name, p in model.named_parameters()
    ]
    optimizer = kind(groups, **options)
    inputs, labels = engine._train.batch(BATCH, 0)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize(
    ("optimizer", "kind", "options"),
    [
        ({"name": "sgd", "momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD, {"momentum": 0.9}),
        ({"name": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {}),
        ({"name": "adam", "weight_decay": 0.1}, torch.optim.Adam, {}),
    ],
)
def test_twenty_steps_are_those_of_groups_made_by_hand(
    optimizer: dict[str, Any], kind: type[torch.optim.Optimizer], options: dict[str, Any]
) -> None:
    engine = make_engine({"lr": RATE, **optimizer}, backbone_lr=0.3, layer_decay=0.8)
    expected = by_hand(engine, kind, 0.1, **options).state_dict()
    first = engine.model_state()
    for _ in range(20):
        engine.train_step(BATCH, RATE, 0)
    after = engine.model_state()
    for name, tensor in expected.items():
        assert_allclose(after[name], tensor.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
    assert any(abs(after[name] - first[name]).max() > 0.01 for name in after if name.startswith("backbone."))


DECOUPLED = {"name": "adamw", "lr": RATE, "weight_decay": 0.5, "l1": 0.01}


def test_a_frozen_part_neither_moves_nor_decays_and_moves_afterwards() -> None:
    engine = make_engine(DECOUPLED, freeze=True, unfreeze_at=2)
    before = engine.model_state()
    engine.train_step(BATCH, RATE, 0)
    frozen = engine.model_state()
    same = {name for name in before if np.array_equal(before[name], frozen[name])}
    assert same == {name for name in before if name.startswith("backbone.")}
    assert not any(name.startswith("backbone.") for name in engine.optimizer_state())
    engine.start_epoch(2)
    engine.train_step(BATCH, RATE, 0)
    after = engine.model_state()
    assert not any(np.array_equal(frozen[name], after[name]) for name in before)


def test_from_the_start_of_its_epoch_it_learns_as_if_it_had_never_been_frozen() -> None:
    late, never = make_engine(DECOUPLED, freeze=True, unfreeze_at=2), make_engine(DECOUPLED)
    late.start_epoch(2)
    for engine in (late, never):
        for _ in range(3):
            engine.train_step(BATCH, RATE, 0)
    for name, array in never.model_state().items():
        assert np.array_equal(late.model_state()[name], array), name


def test_moments_are_put_back_into_an_engine_that_is_frozen_as_yet() -> None:
    engine = make_engine(DECOUPLED, freeze=True, unfreeze_at=2)
    engine.train_step(BATCH, RATE, 0)
    engine.start_epoch(2)
    engine.train_step(BATCH, RATE, 0)
    again = make_engine(DECOUPLED, freeze=True, unfreeze_at=2)
    again.load_state(engine.model_state(), engine.optimizer_state())
    again.start_epoch(2)
    for each in (engine, again):
        each.train_step(BATCH, RATE, 0)
    for name, array in engine.model_state().items():
        assert np.array_equal(again.model_state()[name], array), name
