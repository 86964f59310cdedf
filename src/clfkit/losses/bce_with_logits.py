"""Binary cross-entropy on one logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import losses
from clfkit.errors import DataError
from clfkit.losses import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from clfkit.data.bundle import ClassMap
    from clfkit.losses import Weights


class BinaryCrossEntropy(Loss):
    """-w[y] (t log σ(z) + (1-t) log(1-σ(z))) with t = y, or y (1-s) + s/2 under label smoothing s."""

    outputs = 1

    def __init__(self, label_smoothing: float, weights: Weights | None) -> None:
        self.label_smoothing = label_smoothing
        self._weights = None if weights is None else (float(weights[0]), float(weights[1]))

    def torch(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> tuple[Tensor, Tensor | float]:
        from torch.nn.functional import binary_cross_entropy_with_logits

        targets = labels.to(logits.dtype)
        if self.label_smoothing:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        weights = self._of_samples(labels, logits)
        if shares is not None:
            weights = shares.to(logits.dtype) if weights is None else weights * shares.to(logits.dtype)
        total = binary_cross_entropy_with_logits(logits[:, 0], targets, weights, reduction="sum")
        return total, self.weight(labels, shares)

    def weight(self, labels: Tensor, shares: Tensor | None = None) -> Tensor | float:
        if self._weights is None:
            return float(len(labels)) if shares is None else shares.sum()
        from torch import float32, float64

        negative, positive = self._weights
        exact = float32 if labels.device.type == "mps" else float64
        if shares is not None:
            return (shares.to(exact) * (negative + labels.to(exact) * (positive - negative))).sum()
        return len(labels) * negative + labels.sum().to(exact) * (positive - negative)

    def probabilities(self, logits: Tensor) -> Tensor:
        from torch import cat

        return cat(
            [(-logits).sigmoid(), logits.sigmoid()], dim=1
        )  # not 1 - σ(z), of which nothing is left for a large z

    def predicted(self, logits: Tensor) -> Tensor:
        return (logits[:, 0] > 0).long()

    def _of_samples(self, labels: Tensor, logits: Tensor) -> Tensor | None:
        if self._weights is None:
            return None
        negative, positive = self._weights
        return negative + labels.to(logits.dtype) * (positive - negative)


@losses.register("bce_with_logits", classes=2)
def bce_with_logits(classes: ClassMap, label_smoothing: float, weights: Weights | None) -> Loss:
    """Binary cross-entropy over a single logit: positive means the second class."""
    refuse_other_than_two(classes)
    return BinaryCrossEntropy(label_smoothing, weights)


def refuse_other_than_two(classes: ClassMap) -> None:
    """Raises DataError unless there are two classes, which only the data may know."""
    if len(classes) != 2:
        raise DataError(f"train.loss: bce_with_logits needs 2 classes, and the data has {len(classes)}")
