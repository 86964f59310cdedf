"""GELU: a number times the probability that a normal one is smaller."""

from __future__ import annotations

import math

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


class GELU(Fixed):
    """out = x Φ(x), with Φ the distribution function of the standard normal (Hendrycks and Gimpel 2016)."""

    def infer(self, x: Array) -> Array:
        from scipy.special import ndtr

        self.x = x
        self.share: Array = ndtr(x, out=self.memory("share", x.shape))
        out: Array = np.multiply(x, self.share, out=self.memory("out", x.shape))
        return out

    def backward(self, gradient: Array) -> Array:
        """dx = (Φ(x) + x φ(x)) dout, by the product rule; φ = Φ' = e^(-x²/2) / √(2π)."""
        slope = np.multiply(self.x, self.x, out=self.memory("slope", gradient.shape))
        slope *= -0.5
        np.exp(slope, out=slope)
        slope *= self.x
        slope *= 1 / math.sqrt(2 * math.pi)
        slope += self.share
        return np.multiply(gradient, slope, out=gradient)
