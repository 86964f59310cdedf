"""The residual network of our own: sizes, the identity at the start, stochastic depth, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from clfkit.components import backbones
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.models.activations import activation


def build(shape: tuple[int, int, int], **options: Any) -> nn.Module:
    depth = shape[0]
    classes = ClassMap(names=("a", "b"))
    spec = DataSpec(inputs="image", shape=shape, mean=(0.0,) * depth, std=(1.0,) * depth, classes=classes)
    torch.manual_seed(0)
    network: nn.Module = backbones.build(backbones.parse({"name": "resnet_small", **options}), spec)
    return network


@pytest.mark.parametrize(
    ("shape", "maps"),
    [
        ((1, 28, 28), (7, 7)), ((3, 40, 60), (10, 15)), ((3, 41, 41), (6, 6)), ((3, 64, 64), (8, 8)),
        ((3, 128, 128), (8, 8)), ((3, 160, 96), (10, 6)), ((1, 1, 1), (1, 1)), ((2, 1, 9), (1, 3)),
    ],
)  # fmt: skip
def test_images_of_any_size_give_maps(shape: tuple[int, int, int], maps: tuple[int, int]) -> None:
    network = build(shape, channels=(4, 5, 6), blocks=1)
    outputs = network(torch.rand(2, *shape))
    assert outputs.shape == (2, 6, *maps)
    outputs.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(("stride", "side"), [(1, 24), (2, 12), (4, 6)])
def test_the_stem_shrinks_as_asked(stride: int, side: int) -> None:
    assert build((1, 24, 24), channels=(2,), stem_stride=stride)(torch.rand(2, 1, 24, 24)).shape[2:] == (side, side)


@pytest.mark.parametrize("training", [False, True])
def test_every_block_starts_as_its_shortcut(training: bool) -> None:
    network = build((3, 16, 16), channels=(4, 8), blocks=3, activation="silu").train(training)
    maps = torch.rand(4, 3, 16, 16)
    seen = 0
    with torch.no_grad():
        for layer in network:
            outputs = layer(maps)
            if hasattr(layer, "shortcut"):
                torch.testing.assert_close(outputs, activation("silu")(layer.shortcut(maps)))
                seen += 1
            maps = outputs
    assert seen == 6


def test_depth_is_stages_times_blocks() -> None:
    network = build((1, 28, 28), channels=(4, 4, 8, 8), blocks=3)
    assert sum(isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) for m in network.modules()) == 1 + 2 * 12


def test_the_share_of_skipped_branches_rises_with_depth() -> None:
    network = build((1, 8, 8), channels=(2, 2), blocks=2, drop_path=0.4)
    assert [repr(m) for m in network.modules() if "StochasticDepth" in type(m).__name__] == [
        f"StochasticDepth(rate={rate})" for rate in (0.1, 0.2, 0.3, 0.4)
    ]
    assert not any("StochasticDepth" in type(m).__name__ for m in build((1, 8, 8)).modules())


def test_it_learns_from_nothing() -> None:
    network = nn.Sequential(build((1, 12, 12), channels=(8, 16), blocks=1, drop_path=0.1), nn.AdaptiveAvgPool2d(1))
    model = nn.Sequential(network, nn.Flatten(), nn.Linear(16, 2))
    images = torch.rand(64, 1, 12, 12)
    labels = torch.arange(64) % 2
    images[labels == 1, :, 3:6, 3:6] += 1
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(60):  # after 30 all are right in training mode, but the running statistics lag behind the weights
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert (model.eval()(images).argmax(1) == labels).float().mean() > 0.95
