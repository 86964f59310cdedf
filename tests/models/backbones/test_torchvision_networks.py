"""Every classification network of torchvision gives feature maps, whatever its own parts are called."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clfkit.components import backbones
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.errors import ModelError
from clfkit.models.backbones.torchvision_networks import CLASSIFIERS, NAMES
from clfkit.vision import torchvision

TOKENS = [name for name in NAMES if name.startswith("vit_")]
DRAWS = (
    "uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "kaiming_uniform_", "kaiming_normal_",
    "xavier_uniform_",
)  # fmt: skip


@pytest.fixture
def without_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """First weights are left undrawn, so that the largest networks are made at once and take no memory."""
    for name in DRAWS:
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


def spec_of(*shape: int) -> DataSpec:
    depth = shape[0]
    classes = ClassMap(names=("a", "b"))
    return DataSpec(inputs="image", shape=shape, mean=(0.0,) * depth, std=(1.0,) * depth, classes=classes)


def build(name: str, *shape: int, **options: Any) -> nn.Module:
    network: nn.Module = backbones.build(backbones.parse({"name": name, **options}), spec_of(*shape))
    return network


def test_the_names_are_torchvisions() -> None:
    models = torchvision().models
    assert sorted(NAMES) == sorted(models.list_models(module=models))
    assert len(NAMES) == 80


@pytest.mark.slow
@pytest.mark.usefixtures("without_draws")
@pytest.mark.parametrize("name", NAMES)
def test_every_network_gives_maps(name: str) -> None:
    """Traced on torch's meta device, which has shapes and no numbers."""
    network = build(name, 1, 224, 224).to("meta")
    maps = network.eval()(torch.empty(2, 1, 224, 224, device="meta"))
    assert maps.shape[0] == 2 and maps.ndim == 4
    assert (maps.shape[2:] == (1, 1)) == (name in TOKENS)
    if name not in TOKENS:
        assert maps.shape[2] == maps.shape[3] == {"inception_v3": 5, "alexnet": 6}.get(name, maps.shape[2])
        assert 5 <= maps.shape[2] <= 13


@pytest.mark.parametrize(
    ("name", "side", "classifier"),
    [
        ("shufflenet_v2_x0_5", 32, "fc"), ("swin_t", 32, "head"), ("googlenet", 64, "fc"), ("vit_b_32", 224, "heads"),
    ],
)  # fmt: skip
def test_maps_are_what_the_classifier_gets(name: str, side: int, classifier: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        theirs = torchvision().models.get_model(name, weights=None, **options).eval()
    save_file({key: tensor.contiguous() for key, tensor in theirs.state_dict().items()}, tmp_path / "w.safetensors")
    mine = build(name, 3, side, side, weights=str(tmp_path / "w.safetensors")).eval()
    images = torch.rand(2, 3, side, side)
    with torch.no_grad():
        logits = getattr(theirs, classifier)(mine(images).mean((2, 3)))
        torch.testing.assert_close(logits, theirs(images))


SMALL = {
    "alexnet": 64, "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "googlenet": 32, "inception_v3": 80,
    "maxvit_t": 224, "mnasnet0_5": 32, "mobilenet_v2": 32, "mobilenet_v3_small": 32, "regnet_y_400mf": 32,
    "resnet18": 32, "shufflenet_v2_x0_5": 32, "squeezenet1_1": 32, "swin_v2_t": 32, "vgg11_bn": 32, "vit_b_32": 224,
}  # fmt: skip
"""A small network of each of torchvision's files, and the side of images for it."""


@pytest.mark.usefixtures("without_draws")
@pytest.mark.parametrize(("name", "side"), SMALL.items(), ids=SMALL)
def test_nothing_is_lost_between_maps_and_classifier(name: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchvision's own code hands to the first part behind the maps, averaged or not, from the same modules."""
    caught: list[torch.Tensor] = []
    make = torchvision().models.get_model
    options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    theirs = make(name, weights=None, **options)
    monkeypatch.setattr(torchvision().models, "get_model", lambda *_, **__: theirs)
    mine = build(name, 3, side, side).eval()
    with torch.no_grad():
        for key, parameter in mine.named_parameters():
            parameter.fill_(key.endswith("weight")) if parameter.ndim == 1 else parameter.normal_(std=0.05)
    for part in CLASSIFIERS:
        if isinstance(behind := getattr(theirs, part, None), nn.Module):
            behind.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].clone()))
    images = torch.rand(1, 3, side, side)
    with torch.no_grad():
        theirs.eval()(images)
        maps = mine(images)
    assert maps.std() > 0
    torch.testing.assert_close(maps if caught[0].ndim == 4 else maps.mean((2, 3)), caught[0])


def test_every_file_of_torchvision_is_looked_at() -> None:
    files = [{torchvision().models.get_model_builder(name).__module__ for name in names} for names in (NAMES, SMALL)]
    assert files[0] == files[1]


@pytest.mark.usefixtures("without_draws")
@pytest.mark.parametrize("name", ["vit_b_32", "maxvit_t"])
def test_networks_of_one_size_say_it(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name}.*224 × 224 pixels only, not 32 × 48"):
        build(name, 3, 32, 48)


def test_published_weights_of_another_size_say_it_before_they_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("downloads"))
    with torch.device("meta"), pytest.raises(ModelError, match=r"vit_h_14.*518 × 518 pixels only, not 224 × 224"):
        build("vit_h_14", 3, 224, 224, weights="default")
