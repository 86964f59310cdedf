"""Logistic regression, the baseline that every network should beat."""

from __future__ import annotations

from clfkit.components import models
from clfkit.data.bundle import DataSpec
from clfkit.models.plan import Dense, Flatten, Initialisation, Plan


@models.register("logistic", engine=None)
def logistic(spec: DataSpec, outputs: int, *, init: Initialisation = "uniform") -> Plan:
    """One linear layer: (multinomial) logistic regression.

    Inputs (N, …) → logits (N, outputs).

    Options:
        init: first weights: uniform as in torch, he or glorot.
    """
    return Plan((Flatten(), Dense(spec.features, outputs)), init)
