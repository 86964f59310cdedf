"""Logit adjustment: a loss on logits to which the log of the class frequencies was added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.losses import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from clfkit.losses import Weights


class Adjusted(Loss):
    """L(z + offsets, y) for another loss L; what is predicted, and how probable, follows from z itself.

    offsets: (outputs,). See `clfkit.losses.offsets_of`.
    """

    def __init__(self, loss: Loss, offsets: Weights) -> None:
        self.outputs = loss.outputs
        self._loss = loss
        self._offsets = offsets
        self._beside: Tensor | None = None

    def torch(self, logits: Tensor, labels: Tensor, shares: Tensor | None = None) -> tuple[Tensor, Tensor | float]:
        if self._beside is None or (self._beside.device, self._beside.dtype) != (logits.device, logits.dtype):
            self._beside = logits.new_tensor(self._offsets)
        return self._loss.torch(logits + self._beside, labels, shares)

    def weight(self, labels: Tensor, shares: Tensor | None = None) -> Tensor | float:
        return self._loss.weight(labels, shares)

    def probabilities(self, logits: Tensor) -> Tensor:
        return self._loss.probabilities(logits)

    def predicted(self, logits: Tensor) -> Tensor:
        return self._loss.predicted(logits)
