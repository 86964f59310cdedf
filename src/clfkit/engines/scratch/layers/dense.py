"""The dense layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan


class Dense(Fixed):
    """out = W x + b, with x (inputs, N), W (outputs, inputs), b (outputs,), out (outputs, N)."""

    decayed = frozenset({"weight"})

    def __init__(self, layer: plan.Dense, memory: Memory) -> None:
        super().__init__(memory)
        self.shapes = {"weight": (layer.outputs, layer.inputs), "bias": (layer.outputs,)}

    def infer(self, x: Array) -> Array:
        self.x = x
        weight, bias = self.weights["weight"], self.weights["bias"]
        out = np.dot(weight, x, out=self.memory("out", (len(weight), x.shape[1])))
        out += bias[:, None]
        return out

    def learn(self, gradient: Array) -> None:
        """dW = dout xᵀ and db = Σₙ doutₙ.

        out_in = Σ_j W_ij x_jn + b_i, so ∂out_in/∂W_ij = x_jn and ∂out_in/∂b_i = 1. By the chain rule
        ∂L/∂W_ij = Σₙ dout_in x_jn, which is the matrix product (outputs, N)·(N, inputs), and ∂L/∂b_i = Σₙ dout_in.
        """
        np.dot(gradient, self.x.T, out=self.gradients["weight"])
        ones = self.memory("ones", (gradient.shape[1],), fill=1)
        np.dot(gradient, ones, out=self.gradients["bias"])  # a sum along the samples, twice as fast as `sum`

    def backward(self, gradient: Array) -> Array:
        """dx = Wᵀ dout.

        ∂out_in/∂x_jn = W_ij, and x_jn reaches the loss through every output i: ∂L/∂x_jn = Σ_i W_ij dout_in.
        """
        weight = self.weights["weight"]
        return np.dot(weight.T, gradient, out=self.memory("dx", self.x.shape))
