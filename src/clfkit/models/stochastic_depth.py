"""Stochastic depth: a residual branch that is left out at random for single samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def stochastic_depth(rate: float) -> nn.Module:
    """A module (N, …) → (N, …) that zeroes each sample with probability `rate` in training (Huang et al. 2016).

    What is kept is multiplied by 1 / (1 - rate), so that evaluation, which changes nothing, sees the expected value.
    Draws come from torch's default generator, as those of its dropout do. rate: 0 to below 1; at 0 nothing is drawn.
    """
    from torch import nn

    class StochasticDepth(nn.Module):
        def forward(self, branch: Tensor) -> Tensor:
            if not self.training:
                return branch
            kept = branch.new_empty(len(branch), *[1] * (branch.ndim - 1)).bernoulli_(1 - rate)
            return branch * kept.div_(1 - rate)

        def extra_repr(self) -> str:
            return f"rate={rate:.3g}"

    return StochasticDepth() if rate else nn.Identity()
