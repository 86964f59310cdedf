"""Dropout: training with a random part of the numbers left out."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Layer
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan

STEPS = 2**16
"""A mask is drawn from 16 random bits a number: a quarter of the draws that floats would take."""


class Dropout(Layer):
    """out = m x in training with a random mask m, out = x in evaluation (Srivastava et al. 2014), "inverted".

    m is 0 with probability `rate`, else 1 / (1 - rate), so that its mean is 1 and evaluation needs no factor. The
    probability is rounded to 1/65,536, and the factor made to fit it exactly.
    """

    random = True

    def __init__(self, layer: plan.Dropout, memory: Memory) -> None:
        super().__init__(memory)
        kept = max(round((1 - layer.rate) * STEPS), 1)
        self.last_kept, self.factor = np.uint16(kept - 1), STEPS / kept

    def forward(self, x: Array, generator: np.random.Generator) -> Array:
        bits = generator.bit_generator.random_raw(-(-x.size // 4)).view(np.uint16)  # four numbers of 16 bits each
        kept = np.less_equal(bits[: x.size].reshape(x.shape), self.last_kept)
        self.mask = self.memory("mask", x.shape)
        np.copyto(self.mask, kept)
        self.mask *= self.factor
        out: Array = np.multiply(x, self.mask, out=self.memory("out", x.shape))
        return out

    def infer(self, x: Array) -> Array:
        return x

    def backward(self, gradient: Array) -> Array:
        """dx = m dout: what was left out has no part in the loss, what was kept counted 1 / (1 - rate) times."""
        dx: Array = np.multiply(gradient, self.mask, out=gradient)
        return dx
