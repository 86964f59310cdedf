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

    def adjusted(self, offsets: Array) -> ScratchLoss:
        """This loss on logits to which the offsets (outputs,) were added; see `clfkit.losses.offsets_of`."""
        return Adjusted(self, offsets)


class Adjusted(ScratchLoss):
    """L(z + offsets, y) for another loss L, whose gradient is L's there; predictions follow from z itself."""

    def __init__(self, loss: ScratchLoss, offsets: Array) -> None:
        super().__init__(loss.weights)
        self.outputs = loss.outputs
        self._loss, self._offsets = loss, offsets[:, None]

    def allocate(self, memory: Memory) -> None:
        super().allocate(memory)
        self._loss.allocate(memory)
        self._offsets = self._offsets.astype(memory.dtype)

    def forward(self, logits: Array, labels: IndexArray) -> float:
        return self._loss.forward(logits + self._offsets, labels)

    def backward(self, scale: float) -> Array:
        return self._loss.backward(scale)

    def probabilities(self, logits: Array) -> Array:
        return self._loss.probabilities(logits)

    def predicted(self, logits: Array) -> IndexArray:
        return self._loss.predicted(logits)
