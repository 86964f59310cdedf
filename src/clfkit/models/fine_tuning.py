"""What a module may tell the engine that trains it: parts that learn later, and parts that learn at another rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """Rate factors of a network's parameters by name: factor · decay^k for its k-th layer from the end, k = 1, 2, …

    Layer-wise decay as in Clark et al. 2020 (ELECTRA). Layers are the children in the order in which they were defined,
    where a Sequential, a ModuleList and whatever holds more than half of all numbers stands for its own children: the
    blocks of a residual network or transformer. A child with vectors alone (a norm, a scale) belongs to the layer
    before it, a parameter outside of all children to the first.
    """
    half = _size(network) / 2
    places: dict[str, int] = {}  # beginnings of names, and which layer from the start they are of
    layers = 0
    for place, child in _parts(network, "", half):
        layers += any(parameter.ndim > 1 for parameter in child.parameters())
        places[place] = max(layers, 1)
    return {
        name: factor * decay ** (layers + 1 - next((at for start, at in places.items() if name.startswith(start)), 1))
        for name, _ in network.named_parameters()
    }


def _parts(module: nn.Module, place: str, half: float) -> Iterator[tuple[str, nn.Module]]:
    """The children that layers are counted by, each with the beginning of its parameters' names."""
    from torch import nn

    for name, child in module.named_children():
        if isinstance(child, (nn.Sequential, nn.ModuleList)) or (_size(child) > half and any(child.children())):
            yield from _parts(child, f"{place}{name}.", half)
        elif _size(child):
            yield f"{place}{name}.", child


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
