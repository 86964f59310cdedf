"""Flatten: an image becomes a column of numbers."""

from __future__ import annotations

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


class Flatten(Fixed):
    """(channels, height, width, N) → (channels · height · width, N). The numbers stay where they are in memory."""

    def infer(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(-1, x.shape[-1])

    def backward(self, gradient: Array) -> Array:
        """dx is dout in the shape of x, since every number is passed on as it is."""
        return gradient.reshape(self.shape)
