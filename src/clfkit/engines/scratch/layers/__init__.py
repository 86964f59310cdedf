"""Layers: one file each, a function of its inputs with the derivatives that learning needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from clfkit.engines.scratch.memory import Array, Memory


class Layer(ABC):
    """A function out = f(x; weights) and its derivatives.

    Samples stand last: x is (features, N) or (channels, height, width, N), one column a sample, as in the formulas
    of textbooks (W x + b). It is also the fast order: every operation runs along the samples, which lie side by side.
    Gradients are those of the mean loss L of the batch: dout = ∂L/∂out has the shape of out. A layer never changes
    the x that it is given; the gradient is its own, and dx may be written over it.
    """

    shapes: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    """Names and shapes of what it learns."""

    decayed: ClassVar[frozenset[str]] = frozenset()
    """Which of these are weights that a penalty pulls to zero; biases and scales are not."""

    random: ClassVar[bool] = False
    """Whether `forward` draws random numbers."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.weights: Mapping[str, Array] = {}
        self.gradients: Mapping[str, Array] = {}
        self.statistics: dict[str, Array] = {}

    def bind(self, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Take the arrays for the names in `shapes`: weights to compute with, gradients to write into."""
        self.weights, self.gradients = weights, gradients

    @abstractmethod
    def forward(self, x: Array, generator: np.random.Generator) -> Array:
        """out, in training. What the derivatives need of this call is kept until the next one."""

    @abstractmethod
    def infer(self, x: Array) -> Array:
        """out, in evaluation: nothing random, no statistics changed. Not between `forward` and `backward`, since layers
        that do the same in both keep what they are given."""

    def learn(self, gradient: Array) -> None:  # noqa: B027, most layers learn nothing
        """From dout to the gradients of the weights: writes into `gradients`."""

    @abstractmethod
    def backward(self, gradient: Array) -> Array:
        """From dout to dx = ∂L/∂x, to be called after `learn`."""

    def branches(self) -> Array | None:
        """Which branch of f each number of the last `forward` took, for functions with kinks; else None.

        Where a branch changes between two points, their difference quotient is no derivative.
        """
        return None


class Fixed(Layer):
    """A layer that does the same in training and in evaluation."""

    def forward(self, x: Array, generator: np.random.Generator) -> Array:
        return self.infer(x)
