"""Max pooling: each window of an image becomes its largest number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan


class MaxPool2D(Fixed):
    """(C, H, W, N) → (C, H / s, W / s, N), rounded down: the maximum of each window of s·s pixels.

    The windows do not overlap, so the pixels at one place of all windows make an array of the size of the output;
    the maximum is taken over these s·s arrays.
    """

    def __init__(self, layer: plan.MaxPool2D, memory: Memory) -> None:
        super().__init__(memory)
        self.size = layer.size

    def infer(self, x: Array) -> Array:
        self.x = x
        channels, height, width, count = x.shape
        out = self.memory("out", (channels, height // self.size, width // self.size, count))
        places = self._places(x)
        np.copyto(out, next(places))
        for place in places:
            np.maximum(out, place, out=out)
        self.out = out
        return out

    def backward(self, gradient: Array) -> Array:
        """dx = dout at the pixel that was the largest of its window, 0 elsewhere.

        Among equal pixels it is the first in reading order, as in torch. Pixels beyond the last window have no part.
        """
        dx = self.memory("dx", self.x.shape, fill=0)
        open_windows = np.ones(gradient.shape, np.bool_)
        for pixels, derivatives in zip(self._places(self.x), self._places(dx), strict=True):
            largest = np.equal(pixels, self.out)
            largest &= open_windows
            open_windows ^= largest
            np.multiply(gradient, largest, out=derivatives)
        return dx

    def branches(self) -> Array:
        winners: Array = np.argmax([place == self.out for place in self._places(self.x)], axis=0)
        return winners

    def _places(self, images: Array) -> Iterator[Array]:
        """For each place in a window, the pixels there of all windows."""
        height, width = (side // self.size * self.size for side in images.shape[1:3])
        for row in range(self.size):
            for column in range(self.size):
                yield images[:, row : height : self.size, column : width : self.size]
