"""Classification networks of torchvision as backbones, from scratch or from weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from clfkit.components import backbones
from clfkit.data.bundle import DataSpec
from clfkit.errors import ModelError
from clfkit.models.weight_files import load_published, load_weights
from clfkit.options import FirstWeights

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

FAMILIES = {
    "": ("alexnet", "googlenet", "inception_v3", "maxvit_t", "mobilenet_v2", "resnext50_32x4d"),
    "convnext_": ("base", "large", "small", "tiny"),
    "densenet": ("121", "161", "169", "201"),
    "efficientnet_": ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_l", "v2_m", "v2_s"),
    "mnasnet": ("0_5", "0_75", "1_0", "1_3"),
    "mobilenet_v3_": ("large", "small"),
    "regnet_x_": ("16gf", "1_6gf", "32gf", "3_2gf", "400mf", "800mf", "8gf"),
    "regnet_y_": ("128gf", "16gf", "1_6gf", "32gf", "3_2gf", "400mf", "800mf", "8gf"),
    "resnet": ("18", "34", "50", "101", "152"),
    "resnext101_": ("32x8d", "64x4d"),
    "shufflenet_v2_": ("x0_5", "x1_0", "x1_5", "x2_0"),
    "squeezenet": ("1_0", "1_1"),
    "swin_": ("b", "s", "t", "v2_b", "v2_s", "v2_t"),
    "vgg": ("11", "11_bn", "13", "13_bn", "16", "16_bn", "19", "19_bn"),
    "vit_": ("b_16", "b_32", "h_14", "l_16", "l_32"),
    "wide_resnet": ("101_2", "50_2"),
}
"""Every classification network of torchvision 0.28, written down so that a config is checked without importing it."""

NAMES = tuple(family + member for family, members in FAMILIES.items() for member in members)
CLASSIFIERS = ("avgpool", "flatten", "dropout", "fc", "classifier", "head", "heads")
"""The parts behind the feature maps, by torchvision's names."""

AUXILIARY = ("aux1", "aux2", "AuxLogits")
"""Classifiers at half the way, which help nobody but the training of 2015."""

WITH_AUXILIARY = ("googlenet", "inception_v3")
SIDE = 224
"""Pixels of a side of images that networks take which divide them into patches of fixed number."""


def _register(name: str) -> Callable[..., nn.Module]:
    def network(spec: DataSpec, *, weights: Annotated[str | None, FirstWeights()] = None) -> nn.Module:
        return _backbone(name, spec, weights)

    network.__doc__ = f"""torchvision's {name}, without its classifier.

    Images (N, 1 or 3, H, W) → feature maps. Grey images are shown to all three colour channels.

    Options:
        weights: a file with the state dict of the whole network to start from (.safetensors, .pth or .pt), or `default`
            for torchvision's own (downloaded); empty starts from random weights.
    """
    return backbones.register(name, inputs="image")(network)


for _name in NAMES:
    _register(_name)


def _backbone(name: str, spec: DataSpec, weights: str | None) -> nn.Module:
    from torch import nn

    from clfkit.vision import torchvision

    library = torchvision().models
    default = library.get_model_weights(name).DEFAULT if weights == "default" else None
    network: nn.Module = library.get_model(name, weights=None, **_options(name, default))
    transformer = name.startswith("vit_")
    if transformer or name == "maxvit_t":
        side = getattr(network, "image_size", SIDE)
        if spec.shape[1:] != (side, side):
            height, width = spec.shape[1:]
            raise ModelError(f"backbone {name!r}: takes images of {side} × {side} pixels only, not {height} × {width}")
    if default is not None:
        load_published(network, default, f"backbone {name!r}")
    if transformer:
        network.heads = nn.Identity()
    body: nn.Module = network if transformer else _before_the_classifier(network)
    if name.startswith("densenet"):
        body.add_module("relu", nn.ReLU(inplace=True))  # torchvision's stands in the network's own code
    if weights and default is None:
        load_weights(body, Path(weights), f"backbone {name!r}", (*CLASSIFIERS, *AUXILIARY))

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, images: Tensor) -> Tensor:
            maps: Tensor = self.body(images.expand(-1, 3, -1, -1))
            return maps[:, :, None, None] if transformer else maps

    return Backbone()


def _options(name: str, published: Any) -> dict[str, Any]:
    """How a network is built for first weights that are drawn, or for those that torchvision publishes."""
    options: dict[str, Any] = {}
    if name in WITH_AUXILIARY:
        options = {"aux_logits": published is not None, "init_weights": published is None}
    elif name.startswith("vit_") and published is not None:
        options["image_size"] = published.meta["min_size"][0]
    return options


def _before_the_classifier(network: nn.Module) -> nn.Module:
    """The parts of a network that make feature maps, one after the other, under their own names."""
    from torch import nn

    body = nn.Sequential()
    for part, module in network.named_children():
        if part in CLASSIFIERS:
            break
        if part not in AUXILIARY:
            body.add_module(part, nn.Sequential(*module) if isinstance(module, nn.ModuleList) else module)
    return body
