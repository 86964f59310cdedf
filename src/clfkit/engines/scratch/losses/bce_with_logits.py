"""Binary cross-entropy: two classes and one logit, which is the log of their odds."""

from __future__ import annotations

import numpy as np

from clfkit.components import losses
from clfkit.data.bundle import ClassMap, IndexArray
from clfkit.engines.scratch.layers.sigmoid import sigmoid
from clfkit.engines.scratch.losses import ScratchLoss
from clfkit.engines.scratch.memory import Array
from clfkit.losses.bce_with_logits import refuse_other_than_two


class BinaryCrossEntropy(ScratchLoss):
    """Σₙ w_y [-t log σ(z) - (1 - t) log(1 - σ(z))], t = y (1 - s) + s / 2 under label smoothing s.

    Since log σ(z) = z + log σ(-z) and 1 - σ(z) = σ(-z), each term is log(1 + e^(-|z|)) + max(z, 0) - t z: the
    exponential of a negative number never overflows.
    """

    outputs = 1

    def __init__(self, label_smoothing: float, weights: Array | None) -> None:
        super().__init__(weights)
        self.smoothing = label_smoothing

    def forward(self, logits: Array, labels: IndexArray) -> float:
        self.z, self.labels = logits[0], labels
        self.targets = labels * (1 - self.smoothing) + self.smoothing / 2
        terms = np.log1p(np.exp(-np.abs(self.z))) + np.maximum(self.z, 0) - self.targets * self.z
        if self.weights is not None:
            terms *= self.weights.take(labels)
        return float(terms.sum())

    def backward(self, scale: float) -> Array:
        """dz = w_y (σ(z) - t), times `scale`.

        d/dz log(1 + e^z) = σ(z), and log(1 + e^(-|z|)) + max(z, 0) is log(1 + e^z).
        """
        gradient = self.memory("gradient", (1, len(self.z)))
        sigmoid(self.z, gradient[0])
        gradient -= self.targets
        gradient *= scale if self.weights is None else scale * self.weights.take(self.labels)
        return gradient

    def probabilities(self, logits: Array) -> Array:
        both = self.memory("probabilities", (2, logits.shape[1]))
        sigmoid(-logits[0], both[0])  # not 1 - σ(z), of which nothing is left where σ(z) is close to 1
        sigmoid(logits[0], both[1])
        return both

    def predicted(self, logits: Array) -> IndexArray:
        positive: IndexArray = (logits[0] > 0).astype(np.int64)
        return positive


@losses.implement("bce_with_logits", engine="scratch")
def bce_with_logits(classes: ClassMap, label_smoothing: float, weights: Array | None) -> BinaryCrossEntropy:
    """Binary cross-entropy over a single logit: positive means the second class."""
    refuse_other_than_two(classes)
    return BinaryCrossEntropy(label_smoothing, weights)
