"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from clfkit.components import optimizers
from clfkit.optimizers import ParameterGroups
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch.optim import Optimizer


@optimizers.register("sgd")
def sgd(
    groups: ParameterGroups, *, lr: PositiveFloat = 0.1, momentum: Fraction = 0.0, nesterov: bool = False
) -> Optimizer:
    """Stochastic gradient descent: v ← μ v + g, w ← w - η v.

    Options:
        lr: learning rate η.
        momentum: share μ of the last step's velocity that is kept.
        nesterov: look ahead along the velocity before stepping (needs momentum).
    """
    from torch.optim import SGD

    return SGD(groups, lr, momentum, nesterov=nesterov and momentum > 0)
