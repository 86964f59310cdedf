"""A plain convolutional backbone that trains from nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt

from clfkit.components import backbones
from clfkit.data.bundle import DataSpec

if TYPE_CHECKING:
    from torch import nn


@backbones.register("conv", inputs="image")
def conv(
    spec: DataSpec, *, channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (48, 96, 192)
) -> nn.Module:
    """Stages of two 3×3 convolutions with batch norm and ReLU, halving the image between stages.

    Images (N, C, H, W) → feature maps (N, channels[-1], ~H / 2^(stages-1), ~W / 2^(stages-1)).

    Options:
        channels: feature maps of each stage; their number is the number of stages.
    """
    from torch import nn

    layers: list[nn.Module] = []
    depth, side = spec.shape[0], min(spec.shape[1:])
    for stage, out in enumerate(channels):
        if stage and side > 1:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        for incoming in (depth, out):
            layers += [
                nn.Conv2d(incoming, out, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
            ]  # fmt: skip
        depth = out
    return nn.Sequential(*layers)
