"""Batch normalisation: every feature gets mean 0 and variance 1 over the batch."""

from __future__ import annotations

import numpy as np

from clfkit.engines.scratch.layers import Layer
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan


class BatchNorm(Layer):
    """out = γ x̂ + β with x̂ = (x - μ) / √(v + ε); γ (weight) and β (bias) are learned (Ioffe and Szegedy 2015).

    In training μ and v are mean and variance of each feature over the M numbers that it has in the batch: its N
    samples, and for a channel of an image (C, H, W, N) its N·H·W pixels. Meanwhile running means of both are kept:
    running ← (1 - m) running + m batch, with the unbiased variance v M / (M - 1). Evaluation takes those.
    """

    def __init__(self, layer: plan.BatchNorm, memory: Memory) -> None:
        super().__init__(memory)
        self.momentum, self.eps = layer.momentum, layer.eps
        self.shapes = {"weight": (layer.features,), "bias": (layer.features,)}
        self.statistics = {
            "running_mean": np.zeros(layer.features, memory.dtype),
            "running_var": np.ones(layer.features, memory.dtype),
            "num_batches_tracked": np.array(0, np.int64),
        }

    def forward(self, x: Array, generator: np.random.Generator) -> Array:
        rows = x.reshape(len(x), -1)
        mean = rows.mean(axis=1)
        normed = np.subtract(rows, mean[:, None], out=self.memory("normed", rows.shape))
        variance = np.einsum("fm,fm->f", normed, normed) / rows.shape[1]
        self.inverse = 1 / np.sqrt(variance + self.eps)
        normed *= self.inverse[:, None]
        self.normed = normed
        self._follow(mean, variance * (rows.shape[1] / (rows.shape[1] - 1)))
        return self._scaled(normed, x.shape)

    def infer(self, x: Array) -> Array:
        mean, variance = self.statistics["running_mean"], self.statistics["running_var"]
        rows = x.reshape(len(x), -1)
        normed = np.subtract(rows, mean[:, None], out=self.memory("normed", rows.shape))
        normed *= (1 / np.sqrt(variance + self.eps))[:, None]
        return self._scaled(normed, x.shape)

    def learn(self, gradient: Array) -> None:
        """dγ = Σ dout x̂ and dβ = Σ dout, over the M numbers of each feature, since out = γ x̂ + β."""
        rows = gradient.reshape(self.normed.shape)
        np.einsum("fm,fm->f", rows, self.normed, out=self.gradients["weight"])
        rows.sum(axis=1, out=self.gradients["bias"])

    def backward(self, gradient: Array) -> Array:
        """dx = γ / √(v + ε) · (dout - dβ / M - x̂ dγ / M).

        x_m moves out_m directly, by γ / √(v + ε), and all others of its feature through μ and v. With x̂ the
        derivatives are ∂x̂_k/∂x_m = (δ_km - 1/M - x̂_k x̂_m / M) / √(v + ε): shifting all x by the same amount, or
        stretching them, changes no x̂. The sums over k of dout_k and dout_k x̂_k are dβ and dγ.
        """
        rows, count = gradient.reshape(self.normed.shape), self.normed.shape[1]
        dx = np.multiply(self.normed, (self.gradients["weight"] / -count)[:, None], out=self.memory("dx", rows.shape))
        dx += rows
        dx -= (self.gradients["bias"] / count)[:, None]
        dx *= (self.weights["weight"] * self.inverse)[:, None]
        shaped: Array = dx.reshape(gradient.shape)
        return shaped

    def _scaled(self, normed: Array, shape: tuple[int, ...]) -> Array:
        out: Array = np.multiply(normed, self.weights["weight"][:, None], out=self.memory("out", normed.shape))
        out += self.weights["bias"][:, None]
        return out.reshape(shape)

    def _follow(self, mean: Array, variance: Array) -> None:
        for name, value in (("running_mean", mean), ("running_var", variance)):
            self.statistics[name] *= 1 - self.momentum
            self.statistics[name] += self.momentum * value
        self.statistics["num_batches_tracked"] += 1
