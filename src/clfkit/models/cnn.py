"""The small convolutional network of textbooks: three convolutions and a dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt

from clfkit.components import models
from clfkit.data.bundle import DataSpec
from clfkit.models.activations import Activation
from clfkit.models.activations import activation as activation_module
from clfkit.models.dense import dense_layers
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch import nn


@models.register("cnn", inputs="image")
def cnn(
    spec: DataSpec,
    outputs: int,
    *,
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128),
    dense: tuple[PositiveInt, ...] = (256,),
    dropout: Fraction = 0.5,
    activation: Activation = "relu",
    batch_norm: bool = False,
) -> nn.Module:
    """Blocks of 3×3 convolution, activation and 2×2 max pooling, then a dense head with dropout.

    Images (N, C, H, W) of any size → logits (N, outputs). Pooling is left out once a side is down to one pixel,
    so that any number of blocks fits any image.

    Options:
        channels: output channels of each block; their number is the depth.
        dense: widths of the hidden dense layers after the blocks.
        dropout: share of the dense activations set to zero in training.
        activation: applied after every convolution and hidden dense layer.
        batch_norm: normalise after every convolution.
    """
    from torch import nn

    depth, height, width = spec.shape
    layers: list[nn.Module] = []
    for out in channels:
        layers.append(nn.Conv2d(depth, out, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out))
        layers.append(activation_module(activation))
        if min(height, width) > 1:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        depth = out
    layers.append(nn.Flatten())
    head = dense_layers(depth * height * width, dense, outputs, activation, dropout, norm="none")
    return nn.Sequential(*layers, *head)
