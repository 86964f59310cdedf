"""A plan: the layers of a network in order, said without any engine, so that every engine can build it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Activation = Literal["relu", "leaky_relu", "gelu", "tanh", "sigmoid", "silu", "tanh_elementary"]
Norm = Literal["none", "batch", "layer"]
Initialisation = Literal["uniform", "he", "glorot"]

NON_DECREASING: frozenset[Activation] = frozenset({"relu", "leaky_relu", "tanh", "sigmoid", "tanh_elementary"})
"""Activations that commute with taking a maximum."""


@dataclass(frozen=True)
class Dense:
    """(inputs, N) → (outputs, N): W x + b with W (outputs, inputs)."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Conv2D:
    """(inputs, H, W) → (outputs, H', W'): one kernel (inputs, size, size) and one bias for each output channel.

    H' = (H + 2 padding - size) / stride + 1, rounded down, and W' alike.
    """

    inputs: int
    outputs: int
    size: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True)
class MaxPool2D:
    """(C, H, W) → (C, H / size, W / size), rounded down: the largest number of each window."""

    size: int = 2


@dataclass(frozen=True)
class BatchNorm:
    """Standardises each feature or channel over the batch, then scales and shifts it (Ioffe and Szegedy 2015)."""

    features: int
    spatial: bool = False
    momentum: float = 0.1
    eps: float = 1e-5


@dataclass(frozen=True)
class LayerNorm:
    """Standardises each sample over its features, then scales and shifts them (Ba, Kiros and Hinton 2016)."""

    features: int
    eps: float = 1e-5


@dataclass(frozen=True)
class Activate:
    """Applies an activation to every number."""

    kind: Activation


@dataclass(frozen=True)
class Dropout:
    """Sets the share `rate` of the numbers to zero in training and multiplies the others by 1 / (1 - rate)."""

    rate: float


@dataclass(frozen=True)
class Flatten:
    """(C, H, W) → (C·H·W,); nothing to do for what is flat."""


Layer = Dense | Conv2D | MaxPool2D | BatchNorm | LayerNorm | Activate | Dropout | Flatten


@dataclass(frozen=True)
class Plan:
    """The layers of a network, and how its first weights are drawn.

    The arrays of layer i are called `i.weight`, `i.bias` and so on in every engine and every checkpoint, as in a
    torch Sequential, so that one engine can go on with what another one trained.
    """

    layers: tuple[Layer, ...]
    init: Initialisation = "uniform"

    def first_arrays(self, generator: np.random.Generator) -> Mapping[str, npt.NDArray[Any]]:
        """All weights and statistics before training, in float64. Drawn in the order of the layers.

        uniform: weights and biases from U(-b, b) with b = 1 / √fan_in, which is what torch's layers start from.
        he: weights from N(0, 2 / fan_in), biases 0 (He et al. 2015, for ReLU).
        glorot: weights from U(-b, b) with b = √(6 / (fan_in + fan_out)), biases 0 (Glorot and Bengio 2010).
        fan_in is the number of inputs that one output is made of, fan_out that of outputs which one input goes to.
        """
        arrays: dict[str, npt.NDArray[Any]] = {}
        for index, layer in enumerate(self.layers):
            for name, array in _first(layer, self.init, generator).items():
                arrays[f"{index}.{name}"] = array
        return arrays

    def multiplications(self, shape: tuple[int, ...]) -> list[int]:
        """Products of a weight and a number that each linear layer forms of one sample of that shape, in order.

        shape: (features,) or (channels, height, width), that of the samples.
        """
        counts: list[int] = []
        for layer in self.layers:
            if isinstance(layer, Dense):
                counts.append(layer.inputs * layer.outputs)
            elif isinstance(layer, Conv2D):
                sides = [(side + 2 * layer.padding - layer.size) // layer.stride + 1 for side in shape[1:]]
                shape = (layer.outputs, *sides)
                counts.append(layer.inputs * layer.size**2 * math.prod(shape))
            elif isinstance(layer, MaxPool2D):
                shape = (shape[0], *(side // layer.size for side in shape[1:]))
        return counts


def _first(layer: Layer, init: Initialisation, generator: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    import numpy as np

    if isinstance(layer, Dense):
        return _weights((layer.outputs, layer.inputs), 1, init, generator)
    if isinstance(layer, Conv2D):
        shape = (layer.outputs, layer.inputs, layer.size, layer.size)
        return _weights(shape, layer.size**2, init, generator)
    if isinstance(layer, LayerNorm):
        return {"weight": np.ones(layer.features), "bias": np.zeros(layer.features)}
    if isinstance(layer, BatchNorm):
        return {
            "weight": np.ones(layer.features), "bias": np.zeros(layer.features),
            "running_mean": np.zeros(layer.features), "running_var": np.ones(layer.features),
            "num_batches_tracked": np.array(0, np.int64),
        }  # fmt: skip
    return {}


def _weights(
    shape: tuple[int, ...], positions: int, init: Initialisation, generator: np.random.Generator
) -> dict[str, npt.NDArray[Any]]:
    """Weight (outputs, inputs, …) and bias (outputs,) of a linear layer that looks at `positions` places at once."""
    import numpy as np

    fan_in, fan_out = shape[1] * positions, shape[0] * positions
    if init == "he":
        weight, bias = generator.normal(0.0, np.sqrt(2 / fan_in), shape), np.zeros(shape[0])
    elif init == "glorot":
        bound = np.sqrt(6 / (fan_in + fan_out))
        weight, bias = generator.uniform(-bound, bound, shape), np.zeros(shape[0])
    else:
        bound = 1 / np.sqrt(fan_in)
        weight, bias = generator.uniform(-bound, bound, shape), generator.uniform(-bound, bound, shape[0])
    return {"weight": weight, "bias": bias}
