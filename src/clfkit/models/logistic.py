"""Logistic regression, the baseline that every network should beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import models
from clfkit.data.bundle import DataSpec

if TYPE_CHECKING:
    from torch import nn


@models.register("logistic")
def logistic(spec: DataSpec, outputs: int) -> nn.Module:
    """One linear layer: (multinomial) logistic regression.

    Inputs (N, …) → logits (N, outputs).
    """
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(spec.features, outputs))
