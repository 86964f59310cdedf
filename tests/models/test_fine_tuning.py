"""Which layer of a network learns at which share of the rate."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

from clfkit.components import backbones, models
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.errors import ModelError
from clfkit.models.fine_tuning import LearnsAtRates, LearnsLater, layer_factors

SPEC = DataSpec(inputs="image", shape=(1, 8, 8), mean=(0.0,), std=(1.0,), classes=ClassMap(names=("a", "b", "c")))


def head(**options: Any) -> Any:
    backbone = {"name": "resnet_small", "channels": (2, 3), "blocks": 1}
    return models.build(models.parse({"name": "custom_head", "backbone": backbone, **options}), SPEC, 3)


def test_factors_fall_with_the_distance_from_the_head() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2))
    assert layer_factors(network, 0.5, 0.1) == pytest.approx(
        {
            "0.weight": 0.5e-2, "0.bias": 0.5e-2, "2.weight": 0.5e-1, "3.weight": 0.5e-1, "3.bias": 0.5e-1,
        }
    )  # fmt: skip


def test_a_lone_child_is_looked_into_and_a_parameter_beside_the_children_counts_as_first() -> None:
    network = nn.Sequential(nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)))
    network.register_parameter("token", nn.Parameter(torch.zeros(1)))
    assert layer_factors(network, 1.0, 0.5) == {"token": 0.25, "0.0.weight": 0.25, "0.1.weight": 0.5}
    assert layer_factors(nn.Linear(1, 1, bias=False), 3.0, 1.0) == {"weight": 3.0}
    assert layer_factors(nn.Sequential(nn.Linear(1, 1, bias=False)), 3.0, 0.5) == {"0.weight": 1.5}


def test_a_norm_before_all_layers_belongs_to_the_first() -> None:
    network = nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    factors = layer_factors(network, 1.0, 0.5)
    assert factors == {"0.weight": 0.25, "0.bias": 0.25, "1.weight": 0.25, "2.weight": 0.5}


@pytest.mark.parametrize(
    ("name", "layers"), [("vit_b_32", 13), ("swin_t", 16), ("regnet_y_400mf", 17), ("resnet18", 9), ("vgg11_bn", 8)]
)
def test_the_layers_of_a_backbone_are_its_blocks(name: str, layers: int) -> None:
    """vit: patches and 12 blocks; swin: the same and 3 mergings; the others: convolutions, or residual blocks."""
    images = SPEC.model_copy(update={"shape": (3, 224, 224)})
    with nullcontext() if name == "regnet_y_400mf" else torch.device("meta"):  # which draws nothing
        network = backbones.build(backbones.parse(name), images)
    factors = layer_factors(network, 1.0, 0.75)
    shares: Counter[float] = Counter()
    for parameter_name, parameter in network.named_parameters():
        shares[round(factors[parameter_name], 9)] += parameter.numel()
    assert sorted(shares) == pytest.approx([0.75**depth for depth in range(layers, 0, -1)], abs=1e-8)
    assert max(shares.values()) < 0.5 * shares.total()


def test_the_head_keeps_the_whole_rate() -> None:
    model = head(backbone_lr=0.1, layer_decay=0.5)
    assert isinstance(model, LearnsAtRates)
    factors = model.rate_factors()
    assert factors.keys() == {name for name, _ in model.named_parameters() if name.startswith("backbone.")}
    assert max(factors.values()) == pytest.approx(0.05)
    assert set(head().rate_factors().values()) == {1.0}


def test_a_frozen_backbone_learns_from_its_epoch_on() -> None:
    model = head(freeze=True, unfreeze_at=3)
    assert isinstance(model, LearnsLater)
    assert all(parameter.requires_grad for parameter in model.parameters())  # what the optimizer has to know
    for epoch, learns in ((1, False), (2, False), (3, True), (4, True), (2, False)):
        model.start_epoch(epoch)
        assert {parameter.requires_grad for parameter in model.backbone.parameters()} == {learns}
        assert model.backbone.training is learns
        assert model.train().backbone.training is learns
        assert model.head.training
        assert not model.eval().backbone.training
        model.train()
    assert all(parameter.requires_grad for parameter in model.head.parameters())


def test_a_backbone_that_is_frozen_for_good_stays_so() -> None:
    model = head(freeze=True)
    model.start_epoch(100)
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


def test_what_is_not_frozen_cannot_be_unfrozen() -> None:
    with pytest.raises(ModelError, match="unfreeze_at: needs freeze: true"):
        head(unfreeze_at=3)
