"""Mixings against their formulas, whatever batch samples come in; and what a step makes of mixed samples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from clfkit import rng
from clfkit.components import engines, losses, mixings, models, optimizers
from clfkit.config import load_config
from clfkit.data.bundle import ClassMap, DataSpec, IndexArray, Split
from clfkit.engines.auto import choose_engine
from clfkit.engines.base import EngineSetup
from clfkit.engines.pytorch.engine import TorchEngine
from clfkit.errors import ConfigError
from clfkit.mixings import Mixer, Shares
from clfkit.registry import Component

SPEC = DataSpec(inputs="image", shape=(2, 10, 14), classes=ClassMap(names=("a", "b", "c")), mean=(100.0,) * 2,
                std=(50.0,) * 2)  # fmt: skip
MIXINGS = [
    "mixup",
    {"name": "mixup", "alpha": 1.0, "probability": 0.5},
    "cutmix",
    {"name": "cutmix", "alpha": 0.4, "probability": 0.5},
]


def images_of(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, *SPEC.shape)).astype(np.float32))


def mixed(chosen: Any, samples: IndexArray, key: int = 1) -> tuple[torch.Tensor, Shares, torch.Tensor, torch.Tensor]:
    """Samples of a split of 50, mixed; their shares, what they were, and their partners."""
    images, mixer = images_of(50), Mixer(mixings.parse(chosen), SPEC, 50)
    own, others = images[samples], images[mixer.partners(key, samples)]
    result, shares = mixer(own, others, key, samples)
    return result, shares, own, others


def test_mixup_is_a_weighted_mean() -> None:
    result, shares, own, others = mixed("mixup", np.arange(50))
    expected = [share * one + (1 - share) * other for share, one, other in zip(shares, own, others, strict=True)]
    assert torch.allclose(result, torch.stack(expected).float(), atol=1e-4)
    assert shares.min() >= 0 and shares.max() <= 1 and len(np.unique(shares)) > 40


def test_cutmix_is_a_rectangle_of_the_partner() -> None:
    result, shares, own, others = mixed("cutmix", np.arange(50))
    assert len(np.unique(shares)) > 20
    for picture, share, one, other in zip(result, shares, own, others, strict=True):
        from_other = ((picture == other) & (picture != one)).any(dim=0)
        assert torch.equal(torch.where(from_other, other, one), picture)
        if from_other.any():
            rows, columns = torch.nonzero(from_other.any(dim=1)), torch.nonzero(from_other.any(dim=0))
            height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
            if not torch.equal(one, other):
                assert 1 - share == pytest.approx(height * width / 140, abs=1e-12)


def test_areas_of_cutmix_are_torchvisions() -> None:
    """Its formula, for draws of our own."""
    samples = np.arange(400)
    draws = rng.Streams(7, samples)
    _, across, down = draws.uniform(3).T
    left = draws.beta(1.0)
    images = torch.zeros(400, *SPEC.shape)
    _, shares = mixings.build(mixings.parse("cutmix"), SPEC)(images, images + 1, rng.Streams(7, samples))
    for share, x, y, keep in zip(shares, across, down, left, strict=True):
        half = 0.5 * np.sqrt(1 - keep)
        x, y, wide, high = int(x * 14), int(y * 10), int(half * 14), int(half * 10)
        box = (min(x + wide, 14) - max(x - wide, 0)) * (min(y + high, 10) - max(y - high, 0))
        assert share == pytest.approx(1 - box / 140, abs=1e-12)


@pytest.mark.parametrize("chosen", MIXINGS)
def test_mix_depends_on_epoch_and_index_alone(chosen: Any) -> None:
    whole, shares, *_ = mixed(chosen, np.arange(50))
    part = np.array([13, 2, 44])
    again, part_shares, *_ = mixed(chosen, part)
    assert torch.equal(again, whole[part]) and np.array_equal(part_shares, shares[part])
    assert not torch.equal(mixed(chosen, np.arange(50), key=2)[0], whole)
    if isinstance(chosen, dict):
        assert 10 < (shares == 1).sum() < 45, "left as they are"
    assert torch.equal(whole[shares == 1], images_of(50)[shares == 1])


def test_partners_are_any_samples_of_the_split() -> None:
    mixer = Mixer(mixings.parse("mixup"), SPEC, 20)
    partners = mixer.partners(3, np.arange(4000))
    assert np.bincount(partners, minlength=20).min() > 140, "200 each"


def setup_of(mix: Any, **changes: Any) -> EngineSetup:
    train = Split(images_of(24).numpy().astype(np.uint8), np.arange(24) % 3, np.arange(24))
    setup = EngineSetup(
        spec=SPEC, model=models.parse({"name": "cnn", "channels": (3,), "dense": (5,), "dropout": 0.0}),
        loss=losses.parse({"name": "cross_entropy", "label_smoothing": 0.1, "class_weights": {"a": 3.0}}),
        optimizer=optimizers.parse("sgd"), train=train, class_counts=np.array([8, 8, 8]), seed=1, batch_size=12,
        device="cpu", threads=1, precision="fp64", mix=None if mix is None else mixings.parse(mix),
    )  # fmt: skip
    return dataclasses.replace(setup, **changes)


@pytest.mark.parametrize("at", [np.arange(24)[::-1].copy(), np.arange(24), np.array([5, 1, 9]), np.arange(12)])
@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_loss_of_a_step_is_that_of_both_labels(mix: str, at: IndexArray) -> None:
    engine = TorchEngine(setup_of(mix))
    train = setup_of(mix).train
    assert train is not None
    mixer = Mixer(mixings.parse(mix), SPEC, 24)
    partners = mixer.partners(77, at)
    normal = (torch.from_numpy(np.asarray(train.inputs)).double() - 100) / 50
    inputs, shares = mixer(normal[at], normal[partners], 77, at)
    labels, others, share = (torch.from_numpy(each) for each in (train.labels[at], train.labels[partners], shares))
    engine.model.train()
    logits = engine.model(inputs).detach()
    weights = torch.tensor([3.0, 1.0, 1.0]).double()
    each = [
        cross_entropy(logits, answer, weights, label_smoothing=0.1, reduction="none") for answer in (labels, others)
    ]
    found = engine.train_step(at, 0.0, 0, 77)
    assert float(found.loss) == pytest.approx(float((share * each[0] + (1 - share) * each[1]).sum()), rel=1e-12)
    assert float(found.weight) == pytest.approx(float((share * weights[labels] + (1 - share) * weights[others]).sum()))
    likeliest = torch.where(share >= 0.5, labels, others)
    assert int(found.correct) == int((logits.argmax(dim=1) == likeliest).sum())
    assert found.samples == len(at)


def test_pieces_of_a_batch_make_the_same_step() -> None:
    results = []
    for pieces in (1, 3):
        engine = TorchEngine(setup_of("mixup", accumulate=pieces))
        step = engine.train_step(np.arange(9), 0.1, 0, 5)
        results.append((float(step.loss), int(step.correct), engine.model_state()))
    (loss, correct, state), (other_loss, other_correct, other_state) = results
    assert loss == pytest.approx(other_loss, rel=1e-12) and correct == other_correct
    for name, array in state.items():
        np.testing.assert_allclose(array, other_state[name], rtol=1e-10, atol=1e-12)


def test_what_is_scored_is_never_mixed() -> None:
    mixing, plain = TorchEngine(setup_of("mixup")), TorchEngine(setup_of(None))
    train = setup_of(None).train
    assert train is not None
    assert mixing.score(train).mean_loss == plain.score(train).mean_loss


def test_numpy_engine_refuses_before_data_is_read(laboratory: Any) -> None:
    with pytest.raises(ConfigError, match=r"train\.mix: engine 'scratch' has no mixing 'mixup'; it has: none"):
        load_config(laboratory.file("blobs"), {"train.mix": "mixup", "engine": "scratch"})
    with pytest.raises(ConfigError, match=r"train\.mix: 'cutmix' needs image data; 'blobs' has vector data"):
        load_config(laboratory.file("blobs"), {"train.mix": "cutmix"})
    with pytest.raises(ConfigError, match=r"train\.mix\.alpha: must be"):
        load_config(laboratory.file("digits"), {"train.mix": {"name": "mixup", "alpha": 1.5}})


def test_auto_takes_torch() -> None:
    spec = DataSpec(inputs="vector", shape=(2,), classes=SPEC.classes, mean=(0.0, 0.0), std=(1.0, 1.0))
    setup = setup_of("mixup", spec=spec, model=models.parse("mlp"), precision="fp32")
    assert choose_engine(setup) == ("torch", "mixing mixup")
    assert engines.build(Component("auto", engines.entry("auto").options()), setup).decisions["device"] == "cpu"
