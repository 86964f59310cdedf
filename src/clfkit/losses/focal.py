"""Focal loss: cross-entropy that counts samples less the better they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from clfkit.components import losses
from clfkit.losses import Loss
from clfkit.losses.cross_entropy import CrossEntropy

if TYPE_CHECKING:
    from torch import Tensor

    from clfkit.data.bundle import ClassMap
    from clfkit.losses import Weights


class Focal(CrossEntropy):
    """Σ_k t_k w_k (1 - p_k)^γ (-log p_k) with p = softmax(z), t the smoothed targets of `CrossEntropy`."""

    def __init__(self, classes: int, label_smoothing: float, weights: Weights | None, gamma: float) -> None:
        super().__init__(classes, label_smoothing, weights)
        self.gamma = gamma

    def torch(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> tuple[Tensor, Tensor | float]:
        from torch import finfo

        surprise = -logits.log_softmax(dim=1)
        unsure = (-(-surprise).expm1()).clamp(min=finfo(logits.dtype).tiny)  # 0^γ has no finite slope for γ < 1
        terms = unsure**self.gamma * surprise
        if self._weights is not None:
            terms = terms * self._device_weights(labels, self._weights).to(terms.dtype)
        found = terms.gather(1, labels[:, None])[:, 0]
        if self.label_smoothing:
            found = (1 - self.label_smoothing) * found + self.label_smoothing * terms.mean(dim=1)
        total = found.sum() if shares is None else (found * shares.to(found.dtype)).sum()
        return total, self.weight(labels, shares)


@losses.register("focal")
def focal(classes: ClassMap, label_smoothing: float, weights: Weights | None, *, gamma: NonNegativeFloat = 2.0) -> Loss:
    """Cross-entropy times (1 - p)^γ, p the probability of the class: hard samples count more (Lin et al. 2017).

    Options:
        gamma: how much less sure samples count; 0 is cross_entropy
    """
    return Focal(len(classes), label_smoothing, weights, gamma)
