"""The running average of a torch module's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clfkit.engines.averaging import Average


class TorchAverage(Average):
    """See Average. Tensors that several names share are averaged once.

    torch.optim.swa_utils would do the same with a second module, and without a rule for the first steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(decay)
        floats = (tensor for tensor in model.state_dict().values() if tensor.is_floating_point())
        self._held: list[Tensor] = list({tensor.data_ptr(): tensor for tensor in floats if tensor.numel()}.values())
        self._kept = [tensor.clone() for tensor in self._held]

    @property
    def nbytes(self) -> int:
        """Bytes of the averages."""
        return sum(tensor.nbytes for tensor in self._kept)

    def _blend(self, share: float) -> None:
        torch._foreach_lerp_(self._kept, self._held, share)

    def _swap(self) -> None:
        for held, kept in zip(self._held, self._kept, strict=True):
            before = held.clone()
            held.copy_(kept)
            kept.copy_(before)
