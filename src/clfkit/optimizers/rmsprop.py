"""RMSProp: steps scaled by a running mean of the squared gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from clfkit.components import optimizers
from clfkit.optimizers import ParameterGroups
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch.optim import Optimizer


@optimizers.register("rmsprop")
def rmsprop(
    groups: ParameterGroups,
    *,
    lr: PositiveFloat = 1e-3,
    alpha: Fraction = 0.99,
    eps: PositiveFloat = 1e-8,
    momentum: Fraction = 0.0,
) -> Optimizer:
    """RMSProp (Hinton's lecture 6e, 2012): w ← w - η g / (√v + ε), v the running mean of g².

    Options:
        lr: learning rate η.
        alpha: decay of the running mean v.
        eps: added to the root, against division by zero.
        momentum: share of the last step that is kept.
    """
    from torch.optim import RMSprop

    return RMSprop(groups, lr, alpha, eps, momentum=momentum)
