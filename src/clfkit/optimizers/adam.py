"""Adam: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from clfkit.components import optimizers
from clfkit.optimizers import ParameterGroups
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch.optim import Optimizer


@optimizers.register("adam")
def adam(
    groups: ParameterGroups,
    *,
    lr: PositiveFloat = 1e-3,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    eps: PositiveFloat = 1e-8,
) -> Optimizer:
    """Adam (Kingma and Ba 2015): w ← w - η m̂ / (√v̂ + ε).

    Options:
        lr: learning rate η.
        beta1: decay of the running mean m of the gradient.
        beta2: decay of the running mean v of its square.
        eps: added to the root, against division by zero.
    """
    from torch.optim import Adam

    return Adam(groups, lr, (beta1, beta2), eps, fused=True)
