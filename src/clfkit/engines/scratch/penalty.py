"""Penalties on large weights: L1, L2 and decoupled decay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clfkit.components import OptimizerOptions
from clfkit.engines.scratch.memory import Array


@dataclass(frozen=True)
class Penalty:
    """What is added to the loss for large weights, as gradients; biases and scales of normalisation go free.

    L2 adds λ/2 Σ w² to the loss, and λ w to the gradient. L1 adds l1 Σ |w|, and l1 sign(w) (0 at 0). Decoupled decay
    is no part of the loss: w ← (1 - η λ) w before each step, whatever the optimizer makes of gradients.
    """

    options: OptimizerOptions

    def loss(self, w: Array) -> float:
        """λ/2 Σ w² + l1 Σ |w| of the weights."""
        l2 = 0.0 if self.options.decoupled else self.options.weight_decay
        return 0.5 * l2 * float(np.dot(w, w)) + self.options.l1 * float(np.abs(w).sum())

    def learn(self, w: Array, g: Array) -> None:
        """g ← g + λ w + l1 sign(w), the gradient of `loss`."""
        if self.options.l1:
            g += self.options.l1 * np.sign(w)
        if self.options.weight_decay and not self.options.decoupled:
            g += self.options.weight_decay * w

    def shrink(self, w: Array, lr: float) -> None:
        """Decoupled decay of one step."""
        if self.options.weight_decay and self.options.decoupled:
            w *= 1 - lr * self.options.weight_decay
