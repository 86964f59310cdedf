"""Networks of timm as backbones."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clfkit.components import backbones
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.errors import ModelError
from clfkit.vision import torchvision

torchvision()
timm = pytest.importorskip("timm")


def build(network: str, *shape: int, **options: Any) -> nn.Module:
    depth, classes = shape[0], ClassMap(names=("a", "b"))
    spec = DataSpec(inputs="image", shape=shape, mean=(0.0,) * depth, std=(1.0,) * depth, classes=classes)
    made: nn.Module = backbones.build(backbones.parse({"name": "timm", "network": network, **options}), spec)
    return made


@pytest.mark.parametrize(
    ("network", "side", "maps"),
    [
        ("resnet10t", 64, (512, 2, 2)), ("mobilenetv3_small_050", 32, (288, 1, 1)),
        ("swin_tiny_patch4_window7_224", 224, (768, 7, 7)), ("vit_tiny_patch16_224", 224, (192, 1, 1)),
    ],
)  # fmt: skip
def test_networks_give_maps(network: str, side: int, maps: tuple[int, int, int]) -> None:
    made = build(network, 1, side, side).eval()
    with torch.no_grad():
        assert made(torch.rand(2, 1, side, side)).shape == (2, *maps)


def test_weights_come_from_a_file_and_its_classifier_stays_behind(tmp_path: Path) -> None:
    theirs = timm.create_model("resnet10t", num_classes=7).eval()
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "w.pth")
    mine = build("resnet10t", 3, 32, 32, weights=str(tmp_path / "w.pth")).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(mine(images), theirs.forward_features(images))


def test_a_slip_in_the_name_is_told() -> None:
    with pytest.raises(ModelError, match="unknown network 'resnet10x'; did you mean 'resnet10t'"):
        build("resnet10x", 3, 32, 32)


def test_a_network_of_one_size_says_it() -> None:
    with pytest.raises(ModelError, match="takes images of 224 × 224 pixels only, not 32 × 32"):
        build("vit_tiny_patch16_224", 3, 32, 32)


def test_without_the_library_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r"needs the library timm: pip install clfkit\[timm\]"):
        build("resnet10t", 3, 32, 32)
