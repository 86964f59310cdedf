"""Stacks of dense layers, as the MLP and the heads of other models use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from clfkit.models.activations import Activation, activation

if TYPE_CHECKING:
    from torch import nn

Norm = Literal["none", "batch", "layer"]


def dense_layers(
    inputs: int, hidden: Sequence[int], outputs: int, kind: Activation, dropout: float, norm: Norm
) -> list[nn.Module]:
    """Linear → norm → activation → dropout for each hidden width, then one linear layer to the outputs."""
    from torch import nn

    norms: dict[Norm, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(inputs, width))
        if norm in norms:
            layers.append(norms[norm](width))
        layers.append(activation(kind))
        if dropout:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return [*layers, nn.Linear(inputs, outputs)]
