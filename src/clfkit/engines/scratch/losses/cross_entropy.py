"""Softmax cross-entropy: how surprising the true classes are to the model."""

from __future__ import annotations

import numpy as np

from clfkit.components import losses
from clfkit.data.bundle import ClassMap, IndexArray
from clfkit.engines.scratch.layers.softmax import Softmax
from clfkit.engines.scratch.losses import ScratchLoss
from clfkit.engines.scratch.memory import Array, Memory


class CrossEntropy(ScratchLoss):
    """Σₙ [-(1 - s) w_y log p_y - s / K Σ_k w_k log p_k], with y the label of sample n and p = softmax(logits).

    s is the label smoothing: the share of the target that all K classes divide. Softmax and logarithm are one
    function here, log p_k = z_k - log Σ_j e^(z_j) with z the logits less their largest: it neither overflows nor
    loses digits where p is close to 0.
    """

    def __init__(self, classes: int, label_smoothing: float, weights: Array | None) -> None:
        super().__init__(weights)
        self.outputs = classes
        self.labels: IndexArray = np.empty(0, np.int64)
        self.smoothing = label_smoothing

    def allocate(self, memory: Memory) -> None:
        super().allocate(memory)
        self.softmax = Softmax(memory)

    def forward(self, logits: Array, labels: IndexArray) -> float:
        shape, count = logits.shape, len(labels)
        shifted = np.subtract(logits, np.maximum.reduce(logits, axis=0), out=self.memory("shifted", shape))
        self.exponentials = np.exp(shifted, out=self.memory("exponentials", shape))
        self.sums = np.add.reduce(self.exponentials, axis=0)
        if labels is not self.labels:  # a full batch has the same ones in every step
            self.labels = labels
            self.at = labels * count + np.arange(count)  # where each sample's own class stands in the flat logits
        logarithms = np.log(self.sums)
        surprise = logarithms - shifted.ravel().take(self.at)
        if self.weights is not None:
            surprise *= self.weights.take(labels)
        total = float(np.add.reduce(surprise))
        if not self.smoothing:
            return total
        every = logarithms - shifted if self.weights is None else (logarithms - shifted) * self.weights[:, None]
        return (1 - self.smoothing) * total + self.smoothing / len(logits) * float(every.sum())

    def backward(self, scale: float) -> Array:
        """dz_k = a p_k - (1 - s) w_y [k = y] - s w_k / K, times `scale`, with a = (1 - s) w_y + s / K Σ_j w_j.

        ∂ log p_j / ∂z_k = [j = k] - p_k. Each term -c_j log p_j of the loss thus gives c_j p_k - c_j [j = k]; summed
        over j the first parts make a p_k, with a the sum of all c. Without weights and smoothing: p - onehot(y).
        """
        classes, share = len(self.exponentials), self.smoothing / len(self.exponentials)
        own = 1 - self.smoothing if self.weights is None else (1 - self.smoothing) * self.weights.take(self.labels)
        every = classes if self.weights is None else float(self.weights.sum())
        gradient: Array = np.multiply(
            self.exponentials,
            (own + share * every) * scale / self.sums,
            out=self.memory("gradient", self.exponentials.shape),
        )
        if self.smoothing:
            gradient -= share * scale if self.weights is None else (share * scale * self.weights)[:, None]
        gradient.reshape(-1)[self.at] -= own * scale
        return gradient

    def probabilities(self, logits: Array) -> Array:
        return self.softmax.infer(logits)


@losses.implement("cross_entropy", engine="scratch")
def cross_entropy(classes: ClassMap, label_smoothing: float, weights: Array | None) -> CrossEntropy:
    """Softmax cross-entropy over one logit for each class."""
    return CrossEntropy(len(classes), label_smoothing, weights)
