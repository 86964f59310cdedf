"""A backbone that turns images into features, and a head of your own shape that classifies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import PositiveInt

from clfkit.components import NoOptions, backbones, models
from clfkit.data.bundle import DataSpec
from clfkit.errors import ModelError
from clfkit.models.dense import dense_layers
from clfkit.models.modules import as_modules
from clfkit.models.plan import Activation, Norm
from clfkit.models.trial import refusals, shape_of_outputs
from clfkit.options import Fraction
from clfkit.registry import Component

if TYPE_CHECKING:
    from torch import Tensor, nn


@models.register("custom_head", inputs="image")
def custom_head(
    spec: DataSpec,
    outputs: int,
    *,
    backbone: Annotated[Component[NoOptions], backbones] = Component("conv", NoOptions()),
    freeze: bool = False,
    pooling: Literal["average", "max"] = "average",
    hidden: tuple[PositiveInt, ...] = (),
    activation: Activation = "relu",
    dropout: Fraction = 0.2,
    norm: Norm = "none",
) -> nn.Module:
    """A named backbone and a dense head: pool → dropout → hidden layers → logits.

    Images (N, C, H, W) → feature maps (N, F, h, w) → pooled (N, F) → logits (N, outputs).

    Options:
        backbone: the network that makes feature maps (`clfkit list backbones`).
        freeze: leave the backbone's weights and statistics as they are; only the head learns.
        pooling: how each feature map becomes one number.
        hidden: widths of the head's hidden layers.
        activation: applied after every hidden layer of the head.
        dropout: share of the head's inputs and hidden activations set to zero in training.
        norm: normalisation in the head's hidden layers.
    """
    from torch import nn

    with refusals(f"backbone {backbone.name!r}", spec):
        trunk: nn.Module = backbones.build(backbone, spec)
        maps = _feature_maps(trunk, spec, backbone.name)
    pool = nn.AdaptiveAvgPool2d(1) if pooling == "average" else nn.AdaptiveMaxPool2d(1)
    head = as_modules(dense_layers(maps, hidden, outputs, activation, dropout, norm))

    class CustomHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = trunk.requires_grad_(not freeze)
            self.head = nn.Sequential(pool, nn.Flatten(), nn.Dropout(dropout), *head)

        def train(self, mode: bool = True) -> CustomHead:
            super().train(mode)
            if freeze:  # a frozen backbone keeps its statistics and has no dropout
                self.backbone.eval()
            return self

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.backbone(images))
            return logits

    return CustomHead()


def _feature_maps(backbone: nn.Module, spec: DataSpec, name: str) -> int:
    """Number of feature maps that the backbone makes, found by a trial. Raises ModelError if it makes none."""
    shape = shape_of_outputs(backbone, spec)
    if shape is None or len(shape) != 4:
        raise ModelError(f"backbone {name!r} must return feature maps (N, F, h, w), not {shape or 'something else'}")
    return shape[1]
