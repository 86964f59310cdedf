"""Sigmoid: the logistic function."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


def sigmoid(x: Array, out: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2, which cannot overflow. Written into `out`."""
    np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out += 1
    out *= 0.5
    return out


class Sigmoid(Fixed):
    """out = σ(x) = 1 / (1 + e⁻ˣ), between 0 and 1."""

    def infer(self, x: Array) -> Array:
        self.out = sigmoid(x, self.memory("out", x.shape))
        return self.out

    def backward(self, gradient: Array) -> Array:
        """dx = σ (1 - σ) dout.

        σ' = e⁻ˣ / (1 + e⁻ˣ)² = σ (1 - σ), since e⁻ˣ / (1 + e⁻ˣ) = 1 - σ.
        """
        slope = np.subtract(1, self.out, out=self.memory("slope", gradient.shape))
        slope *= self.out
        return np.multiply(gradient, slope, out=gradient)
