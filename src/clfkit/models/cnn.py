"""The small convolutional network of textbooks: three convolutions and a dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt

from clfkit.components import models
from clfkit.models.dense import dense_layers
from clfkit.models.plan import (
    NON_DECREASING,
    Activate,
    Activation,
    BatchNorm,
    Conv2D,
    Flatten,
    Initialisation,
    Layer,
    MaxPool2D,
    Plan,
)  # fmt: skip
from clfkit.options import Fraction

if TYPE_CHECKING:
    from clfkit.data.bundle import DataSpec


@models.register("cnn", inputs="image", engine=None)
def cnn(
    spec: DataSpec,
    outputs: int,
    *,
    channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128),
    dense: tuple[PositiveInt, ...] = (256,),
    dropout: Fraction = 0.5,
    activation: Activation = "relu",
    batch_norm: bool = False,
    init: Initialisation = "uniform",
) -> Plan:
    """Blocks of 3×3 convolution, activation and 2×2 max pooling, then a dense head with dropout.

    Images (N, C, H, W) of any size → logits (N, outputs). Pooling is left out once a side is down to one pixel,
    so that any number of blocks fits any image.

    Options:
        channels: output channels of each block; their number is the depth.
        dense: widths of the hidden dense layers after the blocks.
        dropout: share of the dense activations set to zero in training.
        activation: applied after every convolution and hidden dense layer.
        batch_norm: normalise after every convolution.
        init: first weights: uniform as in torch, he (suits ReLU) or glorot (suits tanh).
    """
    depth, height, width = spec.shape
    layers: list[Layer] = []
    for out in channels:
        layers.append(Conv2D(depth, out))
        if batch_norm:
            layers.append(BatchNorm(out, spatial=True))
        block: list[Layer] = [Activate(activation)]
        if min(height, width) > 1:
            # max(f(x)) = f(max(x)) where f never falls, and after pooling there is a quarter of the work for f.
            block.insert(0 if activation in NON_DECREASING else 1, MaxPool2D(2))
            height, width = height // 2, width // 2
        layers += block
        depth = out
    head = dense_layers(depth * height * width, dense, outputs, activation, dropout, norm="none")
    return Plan((*layers, Flatten(), *head), init)
