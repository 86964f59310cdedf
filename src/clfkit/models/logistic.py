"""Logistic regression, the baseline that every network should beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import models
from clfkit.models.plan import Dense, Flatten, Initialisation, Plan

if TYPE_CHECKING:
    from clfkit.data.bundle import DataSpec


@models.register("logistic", engine=None)
def logistic(spec: DataSpec, outputs: int, *, init: Initialisation = "uniform") -> Plan:
    """One linear layer: (multinomial) logistic regression.

    Inputs (N, …) → logits (N, outputs).

    Options:
        init: first weights: uniform as in torch, he or glorot.
    """
    return Plan((Flatten(), Dense(spec.features, outputs)), init)
