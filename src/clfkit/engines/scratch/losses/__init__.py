"""Losses: one file each, from logits and labels to a number and its gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod

from clfkit.data.bundle import IndexArray
from clfkit.engines.scratch.memory import Array, Memory


class ScratchLoss(ABC):
    """A loss as a weighted sum over samples; training minimises the sum divided by the sum of the weights.

    logits are (outputs, N), labels (N,). `outputs` is the number of logits that it needs for a sample.
    """

    outputs: int

    def __init__(self, weights: Array | None) -> None:
        self.weights = self.exact_weights = weights

    def allocate(self, memory: Memory) -> None:
        """Work in this memory, with numbers of its type."""
        self.memory = memory
        if self.weights is not None:
            self.weights = self.weights.astype(memory.dtype)

    def weight(self, labels: IndexArray) -> float:
        """Sum of the weights of these labels, in float64; their number if all classes weigh the same."""
        return float(len(labels)) if self.exact_weights is None else float(self.exact_weights.take(labels).sum())

    @abstractmethod
    def forward(self, logits: Array, labels: IndexArray) -> float:
        """The sum of the weighted losses."""

    @abstractmethod
    def backward(self, scale: float) -> Array:
        """The gradient of `scale` times that sum with respect to the logits of the last `forward`."""

    @abstractmethod
    def probabilities(self, logits: Array) -> Array:
        """(outputs, N) → (K, N)."""

    def predicted(self, logits: Array) -> IndexArray:
        """(outputs, N) → the most probable class of each sample (N,), the lowest index among equals."""
        best: IndexArray = logits.argmax(axis=0)
        return best
