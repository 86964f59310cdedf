"""Softmax cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import losses
from clfkit.losses import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from clfkit.data.bundle import ClassMap
    from clfkit.losses import Weights


class CrossEntropy(Loss):
    """-Σ w[y] log softmax(z)[y]; label smoothing s moves the share s of every target evenly to all K classes.

    As torch.nn.functional.cross_entropy, whose mean is the sum divided by the weights of the labels.
    """

    def __init__(self, classes: int, label_smoothing: float, weights: Weights | None) -> None:
        self.outputs = classes
        self.label_smoothing = label_smoothing
        self._weights = weights
        self._on_device: Tensor | None = None

    def torch(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> tuple[Tensor, Tensor | float]:
        from torch.nn.functional import cross_entropy

        found = cross_entropy(
            logits,
            labels,
            None if self._weights is None else self._device_weights(labels, self._weights).to(logits.dtype),
            reduction="sum" if shares is None else "none",
            label_smoothing=self.label_smoothing,
        )
        total = found if shares is None else (found * shares.to(found.dtype)).sum()
        return total, self.weight(labels, shares)

    def weight(self, labels: Tensor, shares: Tensor | None = None) -> Tensor | float:
        if self._weights is None:
            return float(len(labels)) if shares is None else shares.sum()
        weights = self._device_weights(labels, self._weights)[labels]
        return weights.sum() if shares is None else (weights * shares).sum()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1)

    def _device_weights(self, labels: Tensor, weights: Weights) -> Tensor:
        """The class weights beside the labels, in float64 where the device has it."""
        if self._on_device is None or self._on_device.device != labels.device:
            from torch import float32, float64, from_numpy

            exact = from_numpy(weights).to(float32 if labels.device.type == "mps" else float64)
            self._on_device = exact.to(labels.device)
        return self._on_device


@losses.register("cross_entropy")
def cross_entropy(classes: ClassMap, label_smoothing: float, weights: Weights | None) -> Loss:
    """Softmax cross-entropy over one logit for each class."""
    return CrossEntropy(len(classes), label_smoothing, weights)
