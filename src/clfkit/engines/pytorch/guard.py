"""Whether loss and gradients are finite, asked before each step along them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from clfkit.world import World


class Guard:
    """Looks at the numbers of a step before it is taken; once some are not finite it stays shut.

    A processor's answer is there at once. A device is not waited for where the optimizer steps by torch's fused
    kernel, which reads the answer there and then does nothing; for any other optimizer it is.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._found = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        self._waits = device.type == "cpu" or not optimizer.defaults.get("fused")
        if not self._waits:
            optimizer.found_inf = self._found  # type: ignore[attr-defined]

    def shut(self, loss: Tensor, parameters: Iterable[nn.Parameter], world: World) -> bool | Tensor:
        """Together: whether this step must not be taken, as a bool where the answer is known at once.

        loss: 0-d, of this process's samples.
        """
        numbers = [loss, *(parameter.grad for parameter in parameters if parameter.grad is not None)]
        # The only kernel that looks at all of them in one go. It also multiplies them, here by 1.
        torch._amp_foreach_non_finite_check_and_unscale_(numbers, self._found, self._one)
        if world.size > 1:  # one process alone may have the loss
            self._found.copy_(world.total(self._found).clamp(max=1))  # fused kernels look for 1, not for how many
        return bool(self._found) if self._waits else self._found.clone()
