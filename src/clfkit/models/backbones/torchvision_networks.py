"""Classification networks of torchvision as backbones, from scratch or from weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clfkit.components import backbones
from clfkit.data.bundle import DataSpec
from clfkit.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

NAMES = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d", "wide_resnet50_2", "mobilenet_v2",
    "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0", "efficientnet_b3", "efficientnet_v2_s",
    "convnext_tiny", "convnext_small", "densenet121", "vgg11_bn", "vgg16_bn", "squeezenet1_1", "mnasnet1_0",
    "shufflenet_v2_x1_0", "regnet_y_400mf", "regnet_y_3_2gf",
)  # fmt: skip
CLASSIFIERS = ("avgpool", "fc", "classifier")  # the parts behind the feature maps, by torchvision's names
CONVERSION = (
    """python -c "import torch, safetensors.torch as s; """
    """s.save_file(torch.load('x.pth', weights_only=True), 'x.safetensors')\""""
)


def _register(name: str) -> Callable[..., nn.Module]:
    def network(spec: DataSpec, *, weights: str | None = None) -> nn.Module:
        return _backbone(name, weights)

    network.__doc__ = f"""torchvision's {name}, without its classifier.

    Images (N, 1 or 3, H, W) → feature maps. Grey images are shown to all three colour channels.

    Options:
        weights: a .safetensors state dict of the whole network to start from, or `default` for torchvision's own
            (downloaded); empty starts from random weights.
    """
    return backbones.register(name, inputs="image")(network)


for _name in NAMES:
    _register(_name)


def _backbone(name: str, weights: str | None) -> nn.Module:
    from torch import nn

    from clfkit.vision import torchvision

    try:
        network = torchvision().models.get_model(name, weights="DEFAULT" if weights == "default" else None)
    except OSError as error:
        raise ModelError(f"backbone {name!r}: its weights cannot be downloaded ({error})") from None
    if weights and weights != "default":
        _load(network, Path(weights), name)
    body = nn.Sequential()
    for part, module in network.named_children():
        if part in CLASSIFIERS:
            break
        body.add_module(part, module)

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, images: Tensor) -> Tensor:
            maps: Tensor = self.body(images.expand(-1, 3, -1, -1))
            return maps

    return Backbone()


def _load(network: nn.Module, path: Path, name: str) -> None:
    """Load a state dict; a classifier of another size is left out, anything else must fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        raise ModelError(
            f"backbone {name!r}: weights {path}: only .safetensors files are read. A state dict of torch is turned "
            f"into one by: {CONVERSION}"
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"backbone {name!r}: weights {path} cannot be read: {_first_line(error)}") from None
    expected = network.state_dict()
    wanted = [key for key in expected if not key.startswith(CLASSIFIERS)]
    wrong = [key for key in wanted if key not in state or state[key].shape != expected[key].shape]
    if wrong:
        raise ModelError(f"backbone {name!r}: weights {path} lack or misshape {len(wrong)} tensors, first {wrong[0]!r}")
    network.load_state_dict({key: state[key] for key in wanted}, strict=False)


def _first_line(error: BaseException) -> str:
    """torch's refusal of a pickle goes on for a page about how to trust the file all the same."""
    return (str(error).splitlines() or [type(error).__name__])[0]
