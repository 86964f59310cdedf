"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveFloat

from clfkit.components import optimizers
from clfkit.errors import UsageError
from clfkit.optimizers import ParameterGroups
from clfkit.options import Fraction, Needs

if TYPE_CHECKING:
    from torch.optim import Optimizer


@optimizers.register("sgd")
def sgd(
    groups: ParameterGroups,
    *,
    lr: PositiveFloat = 0.1,
    momentum: Fraction = 0.0,
    nesterov: Annotated[bool, Needs("momentum above 0", lambda group: group.momentum)] = False,
) -> Optimizer:
    """Stochastic gradient descent: v ← μ v + g, w ← w - η v.

    Options:
        lr: learning rate η.
        momentum: share μ of the last step's velocity that is kept.
        nesterov: look ahead along the velocity before stepping (needs momentum above 0).
    """
    from torch.optim import SGD

    refuse_nesterov_alone(momentum, nesterov)
    return SGD(groups, lr, momentum, nesterov=nesterov)


def refuse_nesterov_alone(momentum: float, nesterov: bool) -> None:
    """Raises UsageError for a look ahead along a velocity that is not kept."""
    if nesterov and not momentum:
        raise UsageError("train.optimizer.nesterov: needs momentum above 0")
