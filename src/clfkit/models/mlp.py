"""The multi-layer perceptron."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PositiveInt

from clfkit.components import models
from clfkit.data.bundle import DataSpec
from clfkit.models.activations import Activation
from clfkit.models.dense import Norm, dense_layers
from clfkit.options import Fraction

if TYPE_CHECKING:
    from torch import nn


@models.register("mlp")
def mlp(
    spec: DataSpec,
    outputs: int,
    *,
    hidden: tuple[PositiveInt, ...] = (64, 64),
    activation: Activation = "relu",
    dropout: Fraction = 0.0,
    norm: Norm = "none",
) -> nn.Module:
    """Dense layers with an activation between them; images are flattened first.

    Inputs (N, …) → logits (N, outputs).

    Options:
        hidden: widths of the hidden layers.
        activation: applied after every hidden layer.
        dropout: share of hidden activations set to zero in training.
        norm: normalisation before each activation.
    """
    from torch import nn

    return nn.Sequential(nn.Flatten(), *dense_layers(spec.features, hidden, outputs, activation, dropout, norm))
