"""Layer normalisation: every sample gets mean 0 and variance 1 over its features."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Fixed
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan


class LayerNorm(Fixed):
    """out = γ x̂ + β with x̂ = (x - μ) / √(v + ε), μ and v of each sample's F features (Ba, Kiros and Hinton 2016)."""

    def __init__(self, layer: plan.LayerNorm, memory: Memory) -> None:
        super().__init__(memory)
        self.eps = layer.eps
        self.shapes = {"weight": (layer.features,), "bias": (layer.features,)}

    def infer(self, x: Array) -> Array:
        normed = np.subtract(x, x.mean(axis=0), out=self.memory("normed", x.shape))
        normed -= normed.mean(axis=0)  # what rounding left of the mean: a sum of rows loses digits in float32
        self.inverse = 1 / np.sqrt(np.einsum("fn,fn->n", normed, normed) / len(x) + self.eps)
        normed *= self.inverse
        self.normed = normed
        out: Array = np.multiply(normed, self.weights["weight"][:, None], out=self.memory("out", x.shape))
        out += self.weights["bias"][:, None]
        return out

    def learn(self, gradient: Array) -> None:
        """dγ = Σₙ dout x̂ and dβ = Σₙ dout, since out = γ x̂ + β."""
        np.einsum("fn,fn->f", gradient, self.normed, out=self.gradients["weight"])
        gradient.sum(axis=1, out=self.gradients["bias"])

    def backward(self, gradient: Array) -> Array:
        """dx = (g - mean(g) - x̂ mean(g x̂)) / √(v + ε) with g = γ dout and means over the features.

        As for batch normalisation, along the other axis: ∂x̂_k/∂x_m = (δ_km - 1/F - x̂_k x̂_m / F) / √(v + ε).
        """
        dx: Array = np.multiply(gradient, self.weights["weight"][:, None], out=self.memory("dx", gradient.shape))
        along = np.einsum("fn,fn->n", dx, self.normed) / len(dx)
        dx -= dx.mean(axis=0)
        dx -= self.normed * along
        dx *= self.inverse
        return dx
