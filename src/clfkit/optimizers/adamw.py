"""AdamW: Adam whose weight decay does not pass through the moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveFloat

from clfkit.components import optimizers
from clfkit.optimizers import ParameterGroups
from clfkit.optimizers.adam import adam
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch.optim import Optimizer


@optimizers.register("adamw")
def adamw(
    groups: ParameterGroups,
    *,
    lr: PositiveFloat = 1e-3,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    eps: PositiveFloat = 1e-8,
    weight_decay: NonNegativeFloat = 0.01,
    decoupled: bool = True,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): w ← w - η λ w before each Adam step.

    Options:
        lr: learning rate η.
        beta1: decay of the running mean of the gradient.
        beta2: decay of the running mean of its square.
        eps: added to the root, against division by zero.
        weight_decay: decay λ of the weights, as a share of the learning rate.
        decoupled: what makes it AdamW; without it this is Adam with an L2 penalty.
    """
    return adam(groups, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
