"""Networks of the library timm as backbones, from scratch or from weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from clfkit.components import backbones
from clfkit.data.bundle import DataSpec
from clfkit.errors import ModelError
from clfkit.models.weight_files import load_weights
from clfkit.options import FirstWeights
from clfkit.wording import closest, shown

if TYPE_CHECKING:
    from torch import Tensor, nn


@backbones.register("timm", inputs="image")
def timm(spec: DataSpec, *, network: str, weights: Annotated[str | None, FirstWeights()] = None) -> nn.Module:
    """A network of timm by its name there, without its classifier; needs `pip install clfkit[timm]`.

    Images (N, 1 or 3, H, W) → feature maps, or (N, F, 1, 1) of a network of tokens. Grey images are shown to all three
    colour channels.

    Options:
        network: name of the network, as `timm.list_models()` has it.
        weights: a file with the state dict of the whole network to start from (.safetensors, .pth or .pt), or `default`
            for timm's own (downloaded); empty starts from random weights.
    """
    from torch import nn

    body = _network(network, weights == "default")
    _check_size(body, network, spec)
    if weights and weights != "default":
        named = body.pretrained_cfg.get("classifier") or "head"
        parts = {name.split(".")[0] for name in ([named] if isinstance(named, str) else named)}
        load_weights(body, Path(weights), f"backbone {network!r}", tuple(parts))

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, images: Tensor) -> Tensor:
            features: Tensor = self.body.forward_features(images.expand(-1, 3, -1, -1))
            if features.ndim == 4:
                first = features.shape[1] == self.body.num_features
                return features if first else features.permute(0, 3, 1, 2)
            pooled: Tensor = self.body.forward_head(features, pre_logits=True)
            return pooled[:, :, None, None]

    return Backbone()


def _network(name: str, pretrained: bool) -> Any:
    from clfkit.vision import torchvision

    try:
        torchvision()  # through its own door, since timm imports it
        import timm as library
    except ImportError:
        raise ModelError("backbone 'timm' needs the library timm: pip install clfkit[timm]") from None
    plain = name.split(".")[0]
    if not library.is_model(plain):
        near = closest(plain, library.list_models())
        raise ModelError(
            f"backbone 'timm': unknown network {shown(name)}" + (f"; did you mean {near!r}?" if near else "")
        )
    try:
        return library.create_model(name, pretrained=pretrained, num_classes=0)
    except (OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"backbone 'timm': network {shown(name)} cannot be made: {reason}") from None


def _check_size(body: Any, name: str, spec: DataSpec) -> None:
    size = body.pretrained_cfg.get("input_size", (3, *spec.shape[1:]))
    if body.pretrained_cfg.get("fixed_input_size") and tuple(size[1:]) != spec.shape[1:]:
        wanted, given = (" × ".join(map(str, sides)) for sides in (size[1:], spec.shape[1:]))
        raise ModelError(f"backbone {name!r}: takes images of {wanted} pixels only, not {given}")
