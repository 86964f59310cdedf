"""What a module may tell the engine that trains it: parts that learn later, and parts that learn at another rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import nn


@runtime_checkable
class LearnsLater(Protocol):
    """A module of which parts learn from some epoch on.

    It is built with `requires_grad` as it will be at last, so that the optimizer knows every tensor that ever learns.
    """

    def start_epoch(self, epoch: int) -> None:
        """Set `requires_grad`, and the mode of frozen parts, as the epoch wants them; the first one is 1.

        Called before every epoch's first step, and again where an epoch is resumed in its middle.
        """


@runtime_checkable
class LearnsAtRates(Protocol):
    """A module of which parts learn faster or slower than the optimizer's rate says."""

    def rate_factors(self) -> Mapping[str, float]:
        """Factors above 0 on the learning rate by the names of parameters; those not named have 1."""


def layer_factors(network: nn.Module, factor: float, decay: float) -> dict[str, float]:
    """Rate factors of a network's parameters by name: factor · decay^k for its k-th child from the end, k = 1, 2, …

    Layer-wise decay as in Clark et al. 2020 (ELECTRA). Children without parameters are not counted; where there is one
    alone its own children are. A parameter outside of all children has the factor of the first child.
    """
    prefix, children = "", _children(network)
    while len(children) == 1:
        (name, only), *_ = children
        if not _children(only):
            break
        prefix, children = f"{prefix}{name}.", _children(only)
    depths = {f"{prefix}{name}.": len(children) - index for index, (name, _) in enumerate(children)}
    return {
        name: factor * decay ** next((d for start, d in depths.items() if name.startswith(start)), len(children))
        for name, _ in network.named_parameters()
    }


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, child) for name, child in module.named_children() if any(True for _ in child.parameters())]
