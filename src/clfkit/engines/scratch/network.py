"""The network: layers in a chain, and all that they learn in one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.engines.arrays import check_fit
from clfkit.engines.base import Arrays
from clfkit.engines.scratch.layers import Layer
from clfkit.engines.scratch.layers.batch_norm import BatchNorm
from clfkit.engines.scratch.layers.conv2d import Conv2D
from clfkit.engines.scratch.layers.dense import Dense
from clfkit.engines.scratch.layers.dropout import Dropout
from clfkit.engines.scratch.layers.flatten import Flatten
from clfkit.engines.scratch.layers.gelu import GELU
from clfkit.engines.scratch.layers.layer_norm import LayerNorm
from clfkit.engines.scratch.layers.leaky_relu import LeakyReLU
from clfkit.engines.scratch.layers.max_pool2d import MaxPool2D
from clfkit.engines.scratch.layers.relu import ReLU
from clfkit.engines.scratch.layers.sigmoid import Sigmoid
from clfkit.engines.scratch.layers.silu import SiLU
from clfkit.engines.scratch.layers.tanh import ElementaryTanh, Tanh
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan

ACTIVATIONS: Mapping[plan.Activation, type[Layer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "gelu": GELU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "tanh_elementary": ElementaryTanh,
}
LAYERS: Mapping[type, Callable[[Any, Memory], Layer]] = {
    plan.Dense: Dense,
    plan.Conv2D: Conv2D,
    plan.MaxPool2D: MaxPool2D,
    plan.BatchNorm: BatchNorm,
    plan.LayerNorm: LayerNorm,
    plan.Activate: lambda activate, memory: ACTIVATIONS[activate.kind](memory),
    plan.Dropout: Dropout,
    plan.Flatten: lambda flatten, memory: Flatten(memory),
}


class Network:
    """out = fₗ(… f₂(f₁(x))), and its gradient by the chain rule, from the last layer to the first.

    All that is learned lies in one vector, `weights`, and its gradient in another, `gradient`; layers hold views of
    their parts. What a penalty pulls to zero stands first: `weights[:decayed]`.
    """

    def __init__(self, design: plan.Plan, arrays: Arrays, dtype: npt.DTypeLike, *, decay_all: bool = False) -> None:
        self.layers = [LAYERS[type(layer)](layer, Memory(dtype)) for layer in design.layers]
        names = [(index, name) for index, layer in enumerate(self.layers) for name in layer.shapes]
        pulled = [(i, name) for i, name in names if decay_all or name in self.layers[i].decayed]
        order = pulled + [each for each in names if each not in pulled]
        self.shapes = {f"{i}.{name}": self.layers[i].shapes[name] for i, name in order}
        self.decayed = sum(prod(self.layers[i].shapes[name]) for i, name in pulled)
        size = sum(map(prod, self.shapes.values()))
        self.weights, self.gradient = np.empty(size, dtype), np.zeros(size, dtype)
        self._bind()
        self.load(arrays)
        self.random = any(layer.random for layer in self.layers)
        self._learning = next((i for i, layer in enumerate(self.layers) if layer.shapes), len(self.layers))

    def forward(self, x: Array, generator: np.random.Generator) -> Array:
        """Samples (…, N) → logits (outputs, N), in training."""
        for layer in self.layers:
            x = layer.forward(x, generator)
        return x

    def infer(self, x: Array) -> Array:
        """Samples (…, N) → logits (outputs, N), in evaluation."""
        for layer in self.layers:
            x = layer.infer(x)
        return x

    def backward(self, gradient: Array) -> None:
        """From the gradient of the logits to `gradient`, that of all weights.

        Layer by layer, ∂L/∂x of one is ∂L/∂out of the one before. It ends at the first layer that learns: nobody
        asks how the loss would change with the samples.
        """
        for layer in reversed(self.layers[self._learning + 1 :]):
            layer.learn(gradient)
            gradient = layer.backward(gradient)
        self.layers[self._learning].learn(gradient)

    def branches(self) -> list[Array]:
        """Which branches the functions with kinks took in the last `forward`."""
        return [branches for layer in self.layers if (branches := layer.branches()) is not None]

    def named(self, vector: Array) -> dict[str, Array]:
        """Views of the parts of a vector as long as `weights`, by the names of the weights."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            end = start + prod(shape)
            views[name] = vector[start:end].reshape(shape)
            start = end
        return views

    def arrays(self) -> Arrays:
        """Copies of weights and statistics by name."""
        return {name: np.array(array) for name, array in self._all().items()}

    def load(self, arrays: Arrays) -> None:
        """Put back what `arrays` returned. Raises CheckpointError if it does not fit."""
        mine = self._all()
        check_fit(arrays, {name: (array.shape, str(array.dtype)) for name, array in mine.items()})
        for name, array in mine.items():
            array[...] = arrays[name]

    def _all(self) -> dict[str, Array]:
        statistics = {
            f"{i}.{name}": array for i, layer in enumerate(self.layers) for name, array in layer.statistics.items()
        }
        return {**self.named(self.weights), **statistics}

    def _bind(self) -> None:
        weights, gradients = self.named(self.weights), self.named(self.gradient)
        for index, layer in enumerate(self.layers):
            layer.bind(
                {name: weights[f"{index}.{name}"] for name in layer.shapes},
                {name: gradients[f"{index}.{name}"] for name in layer.shapes},
            )
