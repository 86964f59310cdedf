"""The convolutional layer: the same small weighted sum at every place of an image."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan


class Conv2D(Fixed):
    """out_o = Σ over channels c and window places (i, j) of W_ocij x_c(y·s + i, x·s + j), plus b_o, on padded images.

    x (C, H, W, N), W (O, C, k, k), b (O,), out (O, H', W', N). Every window of k·k pixels in C channels is written
    as a column of a matrix ("im2col", Chellapilla, Puri and Simard 2006); the layer is then one product of matrices:
    W as (O, C·k·k) times columns (C·k·k, H'·W'·N). With the samples last, a column's number is copied for a whole
    row of places and all samples at once.
    """

    decayed = frozenset({"weight"})

    def __init__(self, layer: plan.Conv2D, memory: Memory) -> None:
        super().__init__(memory)
        self.size, self.stride, self.padding = layer.size, layer.stride, layer.padding
        self.shapes = {"weight": (layer.outputs, layer.inputs, layer.size, layer.size), "bias": (layer.outputs,)}

    def infer(self, x: Array) -> Array:
        self.shape = x.shape
        weight, bias = self.weights["weight"], self.weights["bias"]
        windows = self._windows(self._padded(x))
        columns = self.memory("columns", windows.shape)
        np.copyto(columns, windows)
        self.columns = columns.reshape(weight[0].size, -1)
        out = self.memory("out", (len(weight), self.columns.shape[1]))
        np.dot(weight.reshape(len(weight), -1), self.columns, out=out)
        out += bias[:, None]
        return out.reshape(len(weight), *windows.shape[3:])

    def learn(self, gradient: Array) -> None:
        """dW = dout columnsᵀ and db = Σ dout over places and samples.

        With the columns as x this is the dense layer, and its derivation: every place of every image is a sample.
        """
        weight, bias = self.gradients["weight"], self.gradients["bias"]
        rows = gradient.reshape(len(weight), -1)
        np.dot(rows, self.columns.T, out=weight.reshape(len(weight), -1))
        np.dot(rows, self.memory("ones", (rows.shape[1],), fill=1), out=bias)

    def backward(self, gradient: Array) -> Array:
        """dcolumns = Wᵀ dout, then every number of it is added to the pixel that it was copied from ("col2im").

        A pixel stands in up to k·k columns, one for each place that it has in a window, and reaches the loss through
        all of them. For one place (i, j) the pixels of all windows are a shifted view of the image, so the sum is
        k·k additions of whole images.
        """
        weight = self.weights["weight"]
        columns = self.memory("dcolumns", self.columns.shape)
        np.dot(weight.reshape(len(weight), -1).T, gradient.reshape(len(weight), -1), out=columns)
        channels, height, width, count = self.shape
        padding = self.padding
        padded = self.memory("dpadded", (channels, height + 2 * padding, width + 2 * padding, count))
        padded.fill(0)
        windows = self._windows(padded)
        parts = columns.reshape(windows.shape)
        for row in range(self.size):
            for column in range(self.size):
                windows[:, row, column] += parts[:, row, column]
        return padded[:, padding : padding + height, padding : padding + width]

    def _padded(self, x: Array) -> Array:
        """The images with a border of zeros."""
        if not self.padding:
            return x
        channels, height, width, count = x.shape
        border = self.padding
        padded = self.memory("padded", (channels, height + 2 * border, width + 2 * border, count), fill=0)
        padded[:, border : border + height, border : border + width] = x
        return padded

    def _windows(self, images: Array) -> Array:
        """All windows as a view (C, k, k, H', W', N): nothing is copied, pixels appear as often as they are used."""
        channels, height, width, count = images.shape
        across, down, right, sample = images.strides
        places = ((height - self.size) // self.stride + 1, (width - self.size) // self.stride + 1)
        return as_strided(
            images,
            (channels, self.size, self.size, *places, count),
            (across, down, right, down * self.stride, right * self.stride, sample),
        )
