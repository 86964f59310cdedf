"""A small residual network of our own that trains from nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from clfkit.components import backbones
from clfkit.data.bundle import DataSpec
from clfkit.models.activations import activation as make_activation
from clfkit.models.plan import Activation
from clfkit.models.stochastic_depth import stochastic_depth
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST_FIRST_STAGE = 40
"""Pixels of the shorter side that the first stage works on at most, if the stem may choose."""


@backbones.register("resnet_small", inputs="image")
def resnet_small(
    spec: DataSpec,
    *,
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (48, 96, 192),
    blocks: PositiveInt = 2,
    stem_stride: Literal["auto", 1, 2, 4] = "auto",
    drop_path: Fraction = 0.0,
    activation: Activation = "relu",
) -> nn.Module:
    """Residual blocks of two 3×3 convolutions, for images of 28 to 128 pixels and training from random weights.

    Images (N, C, H, W) → feature maps (N, channels[-1], h, w) with h = H / (stem_stride · 2^(stages-1)), rounded up.

    Blocks are those of He et al. 2015 (activation after the sum), each starting as the identity (the scale of its last
    norm is 0: Goyal et al. 2017). Stems of several 3×3 convolutions and shortcuts that average before they shrink are
    from He et al. 2019, "Bag of Tricks". Activation before the convolutions (He et al. 2016) is meant for networks of
    hundreds of layers.

    Options:
        channels: feature maps of each stage; their number is the number of stages. Each but the first halves the image.
        blocks: residual blocks of each stage.
        stem_stride: how much smaller the first convolutions make an image; auto keeps what fits 40 pixels, and
            halves larger ones once or twice.
        drop_path: share of the samples for which the last block is skipped in training (stochastic depth, Huang et al.
            2016); it rises linearly from the first block to the last.
        activation: applied after every convolution but a block's last, and after every block.
    """
    from torch import nn

    stride = _stem_stride(min(spec.shape[1:])) if stem_stride == "auto" else stem_stride
    layers: list[nn.Module] = []
    depth = spec.shape[0]
    for halving in [2] * (stride.bit_length() - 1) or [1]:
        layers += [*_convolution(depth, channels[0], halving), make_activation(activation)]
        depth = channels[0]
    total = len(channels) * blocks
    for stage, out in enumerate(channels):
        for block in range(blocks):
            rate = drop_path * (stage * blocks + block + 1) / total
            layers.append(_residual_block(depth, out, 2 if stage and not block else 1, rate, activation))
            depth = out
    network = nn.Sequential(*layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _stem_stride(side: int) -> int:
    """The smallest of 1, 2 and 4 that brings a side down to what the first stage can afford, or 4."""
    return next((stride for stride in (1, 2) if side <= LARGEST_FIRST_STAGE * stride), 4)


def _convolution(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    from torch import nn

    return (
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


def _residual_block(inputs: int, outputs: int, stride: int, drop: float, kind: Activation) -> nn.Module:
    """activation(shortcut(x) + branch(x)), where the branch is 0 at first and left out for a share of the samples."""
    from torch import nn

    last, last_norm = _convolution(outputs, outputs)
    nn.init.zeros_(last_norm.weight)
    branch = nn.Sequential(
        *_convolution(inputs, outputs, stride), make_activation(kind), last, last_norm, stochastic_depth(drop)
    )
    shortcut = nn.Sequential()
    if stride > 1:  # rounded up at the border, as the branch's convolution does
        shortcut.append(nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False))
    if inputs != outputs:
        shortcut.extend(_convolution(inputs, outputs, size=1))

    class ResidualBlock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branch = branch
            self.shortcut = shortcut
            self.activation = make_activation(kind)

        def forward(self, maps: Tensor) -> Tensor:
            summed: Tensor = self.activation(self.shortcut(maps) + self.branch(maps))
            return summed

    return ResidualBlock()
