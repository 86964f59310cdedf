"""Softmax: any numbers become shares of one."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array


class Softmax(Fixed):
    """The layer that the losses end with, as a layer of its own: a network stops at its logits.

    out_kn = e^(x_kn) / Σ_j e^(x_jn): positive, and 1 in sum for each sample.

    Taking the largest x of a sample from all of them first changes nothing (it cancels) and keeps e^x finite.
    """

    def infer(self, x: Array) -> Array:
        out: Array = np.subtract(x, x.max(axis=0), out=self.memory("out", x.shape))
        np.exp(out, out=out)
        out /= out.sum(axis=0)
        self.out = out
        return out

    def backward(self, gradient: Array) -> Array:
        """dx = p (dout - Σ_j dout_j p_j) with p = out.

        ∂p_j/∂x_k = p_j (δ_jk - p_k), so ∂L/∂x_k = Σ_j dout_j p_j (δ_jk - p_k) = p_k (dout_k - Σ_j dout_j p_j).
        The cross-entropy does not come this way: together with it, everything but a difference cancels.
        """
        dx: Array = np.multiply(gradient, self.out, out=self.memory("dx", gradient.shape))
        dx -= self.out * dx.sum(axis=0)
        return dx
