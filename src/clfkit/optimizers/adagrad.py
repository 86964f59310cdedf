"""Adagrad: steps scaled by the sum of all squared gradients so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from clfkit.components import optimizers
from clfkit.optimizers import ParameterGroups

if TYPE_CHECKING:
    from torch.optim import Optimizer


@optimizers.register("adagrad")
def adagrad(groups: ParameterGroups, *, lr: PositiveFloat = 1e-2, eps: PositiveFloat = 1e-10) -> Optimizer:
    """Adagrad (Duchi, Hazan and Singer 2011): w ← w - η g / (√G + ε), G the sum of g² since the start.

    Options:
        lr: learning rate η.
        eps: added to the root, against division by zero.
    """
    from torch.optim import Adagrad

    return Adagrad(groups, lr, eps=eps)
