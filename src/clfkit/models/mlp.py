"""The multi-layer perceptron."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveInt

from clfkit.components import models
from clfkit.models.dense import HIDDEN, dense_layers
from clfkit.models.plan import Activation, Flatten, Initialisation, Norm, Plan
from clfkit.options import Fraction

if TYPE_CHECKING:
    from clfkit.data.bundle import DataSpec


@models.register("mlp", engine=None)
def mlp(
    spec: DataSpec,
    outputs: int,
    *,
    hidden: tuple[PositiveInt, ...] = (64, 64),
    activation: Annotated[Activation, HIDDEN] = "relu",
    dropout: Annotated[Fraction, HIDDEN] = 0.0,
    norm: Annotated[Norm, HIDDEN] = "none",
    init: Initialisation = "uniform",
) -> Plan:
    """Dense layers with an activation between them; images are flattened first.

    Inputs (N, …) → logits (N, outputs).

    Options:
        hidden: widths of the hidden layers.
        activation: applied after every hidden layer.
        dropout: share of hidden activations set to zero in training.
        norm: normalisation before each activation.
        init: first weights: uniform as in torch, he (suits ReLU) or glorot (suits tanh).
    """
    return Plan((Flatten(), *dense_layers(spec.features, hidden, outputs, activation, dropout, norm)), init)
