"""Stacks of dense layers, as the MLP and the heads of other models use them."""

from __future__ import annotations

from collections.abc import Sequence

from clfkit.models.plan import Activate, Activation, BatchNorm, Dense, Dropout, Layer, LayerNorm, Norm
from clfkit.options import Needs

HIDDEN = Needs("hidden layers", lambda group: group.hidden)
"""What options of hidden layers need."""


def dense_layers(
    inputs: int, hidden: Sequence[int], outputs: int, kind: Activation, dropout: float, norm: Norm
) -> tuple[Layer, ...]:
    """Dense → norm → activation → dropout for each hidden width, then one dense layer to the outputs."""
    layers: list[Layer] = []
    for width in hidden:
        layers += [Dense(inputs, width), *norm_layers(width, norm), Activate(kind)]
        if dropout:
            layers.append(Dropout(dropout))
        inputs = width
    return (*layers, Dense(inputs, outputs))


def norm_layers(width: int, norm: Norm) -> tuple[Layer, ...]:
    """The layer of a norm for so many features; none for `none`."""
    match norm:
        case "batch":
            return (BatchNorm(width),)
        case "layer":
            return (LayerNorm(width),)
    return ()
